"""Lines about a chat that stand above it are nobody's turns, and the first turns are no such lines."""

import pytest

from tests.cleaning.test_chat_programs import HELLO, SORRY, THANKS, TURNS, each, turns


@pytest.mark.parametrize(
    "form", ["({m}:15:20) {n}: {t}", "[03/04/2025 0{m}:12 AM] {n}\n{t}\n", "[1{m}:00] {n}: {t}"]
)
@pytest.mark.parametrize(
    "head",
    [
        "====\nGuild: Shop\nChannel: Tickets / ticket-4\n====",
        "Timestamp: 2025-03-04T09:12:05Z\nUnread: false\nCountry: Spain\nBrowser: Safari\nIP:",
        "Agent: Tom\nCustomer: Mira\nQueue: Orders\nDuration: 00:05:12",
    ],
)
def test_lines_about_a_chat_above_it_name_nobody(head, form):
    assert turns(f"{head}\n\n{each(form)}") == [(None, head), *TURNS]


@pytest.mark.parametrize("below", ["", "\nTom: ok"])
@pytest.mark.parametrize("form", ["[1{}:00] {}: x", "1{}:00 {}\nx"])
def test_times_in_a_turn_do_not_make_it_a_head(form, below):
    said = "\n".join(form.format(i, word) for i, word in enumerate(("Delivery", "Pickup")))
    text = f"Mira: my plan\nNina: send it\n{said}{below}"
    assert [name for name, _ in turns(text)] == ["Mira", "Nina"] + ["Tom"] * bool(below)


ROLES = [("Customer", HELLO), ("Agent", SORRY), ("Customer", THANKS)]
HEADS = [
    "Ticket: 4711\nStatus: solved\nSubject: my kettle leaks since I got it from you",
    "Date: 2025-03-04 10:00\nChannel: phone\nAgent: Tom\nDuration: 00:05:12",
    "Duración: 5 min\nMotivo: devolución",
]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("rule", ["", "----", "=====", "\n"])
@pytest.mark.parametrize("said", [TURNS, ROLES, ROLES[:2]])
@pytest.mark.parametrize("between", ["\n", "\n\n"])
def test_a_block_above_a_chat_without_times_names_nobody(head, rule, said, between):
    text = f"{head}\n{rule}\n" + between.join(f"{name}: {words}" for name, words in said)
    (nobody, above), *found = turns(text)
    assert (nobody, above.strip("-=\n"), found) == (None, head, said)


@pytest.mark.parametrize(
    "said",
    [
        [
            ("Customer", "here it is\nOrder: red\nColour: blue"),
            ("Agent", SORRY),
            ("Customer", "ok"),
        ],
        [("Nina", "hi"), ("Paul", "hi"), ("Mira", HELLO), ("Tom", SORRY)],
        [("Bot", "hi"), ("Mira", "hi"), ("Bot", SORRY), ("Mira", HELLO), ("Bot", THANKS)],
        [("Mira", "hi"), ("Tom", "hi"), ("Mira", HELLO), ("Tom", SORRY)],
    ],
)
@pytest.mark.parametrize("lines", [1, 2])
def test_first_turns_are_no_block_above_a_chat(said, lines):
    parts = [f"{name}: {words}" for name, words in said]
    text = "\n".join(parts[:lines]) + "\n\n" + "\n\n".join(parts[lines:])
    assert turns(text) == said
