"""The gain in likelihood that a conversation gives a summary, by a causal language model."""

import json
import shutil

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from stages import score as stage
from stages.common.cli import UserError
from stages.scoring import likelihood as module
from stages.scoring.likelihood import HEAD, Likelihood
from tests.helpers.data import project
from tests.helpers.shared import shared
from tests.scoring.test_score import table, write_texts

TURNS = [
    {"speaker": "customer", "text": "zxq 777 zxq 777 zxq"},
    {"speaker": None, "text": "777 zxq zxq"},
]
OTHER = [{"speaker": "customer", "text": "wvy 333 wvy 333 wvy wvy 333"}]


@pytest.fixture(scope="module")
def copier(tiny_llama, tmp_path_factory):
    """A Llama of one layer that says what it has read: attention is even, a token's vector its own."""
    folder = tmp_path_factory.mktemp("copier")
    shutil.copytree(tiny_llama, folder, dirs_exist_ok=True)
    size = len(AutoTokenizer.from_pretrained(tiny_llama))
    config = LlamaConfig(
        vocab_size=size, hidden_size=264, intermediate_size=8, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2, head_dim=132, max_position_embeddings=256,
        bos_token_id=0, eos_token_id=1,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    layer = model.model.layers[0]
    with torch.no_grad():
        for parameter in [*layer.self_attn.parameters(), *layer.mlp.parameters()]:
            parameter.zero_()
        model.model.embed_tokens.weight.copy_(torch.eye(size, 264))
        layer.self_attn.v_proj.weight.copy_(torch.eye(264))
        layer.self_attn.o_proj.weight.copy_(torch.eye(264))
        model.lm_head.weight.copy_(torch.eye(size, 264))
    model.save_pretrained(folder)
    return folder


def test_a_summary_of_this_conversation_gains_more_than_one_of_another(copier):
    gain = Likelihood(copier)
    fitting, other, nothing = gain(TURNS, ["zxq 777", "wvy 333", " "])
    assert fitting > 0.5 and other < 0 and nothing is None
    assert gain(OTHER, ["wvy 333"])[0] > 0.5


@pytest.mark.parametrize("cached", [True, False])
def test_it_is_the_difference_of_log_likelihoods_a_token(copier, monkeypatch, cached):
    """In one batch with others, padded, with a shared cache: as by a plain pass for each alone."""
    monkeypatch.setattr(module, "ROW_TOKENS", 300)  # several batches
    if not cached:
        monkeypatch.setattr(Likelihood, "read", lambda self, context: None)
    tokenizer = AutoTokenizer.from_pretrained(copier)
    model = AutoModelForCausalLM.from_pretrained(copier).eval()

    def log_p(front: str, text: str) -> float:
        before, after = (tokenizer(t, add_special_tokens=False).input_ids for t in (front, text))
        with torch.no_grad():
            logits = model(torch.tensor([[*before, *after]])).logits[0].log_softmax(-1)
        return sum(logits[len(before) - 1 + n, token].item() for n, token in enumerate(after))

    texts = ["zxq", "777 zxq, and more of it", "wvy 333", "zxq", "a", "x" * 60]
    found = Likelihood(copier)(TURNS, texts)
    conversation = "customer: zxq 777 zxq 777 zxq\n777 zxq zxq\n"
    for text, value in zip(texts, found, strict=True):
        alone = log_p(HEAD, f" {text}")
        expected = (log_p(conversation + HEAD, f" {text}") - alone) / (len(text) + 1)
        assert value == pytest.approx(expected, abs=1e-5)


def test_a_long_conversation_loses_its_middle_and_a_long_summary_its_end(copier):
    gain = Likelihood(copier)
    long = [{"speaker": None, "text": "zxq " * 20 + "k" * 5000 + " 777" * 20}]
    context = gain.context(long)
    assert len(context) == 256 - 64
    text = gain.tokenizer.decode(context)
    assert text.startswith("zxq zxq") and text.endswith("777\nSummary:")
    fitting, other = gain(long, ["zxq 777 " * 100, "wvy 333 " * 100])
    assert fitting > other


def test_score_adds_it_for_every_system(copier, tmp_path, monkeypatch):
    project(tmp_path, monkeypatch, {"score.bootstrap_samples": 100, "score.pmi": True})
    write_texts([["Customer says zxq ."]] * 3, ["Customer says zxq .", "", "777 ."])
    with pytest.raises(UserError, match="models/base does not exist: run fetch@model first"):
        stage.main()
    shutil.copytree(copier, "models/base")
    stage.main()
    score = json.loads((tmp_path / "metrics/score.json").read_text())
    assert all(isinstance(score[name]["pmi"], float) for name in ("tuned", "base", "references"))
    rows = [row for row in table("metrics/dialogues.csv") if row["system"] == "tuned"]
    assert [row["pmi"] == "" for row in rows] == [False, True, False]
    measures = [row["measure"] for row in table("metrics/plots/faithfulness.csv")]
    assert "pmi" not in measures  # these are shares


def test_without_it_no_model_is_loaded(copier, tmp_path, monkeypatch):
    project(tmp_path, monkeypatch, {"score.bootstrap_samples": 100})
    write_texts([["Customer is late ."]] * 3, ["Customer says late .", "", "Late ."])
    monkeypatch.delattr(module, "Likelihood")
    shutil.copytree(copier, "models/base")
    stage.main()
    assert "pmi" not in (tmp_path / "metrics/score.json").read_text()


def test_what_is_no_language_model_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"')
    with pytest.raises(UserError, match=r"^score\.pmi: [^\n]*cannot be loaded[^\n]*$"):
        Likelihood(tmp_path)


def test_a_real_model_tells_dialogues_apart():
    """SmolLM2, where the pipeline has fetched it."""
    from benchmarks.faithfulness import read_dialogsum
    from tests.helpers.project import ROOT

    if not (ROOT / "models/base/model.safetensors").exists():
        pytest.skip("models/base is not here")
    dialogues = read_dialogsum(shared("data/dialogsum/dev.jsonl"))[:6]
    gain = Likelihood(ROOT / "models/base")
    texts = [references[0] for _, references in dialogues]
    found = [gain(turns, texts) for turns, _ in dialogues]
    own = [row.pop(n) for n, row in enumerate(found)]
    above = sum(one > other for one, row in zip(own, found, strict=True) for other in row)
    assert above / 30 > 0.8  # its own summary beside another dialogue's, as AUC counts it
