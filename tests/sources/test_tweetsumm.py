"""fetch: TweetSumm's release is joined with its tweets, and memory holds no other tweets."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from stages import clean
from stages.common.cli import UserError
from stages.fetch import fetch_dataset
from stages.sources.tweetsumm import RELEASE, read_tweets
from tests.helpers.data import ROOT, project, read_rows

COLUMNS = ["tweet_id", "author_id", "inbound", "created_at", "text"]
COLUMNS += ["response_tweet_id", "in_response_to_tweet_id"]
TWEETS = {
    11: ("True", "@Shop Où est\nmon colis, “vite”? It is 3 days late. https://t.co/x"),
    12: ("False", "@115 We're sorry. Please DM us. ^JS"),
    13: ("True", "@Shop, done & dusted"),
    21: ("True", "no wifi on the train"),
    22: ("False", "which train is it?"),
    31: ("True", "my card was charged twice"),
}


def tweet(number: int, inbound: str, text: str) -> list[str]:
    return [str(number), "115", inbound, "Tue Oct 31 22:10:47 +0000 2017", text, "", ""]


def dialogue(name: str, turns: dict[int, list[str]], summaries: list) -> dict:
    said = [{"tweet_id": id_, "sentence_offsets": spans} for id_, spans in turns.items()]
    notes = [{"extractive": None, "abstractive": summary} for summary in summaries]
    return {"conversation_id": name, "tweet_ids_sentence_offset": said, "annotations": notes}


SPLITS = {
    "train": dialogue(
        "a",
        {11: ["[0, 31]", "[32, 50]"], 12: ["[5, 17]", "[18, 31]"], 13: ["[0, 20]"]},
        [["Parcel is late.", "Agent asks for a DM."], None, ["Late parcel."]],
    ),
    "validation": dialogue("b", {21: ["[0, 20]"], 22: ["[0, 18]"]}, [["No wifi.", "Which train?"]]),
    "test": dialogue("c", {31: ["[0, 25]"]}, [["Charged twice."]]),
}


def write_release(folder: Path, tweets: dict, splits: dict = SPLITS) -> None:
    folder.mkdir(exist_ok=True)
    for split, row in splits.items():
        (folder / RELEASE[split]).write_text(json.dumps(row) + "\n")
    with open(folder / "twcs.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(tweet(number, *content) for number, content in tweets.items())


@pytest.fixture
def params(tmp_path, monkeypatch):
    edits = {"fetch.dataset.source": "tweetsumm", "fetch.dataset.path": "release"}
    return project(tmp_path, monkeypatch, edits)


def test_release_is_joined_with_its_tweets(params):
    write_release(Path("release"), TWEETS)
    fetch_dataset(params.fetch.dataset)
    (row,) = read_rows("data/raw/train.parquet")
    assert row["original dialog id"] == "a"
    assert json.loads(row["original dialog info"])["summaries"]["abstractive_summaries"] == [
        ["Parcel is late.", "Agent asks for a DM."],
        ["Late parcel."],
    ]
    assert row["log"] == [
        {
            "user utterance": "@Shop Où est\nmon colis, “vite”? It is 3 days late.",
            "system response": None,
        },
        {"user utterance": None, "system response": "We're sorry. Please DM us."},
        {"user utterance": "@Shop, done & dusted", "system response": None},
    ]


def test_default_columns_fit_the_release(params):
    write_release(Path("release"), TWEETS)
    fetch_dataset(params.fetch.dataset)
    clean.main()
    (row,) = read_rows("data/clean/validation.parquet")
    assert row == {
        "id": "b",
        "turns": [
            {"speaker": "customer", "text": "no wifi on the train"},
            {"speaker": "agent", "text": "which train is it?"},
        ],
        "references": ["No wifi. Which train?"],
    }


def test_dialogue_with_a_missing_tweet_is_counted(params, capsys):
    write_release(Path("release"), {id_: t for id_, t in TWEETS.items() if id_ != 12})
    fetch_dataset(params.fetch.dataset)
    assert read_rows("data/raw/train.parquet")[0]["log"] is None
    assert "1 dialogues have tweets that release/twcs.csv lacks" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("twcs.csv", None, r"release/twcs\.csv does not exist: get it from Kaggle"),
        ("twcs.csv", "tweet_id,text\n1,a\n", r"release/twcs\.csv lacks one of the columns"),
        (
            "twcs.csv",
            "tweet_id,inbound,text\n1,True\n",
            r"twcs\.csv cannot be read as csv: .*got 2$",
        ),
        (
            "twcs.csv",
            "tweet_id,inbound,text\n9,True,a\n",
            r"has the tweets of none of the dialogues",
        ),
        (RELEASE["test"], None, r"final_test_tweetsum\.jsonl does not exist: get it from github"),
        (
            RELEASE["test"],
            '{"a": 1}\n',
            r"final_test_tweetsum\.jsonl dialogue 1 is not in TweetSumm",
        ),
        (RELEASE["test"], '{"a": \n', r"final_test_tweetsum\.jsonl line 1: "),
    ],
)
def test_wrong_file_is_named(params, name, content, message):
    write_release(Path("release"), TWEETS)
    Path("release", name).unlink()
    if content:
        Path("release", name).write_text(content)
    with pytest.raises(UserError) as error:
        fetch_dataset(params.fetch.dataset)
    assert re.search(message, str(error.value))
    assert "\n" not in str(error.value)
    assert not Path("data/raw").exists()


def test_memory_holds_only_wanted_tweets(tmp_path):
    file, text = tmp_path / "twcs.csv", "lost my luggage,\n" * 60
    with open(file, "w") as out:
        out.write(",".join(COLUMNS) + "\n")
        out.writelines(f'{n},115,True,,"tweet {n}: {text}",,\n' for n in range(120_000))
    assert file.stat().st_size > 120e6
    code = (
        "import sys; from pathlib import Path; import pyarrow as pa\n"
        "from stages.sources.tweetsumm import read_tweets\n"
        "tweets = read_tweets(Path(sys.argv[1]), {str(n) for n in range(0, 120_000, 1000)})\n"
        "print(len(tweets), tweets['7000'][1][:11], pa.default_memory_pool().max_memory())"
    )
    command = [sys.executable, "-c", code, str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    count, *words, peak = done.stdout.split()
    assert (int(count), words) == (120, ["tweet", "7000:"])
    assert int(peak) < file.stat().st_size / 2  # a few blocks, whatever the size of the file


def test_ids_are_matched_exactly(tmp_path):
    write_release(tmp_path, {7: ("True", "x"), 77: ("False", "y")}, {})
    assert read_tweets(tmp_path / "twcs.csv", {"77", "8"}) == {"77": (True, "y")}
