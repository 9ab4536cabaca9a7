"""Words that a conversation lacks, and what it costs to look for them."""

import tracemalloc

from stages.scoring.new_words import Vocabulary, missing


def new(summary: str, conversation: str) -> list[str]:
    return [word for *_, word in missing(summary, Vocabulary(conversation))]


def test_a_form_of_a_word_is_not_new():
    assert new("The refunds, refunded, to refund", "we refunding THE thing to you") == []
    assert new("Refill cat refu the toe", "a refund, cats, there") == [
        "refill",
        "cat",
        "the",
        "toe",
    ]


def test_a_conversation_of_one_long_word_takes_the_memory_of_its_text():
    tracemalloc.start()
    try:
        assert "a" * 20_000 in Vocabulary("a" * 20_000)
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()
