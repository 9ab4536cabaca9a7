"""Cross-validation on real DVC, interrupted and resumed; and what its table says of chance."""

import csv
import json
import signal
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest
import yaml

from stages.common.cli import UserError
from stages.params import Params
from stages.scoring.bleu import STATISTICS, corpus_bleu, statistics
from tests.helpers.project import ROOT, Project, write_corpus
from tools.crossvalidate.estimate import estimate, pseudo_values
from tools.crossvalidate.fold import HELD, HUMAN, HUMAN_HELD, score
from tools.crossvalidate.plan import key_of, read_plan, trainings, values_of
from tools.crossvalidate.report import HEADER, ROUGE, summarize

PLAN = {
    "name": "folds",
    "folds": 2,
    "seeds": [1],
    "settings": {"as it is": None, "beams": {"generate.num_beams": 2}},
}
SENTENCE = "the customer asks for a refund and agent sends a new parcel to them today"
WORDS = SENTENCE.split()


def write(project: Project, **changes) -> None:
    text = yaml.safe_dump(PLAN | changes, sort_keys=False)
    (project.root / "crossvalidate.yaml").write_text(text)


def test_every_dialogue_is_scored_once_and_what_is_finished_is_kept(
    prepared, tmp_path, monkeypatch
):
    ran = tmp_path / "ran"
    ran.touch()
    monkeypatch.setenv("RAN", str(ran))
    project = prepared
    write_corpus(project.root / "corpus", {"train": 30, "validation": 10, "test": 4})
    project.params(**{"clean.holdout": 0.2, "finetune.num_train_epochs": 12})
    project.params(**{"finetune.patience": 12})
    write(project)
    folder = project.root / "sweeps"
    command = [sys.executable, "-m", "tools.crossvalidate"]

    def stop(number: signal.Signals, when) -> tuple[int, str]:
        """Start it, send the signal once `when` is true; its status, and what it printed."""
        log = tmp_path / f"{number.name}.log"
        with open(log, "w") as out:
            cut = subprocess.Popen(
                command, cwd=project.root, env=project.environment, stdout=out, stderr=out
            )
        while not when():
            assert cut.poll() is None, log.read_text()
            time.sleep(0.02)
        cut.send_signal(number)
        return cut.wait(60), log.read_text()

    checkpoint = folder / "folds.clone/models/checkpoints"
    status, _ = stop(signal.SIGKILL, lambda: list(checkpoint.rglob("checkpoint-*")))
    assert status == -signal.SIGKILL
    status, told = stop(signal.SIGINT, lambda: list(folder.glob("folds.folds/*.parquet")))
    assert status == 130
    sentence = "error: interrupted: what is finished is kept, run again to go on"
    assert "finetune: resuming from models/checkpoints/" in told
    assert sentence in told.splitlines()  # the run that it stopped may have a last word

    done = project.python("-m", "tools.crossvalidate", WARM_DVC="1")
    finished = [line for line in done.stdout.splitlines() if "trainings done" in line]
    assert finished[0] in [f"crossvalidate: {n} of 4 trainings done" for n in (1, 2, 3)]
    table = list(csv.DictReader((project.root / "metrics/crossvalidation.csv").open()))
    assert [row["setting"] for row in table] == ["as it is", "beams"]
    assert table[0]["difference"] == "" and float(table[1]["difference"]) == pytest.approx(
        float(table[1]["BLEU"]) - float(table[0]["BLEU"]), abs=0.011
    )
    # A setting of another decoding trains nothing again: DVC has the adapter of its fold.
    assert ran.read_text().splitlines().count("stages.finetune") in (3, 4)  # one was killed
    assert not (folder / "folds.clone").exists()
    dialogues = next(line for line in done.stdout.splitlines()[::-1] if " dialogues, " in line)
    assert dialogues == "40 dialogues, 2 folds, 1 seeds; all references."

    before = ran.read_text().count("stages.")
    again = project.python("-m", "tools.crossvalidate")
    assert "4 of 4 trainings done" in again.stdout
    assert ran.read_text().count("stages.") == before
    assert (
        again.stdout.splitlines()[1:]
        == done.stdout[done.stdout.rindex("\n\n| setting") + 1 :].splitlines()
    )


