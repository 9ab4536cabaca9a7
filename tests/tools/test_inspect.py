"""tools.inspect: what it finds in the user's files, shows, and writes to params.yaml."""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from stages.common.cli import UserError
from stages.params import load
from tests.helpers.data import ROOT
from tests.helpers.shared import shared
from tools import preset
from tools.inspect import __main__ as inspect
from tools.inspect.files import find_files
from tools.inspect.settings import choose_constant, limit

GOODS = ["kettle", "lamp", "router", "chair", "phone", "bag"]


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with the project's params.yaml and presets, and another with the user's files."""
    root, mine = tmp_path / "project", tmp_path / "mine"
    mine.mkdir()
    shutil.copytree(ROOT / "presets", root / "presets")
    shutil.copy(ROOT / "params.yaml", root)
    monkeypatch.chdir(root)
    return root


def rows(count: int = 40, start: int = 0) -> list[dict]:
    return [
        {
            "number": f"c{n}",
            "chat": f"user: Hi, my {GOODS[n % 6]} broke on day {n}, mail jo{n}@example.org\n"
            f"assistant: Sorry! Please send us a photo of part {n}.",
            "summary": f"The user's {GOODS[n % 6]} broke. The assistant asks for a photo.",
        }
        for n in range(start, start + count)
    ]


def write_csv(path: Path, table: list[dict], encoding: str = "utf-8", **form) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding=encoding, newline="") as out:
        writer = csv.DictWriter(out, list(table[0]), **form)
        writer.writeheader()
        writer.writerows(table)
    return path


def run(monkeypatch, *arguments: object) -> None:
    monkeypatch.setattr("sys.argv", ["inspect", *map(str, arguments)])
    inspect.main()


def test_a_file_is_shown_and_becomes_params(workplace, monkeypatch, capsys):
    file = write_csv(workplace.parent / "mine/chats.csv", rows(), "utf-16", delimiter=";")
    run(monkeypatch, file)
    shown = capsys.readouterr().out
    for words in (
        "csv, UTF-16, separator semicolon",
        "train 40",
        "taken from train",
        "conversation   chat",
        "references     summary",
        "40 turns       user, taken for customer",
        "Latin 100%, English",
        "mail jo0@example.org",
        "customer: Hi, my kettle broke on day 0, mail (email)",
        "redacted       40 email",
        "Tokens, estimated",
        "run `dvc repro fetch@model`",
    ):
        assert words in shown, words
    assert load() == load(ROOT / "params.yaml") and not Path("data").exists()
    run(monkeypatch, file, "--write", "mine")
    assert "now: dvc repro" in capsys.readouterr().out
    params = load()
    assert params.fetch.dataset.source == "files"
    assert params.fetch.dataset.path == str(workplace.parent / "mine")
    assert params.fetch.dataset.files.train == "chats.csv"
    assert params.clean.columns.conversation == "chat"
    assert params.clean.roles == {"user": "customer", "assistant": "agent"}
    assert not params.clean.lowercase and not params.clean.handles and params.clean.redact
    assert params.card.data == "mine"
    # It is the reference most similar to all, without words of a single customer.
    text = Path("presets/mine.yaml").read_text()
    assert "example.org" not in text and "day" not in text
    assert params.score.constant in {row["summary"] for row in rows()}
    run(monkeypatch, file, "--write", "mine")  # its own preset may be overwritten
    assert "already so" in capsys.readouterr().out


def test_a_file_beside_others_is_copied_to_where_git_ignores_it(workplace, monkeypatch):
    file = write_csv(workplace.parent / "mine/chats.csv", rows())
    (workplace.parent / "mine/photo.png").write_bytes(b"")
    run(monkeypatch, file, "--write", "mine")
    assert load().fetch.dataset.path == "data/mine"
    assert Path("data/mine/chats.csv").read_bytes() == file.read_bytes()
    assert Path("data/mine/.gitignore").read_text() == "*\n"
    assert sorted(path.name for path in Path("data/mine").iterdir()) == [".gitignore", "chats.csv"]


@pytest.mark.parametrize("where", [".", "data", "data/raw"])
def test_folders_that_the_pipeline_writes_are_not_watched(workplace, monkeypatch, where):
    file = write_csv(workplace / where / "chats.csv", rows())
    run(monkeypatch, file, "--write", "mine")
    assert load().fetch.dataset.path == "data/mine"


def test_a_folder_below_the_repository_is_named_from_its_root(workplace, monkeypatch):
    write_csv(workplace / "talks/train.csv", rows())
    write_csv(workplace / "talks/dev.csv", rows(12, 40))
    run(monkeypatch, "talks", "--write", "mine")
    dataset = load().fetch.dataset
    assert dataset.path == "talks"
    assert dataset.files.model_dump() == {
        "train": "train.csv",
        "validation": "dev.csv",
        "test": None,
    }


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["a.csv"], {"train": "a.csv"}),
        (["dev.jsonl"], {"train": "dev.jsonl"}),
        (["TRAIN.CSV", "Test.csv"], {"train": "TRAIN.CSV", "test": "Test.csv"}),
        (["x-train-0.csv", "x-train-1.csv", "x-val.csv"], {"train": "x-train-*.csv", "validation": "x-val.csv"}),
        (["train/a.json", "train/ab.json", "test/a.json"], {"train": "train/a*.json", "test": "test/a.json"}),
        (["jan.csv", "feb.csv", "notes.md"], {"train": "*.csv"}),
        (["all.csv.gz", "test.csv.gz"], {"train": "all.csv.gz", "test": "test.csv.gz"}),
        (["trainers.csv"], {"train": "trainers.csv"}),
        (["train.csv", "eval.csv"], {"train": "train.csv", "test": "eval.csv"}),
        (["train.csv", "eval.csv", "holdout.csv"], {"train": "train.csv", "validation": "eval.csv", "test": "holdout.csv"}),
        (["trn.json", "dev.json", "tst.json"], {"train": "trn.json", "validation": "dev.json", "test": "tst.json"}),
        (["aTrain.csv", "aVal.csv", "aTest.csv"], {"train": "aTrain.csv", "validation": "aVal.csv", "test": "aTest.csv"}),
        (["training.csv", "evaluation.csv", "testing.csv"], {"train": "training.csv", "validation": "evaluation.csv", "test": "testing.csv"}),
        (["trainSet.csv", "held-out.csv", "latest.csv", "contest.csv"], {"train": "trainSet.csv", "test": "held-out.csv"}),
    ],
)  # fmt: skip
def test_splits_are_found_by_file_name(tmp_path, names, found):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("a,b\n")
    source = find_files(tmp_path)
    splits = ("train", "validation", "test")
    assert {s: source.name(s) for s in splits} == dict.fromkeys(splits) | found
    used = {name for some in source.files.values() for name in some}
    assert {*used, *source.left_out} == {name for name in names if not name.endswith(".md")}


def test_limits_that_cut_more_than_one_in_twenty_are_named(workplace, monkeypatch, capsys):
    long = [row | {"chat": row["chat"] + " and on" * 300} for row in rows()]
    run(monkeypatch, write_csv(workplace.parent / "mine/a.csv", long), "--write", "mine")
    shown = capsys.readouterr().out
    advised = load().format_prompts.max_prompt_tokens
    assert f"max_prompt_tokens is 168: 100% of the prompts are cut: set it to {advised}" in shown
    assert 500 < advised < 4000  # estimated, as if each letter were a token


def test_limit_is_the_next_multiple_that_fits():
    assert limit(list(range(1, 101))) == 96 and limit([3]) == 16 and limit([17, 17]) == 32


def test_constant_has_no_word_of_only_one_dialogue():
    some = [[f"Mira{n} asks for help"] for n in range(9)] + [["A user asks for help"]] * 4
    assert choose_constant(some) == "A user asks for help"
    assert choose_constant([["Mira asks"], ["Tom answers"]]) is None
    assert choose_constant([["它坏了。"]] * 5) == "它坏了。"


def test_time_and_tokens_are_measured_if_the_base_is_there(
    workplace, monkeypatch, capsys, tiny_llama
):
    shutil.copytree(tiny_llama, "models/base")
    run(monkeypatch, write_csv(workplace.parent / "mine/a.csv", rows()))
    shown = capsys.readouterr().out
    assert "estimated" not in shown and "at most 2,048 tokens" in shown
    assert re.search(r"about [\d.]+ (s|min) here for 3\d dialogues, 1 epoch", shown)


TWEETS = [
    {"text": f"@shop my {good} is late\n@you sorry! ^JS", "summary": f"The {good} is late."}
    for good in GOODS * 4
]


def test_tweets_switch_on_rules_for_tweets(workplace, monkeypatch, capsys):
    table = [row | {"text": row["text"] + f" {n} times"} for n, row in enumerate(TWEETS)]
    file = write_csv(workplace.parent / "mine/a.csv", table)
    run(monkeypatch, file, "--write", "mine", "--conversation-column", "text")
    clean = load().clean
    assert clean.handles and clean.signatures and clean.special_characters and clean.lowercase
    rules = "handles, signatures, special_characters, lowercase: on, the texts are tweets"
    assert rules in capsys.readouterr().out


def test_a_preset_of_other_data_does_not_take_the_validation_split(workplace, monkeypatch):
    before = load().clean
    preset.write("tweetsumm-cpu")
    assert load().clean.train_on_validation and load().clean.holdout != before.holdout
    run(monkeypatch, write_csv(workplace.parent / "mine/a.csv", rows()), "--write", "mine")
    assert not load().clean.train_on_validation and load().clean.holdout == before.holdout


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("chat.txt", "Mira: hi", "chat.txt is no table"),
        ("a.csv", "a,b\n", "a.csv holds no rows"),
        (
            "a.csv",
            "talk,mood\nMira: hello there,good\n",
            "no summaries are found|no conversation is",
        ),
        ("", "", "holds no .csv"),
    ],
)
def test_unusable_file_is_one_sentence(workplace, monkeypatch, name, content, message):
    path = workplace.parent / "mine" / name
    if name:
        path.write_text(content)
    with pytest.raises(UserError, match=message):
        run(monkeypatch, path, "--write", "mine")
    assert not Path("presets/mine.yaml").exists()


@pytest.mark.parametrize(
    ("name", "message"), [("Mine!", "small letters"), ("samsum", "another name")]
)
def test_invalid_name_of_a_preset_is_refused(workplace, monkeypatch, name, message):
    before = Path("params.yaml").read_bytes()
    file = write_csv(workplace.parent / "mine/a.csv", rows())
    with pytest.raises(UserError, match=message):
        run(monkeypatch, file, "--write", name)
    assert Path("params.yaml").read_bytes() == before


LAYOUTS = ["author_object.jsonl", "json_text.csv", "messages.jsonl", "nested_object.jsonl"]
LAYOUTS += ["one_row_a_reference.csv", "parallel_lists.jsonl", "plain.jsonl", "python_repr.csv"]
LAYOUTS += ["reference_columns.csv", "reference_objects.jsonl"]


@pytest.mark.parametrize("name", LAYOUTS)
def test_shared_layouts_are_found(workplace, monkeypatch, capsys, name):
    run(monkeypatch, shared(f"cases/layouts/{name}"), "--write", "mine")
    shown = capsys.readouterr().out
    assert "customer: Hello, the kettle leaks from the base, this is week 1\n" in shown
    assert "Sorry about week 1, please send a photo of the base" in shown
    assert yaml.safe_load(Path("presets/mine.yaml").read_text())["clean"]["columns"]


def test_two_commands_from_a_file_to_a_model(project):
    shutil.copytree(ROOT / "presets", project.root / "presets")
    file = write_csv(project.root.parent / "mine/chats.csv", rows(), "cp1252", delimiter="\t")
    project.python("-m", "tools.inspect", str(file), "--write", "mine")
    project.params(**{"generate.max_new_tokens": 4})  # a tiny model never stops by itself
    project.dvc("repro")
    assert (project.root / "models/adapter/summarizer.json").exists()
    assert (project.root / "metrics/score.json").exists()
    assert "Data and pipelines are up to date." in project.dvc("status").stdout
    file.write_text(file.read_text("cp1252") + 'c99\t"user: a new one"\tIt is new.\n', "cp1252")
    assert "changed deps" in project.dvc("status").stdout


def test_unread_columns_and_missing_speakers_are_reported(workplace, monkeypatch, capsys):
    first = "Hello, this is what I wrote to you first"
    table = [row | {"first message": first, "mood": "sad"} for row in rows()]
    for number in (4, 5, 6):
        table[number]["chat"] = f"my {GOODS[number % 6]} broke on day {number}, and nobody answers"
    run(monkeypatch, write_csv(workplace.parent / "mine/a.csv", table))
    shown = capsys.readouterr().out
    assert "not read       first message\n" in shown
    assert "3 of 40 conversations have fewer than two speakers, such as row 5" in shown


def test_a_file_of_no_split_is_named(workplace, monkeypatch, capsys):
    for number, name in enumerate(("train", "test", "more")):
        write_csv(workplace.parent / f"mine/{name}.csv", rows(start=100 * number))
    run(monkeypatch, workplace.parent / "mine")
    assert "not read       more.csv: their names tell of no split" in capsys.readouterr().out


@pytest.mark.parametrize("third", ["test", "eval"])
@pytest.mark.parametrize(("name", "told"), [("split", True), ("Set", True), ("mood", False)])
def test_a_column_that_tells_the_split_is_named(workplace, monkeypatch, capsys, name, told, third):
    table = [row | {name: ("train", "dev", third)[n % 3]} for n, row in enumerate(rows())]
    run(monkeypatch, write_csv(workplace.parent / "mine/a.csv", table))
    shown = capsys.readouterr().out
    assert (
        f"the column {name!r} says {', '.join(sorted(['dev', third, 'train']))} and is not read"
        in shown
    ) == told


@pytest.mark.parametrize("nothing", ["", " ", None])
@pytest.mark.parametrize("other", ["html", "body_text"])
def test_words_in_another_field_of_turns_are_reported(
    workplace, monkeypatch, capsys, nothing, other
):
    lines = []
    for row in rows():
        asked, told = (line.split(": ", 1)[1] for line in row["chat"].split("\n"))
        turns = [{"role": "user", "text": asked}, {"role": "agent", "text": nothing, other: told}]
        turns.append({"role": "user", "text": "thanks, and here it is: the photo of that part"})
        lines.append(json.dumps({"chat": turns, "summary": row["summary"]}))
    file = workplace.parent / "mine/a.jsonl"
    file.write_text("\n".join(lines))
    run(monkeypatch, file)
    shown = capsys.readouterr().out
    assert (
        "40 of 120 turns have nothing in 'text', and are left out; 40 of them have words" in shown
    )
    assert f"not read       chat[].{other}" in shown


@pytest.mark.parametrize("split", ["test", "dev"])
def test_roles_of_every_split_are_found(workplace, monkeypatch, split):
    for name, side, start in (("train", "user", 0), (split, "Client", 100)):
        table = rows(start=start)
        table = [row | {"chat": row["chat"].replace("user:", f"{side}:")} for row in table]
        write_csv(workplace.parent / f"mine/{name}.csv", table)
    run(monkeypatch, workplace.parent / "mine", "--write", "mine")
    assert load().clean.roles == {"assistant": "agent", "client": "customer", "user": "customer"}


def test_yes_or_no_field_of_a_side_gives_roles(workplace, monkeypatch):
    file = workplace.parent / "mine/a.jsonl"
    sides = [{"incoming": True, "body": "my {} broke"}, {"incoming": False, "body": "sorry, {}"}]
    lines = [
        {
            "turns": [turn | {"body": turn["body"].format(n)} for turn in sides],
            "summary": f"It broke: {n}",
        }
        for n in range(40)
    ]
    file.write_text("\n".join(map(json.dumps, lines)))
    run(monkeypatch, file, "--write", "mine")
    assert load().clean.roles == {"true": "customer", "false": "agent"}


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("created_at", ["2024-01-05T10:02:00Z", "2024-01-05T10:01:00Z"]),
        ("created_at", ["2024-01-05T10:02:00.5Z", "2024-01-05T10:02:00Z"]),
        ("date", ["1/5/2024 1:02 PM", "1/5/2024 10:04 AM"]),
        ("sent", ["Fri, 05 Jan 2024 10:04:00 +0000", "Fri, 05 Jan 2024 10:03:00 +0000"]),
        ("time", ["10:04", "9:58"]),
        ("ts", [{"$date": "2024-01-05T10:02:00Z"}, {"$date": "2024-01-05T10:01:00Z"}]),
        ("turn_id", ["10", "9"]),
    ],
)
def test_turns_in_another_order_are_reported(workplace, monkeypatch, capsys, key, values):
    for order, told in ((values, True), (values[::-1], False)):
        lines = []
        for row in rows():
            turns = [line.split(": ", 1) for line in row["chat"].split("\n")]
            turns = [
                {key: value, "speaker": name, "text": text}
                for value, (name, text) in zip(order, turns, strict=True)
            ]
            lines.append(json.dumps({"turns": turns, "summary": row["summary"]}))
        file = workplace.parent / "mine/a.jsonl"
        file.write_text("\n".join(lines))
        run(monkeypatch, file)
        said = f"in 40 of 40 conversations the turns are not in the order of '{key}', such as row 1"
        assert (said in capsys.readouterr().out) == told


def test_a_holdout_fills_each_split_of_few_dialogues(workplace, monkeypatch, capsys):
    for count in range(6, 30):
        run(
            monkeypatch, write_csv(workplace.parent / "mine/few.csv", rows(count)), "--write", "few"
        )
        found = re.search(r"holdout +(0\.\d+), with which each split has", capsys.readouterr().out)
        if found:
            assert load().clean.holdout == float(found[1]) != 0.1
            return
    pytest.fail("a tenth has filled the splits of each count")


def tickets() -> dict[str, list[dict]]:
    """As Freshdesk and Intercom export them: the first message stands outside the list of turns."""
    said = [f"My {GOODS[n % 6]} of day {n} has not arrived here yet" for n in range(40)]
    talk = [[f"Where did you buy it on day {n}?", f"In shop {n}, last week."] for n in range(40)]
    summary = "The customer asks for what has not arrived."
    freshdesk = [
        {
            "id": n,
            "description_text": first,
            "conversations": [{"incoming": i == 1, "body_text": t} for i, t in enumerate(talk[n])],
            "summary": summary,
        }
        for n, first in enumerate(said)
    ]
    intercom = [
        {
            "id": n,
            "source": {"type": "email", "body": first, "author": {"type": "user"}},
            "conversation_parts": {
                "conversation_parts": [
                    {"body": t, "author": {"type": ["admin", "user"][i]}}
                    for i, t in enumerate(talk[n])
                ]
            },
            "summary": summary,
        }
        for n, first in enumerate(said)
    ]
    return {"description_text": freshdesk, "source.body": intercom}


@pytest.mark.parametrize("field", ["description_text", "source.body"])
def test_a_first_message_outside_the_turns_is_named(workplace, monkeypatch, capsys, field):
    file = workplace.parent / "mine/tickets.json"
    file.write_text(json.dumps(tickets()[field]), encoding="utf-8")
    run(monkeypatch, file)
    assert f"not read       {field}\n" in capsys.readouterr().out
