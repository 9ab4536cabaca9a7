"""The calculation of an archive on machines that fail."""

import random
from argparse import Namespace

import pytest

from benchmarks.archive_plan import simulate

PLAN = {
    "conversations": 1e6,
    "rate": 10.0,
    "workers": 10,
    "price": 2.0,
    "start_seconds": 0.0,
    "minutes_to_return": 0.0,
}


def test_without_failures_it_is_the_work_shared_out():
    args = Namespace(**PLAN, hours_to_failure=1e9)
    hours, failures, lost, dollars = simulate(1000, args, random.Random(0))
    ideal = 1e6 / 10 / 10 / 3600
    assert (hours, failures, lost) == (pytest.approx(ideal), 0, 0)
    assert dollars == pytest.approx(ideal * 10 * 2)


def test_failures_cost_what_theory_says():
    """A file that takes t is finished after (exp(t/m) - 1) m on average, failures every m."""
    each, mean = 1000 / 10, 200.0
    args = Namespace(**PLAN, hours_to_failure=mean / 3600)
    hours, failures, lost, _ = simulate(1000, args, random.Random(0))
    expected = (2.718281828 ** (each / mean) - 1) * mean / each
    assert hours * 3600 * 10 / (1000 * each) == pytest.approx(expected, rel=0.1)
    assert failures > 100 and 0.1 < lost < 0.5
