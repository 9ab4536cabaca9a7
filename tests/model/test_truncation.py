"""A prompt without its middle has the ids of its own text, for tokenizers that join pieces in every way."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from stages.common.cli import UserError
from stages.model.tokenization import prompt_text, tokenize_prompt
from tests.helpers.project import prompting

MARKERS = ("<s>", "</s>", "<|im_end|>")
WORDS = [
    *["late", "parcel", "parcels", "Größe", "Größenwahn", "it's", "don't", "…", "é", "123", "4567"],
    *[
        "雨",
        "雨が降る",
        "配達が遅れています",
        "👍🏽",
        "👍",
        "👩‍👩‍👧",
        "สวัสดี",
        "привет",
        "a",
        "b",
        "aaaa",
        "=" * 9,
    ],
    *["\n", "\n\n", "  ", "\t", " ", "<|im", "_end|>", "<", "s>", ".", "?!", "—", "№5", "e\u0301"],
]
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def byte_level(trim: bool, regex: str = "") -> Tokenizer:
    """As GPT-2's or, by another split, as Llama 3's."""
    tokenizer = Tokenizer(models.BPE())
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not regex)
    split = [pre_tokenizers.Split(Regex(regex), "isolated")] if regex else []
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*split, level])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=trim)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def llama2() -> Tokenizer:
    """Spaces are characters like others, and what is unknown is bytes."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return tokenizer


def unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


KINDS = {
    "gpt2": lambda: byte_level(trim=True),
    "smollm2": lambda: byte_level(trim=False),
    "llama3": lambda: byte_level(trim=True, regex=LLAMA3),
    "llama2": llama2,
    "unigram": unigram,
}


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request):
    """A tokenizer of a kind, trained until it joins whole words and more."""
    core = KINDS[request.param]()
    options = {"special_tokens": [*MARKERS, "<unk>"], "show_progress": False}
    if request.param == "unigram":
        trainer = trainers.UnigramTrainer(vocab_size=300, unk_token="<unk>", **options)
    else:
        extra = [f"<0x{byte:02X}>" for byte in range(256)] if request.param == "llama2" else []
        alphabet = [] if extra else pre_tokenizers.ByteLevel.alphabet()
        options["special_tokens"] += extra
        # Llama 2's joins no two words, though nothing else parts them.
        trainer = trainers.BpeTrainer(vocab_size=900, initial_alphabet=alphabet, **options)
    texts = [" ".join(p) for p in itertools.permutations([*WORDS, "Q:", "A:"], 2)]
    core.train_from_iterator(WORDS * 5 if request.param == "llama2" else texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    fast.add_special_tokens({"additional_special_tokens": ["<|im_end|>"]})
    return fast


TEXTS = st.lists(
    st.tuples(st.sampled_from(WORDS), st.sampled_from([" ", " ", "", "\n"])),
    min_size=1,
    max_size=80,
).map(lambda parts: "".join(itertools.chain.from_iterable(parts)))


def knobs(limit: int):
    return prompting(limit, template="Q: {conversation}\nA:")


def test_what_is_left_has_the_ids_of_its_text(tokenizer):
    @settings(max_examples=60, deadline=None)
    @given(TEXTS, st.integers(24, 60))
    def check(text, limit):
        ids = tokenize_prompt(tokenizer, text, knobs(limit))
        left = prompt_text(tokenizer, ids)
        assert len(ids) <= limit
        assert tokenizer(left).input_ids == ids
        assert "\ufffd" not in left and not set(ids) & set(tokenizer.all_special_ids) - {
            tokenizer.unk_token_id
        }
        whole = tokenize_prompt(tokenizer, text, knobs(10**6))
        if len(whole) <= limit:
            assert ids == whole

    check()


def test_it_is_the_conversation_without_one_part_of_it(tokenizer):
    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.sampled_from(["late", "parcel", "Größe", "a", "123", "it's"]), min_size=80))
    def check(words):
        ids = tokenize_prompt(tokenizer, " ".join(words), knobs(48))
        left = prompt_text(tokenizer, ids).removeprefix("Q: ").removesuffix("\nA:").split(" ")
        n = len(left)  # whole words, of both ends
        assert any(left == words[:k] + words[k - n :] for k in range(1, n))
        assert len(ids) > 48 - 16

    check()


def test_a_template_that_fills_it_is_refused(tokenizer):
    long = prompting(16, template="123 " * 20 + "{conversation}")
    with pytest.raises(
        UserError, match=r"max_prompt_tokens is 16: the template alone takes [2-9]."
    ):
        tokenize_prompt(tokenizer, "late parcel", long)
