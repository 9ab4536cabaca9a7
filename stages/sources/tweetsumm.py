"""TweetSumm as its authors released it, joined with the tweets from Kaggle.

The release has only the ids of tweets and the offsets of their sentences. The text is in `twcs.csv`
of Kaggle's "Customer Support on Twitter". Format: https://github.com/guyfe/Tweetsumm
"""

import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from stages.common.atomic_io import need
from stages.common.cli import UserError
from stages.sources.json_columns import to_table
from stages.sources.json_files import read_lines

RELEASE = {
    "train": "final_train_tweetsum.jsonl",
    "validation": "final_valid_tweetsum.jsonl",
    "test": "final_test_tweetsum.jsonl",
}
TWEETS = "twcs.csv"
COLUMNS = ["tweet_id", "inbound", "text"]
BLOCK = 1 << 20  # bytes of the CSV file in memory at a time


def read_release(folder: Path) -> dict[str, pa.Table]:
    """Tables of the three splits, in DialogStudio's columns, with a row of `log` for each tweet.

    If a tweet of a dialogue is missing, its `log` is null, which clean counts as malformed.
    """
    rows = {
        split: read_lines(need(folder / name, "get it from github.com/guyfe/Tweetsumm"))
        for split, name in RELEASE.items()
    }
    turns = {}
    for split, dialogues in rows.items():
        for number, row in enumerate(dialogues, 1):
            try:
                turns[split, number] = [
                    (str(turn["tweet_id"]), [span(s) for s in turn["sentence_offsets"]])
                    for turn in row["tweet_ids_sentence_offset"]
                ]
                summaries = [note.get("abstractive") for note in row["annotations"]]
                row["summaries"] = [summary for summary in summaries if summary]
                row["conversation_id"] = str(row["conversation_id"])
            except (KeyError, TypeError, ValueError, AttributeError):
                message = (
                    f"{folder / RELEASE[split]} dialogue {number} is not in TweetSumm's format"
                )
                raise UserError(message) from None
    wanted = {tweet for dialogue in turns.values() for tweet, _ in dialogue}
    tweets = read_tweets(need(folder / TWEETS, "get it from Kaggle, see README.md"), wanted)
    incomplete = sum(any(t not in tweets for t, _ in dialogue) for dialogue in turns.values())
    if incomplete == len(turns):
        raise UserError(
            f"{folder / TWEETS} has the tweets of none of the dialogues: is it the right file?"
        )
    if incomplete:
        print(f"fetch: {incomplete} dialogues have tweets that {folder / TWEETS} lacks")
    return {
        split: to_table(
            [dialogstudio_row(row, turns[split, n], tweets) for n, row in enumerate(dialogues, 1)],
            split,
        )
        for split, dialogues in rows.items()
    }


def span(offsets: str | list) -> tuple[int, int]:
    """Start and end of a sentence, in characters; the release writes them as text, "[0, 80]"."""
    start, end = json.loads(offsets) if isinstance(offsets, str) else offsets
    return int(start), int(end)


def read_tweets(path: Path, wanted: set[str]) -> dict[str, tuple[bool, str]]:
    """Whether the agent wrote it, and its text, for each wanted tweet by id.

    The file has three million rows. Memory holds one block and the wanted tweets.
    """
    ids, tweets = pa.array(sorted(wanted)), {}
    try:
        blocks = pyarrow.csv.open_csv(
            path,
            read_options=pyarrow.csv.ReadOptions(block_size=BLOCK, use_threads=False),
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=COLUMNS, column_types=dict.fromkeys(COLUMNS, pa.string())
            ),
        )
        for block in blocks:
            for tweet in block.filter(pc.is_in(block["tweet_id"], value_set=ids)).to_pylist():
                tweets[tweet["tweet_id"]] = tweet["inbound"].lower() == "false", tweet["text"]
    except KeyError:
        raise UserError(f"{path} lacks one of the columns {', '.join(COLUMNS)}") from None
    except pa.ArrowInvalid as error:  # its message quotes the row, which is not shown
        where = re.search(r"Row #\d+: Expected \d+ columns, got \d+|$", str(error))[0]
        raise UserError(
            f"{path} cannot be read as csv: {where or 'is it the file of Kaggle?'}"
        ) from None
    return tweets


def dialogstudio_row(
    row: dict, turns: list[tuple[str, list]], tweets: dict[str, tuple[bool, str]]
) -> dict:
    log = []
    for tweet, spans in turns:
        if tweet not in tweets:
            log = None
            break
        agent, text = tweets[tweet]
        sentences = " ".join(text[start:end] for start, end in spans)
        log.append(
            {
                "user utterance": None if agent else sentences,
                "system response": sentences if agent else None,
            }
        )
    return {
        "original dialog id": row["conversation_id"],
        "original dialog info": {"summaries": {"abstractive_summaries": row["summaries"]}},
        "log": log,
    }
