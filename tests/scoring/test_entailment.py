"""A sentence-pair classifier of the hub scores summaries as SummaC's zero-shot scheme does."""

import json

import pytest

from stages import score as stage
from stages.common.cli import UserError
from stages.scoring.entailment import Entailment, entailed_label
from tests.helpers.data import project
from tests.helpers.hub_server import Repository
from tests.scoring.test_score import table, write_texts

WORDS = "[PAD] [UNK] [CLS] [SEP] customer agent parcel late says asks number the . :"
NAMES = {0: "contradiction", 1: "neutral", 2: "entailment"}
TURNS = [
    {"speaker": "customer", "text": "the parcel late."},
    {"speaker": "agent", "text": "number"},
]
NAME = "lab/nli@" + "c" * 40


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A folder with a BERT of one layer and random weights, as on a hub."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    folder = tmp_path_factory.mktemp("nli")
    (folder / "vocab.txt").write_text("\n".join(WORDS.split()))
    config = BertConfig(
        vocab_size=len(WORDS.split()), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=32, id2label=NAMES, initializer_range=1.0,
    )  # fmt: skip
    torch.manual_seed(0)
    BertForSequenceClassification(config).save_pretrained(folder)
    BertTokenizerFast(vocab=str(folder / "vocab.txt"), model_max_length=32).save_pretrained(folder)
    return folder


def published(folder) -> dict[str, bytes]:
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    return files | {"modeling_own.py": b"raise SystemExit", "pytorch_model.bin": b"pickle"}


def test_best_turn_for_each_sentence_and_their_mean(classifier):
    entailment = Entailment(str(classifier))
    claims = ["Customer says late.", "Agent asks number."]
    turns = ["customer: the parcel late.", "agent: number"]
    one_by_one = [[entailment.probabilities([(t, c)])[0] for t in turns] for c in claims]
    assert len({round(p, 4) for row in one_by_one for p in row}) > 2  # the model tells pairs apart
    expected = sum(max(row) for row in one_by_one) / 2
    # In one batch with others, padded, with an empty summary and one longer than the model takes.
    found = entailment(TURNS, [" ".join(claims), "", "the parcel late " * 40, claims[0]])
    assert found[0] == pytest.approx(expected, abs=1e-5) and found[1] is None
    assert found[3] == pytest.approx(max(one_by_one[0]), abs=1e-5) and 0 < found[2] < 1
    assert entailment([{"speaker": None, "text": ""}], ["Late."]) == [None]


def test_score_takes_it_from_the_hub(classifier, hub, tmp_path, monkeypatch):
    hub.repositories["models/lab/nli"] = Repository(published(classifier))
    project(tmp_path, monkeypatch, {"score.bootstrap_samples": 100, "score.classifier": NAME})
    write_texts(
        [["Customer says the parcel is late ."]] * 3, ["Customer says late .", "", "Late ."]
    )
    stage.main()
    score = json.loads((tmp_path / "metrics/score.json").read_text())
    assert 0 < score["tuned"]["entailment"] < 100 and 0 < score["references"]["entailment"] < 100
    rows = [row for row in table("metrics/dialogues.csv") if row["system"] == "tuned"]
    assert [row["entailment"] == "" for row in rows] == [False, True, False]
    assert "entailment" in [row["measure"] for row in table("metrics/plots/faithfulness.csv")]
    assert not hub.gets("modeling_own.py") and not hub.gets("pytorch_model.bin")
    # A second run needs no more than what is there already.
    sent = hub.sent["model.safetensors"]
    stage.main()
    assert hub.sent["model.safetensors"] == sent
    assert json.loads((tmp_path / "metrics/score.json").read_text()) == score


@pytest.mark.parametrize("name", ["lab/absent", "no such folder", "lab/tiny"])
def test_what_is_no_classifier_is_refused(hub, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"^score\.classifier [^\n]*$"):
        Entailment(name)


def test_label_for_entailment_is_found_by_its_name():
    class Config:
        def __init__(self, *labels: str):
            self.id2label = dict(enumerate(labels))

    assert entailed_label("x", Config("ENTAILMENT", "NEUTRAL", "CONTRADICTION")) == 0
    assert entailed_label("x", Config("not_entailment", "entailment")) == 1
    assert entailed_label("x", Config("unsupported", "supported")) == 1
    assert entailed_label("x", Config("consistent", "inconsistent")) == 0
    assert entailed_label("x", Config("LABEL_0", "LABEL_1")) == 1
    assert entailed_label("x", Config("LABEL_0")) == 0
    for labels in (["LABEL_0", "LABEL_1", "LABEL_2"], ["positive", "negative"]):
        with pytest.raises(UserError, match="no label for entailment"):
            entailed_label("x", Config(*labels))
