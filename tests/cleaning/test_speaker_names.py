"""A word such as Note or Price before a colon is a speaker only if somebody has that name."""

import pytest

from tests.cleaning.test_chat import turns

ODD = ["Note", "Price", "No", "Time", "Order", "Model", "Link", "Date"]
SAID = ["my lamp fails, why?", "sorry, we will see.", "thank you so much"]


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("other", ["Mira", "Support Desk", "agent"])
def test_word_of_a_heading_may_be_a_speaker(name, other):
    long = f"{name}: {SAID[0]}\n{other}: {SAID[1]}\n{name}: {SAID[2]}"
    assert turns(long) == [(name, SAID[0]), (other, SAID[1]), (name, SAID[2])]
    assert turns(long.rsplit("\n", 1)[0]) == [(name, SAID[0]), (other, SAID[1])]
    answered = f"{other}: {SAID[0]}\n{name}: {SAID[1]}\n{other}: {SAID[2]}"
    assert [who for who, _ in turns(answered)] == [other, name, other]


def test_word_of_a_heading_may_be_one_of_three_people_or_a_family_name():
    three = f"No: {SAID[0]}\nMira: {SAID[1]}\nTom: ok\nNo: {SAID[2]}"
    assert [who for who, _ in turns(three)] == ["No", "Mira", "Tom", "No"]
    family = f"Alan Price: {SAID[0]}\nMira: {SAID[1]}\nAlan Price: {SAID[2]}"
    assert [who for who, _ in turns(family)] == ["Alan Price", "Mira", "Alan Price"]


def test_letters_may_be_speakers():
    assert turns("Q: is it late?\nA: it is") == [("Q", "is it late?"), ("A", "it is")]
    assert [who for who, _ in turns("C: is it late?\nA: it is\nC: oh no")] == ["C", "A", "C"]


@pytest.mark.parametrize(
    "line",
    ["Note: it is urgent", "Price: 20 euros", "Order number: 12", "PS: thanks a lot", "From: me"],
)
def test_heading_inside_a_message_is_not_a_speaker(line):
    text = f"Mira: {SAID[0]}\n{line}\nTom: {SAID[1]}\n{line}\nMira: ok"
    expected = [("Mira", f"{SAID[0]}\n{line}"), ("Tom", f"{SAID[1]}\n{line}"), ("Mira", "ok")]
    assert turns(text) == expected
    assert turns(f"Mira: {SAID[0]}\n{line}") == [("Mira", f"{SAID[0]}\n{line}")]


@pytest.mark.parametrize("line", ["Order: 12345", "Subject: the lamp", "Email: mira at home"])
def test_heading_before_the_first_message_is_not_a_speaker(line):
    assert turns(f"{line}\nMira: {SAID[0]}\nMira: hi") == [
        (None, line),
        ("Mira", SAID[0]),
        ("Mira", "hi"),
    ]
