"""Packed rows in blocks: the loss and the gradients are those of a row for each reference."""

import copy
import shutil

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._dynamo.utils import counters
from torch.nn.attention.flex_attention import create_mask
from transformers import Gemma2Config, GPT2Config, LlamaConfig, MistralConfig

from stages.model.hardware import Hardware
from stages.params import Params
from stages.training import lora
from stages.training.base_checks import choose_rows
from stages.training.batch_splitting import select_rows, share, split_batch
from stages.training.block_masks import BLOCKS, block_mask, use_blocks, wants_blocks
from stages.training.ranking_loss import RankingCollator, select_ranking_rows
from stages.training.separate_rows import SeparateCollator
from stages.training.shared_prefix import Collator, build_row, dense_mask
from tests.helpers.eager_flex import use_eager_flex
from tests.helpers.project import tiny_params
from tests.training.test_base_checks import HEADS, SMALL, make
from tests.training.test_trainer import ROWS, trainer_of

DTYPES = {"fp32": (torch.float32, 1e-5), "bf16": (torch.bfloat16, 1e-3)}


GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


@pytest.fixture(autouse=True)
def eager_flex(monkeypatch):
    use_eager_flex(monkeypatch)


def dialogue(prompt: int, summaries: list[int], start: int = 0) -> dict:
    """Made-up ids of these lengths, other ones for each `start`."""
    ids = [(7 * i + 13 * start) % 250 + 5 for i in range(prompt + sum(summaries))]
    row, end = ids[:prompt], prompt
    texts = []
    for length in summaries:
        texts.append(ids[end : end + length])
        end += length
    return build_row(row, texts)


def llama():
    return make(LlamaConfig(**SMALL, **HEADS))


DIALOGUES = [
    dialogue(*sizes, i) for i, sizes in enumerate([(90, [9, 30, 4]), (5, [3]), (61, [12, 7])])
]
MIXES = st.lists(
    st.tuples(st.integers(1, 90), st.lists(st.integers(1, 40), min_size=1, max_size=4)),
    min_size=1,
    max_size=6,
)


