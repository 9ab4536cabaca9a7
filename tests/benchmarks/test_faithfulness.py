"""Each measure of faithfulness sees an error that it is there for."""

import random

import pytest

from benchmarks import faithfulness as benchmark
from stages.scoring.faithfulness import MEASURES
from tests.helpers.shared import shared

SEEN = {
    "TweetSumm": ("tweetsumm/validation.jsonl", benchmark.read_tweetsumm),
    "DialogSum": ("dialogsum/dev.jsonl", benchmark.read_dialogsum),
}
OWN = {
    "number changed": "number_precision",
    "name swapped": "name_precision",
    "roles swapped": "role_precision",
    "another dialogue": "bigram_precision",
}


@pytest.mark.parametrize("corpus", SEEN)
def test_each_measure_sees_an_error(corpus):
    path, read = SEEN[corpus]
    results = benchmark.measure(read(shared(f"data/{path}"))[:150])
    for kind, measure in OWN.items():
        assert results[kind][1][measure] >= 0.7, kind
    for measure in MEASURES:
        assert max(aucs[measure] for _, aucs in results.values()) >= 0.7, measure


def test_corruptions_change_what_they_say():
    rng = random.Random(0)
    turns = [{"speaker": "customer", "text": "x"}, {"speaker": "agent", "text": "y"}]
    text = "Customer has waited 3 days. Agent asks the customer to call Delta."
    assert benchmark.swap_roles(text, turns) == (
        "Agent has waited 3 days. Customer asks the agent to call Delta."
    )
    assert benchmark.negate(text).startswith("Customer has not waited")
    changed = benchmark.change_number(text, rng).split()
    assert [word for word in changed if word.isdigit()] != ["3"]
    assert "call Tesco." in benchmark.swap_name(text, ["Delta", "Tesco"], rng)
    for corrupt in (benchmark.change_number, lambda t, r: benchmark.swap_name(t, ["Delta"], r)):
        assert corrupt("Nothing to change here.", rng) is None


def test_auc_is_the_probability_of_the_right_order():
    assert benchmark.auc([3, 2], [1, 0]) == 1 and benchmark.auc([1, 0], [1, 0]) == 0.5
    # Not defined: nothing against the summary.
    assert benchmark.auc([None], [100, 0]) == 1 and benchmark.auc([None], [None]) == 0.5
