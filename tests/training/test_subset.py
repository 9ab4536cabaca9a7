"""The dialogues that a capped training uses are the same ones wherever and however they are stored."""

import numpy as np
import polars as pl
import pytest

from stages.params import Params
from stages.training import subset
from tests.helpers.project import tiny_params

TALKS = [f"customer: where is parcel {n}?\nagent: it comes on day {n % 7}" for n in range(500)]


def used(folder, most: int | None, talks: list[str], split: str = "train") -> list[str]:
    path = folder / f"{split}.parquet"
    pl.DataFrame({"conversation": talks}).write_parquet(path)
    raw = tiny_params()
    raw["finetune"][{"train": "max_train_samples", "validation": "max_eval_samples"}[split]] = most
    chosen = subset.chosen_rows(path, Params.model_validate(raw).finetune)
    return [talk for talk, kept in zip(talks, chosen, strict=True) if kept]


@pytest.mark.parametrize("split", ["train", "validation"])
def test_the_same_ones_in_any_order_and_of_any_batches(tmp_path, monkeypatch, capsys, split):
    first = used(tmp_path, 40, TALKS, split)
    assert len(first) == 40 and first == [talk for talk in TALKS if talk in first]
    assert f"40 of 500 dialogues of {split} are used" in capsys.readouterr().out
    shuffled = list(np.random.default_rng(0).permutation(TALKS))
    monkeypatch.setattr(subset, "BATCH", 7)
    assert sorted(used(tmp_path, 40, shuffled, split)) == sorted(first)
    shouted = used(tmp_path, 40, [talk.upper() + "!" for talk in TALKS], split)
    assert [talk.lower().strip("!") for talk in shouted] == first
    assert set(first) < set(used(tmp_path, 41, TALKS, split))
    # They stand all over the file, not at its start.
    assert 150 < np.mean([TALKS.index(talk) for talk in first]) < 350


@pytest.mark.parametrize("most", [None, 500, 9000])
def test_all_where_nothing_is_capped(tmp_path, capsys, most):
    assert used(tmp_path, most, TALKS) == TALKS
    assert not capsys.readouterr().out


def test_a_capped_training_sees_no_other_dialogue(forks, prepared):
    prepared.params(**{"finetune.max_train_samples": 5, "finetune.max_eval_samples": 2})
    ended = forks.run(prepared.root, "finetune")
    assert ended.status == 0, ended.said
    assert "finetune: 5 of 12 dialogues of train are used" in ended.said
    assert "finetune: 2 of 4 dialogues of validation are used" in ended.said
    assert "finetune: 5 dialogues, 10 references" in ended.said
