"""The summary that is kept is one of the beams, and the one that most of them stand behind."""

from hypothesis import given
from hypothesis import strategies as st

from stages.common.consensus import most_agreed, ngrams, overlap


def texts(*words, least=0):
    return st.lists(st.sampled_from(words), min_size=least).map(" ".join)


TEXTS = texts("refund", "late", "parcel", "sent", "agent")


@given(st.lists(TEXTS, min_size=1, max_size=8))
def test_it_is_one_of_them(candidates):
    assert most_agreed(candidates) in candidates


@given(texts("refund", "late", "parcel", least=3), st.lists(texts("we", "are", "lost"), max_size=4))
def test_what_most_say_wins_wherever_it_stands(text, others):
    assert most_agreed([*others, *[text] * (len(others) + 1)]) == text


@given(TEXTS, TEXTS)
def test_overlap_is_symmetric_and_one_with_itself(one, other):
    a, b = ngrams(one.split()), ngrams(other.split())
    assert overlap(a, b) == overlap(b, a) <= 1
    if len(one.split()) >= 3:
        assert overlap(a, a) == 1


def test_the_odd_one_out_loses_though_it_is_the_likeliest():
    beams = [
        "The agent apologises.",
        "Customer asks for a refund of the ticket. Agent asks for a DM.",
        "Customer asks for a refund of the flight. Agent asks for a DM.",
    ]
    assert most_agreed(beams) in beams[1:]
