"""Captions of calls become turns without times, numbers and comments."""

import pytest

from stages.cleaning.captions import caption_lines
from tests.cleaning.test_chat import turns

EXPECTED = [("Anna", "my lamp fails,\nwhy?"), ("Bo Lee", "sorry, we will see.")]
CUE = "{number}00:00:0{n}{mark}000 --> 00:00:0{n}{mark}900\n{text}"


def file(texts: list[str], number: str = "", mark: str = ".") -> str:
    cues = [
        CUE.format(number=number.format(n), n=n, mark=mark, text=t) for n, t in enumerate(texts)
    ]
    return "\n\n".join(cues) + "\n"


VOICES = ["<v Anna>my lamp fails,", "<v Anna>why?", "<v Bo Lee>sorry, we will see."]
NAMES = ["Anna: my lamp fails,\nwhy?", "Bo Lee: sorry, we will see."]
FILES = {
    "WebVTT": "WEBVTT\n\n" + file(VOICES),
    "numbers": "WEBVTT\n\n" + file(VOICES, "{}\n"),
    "ids, ends of voices": "WEBVTT\n\n" + file([f"{v}</v>" for v in VOICES], "ab-{}/5-0\n"),
    "a header, a comment": "WEBVTT - call\nKind: captions\n\nNOTE by hand\nof us\n\n" + file(VOICES),
    "classes, settings": "WEBVTT\n\n"
    + file([v.replace("<v ", "<v.loud.fast ") for v in VOICES]).replace("900\n", "900 align:start\n"),
    "no hours": ("WEBVTT\n\n" + file(VOICES)).replace("00:00:", "00:"),
    "names": "WEBVTT\n\n" + file(NAMES),
    "SubRip": file(NAMES, "{}\n", ","),
    "SubRip in brackets": file([n.replace(": ", "] ") for n in ["[" + n for n in NAMES]], "{}\n", ","),
    "no blank lines": file(NAMES, "{}\n", ",").replace("\n\n", "\n"),
    "changes of speakers": file([f">> {n}" for n in NAMES], "{}\n", ","),
    "YouTube": file(NAMES).replace(" --> ", ","),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_every_caption_format_gives_turns(name):
    assert turns(FILES[name]) == EXPECTED
    assert turns(FILES[name].replace("\n", "\r\n")) == EXPECTED


def test_captions_without_names_are_one_text():
    assert turns(file(["one", "two\nthree"], "{}\n")) == [(None, "one\ntwo\nthree")]


def test_arrow_in_a_chat_is_not_a_caption():
    text = "Anna: at 10:00 --> 11:00 it fails\nBo: ok"
    assert turns(text) == [("Anna", "at 10:00 --> 11:00 it fails"), ("Bo", "ok")]


@pytest.mark.parametrize("name", ["mira k", "Note", "the shop on the corner"])
def test_a_voice_may_have_any_name(name):
    text = "WEBVTT\n\n" + file([f"<v {name}>hi", "<v Bo>yes: so"])
    assert turns(text) == [(name, "hi"), ("Bo", "yes: so")]


def test_cue_of_two_voices_becomes_two_lines():
    text = "WEBVTT\n\n" + file(["<v Anna>hi</v>\n<v Bo>yes</v>", "<v Bo>so"])
    assert caption_lines(text).split("\n") == ["[00:00] Anna: hi", "[00:00] Bo: yes", "so"]
