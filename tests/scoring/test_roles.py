"""A summary's sentence is about the speaker whose name it writes, in any language."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.scoring.roles import Speakers, Weights

# The speakers' names, a summary, and whom each of its sentences names first.
NAMED = [
    (["Irem", "Can"], "İrem says restart router. Can waits.", ["Irem", "Can"]),
    (["ilker", "Can"], "İlker says no.", ["ilker"]),
    (["Kadir", "Can"], "KADİR SAYS NO.", ["Kadir"]),
    (["Işıl", "Can"], "IŞIL SAYS NO.", ["Işıl"]),
    (["İrem", "Can"], "İrem'in telefonu. IREM waits.", ["İrem", "İrem"]),
    (["i̇rem", "Can"], "İrem says no. Irem waits.", ["i̇rem", "i̇rem"]),  # as Python has İ in lower case
    (["Weiß", "Strauß"], "Weiß fragt. STRAUSS wartet. Strauß auch.", ["Weiß", "Strauß", "Strauß"]),
    (["Ann", "Anna"], "Anna says no. Ann waits. ANNA asks.", ["Anna", "Ann", "Anna"]),
    (["Anna", "Ann"], "Ann says no. Anna waits.", ["Ann", "Anna"]),
    (["agent", "agent 2"], "Agent 2 asks. Agent waits.", ["agent 2", "agent"]),
    (["Person1", "Person10"], "Person10 asks. Person1 waits.", ["Person10", "Person1"]),
    (["customer", "Customer Service"], "Customer service asks. Customer waits.",
     ["Customer Service", "customer"]),
    (["Customer", "Agent"], "The customers ask. An agent's boss waits.", ["Customer", "Agent"]),
    (["Kunde", "Agent"], "Den Kunden ärgert es. Agents Chef wartet.", ["Kunde", "Agent"]),
    (["клиент", "агент"], "Клиенту помог мастер. Клиент ждёт.", ["клиент", "клиент"]),
    (["고객", "상담원"], "고객이 신고했다. 상담원은 답했다.", ["고객", "상담원"]),
    (["客户", "Tom"], "客户说漏水。请Tom发照片。", ["客户", "Tom"]),
    (["Peter", "Amanda"], "Peters Bruder ruft an. Amanda wartet.", ["Peter", "Amanda"]),
    (["Amanda", "Will"], "amanda will call. peter waits.", ["Amanda"]),  # no capitals at all
    (["Tim", "Jo"], "It is time to join. The hotel will call.", []),
    (["Sam", "Al"], "The same again. Also the other.", []),
    (["Will", "Mark"], "They will mark it. Market Street is closed.", []),
    (["rep", "bot"], "Reply to both. A rep calls. Two bots wait.", ["rep", "bot"]),
]  # fmt: skip


def speakers(labels: list[str]) -> Speakers:
    turns = [{"speaker": label, "text": f"word{i}"} for i, label in enumerate(labels)]
    return Speakers(turns, str.split)


@pytest.mark.parametrize(("labels", "summary", "expected"), NAMED)
def test_the_speaker_named_is_found(labels, summary, expected):
    # What the one named said is their own, what the others said is not.
    known, word_of = speakers(labels), {label: f"word{i}" for i, label in enumerate(labels)}
    for label, word in word_of.items():
        text = summary.replace(".", f" {word} .").replace("。", f" {word} 。")
        found = known.mentions(text, Weights([]))
        assert [one.own > 0 for one in found] == [name == label for name in expected], label


@pytest.mark.parametrize(("labels", "summary", "expected"), NAMED)
def test_what_names_nobody_is_not_hidden(labels, summary, expected):
    hidden = speakers(labels).hide(summary)
    assert len(hidden) == len(summary)
    assert (hidden == summary) == (not expected)


LABELS = st.lists(st.text(st.sampled_from("AaIiİıßẞSsnNё1 #-"), min_size=1, max_size=5), max_size=4)


@given(LABELS, st.text(st.sampled_from("AaIiİıßẞSsnNё1 #-.\u0307"), max_size=20))
def test_any_names_are_looked_for_in_any_text(labels, text):
    known = speakers(labels)
    for one in known.mentions(text, Weights([])):
        assert 0 <= one.start < one.end <= len(text)
    assert len(known.hide(text)) == len(text)


@given(LABELS)
def test_a_speaker_named_as_written_is_found(labels):
    known = speakers(labels)
    for label in filter(str.strip, labels):
        assert not known.hide(label).replace("\ufffc", "").strip()
