"""Conversations written with tags name their speakers, and no tag stays in a turn."""

import pytest

from stages.cleaning.chat import parse_chat

HELLO, SORRY, THANKS = "my kettle leaks", "a photo, please", "thank you"
TURNS = [("Mira", HELLO), ("Tom", SORRY), ("Mira", THANKS)]


def each(form: str) -> str:
    return "".join(form.format(name, said) for name, said in TURNS)


def turns(text: str) -> list[tuple]:
    return [(turn["speaker"], turn["text"]) for turn in parse_chat(text)]


@pytest.mark.parametrize(
    "text",
    [
        "<chat>" + each('<turn speaker="{}" n="1">{}</turn>') + "</chat>",
        "<chat>\n" + each("<message><from>{}</from><body>{}</body></message>") + "</chat>",
        "<table><tr><th>Who</th><th>Said</th></tr>" + each("<tr><td>{}</td><td>{}</td></tr>"),
        each("<b>{}</b>: {}<br>"),
        each("<div><strong>{}:</strong> {}</div>"),
        each('<p><span class="who">{}</span>: {}</p>'),
        each("{}: {}&lt;br/&gt;"),
    ],
)
def test_speakers_are_found_between_tags(text):
    assert turns(text) == TURNS


@pytest.mark.parametrize(
    "form", ["<{0}> {1} ", "<{0}>{1}</{0}>", "<{0}>\n{1}\n</{0}>\n\n", "<{0}> {1}\n"]
)
@pytest.mark.parametrize("sides", [("user", "system"), ("Customer", "Agent"), ("KLIENT", "BOT")])
def test_tags_named_after_sides_open_turns(form, sides):
    said = zip((sides[0], *sides), (HELLO, SORRY, THANKS), strict=True)
    said = [(name, f"{words} to #1") for name, words in said]
    assert turns("".join(form.format(*turn) for turn in said)) == said


@pytest.mark.parametrize("form", ["<{}>: {}\n", "<{}> {}\n", "<{0}>{1}</{0}>\n"])
@pytest.mark.parametrize(
    "said", ["mine leaks, too, since the day I got it", "I asked <person> and an <agent> about it"]
)
def test_tags_that_open_lines_are_names_among_others(form, said):
    written = [("Customer", HELLO), ("Agent", SORRY), ("Nina", said), ("Agent", THANKS)]
    assert turns("".join(form.format(*turn) for turn in written)) == written


def test_a_side_s_tag_in_a_line_opens_no_turn_where_names_open_lines():
    written = [("Customer", HELLO), ("Mira Lopez", "<user> is shown"), ("Customer", THANKS)]
    assert turns("".join(f"<{name}> {said}\n" for name, said in written)) == written


def test_a_tag_for_somebody_s_name_opens_no_turn_between_two_sides():
    text = "<user> I asked <person> about it <system> who is <member>? <user> a friend"
    said = ["I asked <person> about it", "who is <member>?", "a friend"]
    assert turns(text) == list(zip(("user", "system", "user"), said, strict=True))


@pytest.mark.parametrize("colon", [":", " :", "："])
def test_a_colon_behind_a_side_s_tag_goes(colon):
    assert turns(f"<user>{colon} hi <bot>{colon} hello") == [("user", "hi"), ("bot", "hello")]


@pytest.mark.parametrize(
    "text", ["<user> my phone broke <user> please help", "press <user> and then <system>"]
)
def test_a_tag_for_a_name_opens_no_turn(text):
    assert turns(text) == [(None, text)]


def test_names_of_a_page_s_parts_are_no_speakers():
    text = 'see <a name="top">this</a> and <input name="mail"> <a name="end">that</a>'
    assert turns(text) == [(None, text)]
