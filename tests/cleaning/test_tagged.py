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


def test_names_of_a_page_s_parts_are_no_speakers():
    text = 'see <a name="top">this</a> and <input name="mail"> <a name="end">that</a>'
    assert turns(text) == [(None, text)]
