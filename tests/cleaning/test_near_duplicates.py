"""No dialogue of train is a near-duplicate of one in validation or test."""

import random

import polars as pl
import pytest

from stages.cleaning.near_duplicates import Index
from tests.helpers.data import TEXT, run_clean, three

WORDS = [f"w{i}" for i in range(3000)]
CHINESE = "".join(map(chr, range(0x4E00, 0x4F00)))
THAI = "".join(map(chr, range(0x0E01, 0x0E2F)))


def talk(rng: random.Random, words: int = 80) -> list[str]:
    return rng.choices(WORDS, k=words)


def edited(rng: random.Random, words: list[str], edits: int) -> list[str]:
    words = words.copy()
    for at in rng.sample(range(len(words)), edits):
        words[at] = f"x{rng.random()}"
    return words


def column(talks: list[list[str]]) -> pl.Series:
    turn = pl.Struct({"speaker": pl.String, "text": pl.String})
    half = [len(words) // 2 for words in talks]
    rows = [
        [
            {"speaker": "customer", "text": " ".join(words[:at])},
            {"speaker": "agent", "text": " ".join(words[at:])},
        ]
        for words, at in zip(talks, half, strict=True)
    ]
    return pl.Series(rows, dtype=pl.List(turn))


def shingles(words: list[str]) -> set[tuple]:
    """Shingles of three words, in plain Python. Two end marks count as words."""
    padded = [*words, None, None]
    return {tuple(padded[i : i + 3]) for i in range(len(words))}


def jaccard(one: set, other: set) -> float:
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)


@pytest.mark.parametrize("threshold", [0.5, 0.8, 1.0])
def test_index_decides_as_exact_similarity_does(threshold):
    rng = random.Random(threshold)
    held = [talk(rng, rng.choice([1, 2, 3, 30, 80, 200])) for _ in range(150)]
    index = Index(threshold)
    index.add(column(held[:70]))
    index.add(column(held[70:]))
    asked = [edited(rng, words, min(len(words), rng.randrange(9))) for words in held * 2]
    asked += [talk(rng) for _ in range(50)]
    sets = [shingles(words) for words in held]
    best = [max(jaccard(shingles(words), other) for other in sets) for words in asked]
    expected = [similarity >= threshold for similarity in best]
    assert 20 < sum(expected) < len(asked) - 20
    got = index.near(column(asked)).to_list()
    assert sum(a != b for a, b in zip(got, expected, strict=True)) <= 1  # MinHash may miss one


def test_case_and_punctuation_do_not_hide_a_near_duplicate():
    rng = random.Random(0)
    words = talk(rng)
    index = Index(1.0)
    index.add(column([words]))
    assert index.near(column([[word.upper() + "." for word in words]])).to_list() == [True]


def test_dialogues_from_one_template_are_not_near_duplicates():
    # Any two differ in a third of their words: they are similar, but below the threshold.
    rng = random.Random(0)
    frame = talk(rng, 60)
    index = Index(0.8)
    index.add(column([edited(rng, frame, 8) for _ in range(300)]))
    assert index.near(column([edited(rng, frame, 8) for _ in range(100)])).sum() == 0


def rows(talks: list[list[str]], name: str) -> list[dict]:
    return [{"text": " ".join(words), "summary": f"{name} {i}"} for i, words in enumerate(talks)]


def test_near_duplicates_are_kept_in_test_then_in_validation(tmp_path, monkeypatch, capsys):
    rng = random.Random(1)
    one, two, three_, four = (talk(rng) for _ in range(4))
    splits = {
        "train": rows(
            [edited(rng, one, 2), edited(rng, two, 2), edited(rng, three_, 2), four], "t"
        ),
        "validation": rows([edited(rng, one, 2), two], "v"),
        "test": rows([one, edited(rng, one, 1), three_], "e"),
    }
    kept = run_clean(tmp_path, monkeypatch, TEXT, splits)
    names = {split: [row["references"][0] for row in of] for split, of in kept.items()}
    assert names == {"test": ["e 0", "e 1", "e 2"], "validation": ["v 1"], "train": ["t 3"]}
    assert "4 near-duplicate" in capsys.readouterr().out


def test_null_keeps_near_duplicates(tmp_path, monkeypatch, capsys):
    rng = random.Random(2)
    words = talk(rng)
    splits = three(rows([edited(rng, words, 1)], "t")) | {"test": rows([words], "e")}
    kept = run_clean(tmp_path, monkeypatch, TEXT, splits, near_duplicates=None)
    assert len(kept["train"]) == 1
    assert "dropped: none" in capsys.readouterr().out


def test_held_out_splits_have_no_near_duplicates_in_train(tmp_path, monkeypatch):
    # Held-out dialogues are in train's file before and after their near-duplicates.
    rng = random.Random(3)
    talks = [talk(rng) for _ in range(100)]
    both = [*talks, *(edited(rng, words, 1) for words in talks)]
    rng.shuffle(both)
    kept = run_clean(tmp_path, monkeypatch, TEXT, {"train": rows(both, "t")})
    sets = {s: [shingles(row["turns"][0]["text"].split()) for row in of] for s, of in kept.items()}
    assert all(len(of) > 5 for of in sets.values())
    for split, others in (("test", ("validation", "train")), ("validation", ("train",))):
        for one in sets[split]:
            assert all(jaccard(one, w) < 0.8 for other in others for w in sets[other])


def talk_without_spaces(rng: random.Random, alphabet: str, characters: int = 120) -> str:
    return "".join(rng.choices(alphabet, k=characters))


def characters(text: str) -> set[str]:
    """Shingles of five characters, in plain Python. Four end marks count as characters."""
    padded = text + "\x00" * 4
    return {padded[i : i + 5] for i in range(len(text))}


@pytest.mark.parametrize("alphabet", [CHINESE, THAI], ids=["Chinese", "Thai"])
def test_characters_are_compared_where_words_have_no_spaces(alphabet):
    rng = random.Random(3)
    held = [talk_without_spaces(rng, alphabet) for _ in range(60)]
    asked = []
    for text in held:
        signs = list(text)
        for at in rng.sample(range(len(signs)), rng.randrange(6)):
            signs[at] = rng.choice(alphabet)
        asked.append("".join(signs))
    asked += [talk_without_spaces(rng, alphabet) for _ in range(20)]
    sets = [characters(text) for text in held]
    expected = [max(jaccard(characters(t), s) for s in sets) >= 0.8 for t in asked]
    assert 10 < sum(expected) < 60
    index = Index(0.8)
    index.add(
        column([[text] for text in held] + [["an", "english", "talk", "of", "some", "words"]])
    )
    got = index.near(column([[f"{text[:50]}，{text[50:]}。"] for text in asked])).to_list()
    assert sum(a != b for a, b in zip(got, expected, strict=True)) <= 1
    # Dialogues with spaces in the same column are still compared by words.
    english = ["an", "english", "talk", "of", "some", "words"]
    assert index.near(column([[asked[0]], english, ["other", *english[1:]]])).to_list()[1:] == [
        True,
        False,
    ]
