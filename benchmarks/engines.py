"""Engines that summarise. Each function loads one and returns a function from prompts to summaries.

A prompt is a list of token ids. Decoding is greedy, up to EOS or `max_new_tokens`.
"""

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from stages.model.loading import load_base

Texts = Callable[[list[list[int]]], list[str]]


def greedy(knobs) -> dict:
    """Options for transformers, which otherwise uses the model's own generation config."""
    keys = ("max_new_tokens", "do_sample", "num_beams", "no_repeat_ngram_size")
    return {key: getattr(knobs, key) for key in (*keys, "repetition_penalty")}


def ours(folder, tokenizer, knobs, hardware, prompting, conversations) -> Texts:
    from stages.generate import summarize
    from stages.model.prepacked import prepack

    model = prepack(load_base(folder, "none", hardware))

    def generate(encoded):
        # It tokenizes them itself, which is part of its time.
        texts = conversations[: len(encoded)]
        return summarize(model, tokenizer, texts, prompting, knobs, progress=False)

    return generate


def loop(folder, tokenizer, knobs, hardware) -> Texts:
    model = load_base(folder, "none", hardware)
    model.set_attn_implementation("sdpa")  # the default of `transformers`
    options = greedy(knobs) | {"pad_token_id": tokenizer.pad_token_id}

    def generate(encoded):
        texts = []
        for ids in encoded:
            output = model.generate(torch.tensor([ids], device=model.device), **options)
            texts.append(tokenizer.decode(output[0, len(ids) :], skip_special_tokens=True))
        return texts

    return generate


def pipeline(folder, tokenizer, knobs, hardware) -> Texts:
    from transformers import pipeline

    pipe = pipeline(
        "text-generation",
        folder,
        tokenizer=tokenizer,
        dtype=hardware.dtype,
        device=hardware.device,
        batch_size=16,
    )
    options = greedy(knobs)

    def generate(encoded):
        answers = pipe(
            [tokenizer.decode(ids) for ids in encoded], return_full_text=False, **options
        )
        return [answer[0]["generated_text"] for answer in answers]

    return generate


def python(*arguments: str) -> None:
    """Conversions have processes of their own: their memory is not the engine's."""
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)


def ctranslate2(folder, tokenizer, knobs, kind: str, batch_size: int) -> Texts:
    from ctranslate2 import Generator

    converted = f"{folder}-{kind}"
    main = "from ctranslate2.converters.transformers import main; main()"
    python("-c", main, "--model", folder, "--output_dir", converted, "--quantization", kind)
    engine = Generator(converted, compute_type=kind, intra_threads=torch.get_num_threads())

    def generate(encoded):
        results = engine.generate_batch(
            [tokenizer.convert_ids_to_tokens(ids) for ids in encoded],
            max_batch_size=batch_size,
            max_length=knobs.max_new_tokens,
            end_token=tokenizer.eos_token,
            include_prompt_in_result=False,
        )
        ids = [result.sequences_ids[0] for result in results]
        return tokenizer.batch_decode(ids, skip_special_tokens=True)

    return generate


def llama_cpp(folder, tokenizer, knobs, kind: str, slots: int, max_prompt_tokens: int) -> Texts:
    """Continuous batching as in llama.cpp's server: `slots` conversations at a time, and the next one
    starts when one ends."""
    import llama_cpp as lib

    file = f"{folder}-{kind}.gguf"
    python(str(Path(__file__).with_name("gguf_model.py")), folder, file, kind.upper())
    logging.getLogger("llama-cpp-python").setLevel(logging.ERROR)
    model = lib.llama_model_load_from_file(file.encode(), lib.llama_model_default_params())
    options = lib.llama_context_default_params()
    options.n_seq_max = slots
    options.n_batch = max(slots, max_prompt_tokens)
    options.n_ctx = slots * (max_prompt_tokens + knobs.max_new_tokens)
    options.kv_unified = False  # otherwise each slot attends over the keys of all
    options.n_threads = options.n_threads_batch = torch.get_num_threads()
    context = lib.llama_init_from_model(model, options)
    if not context:
        raise RuntimeError(f"llama.cpp does not load {file}")
    memory = lib.llama_get_memory(context)
    batch = lib.llama_batch_init(options.n_batch, 0, 1)
    vocabulary = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(model))

    def decode(rows: list[tuple[int, int, int]], wanted: bool) -> list[int]:
        """The next token, if `wanted`, after each of `rows` (token, position, slot)."""
        batch.n_tokens = len(rows)
        for i, (token, position, slot) in enumerate(rows):
            batch.token[i], batch.pos[i], batch.logits[i] = token, position, wanted
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, slot
        if lib.llama_decode(context, batch):
            raise RuntimeError("llama_decode failed")
        indices = range(len(rows) if wanted else 0)
        logits = [lib.llama_get_logits_ith(context, i) for i in indices]
        return [int(np.ctypeslib.as_array(row, (vocabulary,)).argmax()) for row in logits]

    def generate(encoded):
        generated: list[list[int]] = [[] for _ in encoded]
        waiting, busy = list(range(len(encoded))), {}  # indices of prompts; index by slot
        while waiting or busy:
            for slot in sorted(set(range(slots)) - set(busy))[: len(waiting)]:
                busy[slot] = waiting.pop(0)
                lib.llama_memory_seq_rm(memory, slot, -1, -1)
                # The last token is decoded in the batch of the other slots' next tokens.
                rows = [(token, i, slot) for i, token in enumerate(encoded[busy[slot]][:-1])]
                if rows:
                    decode(rows, wanted=False)
            rows = []
            for slot, number in sorted(busy.items()):
                tokens = encoded[number] + generated[number]
                rows.append((tokens[-1], len(tokens) - 1, slot))
            for (_, _, slot), token in zip(rows, decode(rows, wanted=True), strict=True):
                row = generated[busy[slot]]
                row.append(token)
                if token == tokenizer.eos_token_id or len(row) == knobs.max_new_tokens:
                    del busy[slot]
        return tokenizer.batch_decode(generated, skip_special_tokens=True)

    return generate
