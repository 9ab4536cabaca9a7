"""The bundled corpus has the official format, no repeats and no real people or companies."""

import json
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

CORPUS = Path(__file__).parents[2] / "data/bundled"
SPLITS = {"train": 160, "val": 40, "test": 80}
TURN = {
    "turn id",
    "user utterance",
    "system response",
    "dialog history",
    "original user side information",
    "original system side information",
}
# Names of real companies and products that people tweet about. None may appear.
REAL = (
    "airbnb alexa amazon amtrak android apple audible barclays bitcoin chrome citibank comcast"
    " costco deliveroo dhl disney doordash ebay expedia facebook fedex firefox fitbit garmin gmail"
    " google grubhub hilton hsbc hulu ikea instagram ipad iphone itunes kindle lloyds lufthansa lyft"
    " macbook marriott mastercard mcdonalds microsoft monzo natwest netflix nintendo nokia"
    " paypal playstation ps4 ps5 revolut roku ryanair safari samsung siri sky snapchat sony"
    " spotify sprint starbucks steam tesco tesla tiktok tinder twitch uber venmo verizon"
    " virgin visa vodafone walmart whatsapp windows xbox youtube zara"
)


@pytest.fixture(scope="module")
def dialogues() -> dict[str, list[dict]]:
    return {
        split: list(json.loads((CORPUS / split / "dialogues_1.json").read_text("utf-8")).values())
        for split in SPLITS
    }


def turns(dialogue: dict) -> list[str]:
    pairs = [(turn["user utterance"], turn["system response"]) for turn in dialogue["log"]]
    return [text for pair in pairs for text in pair if text]


def references(dialogue: dict) -> list[str]:
    found = dialogue["original dialog info"]["summaries"]["abstractive_summaries"]
    return [" ".join(sentences) for sentences in found]


def grams(texts: list[str], n: int) -> set[tuple[str, ...]]:
    """All n-grams of words within each text, without handles, links and entities."""
    found = set()
    for text in texts:
        words = re.sub(r"https?://\S+|@\w+|&\w+;", " ", text.lower())
        words = re.findall(r"[a-z0-9']+", words)
        found |= {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}
    return found


def test_shards_have_the_official_format(dialogues):
    for split, rows in dialogues.items():
        shard = json.loads((CORPUS / split / "dialogues_1.json").read_text("utf-8"))
        assert list(shard) == [f"Bundled--{split}--{n}" for n in range(1, len(rows) + 1)]
        for n, row in enumerate(rows, 1):
            expected = {
                "original dialog id",
                "dialog index",
                "original dialog info",
                "log",
                "prompt",
            }
            assert set(row) == expected and row["dialog index"] == n
            assert all(set(turn) == TURN for turn in row["log"])
            for before, after in pairwise(row["log"]):
                history = after["dialog history"]
                assert history.startswith(before["dialog history"])
                assert history.endswith(f"<SYSTEM> {before['system response']}")


def test_splits_have_enough_dialogues_and_references(dialogues):
    rows = [row for split in dialogues.values() for row in split]
    for split, least in SPLITS.items():
        assert len(dialogues[split]) >= least
        for row in dialogues[split]:
            assert len(references(row)) >= (2 if split == "train" else 3)
            assert len(set(references(row))) == len(references(row))
            assert all(len(s) == 2 for s in summaries(row))
            assert 4 <= len(turns(row)) <= 14
    assert len({row["original dialog id"] for row in rows}) == len(rows)
    assert len({row["original dialog info"]["company"] for row in rows}) >= 60
    assert len({row["original dialog info"]["problem"] for row in rows}) >= 100


def summaries(dialogue: dict) -> list[list[str]]:
    return dialogue["original dialog info"]["summaries"]["abstractive_summaries"]


def test_no_company_is_in_two_splits(dialogues):
    names = [
        {row["original dialog info"]["company"] for row in rows} for rows in dialogues.values()
    ]
    assert not names[0] & names[1] and not names[0] & names[2] and not names[1] & names[2]


@pytest.mark.parametrize(("part", "n"), [(turns, 8), (references, 10)])
def test_no_near_duplicates(dialogues, part, n):
    seen = Counter(
        gram for rows in dialogues.values() for row in rows for gram in grams(part(row), n)
    )
    assert [" ".join(gram) for gram, count in seen.items() if count > 1] == []


def test_references_are_not_copied(dialogues):
    for rows in dialogues.values():
        for row in rows:
            copied = grams(references(row), 8) & grams(turns(row), 8)
            assert not copied, (row["original dialog id"], copied)


def test_no_real_company_link_or_phone_number(dialogues):
    names = re.compile(rf"\b(?:{'|'.join(REAL.split())})\b")
    for rows in dialogues.values():
        for row in rows:
            text = " ".join([*turns(row), *references(row)])
            assert not (found := names.findall(text.lower())), (row["original dialog id"], found)
            for url in re.findall(r"(?:https?://|www\.)\S+", text):
                assert re.match(r"https://example\.com/", url), url
            for mail in re.findall(r"\S+@[\w-]+\.\w+", text):
                assert re.search(r"@example\.com", mail), mail
            # Phone numbers, unlike tracking numbers, are written with +, 0 or gaps.
            for number in re.findall(r"(?<![\w@#-])(?:\+|0)?\d[\d ()-]{5,}\d(?![\w-])", text):
                digits = re.sub(r"\D", "", number)
                if (number[0] in "+0" and len(digits) >= 7) or (
                    re.search(r"\d[ -]\d", number) and len(digits) >= 10
                ):
                    assert "55501" in digits or not digits.strip("0"), (number, text)
