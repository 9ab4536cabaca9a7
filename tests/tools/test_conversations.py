"""A new conversation of any layout and speakers becomes the prompt that training would use."""

import csv
import json
import tempfile
from contextlib import chdir
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from stages import clean, fetch, format_prompts
from stages.common.cli import UserError
from stages.params import Clean, load
from tests.helpers.data import NO_COLUMNS, project, read_rows, write_params, write_splits
from tests.helpers.shared import shared
from tools.conversations import render, render_text
from tools.rows import read_rows as read_file_rows

Turn = tuple[str | None, str]
NAMES = ["customer", "Customer", "AGENT", "Mira", "#Person1#", "Tom", "Dr. Weiß", "客服"]
NAMES += ["Étienne Dupont", "user_1", "Support Desk", "+44 7700 900100", "robin@example.org"]
SAID = ["it broke again", "Sorry! DM us: ^JS", "@shop see https://t.co/x", "call +44 7700 900123"]
SAID += [
    "one [two] three 😀",
    "Ärger: 3 < 5 & 7",
    "请发照片。",
    "a  b\u00a0c",
    "really? -Dee",
    "ok",
]


def objects(turns: list[Turn]) -> list[dict]:
    return [{"who": speaker, "said": text} for speaker, text in turns]


def lines(turns: list[Turn]) -> str:
    return "\n".join(f"{speaker}: {text}" if speaker else text for speaker, text in turns)


def sides(turns: list[Turn]) -> list[dict]:
    return [
        {"c": turns[i][1], "a": turns[i + 1][1] if i + 1 < len(turns) else None}
        for i in range(0, len(turns), 2)
    ]


WHO = {"conversation": "talk", "speaker": "who", "text": "said"}
LAYOUTS = {
    "objects": (lambda turns: {"talk": objects(turns)}, WHO),
    "objects below a path": (
        lambda turns: {"talk": {"turns": objects(turns), "of": "x"}},
        WHO | {"conversation": "talk.turns"},
    ),
    "objects as JSON in a cell": (lambda turns: {"talk": json.dumps(objects(turns))}, WHO),
    "objects as Python prints them": (lambda turns: {"talk": str(objects(turns))}, WHO),
    "two sides": (
        lambda turns: {"talk": sides(turns)},
        {"conversation": "talk", "customer": "c", "agent": "a"},
    ),
    "lists side by side": (
        lambda turns: {"talk": [t for _, t in turns], "who": [s or "" for s, _ in turns]},
        {"conversation": "talk", "speaker": "who"},
    ),
    "texts": (lambda turns: {"talk": [text for _, text in turns]}, {"conversation": "talk"}),
    "one text": (lambda turns: {"talk": lines(turns)}, {"conversation": "talk"}),
    "lines": (
        lambda turns: {"talk": lines(turns)},
        {"conversation": "talk", "speaker_separator": ": "},
    ),
    "a chat": (
        lambda turns: {"talk": lines(turns)},
        {"conversation": "talk", "speaker_separator": "auto"},
    ),
}
TEXTS = ("one text", "lines", "a chat")
turns_of = st.lists(
    st.tuples(st.sampled_from(NAMES) | st.none(), st.sampled_from(SAID) | st.text(min_size=1)),
    min_size=1,
    max_size=5,
)
switches = st.fixed_dictionaries(
    {name: st.booleans() for name in ("redact", "handles", "signatures", "lowercase")}
)
roles = st.sampled_from([None, {"mira": "customer", "tom": "agent", "客服": "agent"}])


def train(rows: list[dict], columns: dict, knobs: dict, filler: dict) -> dict[str, str]:
    """Run the stages on the rows; return the conversations of `data/prompts` by id."""
    edits = {f"clean.{name}": value for name, value in knobs.items()}
    edits |= {"clean.columns": NO_COLUMNS | {"id": "id", "references": "summary"} | columns}
    edits |= {"clean.max_malformed": 1, "clean.near_duplicates": None}
    write_params(Path(), edits)
    split = {"train": [filler | {"id": "f1"}], "validation": [filler | {"id": "f2"}]}
    for name, words in zip(("train", "validation"), ("first words", "other words"), strict=True):
        split[name][0]["talk"] = json.loads(json.dumps(filler["talk"]).replace("FILLER", words))
    write_splits("data/raw", **split, test=rows)
    clean.main()
    format_prompts.main()
    prompts = read_rows("data/prompts/test.parquet")
    return {row["id"]: row["conversation"] for row in prompts}


