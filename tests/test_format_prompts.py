"""Prompts: the template around the conversation, in order, and cut in the middle if too long."""

import json
from types import SimpleNamespace
from typing import ClassVar

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages import format_prompts
from stages.common.cli import UserError
from stages.format_prompts import render_conversations
from stages.model.tokenization import tokenize_prompt, tokenize_summary
from tests.helpers.data import leftovers, project, read_rows, write_splits
from tests.helpers.project import prompting

TURNS = pl.List(pl.Struct({"speaker": pl.String, "text": pl.String}))


class Characters:
    """A tokenizer with a token a character, and BOS where special tokens are asked for."""

    bos_token_id, eos_token_id, all_special_tokens = 1, 2, ("<s>", "</s>")
    bos_token = "<s>"
    added_tokens_decoder: ClassVar[dict] = {}

    def __call__(self, texts: list[str], add_special_tokens: bool = True, **_) -> SimpleNamespace:
        bos = [self.bos_token_id] if add_special_tokens else []
        spans = [[(0, 0)] * len(bos) + [(i, i + 1) for i in range(len(t))] for t in texts]
        ids = [bos + [ord(c) + 10 for c in text] for text in texts]
        encodings = [
            SimpleNamespace(ids=row, token_to_chars=offsets.__getitem__)
            for row, offsets in zip(ids, spans, strict=True)
        ]
        return SimpleNamespace(input_ids=ids, encodings=encodings)


def render(*dialogues: list[tuple[str | None, str]]) -> list[str]:
    rows = [[{"speaker": s, "text": t} for s, t in turns] for turns in dialogues]
    return render_conversations(pl.Series(rows, dtype=TURNS)).to_list()


def test_turns_with_and_without_a_speaker():
    first = [("customer", "my bag"), (None, "is lost"), ("agent", "oh: no")]
    assert render(first, [(None, "hi")]) == ["customer: my bag\nis lost\nagent: oh: no", "hi"]


def test_many_dialogues_keep_their_order():
    many = [[("customer", f"{i}"), (None, "x")] for i in range(5000)]
    expected = [f"customer: {i}\nx" for i in range(5000)]
    assert render(*many) == expected


@given(
    st.lists(
        st.lists(st.tuples(st.none() | st.sampled_from("ab"), st.text(min_size=1)), min_size=1)
    )
)
def test_rendering_equals_plain_python(dialogues):
    lines = [[f"{s}: {t}" if s else t for s, t in turns] for turns in dialogues]
    assert render(*dialogues) == ["\n".join(turns) for turns in lines]


@given(st.text(st.characters(exclude_characters="< ")), st.integers(1, 90), st.integers(16, 40))
def test_long_prompts_lose_their_middle(text, size, limit):
    text = (text or "x").ljust(size, "y")
    prompt = f"[{text}]"
    whole = Characters()([prompt]).input_ids[0]
    ids = tokenize_prompt(Characters(), text, prompting(limit, template="[{conversation}]"))
    if len(whole) <= limit:
        assert ids == whole
    else:
        room = limit - 3  # BOS and the brackets stay
        first, last = room - room // 2, room // 2
        said = whole[2:-1]
        assert ids == [*whole[:2], *said[:first], *said[len(said) - last :], whole[-1]]


def test_template_survives_the_cut():
    (conversation,) = render([("customer", "word " * 500)])
    ids = tokenize_prompt(Characters(), conversation, prompting(64))[1:]
    text = "".join(chr(i - 10) for i in ids)
    assert text.startswith("Input: customer: word")
    assert text.endswith("word \nResponse:")


def test_a_long_template_is_never_cut():
    instruction = "Say in two sentences what the customer wants and what the agent did. "
    knobs = prompting(80, template=instruction + "{conversation}")
    ids = tokenize_prompt(Characters(), "word " * 50, knobs)
    assert "".join(chr(i - 10) for i in ids[1:]).startswith(instruction)
    assert 72 < len(ids) <= 80  # it is cut between two words
    with pytest.raises(UserError, match="max_prompt_tokens is 40: the template alone takes 70"):
        tokenize_prompt(Characters(), "word", knobs.model_copy(update={"max_prompt_tokens": 40}))


def test_what_people_wrote_is_no_marker():
    ids = tokenize_prompt(Characters(), "a</s>b<s>", prompting(template="[{conversation}]"))
    assert "".join(chr(i - 10) for i in ids[1:]) == "[a b ]"
    assert tokenize_summary(Characters(), "a</s>", prompting())[-2:] == [ord(" ") + 10, 2]


def test_summary_ends_with_eos_and_has_no_bos():
    ids = tokenize_summary(Characters(), "a", prompting())
    assert ids == [ord(" ") + 10, ord("a") + 10, 2]


def dialogues(split: str, n: int) -> list[dict]:
    turns = [{"speaker": "customer", "text": "hi"}, {"speaker": None, "text": split}]
    return [{"id": f"{split}-{i}", "turns": turns, "references": [f"{i}", "B"]} for i in range(n)]


def test_stage_keeps_order_over_batches(tmp_path, monkeypatch, capsys):
    project(tmp_path, monkeypatch, {"format_prompts.template": "Q {conversation} A"})
    splits = {"train": dialogues("train", 8), "validation": dialogues("v", 1)}
    write_splits("data/clean", **splits, test=dialogues("t", 3))
    (tmp_path / "data/clean/cleaning.json").write_text('{"lowercase": true}')
    monkeypatch.setattr(format_prompts, "BATCH", 3)
    format_prompts.main()
    assert read_rows("data/prompts/train.parquet") == [
        {
            "id": f"train-{i}",
            "conversation": "customer: hi\ntrain",
            "prompt": "Q customer: hi\ntrain A",
            "references": [f"{i}", "B"],
        }
        for i in range(8)
    ]
    assert [row["id"] for row in read_rows("data/prompts/test.parquet")] == ["t-0", "t-1", "t-2"]
    usage = json.loads((tmp_path / "data/prompts/usage.json").read_text())
    assert usage["cleaning"] == {"lowercase": True}
    assert usage["prompt"]["template"] == "Q {conversation} A"
    assert "12 prompts of 5 words" in capsys.readouterr().out


def test_length_is_in_characters_where_words_have_no_spaces(tmp_path, monkeypatch, capsys):
    project(tmp_path, monkeypatch, {"format_prompts.template": "{conversation}\n摘要"})
    turns = [{"speaker": "客户", "text": "水壶漏水，怎么办？"}]
    rows = [{"id": "1", "turns": turns, "references": ["漏水"]}]
    write_splits("data/clean", train=rows, validation=rows, test=rows)
    (tmp_path / "data/clean/cleaning.json").write_text("{}")
    format_prompts.main()
    assert "3 prompts of 14 characters" in capsys.readouterr().out


def test_missing_input_names_the_stage_to_run(tmp_path, monkeypatch):
    project(tmp_path, monkeypatch)
    with pytest.raises(UserError, match=r"data/clean/train\.parquet does not exist: run clean"):
        format_prompts.main()
    assert not leftovers()
    assert not (tmp_path / "data/prompts").exists()
