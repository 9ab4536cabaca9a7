"""Any text in the inputs appears in the comment as plain text."""

import json

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.tools.test_compare import against_main, repository, save, write_lock, write_metrics
from tools.compare.__main__ import comment
from tools.compare.content import md5
from tools.compare.markdown import code, row_line
from tools.compare.revision import commit, working_tree
from tools.compare.summaries import PATH

__all__ = ["repository"]  # the fixture

PARSER = MarkdownIt("commonmark").enable("table")
NASTY = "@someone #1 [x](https://example.com) <img src=x> </details> | a `b` ``c`` **d**\n# e"

text = st.text(
    st.one_of(st.characters(codec="utf-8"), st.sampled_from("`|\\<>[]()@#*_\n ")), max_size=60
)


def visible(words: str) -> str:
    kept = "".join(char for char in " ".join(words.split()) if char.isprintable())
    return " ".join(kept.split()) or "(nothing)"


def spans(tokens: list) -> list[tuple[str, str]]:
    return [(t.type, t.content) for t in tokens]


@given(text)
@example("`")
@example("```` ` ````")
@settings(max_examples=300, deadline=None)
def test_code_span_may_contain_any_text(words):
    [_, inline, _] = PARSER.parse(f"- {code(words)} .")[2:5]
    assert spans(inline.children) == [("code_inline", visible(words)), ("text", " .")]


@given(text, text)
@example("\\|", "|")
@example("a\\", "b\\\\|")
@settings(max_examples=300, deadline=None)
def test_table_cell_may_contain_any_text(one, other):
    lines = ["| a | b |", "|---|---|", row_line([code(one), code(other)])]
    cells = [t for t in PARSER.parse("\n".join(lines)) if t.type == "inline"][2:]
    assert [spans(cell.children) for cell in cells] == [
        [("code_inline", visible(words))] for words in (one, other)
    ]


def test_long_text_is_cut():
    assert code("x" * 1000) == "`" + "x" * 599 + "…`"


def test_comment_has_no_link_tag_or_mention_from_its_inputs(repository):
    """Summaries, ids, params, metrics, stages, paths and the branch contain Markdown and HTML."""
    folder = repository.root / PATH
    folder.parent.mkdir(parents=True)

    def write(summary: str, matches: int, number: int) -> None:
        content = json.dumps({"id": "<b>a@b", "summary": summary}) + "\n"
        folder.write_text(content)
        write_metrics(
            repository,
            {"<b>a@b": matches, "c": matches},
            {"tuned": {NASTY: number, "x": NASTY * number}},
        )
        out = {"path": PATH, "hash": "md5", "md5": md5(content.encode())}
        dep = {"path": NASTY, "hash": "md5", "md5": str(number)}
        write_lock(repository, **{NASTY: {"cmd": "x", "deps": [dep], "outs": [out]}})
        params = yaml.safe_dump({NASTY: number, "y": [NASTY] * number})
        (repository.root / "params.yaml").write_text(params)

    write("plain", 10, 1)
    save(repository)
    repository.run("git", "branch", "-m", "main", "`@someone|<b>`")
    repository.run("git", "branch", "main")
    write(NASTY, 14, 2)
    for body in (against_main(), comment(commit("`@someone|<b>`"), working_tree())):
        kinds, held = set(), []
        for token in PARSER.parse(body):
            if token.type == "html_block":
                assert token.content.startswith(("<details>\n<summary>", "</details>"))
            for child in token.children or []:
                kinds.add(child.type)
                if child.type == "code_inline":
                    held.append(child.content)
                else:
                    assert not set("@[<") & set(child.content), child.content
        assert kinds <= {"text", "code_inline", "strong_open", "strong_close", "softbreak"}
        for where in (visible(NASTY), "<b>a@b", f"score.tuned.{visible(NASTY)}"):
            assert where in held
        assert "plain" not in held  # replaced in the working tree, and there is no cache