def write_plan(folder, **changes):
    (folder / "plan.yaml").write_text(yaml.safe_dump(PLAN | changes, sort_keys=False))
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    return read_plan(folder / "plan.yaml", raw), raw


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"folds": 1}, "folds: Input should be greater than or equal to 2"),
        ({"seeds": []}, "seeds: List should have at least 1 item"),
        ({"seeds": [1, 1]}, "seeds must differ"),
        ({"seeds": [2**32]}, "seeds.0: Input should be less than 4294967296"),
        ({"settings": {"one": {}}}, "settings: Dictionary should have at least 2 items"),
        ({"settings": {"a": {}, "b": {"finetune.rate": 1}}}, "settings.b: finetune.rate is no key"),
        (
            {"settings": {"a": {}, "b": {"finetune.lora.r": 0}}},
            "settings.b: finetune.lora.r: Input",
        ),
        ({"settings": {"a": {}, "b": {"finetune.seed": 3}}}, "finetune.seed is cross-validation's"),
        ({"settings": {"a": {}, "b\nc": {}}}, "settings.b\nc.[key]: String should match"),
        ({"settings": {"a": {}, "b": {"fetch.dataset.path": "x"}}}, "on the same dialogues alone"),
        ({"name": "../up"}, "name: String should match pattern"),
        ({"trials": 3}, "trials: Extra inputs are not permitted"),
    ],
)
def test_a_plan_that_cannot_be_run_is_refused(tmp_path, changes, sentence):
    with pytest.raises(UserError) as error:
        write_plan(tmp_path, **changes)
    assert sentence in str(error.value)


def test_a_server_is_refused_for_it_has_none_of_the_folds_models(tmp_path):
    _, raw = write_plan(tmp_path)
    server = {"url": "http://127.0.0.1:1", "model": None, "concurrency": 1, "patience_minutes": 1}
    raw["generate"] |= {"server": server, "num_beams": 1}
    with pytest.raises(UserError, match="each fold trains its own: set it to null"):
        read_plan(tmp_path / "plan.yaml", raw)


def test_a_setting_that_is_named_twice_is_refused(tmp_path):
    write_plan(tmp_path)
    file = tmp_path / "plan.yaml"
    name = list(PLAN["settings"])[-1]
    text = file.read_text().replace("settings:\n", f"settings:\n  {name}: {{}}\n")
    file.write_text(text)
    with pytest.raises(UserError, match=f"line [0-9]+: {name} stands there twice"):
        read_plan(file, {})


def test_trainings_are_kept_by_what_can_change_them(tmp_path):
    plan, raw = write_plan(tmp_path, seeds=[1, 2])
    every = list(trainings(plan))
    assert len(set(every)) == len(every) == 8
    keys = {key_of(raw, values_of(plan, one), "code") for one in every}
    assert len(keys) == 8
    one = values_of(plan, every[0])
    for section in ("run", "card"):
        changed = raw | {section: {}}
        assert key_of(changed, one, "code") == key_of(raw, one, "code")
    assert key_of(raw | {"score": {}}, one, "code") != key_of(raw, one, "code")
    assert key_of(raw, one, "other code") not in keys


def test_pseudo_values_are_of_bleu():
    rng = np.random.default_rng(1)
    texts = [" ".join(rng.permutation(WORDS)[:9]) for _ in range(30)]
    references = [[" ".join(WORDS[:9])], [" ".join(WORDS[3:12])]] * 15
    rows = statistics(texts, references)
    rows[0] += statistics([" ".join(WORDS)], [[" ".join(WORDS)]])[0]  # one text of four tokens
    values = pseudo_values(rows)
    assert values.mean() == pytest.approx(corpus_bleu(rows))
    assert values.argmax() == 0
    # Their spread is the bootstrap's standard error, but for its own chance.
    draws = rng.integers(30, size=(2000, 30))
    bootstrapped = np.std([corpus_bleu(rows[draw]) for draw in draws])
    assert values.std(ddof=1) / 30**0.5 == pytest.approx(bootstrapped, rel=0.4)


