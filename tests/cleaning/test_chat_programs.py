"""Chats as programs copy and export them that write no colon after a name, or no line for a turn."""

import pytest

from stages.cleaning.chat import parse_chat

HELLO, SORRY, THANKS = "my kettle leaks", "a photo, please", "thank you"
TURNS = [("Mira", HELLO), ("Tom", SORRY), ("Mira", THANKS)]


def each(form: str, between: str = "\n") -> str:
    forms = (form.format(n=name, t=said, m=i) for i, (name, said) in enumerate(TURNS))
    return between.join(forms)


def turns(text: str) -> list[tuple]:
    return [(turn["speaker"], turn["text"]) for turn in parse_chat(text)]


@pytest.mark.parametrize(
    "text",
    [
        each("[{n}] [오후 9:1{m}] {t}"),
        each("[{n}] [9:1{m} PM] {t}"),
        each("{n} 2024-01-05 21:15:2{m}\n{t}\n"),
        each("Jan 05, 2024  9:15:2{m} PM (Read by Tom)\n{n}\n{t}\n"),
        each("{n}\nAPP  9:1{m} PM\n{t}"),
        each("- **{n}**: {t}"),
        each(">> {n}: {t}"),
        each("{n}: {t}", " | "),
        each("{n}: {t}", " || "),
        each("{n}: {t}", " <SEP> "),
        each("{n}៖ {t}"),
        each("[05-Jan-24 09:1{m} PM] {n}\n{t}\n"),
        each("[00:00:0{m} - 00:00:09] {n}: {t}"),
        each("[{m}.00s -> 12.50s] {n}: {t}"),
        each("{m}.00-12.50 {n}: {t}"),
        each("({m}.5s) {n}: {t}"),
        each("[00:0{m}.000 --> 00:09.000]  {n}: {t}"),
        each("\u200f[٥\u200f/١\u200f/٢٠٢٤، ٩:١٥:٢{m} م] {n}: {t}"),
    ],
)
def test_speakers_are_found(text):
    assert turns(text) == TURNS


@pytest.mark.parametrize("form", ["{n}: {t}", "- {n}: {t}", "[1{m}:00] {n}: {t}"])
@pytest.mark.parametrize("words", ["{}", 'a ""{}"" of it'])
def test_quotes_around_a_chat_are_no_part_of_it(form, words):
    text = each(form.replace("{t}", words.format("{t}")))
    expected = [(name, words.replace('""', '"').format(said)) for name, said in TURNS]
    assert turns(f'"{text}"\n') == expected


@pytest.mark.parametrize(
    "text", ['"Error: disk full"', '"Mira: hi" she said: "Tom: hello"', 'a "b: c d: e" f']
)
def test_quotes_of_what_somebody_said_stay(text):
    assert turns(text) == [(None, text)]


SIDES = [("user", HELLO), ("system", SORRY), ("user", THANKS)]


@pytest.mark.parametrize("form", ["<|{}|> {}", "[{}] {}", "<|{}|>\n{}<|end|>\n", "{}: {} <SEP>"])
def test_roles_in_marks_are_found(form):
    assert turns(" ".join(form.format(*turn) for turn in SIDES)) == SIDES


@pytest.mark.parametrize(
    "text",
    [
        "we sell a | b | c: all of them",
        "press the [user] button, then wait",
        "Friday 2024-01-05 21:15\nwe met\nMonday 2024-01-08 10:00\nwe met again",
        "either this | or that: you choose",
    ],
)
def test_marks_in_a_message_name_nobody(text):
    assert turns(text) == [(None, text)]


@pytest.mark.parametrize("day", ["", "2024-01-05 ", "Jan 5, 2024, "])
def test_words_before_a_time_in_a_turn_name_nobody(day):
    said = f"your slots are\nDelivery {day}10:00\nPickup {day}11:00"
    assert turns(f"Mira: {said}\nTom: ok") == [("Mira", said), ("Tom", "ok")]


def test_signs_of_smaller_and_greater_are_no_tags():
    text = "the part <b>is</b> a<b and c>d"
    assert turns(f"Mira: {text}\nTom: ok")[0] == ("Mira", "the part is a<b and c>d")
