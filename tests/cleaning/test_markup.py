"""HTML becomes the text that a browser would show, and text that resembles HTML is kept."""

import json
import time

import pytest

from stages.cleaning.markup import plain_text
from tests.helpers.data import NO_COLUMNS, run_clean
from tests.helpers.shared import shared


def lines(text: str) -> list[str]:
    found = (" ".join(line.split()) for line in plain_text(text).splitlines())
    return [line for line in found if line]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "<p>Hi,&nbsp;it</p><br>see <a href='https://x.org/y'>the photo</a>",
            ["Hi, it", "see the photo"],
        ),
        ("<DIV>Sorry!<BR/>Is it &lt;5 years old?</DIV>", ["Sorry!", "Is it <5 years old?"]),
        ("<style>p {color: red}</style><script>a < b</script><p>after", ["after"]),
        ("<!-- c --> hi <!--[if mso]>zz<![endif]-->you<o:p>&nbsp;</o:p>", ["hi you"]),
        ("<ul><li>one</li><li>two</li></ul>", ["one", "two"]),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", ["a b", "c"]),
        (
            "<html><head><title>T</title></head><body><h1>A</h1>B ü 客户</body></html>",
            ["A", "B ü 客户"],
        ),
        ("<?xml version='1.0' encoding='utf-8'?><p>x</p>", ["x"]),
        ("<p>line of\nthe source</p>", ["line of the source"]),
        ("one line\nanother <b>line</b>", ["one line", "another line"]),
        ("<pre>one\ntwo</pre>", ["one", "two"]),
        ("<p>Hi <name>, <LINK> a < b <3 &amp;lt;</p>", ["Hi <name>, <LINK> a < b <3 &lt;"]),
        ("my <address> and <code> are <b>here</b>", ["my <address> and <code> are here"]),
        ("&lt;p&gt;Hi &amp;amp; bye&lt;/p&gt;", ["Hi & bye"]),
        ("<img src='x.png'/>see", ["see"]),
        ("x\x00\x01<br>y\ufffe", ["x", "y"]),
        ("</div>", []),
        ("<blockquote type=cite>old</blockquote>new", ["old", "new"]),
        ("<div>" * 2000 + "deep" + "</div>" * 2000, ["deep"]),
    ],
)
def test_html_becomes_lines_of_text(text, expected):
    assert lines(text) == expected


@pytest.mark.parametrize(
    "text",
    ["a < b and c > d", "I <3 you </3", "see <LINK> and <USER>", "<name> <title> <code>", "<p", "x<y",
     "write <me@example.org>", "if <b then", "5<6 & 7>6", "</sarcasm>", "<i>", "客户 <链接> 好"],
)  # fmt: skip
def test_text_that_resembles_html_is_kept(text):
    assert plain_text(text) == text


def test_entities_without_tags_are_decoded_once():
    assert plain_text("Q&amp;A &lt;b&gt; &hellip; &#8364;5") == "Q&A <b> … €5"


@pytest.mark.parametrize(
    "piece", ["<!--", "<b>", "<p ", "<p>", "<?xml ", "&lt;p&gt; ", "<![", "<a b="]
)
def test_repeated_markup_takes_little_time(piece):
    started = time.monotonic()
    plain_text("<br>" + piece * 20_000)
    assert time.monotonic() - started < 10


def clean_case(name: str, tmp_path, monkeypatch) -> tuple[list[dict], list[dict]]:
    """The rows of a shared case, and the dialogues of all splits after clean."""
    text = shared(f"cases/files/{name}").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    columns = NO_COLUMNS | {
        "conversation": "dialogue",
        "references": "summary",
        "speaker_separator": ": ",
    }
    clean = run_clean(tmp_path, monkeypatch, columns, {"train": rows}, near_duplicates=None)
    return rows, [row for split in clean.values() for row in split]


def test_shared_case_of_html_bodies(tmp_path, monkeypatch):
    rows, kept = clean_case("html.jsonl", tmp_path, monkeypatch)
    assert len(kept) == len(rows) == 36
    for row in kept:
        (said, asked), number = (
            [turn["text"] for turn in row["turns"]],
            row["references"][0].split()[1],
        )
        assert said == f"hi, my lamp {number} flickers see the photo of it"
        assert asked == "sorry! is it 5 years old?"
        assert row["references"] == [f"Lamp {number} flickers. Agent asks its age."]


def test_shared_case_of_summaries_in_three_lines(tmp_path, monkeypatch):
    rows, kept = clean_case("structured.jsonl", tmp_path, monkeypatch)
    assert sorted(row["references"][0] for row in kept) == sorted(row["summary"] for row in rows)
    assert all(row["references"][0].count("\n") == 2 for row in kept)
