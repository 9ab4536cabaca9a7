"""Models with random weights for the benchmark on a GPU, and how fast that GPU can be."""

import gc
import resource
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
QUANTIZATION = {"nf4": "nf4", "bf16": "none"}
NO_END = {"bos_token_id": None, "eos_token_id": None}  # each summary has as many tokens
SHAPES = {
    "llama-2-7b": {
        "vocab_size": 32000,
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
    },
    "smollm2-135m": {
        "vocab_size": 49152,
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "tie_word_embeddings": True,
    },
    "tiny": {
        "vocab_size": 500,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    },
}


def machine() -> str:
    import bitsandbytes
    import torch
    import transformers

    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    return f"{card}, {versions}, bitsandbytes {bitsandbytes.__version__}"


def cap_memory(gigabytes: float | None) -> None:
    """Let torch allocate no more of the GPU, as if the card were smaller."""
    import torch

    if gigabytes and torch.cuda.is_available():
        torch.cuda.set_per_process_memory_fraction(memory_share(gigabytes))


def memory_share(gigabytes: float | None) -> float:
    """Of the GPU's memory, that of a card with so much."""
    import torch

    total = torch.cuda.get_device_properties(0).total_memory
    return min(1.0, gigabytes * 1e9 / total) if gigabytes else 1.0


def matmul_tflops() -> float:
    """TFLOP/s of a large product in bf16, the best of some."""
    import torch

    gpu = torch.cuda.is_available()
    size, best = (8192, 0.0) if gpu else (512, 0.0)
    one, other = torch.randn(
        2, size, size, dtype=torch.bfloat16, device="cuda" if gpu else "cpu"
    ).unbind()
    for _ in range(20):
        synchronize()
        started = time.perf_counter()
        one @ other
        synchronize()
        best = max(best, 2 * size**3 / (time.perf_counter() - started) / 1e12)
    return best


def synchronize() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def reset_peak() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_memory() -> float:
    """In GB: of the GPU since `reset_peak`, or of this process."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def make_base(folder: Path, shape: str) -> None:
    """Random weights in bf16, written as fetch would have them, unless they are there."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    if folder.exists():
        return
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        config = LlamaConfig(**SHAPES[shape], **NO_END)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    aside = folder.with_name("incomplete")
    model.save_pretrained(aside)
    aside.rename(folder)
    del model
    torch.cuda.empty_cache()


def load(base: Path, weights: str):
    """The base as finetune loads it, with fresh LoRA on all of its linear layers."""
    from stages.model.hardware import choose_hardware
    from stages.params import Lora
    from stages.params import load as load_params
    from stages.training.lora import load_lora

    params = load_params(ROOT / "params.yaml")
    lora = Lora(r=16, alpha=32, dropout=0.05, target_modules="all-linear", last_layers=None)
    changes = {
        "finetune": params.finetune.model_copy(update={"lora": lora}),
        "model": params.model.model_copy(update={"quantization": QUANTIZATION[weights]}),
    }
    return load_lora(base, params.model_copy(update=changes), choose_hardware("bf16"))


def reason(error: Exception) -> str:
    """One line on why a variant has no figures, as a table's cell."""
    if type(error).__name__ == "OutOfMemoryError":
        return "out of memory"
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return f"{type(error).__name__}: {line}".replace("|", "/")[:90]