def test_the_table_is_of_all_dialogues_and_seeds():
    words = WORDS[1:]
    rng = np.random.default_rng(5)

    def scored(fold: int, kept: int) -> pl.DataFrame:
        """Ten dialogues, of whose references the summaries have the first `kept` words."""
        references = [[" ".join(rng.permutation(words))] for _ in range(10)]
        texts = [
            " ".join([*text.split()[:kept], *["and", "so", "on", "it", "goes", "now"]])
            for [text] in references
        ]
        columns = dict(zip(STATISTICS, statistics(texts, references).T, strict=True))
        others = dict.fromkeys([*ROUGE, *HELD, *HUMAN_HELD], 50.0) | dict.fromkeys(HUMAN, 0)
        ids = [f"{fold}-{i}" for i in range(10)]
        return pl.DataFrame({"id": ids} | columns).with_columns(
            **{k: pl.lit(v) for k, v in others.items()}
        )

    kept = {"few": 6, "many": 10}
    scores = {
        (seed, fold): {name: scored(fold, n) for name, n in kept.items()}
        for seed in (1, 2)
        for fold in (1, 2, 3)
    }
    rows, lines = summarize(scores)
    table = {row[0]: dict(zip(HEADER, row, strict=True)) for row in rows}
    for name in kept:
        each = [
            corpus_bleu(
                pl.concat(scores[seed, fold][name] for fold in (1, 2, 3))
                .select(STATISTICS)
                .to_numpy()
            )
            for seed in (1, 2)
        ]
        assert float(table[name]["BLEU"]) == pytest.approx(np.mean(each), abs=0.006)
        assert float(table[name]["BLEU"]) > 10
    assert table["many"][""] == "better" and float(table["many"]["standard error"]) > 0
    assert lines[0].startswith("30 dialogues, 3 folds, 2 seeds")
    assert lines[1].startswith("many is the highest.")
    assert lines[-1] == "Of the references, 50.00 % of numbers and 50.00 % of names are held."


def test_folds_without_a_number_or_a_name_go_with_folds_that_have_them(tmp_path):
    params = Params.model_validate(yaml.safe_load((ROOT / "params.yaml").read_text()))
    tables = []
    for text in ("my parcel is lost", "my parcel 4711 of Ada is lost"):
        turns = [{"speaker": "customer", "text": text}, {"speaker": "agent", "text": "sorry"}]
        rows = {"id": ["1"], "turns": [turns], "references": [[f"Customer says {text}."] * 2]}
        (tmp_path / "data/clean").mkdir(parents=True, exist_ok=True)
        pl.DataFrame(rows).write_parquet(tmp_path / "data/clean/test.parquet")
        (tmp_path / "data/summaries").mkdir(exist_ok=True)
        line = json.dumps({"id": "1", "summary": text})
        (tmp_path / "data/summaries/tuned.jsonl").write_text(line)
        score(tmp_path, params, tmp_path / "scores.parquet")
        tables.append(pl.read_parquet(tmp_path / "scores.parquet"))
    both = pl.concat(tables)
    for who in ("", "human_"):
        assert both[f"{who}number_precision"].to_list() == [None, 100]
    assert both["hypothesis_length"].to_list() == [4, 7]


def draw(rng, settings: int, dialogues: int, apart: float, training: float, folds: int = 5):
    """Values of settings whose real scores differ by `apart`, and what each of them really is."""
    real = rng.normal(30, apart, settings)
    fold = np.arange(dialogues) % folds
    shared = rng.normal(0, 15, dialogues)
    shared -= shared.mean()  # how hard the dialogues are is not what is estimated
    own = rng.normal(0, 12, (settings, dialogues))
    trained = rng.normal(0, training, (settings, folds))[:, fold]
    return shared + real[:, None] + own + trained, fold, real


@pytest.mark.parametrize("training", [0.0, 1.0])
@pytest.mark.parametrize("settings", [2, 8])
def test_settings_of_equal_worth_are_called_equal(settings, training):
    rng = np.random.default_rng(settings)
    found = []
    for _ in range(200):
        values, fold, _ = draw(rng, settings, 400, 0, training)
        found += [one.verdict for one in estimate(values, fold)[1:]]
    called = sum(verdict != "equal, as far as this can see" for verdict in found) / len(found)
    assert called < 0.08  # one in twenty, give or take


def test_settings_four_errors_apart_come_out_apart():
    rng = np.random.default_rng(3)
    values, fold, _ = draw(rng, 2, 1000, 0, 0.3)
    values[1] += 4 * 12 * (2 / 1000) ** 0.5
    first, second = estimate(values, fold)
    assert (first.difference, first.verdict) == (0, "equal, as far as this can see")
    assert second.verdict == "better"
    assert second.error == pytest.approx(12 * (2 / 1000) ** 0.5, rel=0.3)


@pytest.mark.parametrize("apart", [0.0, 1.0])
@pytest.mark.parametrize("settings", [4, 20])
def test_the_best_of_many_promises_what_it_holds(settings, apart):
    rng = np.random.default_rng(settings)
    raw, promised = [], []
    for _ in range(200):
        values, fold, real = draw(rng, settings, 400, apart, 0.5)
        found = estimate(values, fold)
        best = max(range(settings), key=lambda i: found[i].score)
        raw.append(found[best].score - real[best])
        promised.append(found[best].promised - real[best])
    assert np.mean(raw) > 0.3  # it is luck as well
    assert abs(np.mean(promised)) < np.mean(raw) / 2
    assert abs(np.mean(promised)) < 0.25
