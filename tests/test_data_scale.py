"""The benchmark of the data stages runs, and what it compares is equal."""

import re

from data_helpers import python


def test_benchmark_prints_its_table():
    done = python("-m", "benchmarks.data_scale", "--rows", "600", "--sample", "300")
    assert done.returncode == 0, done.stderr  # it is 1 where a row of the two sides differs
    rows = re.findall(r"^\| ([\d,]+) \| (.+?) \|", done.stdout, re.MULTILINE)
    ours = [("600", stage) for stage in ("clean", "format_prompts", "both")]
    assert rows == [*ours, ("300", "`datasets.map`, per row")]
    assert "times as long" in done.stdout