@given(MIXES, st.sampled_from([0, 128, 300, 4096]))
@settings(max_examples=25)
def test_the_blocks_hold_the_pairs_of_the_dense_mask(sizes, row_tokens):
    rows = [dialogue(*size, i) for i, size in enumerate(sizes)]
    batch = Collator(row_tokens, BLOCKS)(rows)
    segment, ids = batch["segment"], batch["dialogue"]
    assert segment.shape == batch["input_ids"].shape and segment.shape[1] % 128 == 0
    expected, (count, length) = dense_mask(segment, ids, torch.bool), segment.shape
    mask = block_mask(segment, ids)
    assert torch.equal(create_mask(mask.mask_mod, count, 1, length, length, "cpu"), expected)
    blocks = expected.view(count, 1, length // 128, 128, length // 128, 128).any(5).any(3)
    assert torch.equal(mask.to_dense().bool(), blocks)
    for full in mask_of_full_blocks(mask):
        row, query, key = full
        assert expected[row, 0, query * 128 :, key * 128 :][:128, :128].all()


def mask_of_full_blocks(mask) -> list[tuple[int, int, int]]:
    """Those that are computed without a look at their pairs."""
    found = []
    counts, indices = mask.full_kv_num_blocks, mask.full_kv_indices
    for row in range(len(counts)):
        for query, count in enumerate(counts[row, 0].tolist()):
            found += [(row, query, key) for key in indices[row, 0, query, :count].tolist()]
    return found


def adapted(folder, kind: str, quantization: str, device: str):
    """The tiny model with LoRA matrices that are not zero."""
    raw = tiny_params()
    raw["finetune"]["lora"] |= {"last_layers": None}
    raw["model"]["quantization"] = quantization
    hardware = Hardware(device, DTYPES[kind][0], "a test")
    model = lora.load_lora(folder, Params.model_validate(raw), hardware)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, matrix in model.named_parameters():
            if "lora_B" in name:
                matrix.normal_(std=0.02)
    return model


def loss_and_gradients(model, batch, dtype) -> tuple[float, torch.Tensor]:
    model.zero_grad()
    batch = {key: value.to(model.device) for key, value in batch.items()}
    with torch.autocast(model.device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
        loss = model(**batch, num_items_in_batch=torch.tensor(len(batch["labels"]))).loss
    loss.backward()
    gradients = [p.grad.flatten() for p in model.parameters() if p.requires_grad]
    return loss.item(), torch.cat(gradients)


@pytest.mark.parametrize("quantization", ["none", "nf4"])
@pytest.mark.parametrize(
    ("kind", "device"),
    [("fp32", "cpu"), ("bf16", "cpu"), pytest.param("bf16", "cuda", marks=GPU)],
)
@pytest.mark.parametrize("row_tokens", [0, 128, 4096])
def test_loss_and_gradients_are_those_of_separate_rows(
    tiny_llama, monkeypatch, kind, device, quantization, row_tokens
):
    if device == "cuda":
        monkeypatch.undo()  # there it is compiled, as training has it
    dtype, tolerance = DTYPES[kind]
    model = adapted(tiny_llama, kind, quantization, device)
    loss, gradients = loss_and_gradients(model, SeparateCollator()(DIALOGUES), dtype)
    use_blocks(model.get_base_model())
    batch = Collator(row_tokens, BLOCKS)(DIALOGUES)
    assert len(batch["input_ids"]) == {0: 3, 128: 2, 4096: 1}[row_tokens]
    packed = loss_and_gradients(model, batch, dtype)
    assert packed[0] == pytest.approx(loss, abs=tolerance)
    # Of bf16, a dense mask's gradients are as far from those of separate rows.
    atol = tolerance if dtype == torch.float32 else 2 * tolerance
    assert torch.allclose(packed[1], gradients, atol=atol, rtol=0)


def test_activation_checkpointing_changes_no_gradient(tiny_llama):
    model = adapted(tiny_llama, "fp32", "none", "cpu").train()
    use_blocks(model.get_base_model())
    batch = Collator(4096, BLOCKS)(DIALOGUES)
    loss, gradients = loss_and_gradients(model, batch, torch.float32)
    model.gradient_checkpointing_enable({"use_reentrant": False})
    again = loss_and_gradients(model, batch, torch.float32)
    assert again[0] == loss and torch.allclose(again[1], gradients, atol=1e-7)


def test_rows_with_candidates_take_them():
    model, blocks = llama(), llama()
    use_blocks(blocks)
    rows = [dialogue(50, [9, 5, 12], 1), dialogue(20, [7, 8, 3], 2)]
    rows = [row | {"rewards": [0.1, 0.4]} for row in rows]
    dense, packed = RankingCollator()(rows), RankingCollator(mask=BLOCKS)(rows)
    assert torch.equal(dense["row"], packed["row"])
    part = select_ranking_rows(packed, slice(1, 2))
    assert part["segment"].shape == (1, 128) and len(part["rewards"]) == 1
    ranked = ("row", "summary", "rewards", "labels", "shift_labels")
    batches = [
        {key: value for key, value in batch.items() if key not in ranked}
        for batch in (dense, packed)
    ]
    with torch.no_grad():
        logits = [one(**batch).logits for one, batch in zip((model, blocks), batches, strict=True)]
    assert torch.allclose(*logits, atol=1e-5)


@given(MIXES, st.sampled_from([128, 300, 4096]))
@settings(max_examples=10)
def test_no_mix_of_lengths_changes_the_loss(sizes, row_tokens):
    model, blocks = llama(), llama()
    use_blocks(blocks)
    rows = [dialogue(*size, i) for i, size in enumerate(sizes)]
    separate, packed = SeparateCollator()(rows), Collator(row_tokens, BLOCKS)(rows)
    tokens = torch.tensor(len(packed["labels"]))
    with torch.no_grad():
        expected = model(**separate, num_items_in_batch=tokens).loss.item()
        assert blocks(**packed, num_items_in_batch=tokens).loss.item() == pytest.approx(
            expected, abs=1e-5
        )


REFUSED = {
    "soft caps, by an attention of its own": (Gemma2Config(**SMALL, **HEADS), torch.float32),
    "a short window": (MistralConfig(**SMALL, **HEADS, sliding_window=16), None),
    "dropped attention weights": (LlamaConfig(**SMALL, **HEADS, attention_dropout=0.1), torch.bool),
    "dropped embeddings": (
        GPT2Config(vocab_size=259, n_embd=32, n_layer=2, n_head=4, initializer_range=0.2),
        torch.bool,
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_model_that_it_does_not_fit_keeps_the_rows_it_had(name):
    config, mask = REFUSED[name]
    model = make(config)
    attention, lengths = model.config._attn_implementation, (20, 10)
    assert choose_rows(model, *lengths, blocks=torch.float32).mask == mask
    assert model.config._attn_implementation == attention and not model.training


def test_a_model_that_it_fits_uses_it():
    wide = make(MistralConfig(**SMALL, **HEADS, sliding_window=64))
    for model in (llama(), wide):
        assert choose_rows(model, 20, 10, blocks=torch.float32).mask == BLOCKS
        assert model.config._attn_implementation == BLOCKS


@pytest.mark.parametrize("leak", [(), ("segment",), ("dialogue",)])
def test_references_and_dialogues_that_see_one_another_are_found(monkeypatch, leak):
    """The check of each base model, on a mask that lacks a part."""

    def leaky(segment, dialogue):
        ids = {"segment": segment, "dialogue": dialogue}
        return block_mask(**{k: v * 0 if k in leak else v for k, v in ids.items()})

    monkeypatch.setattr("stages.training.block_masks.block_mask", leaky)
    mask = choose_rows(llama(), 20, 10, blocks=torch.float32).mask
    assert mask == (torch.bool if leak else BLOCKS)


def test_parts_of_a_batch_give_its_loss():
    model = llama()
    use_blocks(model)
    batch = Collator(128, BLOCKS)([*DIALOGUES, dialogue(200, [20], 5)])
    assert batch["input_ids"].shape == (3, 256)

    def total(part) -> float:
        assert part["input_ids"].shape[1] % 128 == 0
        return model(**part, num_items_in_batch=1).loss.item()

    halves = split_batch(batch, select_rows)
    assert [len(half["input_ids"]) for half in halves] == [1, 2]
    assert sum(map(total, halves)) == pytest.approx(total(batch), rel=1e-5)
    shares = [share(batch, rank, 4, select_rows) for rank in range(4)]
    assert shares[3] is None and shares[0]["input_ids"].shape == (1, 256)
    assert sum(map(total, shares[:3])) == pytest.approx(total(batch), rel=1e-5)


def test_the_trainer_takes_them(monkeypatch, tmp_path, tiny_llama, capsys):
    raw = tiny_params()
    raw["finetune"] |= {"row_tokens": 4096}
    params, hardware = Params.model_validate(raw), Hardware("cpu", torch.float32, "a test")
    expected = trainer_of(lora.load_lora(tiny_llama, params, hardware), tmp_path / "a", 7, 200)
    monkeypatch.setattr(lora, "wants_blocks", lambda *_: True)
    model = lora.load_lora(tiny_llama, params, hardware)
    assert model.rows.mask == BLOCKS
    assert "rows of several dialogues, under FlexAttention" in capsys.readouterr().out
    trainer = trainer_of(model, tmp_path / "b", 7, 200)
    assert set(trainer.data_collator(ROWS)) >= {"segment", "dialogue"}
    for one in (expected, trainer):
        one.train()
    losses = [one.evaluate()["eval_loss"] for one in (expected, trainer)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


def test_it_is_for_long_rows_on_a_gpu_in_half_precision():
    gpu = Hardware("cuda", torch.bfloat16, "a test")
    assert wants_blocks(4096, gpu) and not wants_blocks(2048, gpu)
    assert not wants_blocks(8192, Hardware("cuda", torch.float32, "a test"))
    assert not wants_blocks(8192, Hardware("cpu", torch.bfloat16, "a test"))


@pytest.mark.skipif(not shutil.which("g++"), reason="no compiler")
def test_it_is_compiled_for_a_first_length_and_once_for_all_others(monkeypatch):
    """Here its forward pass alone, which a CPU has. Past a limit, PyTorch would compile no more."""
    monkeypatch.undo()
    config = LlamaConfig(**SMALL | {"hidden_size": 64}, **HEADS | {"head_dim": 16})
    model, blocks = make(config), make(copy.deepcopy(config))
    use_blocks(blocks)
    torch.compiler.reset()
    counters.clear()
    with torch.no_grad():
        for count in (2, 5, 3, 8, 6):
            rows = [dialogue(60 + 11 * i, [20, 30], i) for i in range(count)]
            dense, packed = Collator(4096)(rows), Collator(4096, BLOCKS)(rows)
            assert torch.allclose(blocks(**packed).loss, model(**dense).loss, atol=1e-5)
    assert counters["stats"]["unique_graphs"] == 2