def summarised(rows: list[dict], name: str = "new.jsonl") -> dict[str, str]:
    """Conversations by id, as `tools.summarize` passes them to the model."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    Path(name).write_text(text, encoding="utf-8", errors="surrogatepass")
    found, knobs = {}, load().clean
    for some in read_file_rows(Path(name), "jsonl", knobs.columns, 3, pytest.fail):
        texts, _ = render(some, knobs)
        found |= {some.ids[i]: text for i, text in texts.items()}
    return found


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(max_examples=4, deadline=None, phases=[Phase.generate])
@given(st.lists(turns_of, min_size=1, max_size=5), switches, roles)
def test_new_conversation_gets_the_same_prompt_as_in_training(layout, talks, knobs, roles):
    build, columns = LAYOUTS[layout]
    talks = [[("Mira", "we begin here")] + talk for talk in talks]  # noqa: RUF005
    rows = [{"id": f"t{i}", "summary": "it is said", **build(talk)} for i, talk in enumerate(talks)]
    filler = {"summary": "x", **build([("Mira", "FILLER"), ("Tom", "yes")])}
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        trained = train(rows, columns, knobs | {"roles": roles}, filler)
        new = [{k: v for k, v in row.items() if k != "summary"} for row in rows]
        found = summarised(new)
        assert trained  # clean drops repeats, but each conversation gets a summary
        assert {id_: found[id_] for id_ in trained} == trained
        if layout in TEXTS:
            for row in rows:
                if row["id"] in trained:
                    assert render_text(row["talk"], load().clean) == trained[row["id"]]
        if layout.startswith("objects"):
            plain = [
                {"id": f"t{i}", "turns": [{"speaker": s, "text": t} for s, t in talk]}
                for i, talk in enumerate(talks)
            ]
            found = summarised(plain)
            assert {id_: found[id_] for id_ in trained} == trained


@pytest.fixture
def of(tmp_path, monkeypatch):
    """A function that sets the cleaning in params.yaml, as stored with an adapter."""
    monkeypatch.chdir(tmp_path)

    def write(columns: dict | None = None, **knobs):
        edits = {f"clean.{name}": value for name, value in knobs.items()}
        if columns:
            edits["clean.columns"] = NO_COLUMNS | {"references": "summary"} | columns
        write_params(tmp_path, edits)
        return load().clean

    return write


@pytest.mark.parametrize(
    "name", ["customer", "Mira", "Tom Berg", "#Person1#", "Support Desk", "客服"]
)
@pytest.mark.parametrize("layout", ["objects", "objects below a path", "a chat", "lines"])
def test_speakers_of_a_text_are_named_as_in_training(of, name, layout):
    build, columns = LAYOUTS[layout]
    turns = [(name, "where is my parcel?"), ("agent", "on its way"), (name, "thank you")]
    clean = of(columns, lowercase=False)
    row = {"id": 1, **build(turns)}
    assert render_text(lines(turns), clean) == summarised([row])[1] == lines(turns)


def test_sides_of_a_text_are_named_as_in_training(of):
    clean = of()  # DialogStudio's, which has a customer and an agent
    assert (
        render_text("Customer: Hi\nmore\nAGENT: bye ^JS\n", clean)
        == "customer: hi more\nagent: bye"
    )


def test_signatures_are_removed_as_in_training(of):
    row = {"id": 1, "talk": objects([("admin", "hello ^JS"), ("Mira", "hi ^JS")])}
    of(WHO, roles={"admin": "agent"}, special_characters=False)
    assert summarised([row])[1] == "agent: hello\nMira: hi ^js"


ROWS = [
    {"turns": [{"speaker": "Mira", "text": "hi"}]},
    {"turns": [{"text": "hi"}]},
    {"turns": ["hi", "there"]},
    {"turns": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "bye"}]},
    {"turns": '[{"speaker": "Mira", "text": "hi"}]'},
    {"conversation": "Mira: hi"},
    {"conversation": [{"speaker": "Mira", "text": "hi"}]},
    {
        "messages": [
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": "good bye"},
        ]
    },
    {"dialogue": "Mira: hi\nTom: bye"},
    {"talk": [{"who": "Mira", "said": "hello there"}], "more": [1]},
]


@pytest.mark.parametrize("columns", [None, WHO], ids=["sides", "objects"])
def test_file_may_mix_layouts_without_changing_a_prompt(of, columns):
    of(columns)
    rows = [{"id": i, **row} for i, row in enumerate(ROWS)]
    together = summarised(rows)
    assert sorted(together) == list(range(len(ROWS)))
    assert together == {i: text for row in rows for i, text in summarised([row]).items()}
    assert not any("{" in text or "[" in text for text in together.values())


def test_answer_to_a_transcript_is_no_turn_but_other_answers_are(of):
    of()
    user, answer = {"role": "user", "content": "my kettle leaks"}, {"role": "assistant"}
    talk = {"id": 1, "messages": [user, answer | {"content": "we are sorry"}]}
    assert summarised([talk])[1] == "user: my kettle leaks\nassistant: we are sorry"
    asked = {"role": "user", "content": "Mira: my kettle leaks\nTom: we are sorry"}
    row = {"id": 1, "messages": [asked, answer | {"content": "Mira complains."}]}
    assert summarised([row])[1] == "Mira: my kettle leaks\nTom: we are sorry"


def test_empty_conversation_is_not_replaced_by_another_field(of):
    clean = of(WHO)
    Path("new.jsonl").write_text('{"talk": null, "note": "Mira: a secret of hers"}\n')
    (rows,) = read_file_rows(Path("new.jsonl"), "jsonl", clean.columns, 3, pytest.fail)
    texts, faults = render(rows, clean)
    assert not texts and faults[0].startswith("no conversation")


@pytest.mark.parametrize("text", ["", "  \n", "Customer: @shop http://x.io", "\u200d"])
def test_text_without_words_is_refused(of, text):
    with pytest.raises(UserError, match="no words"):
        render_text(text, of())


@pytest.mark.parametrize("name", ["phone_and_mail.csv", "names.csv", "persons.csv"])
def test_speakers_of_shared_cases_are_named_as_in_training(tmp_path, monkeypatch, name):
    file = shared(f"cases/speakers/{name}")
    files = {"train": name, "validation": None, "test": None}
    edits = {"source": "files", "path": str(file.parent), "files": files}
    edits = {f"fetch.dataset.{key}": value for key, value in edits.items()}
    params = project(tmp_path, monkeypatch, edits | {"clean.columns": "auto"})
    fetch.fetch_dataset(params.fetch.dataset)
    clean.main()
    format_prompts.main()
    carried = json.loads(Path("data/prompts/usage.json").read_text())["cleaning"]
    knobs = Clean.model_validate(params.clean.model_dump() | carried)
    splits = ("train", "validation", "test")
    prompts = [row for split in splits for row in read_rows(f"data/prompts/{split}.parquet")]
    trained = sorted(row["conversation"] for row in prompts)
    with open(file, encoding="utf-8", newline="") as table:
        talks = [row["dialogue"] for row in csv.DictReader(table)]
    lines = "".join(json.dumps({"conversation": talk}) + "\n" for talk in talks)
    for path, content in (("new.jsonl", lines), ("new.csv", file.read_text(encoding="utf-8"))):
        Path(path).write_text(content, encoding="utf-8")
        kind = path.partition(".")[2]
        some = list(read_file_rows(Path(path), kind, knobs.columns, 7, pytest.fail))
        found = [text for rows in some for _, text in sorted(render(rows, knobs)[0].items())]
        assert sorted(found) == trained
        # Alone, each is read as in the table.
        assert [render_text(talk, knobs) for talk in talks[::9]] == found[::9]
