"""The benchmark of the data stages runs, and what it compares is equal."""

import re

from tests.helpers.data import python


def test_benchmark_prints_its_table():
    done = python("-m", "benchmarks.data_scale", "--rows", "600", "--sample", "300")
    assert done.returncode == 0, done.stderr  # it is 1 where a row of the two sides differs
    rows = re.findall(r"^\| ([\d,]+) \| (.+?) \|", done.stdout, re.MULTILINE)
    notes = ("", ", no near-duplicates")
    ours = [("600", s + note) for note in notes for s in ("clean", "format_prompts", "both")]
    assert rows == [*ours, ("300", "`datasets.map`, per row")]
    assert done.stdout.count("times as long") == len(notes)
