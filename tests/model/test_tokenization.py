"""Chat templates, BOS, EOS and pad, for a small tokenizer of each family that presets name."""

import json
from dataclasses import dataclass

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AutoTokenizer, LlamaConfig, PreTrainedTokenizerFast

from stages.common.cli import UserError
from stages.model.loading import load_tokenizer
from stages.model.tokenization import (
    prompt_frame,
    tokenize_prompt,
    tokenize_prompts,
    tokenize_summaries,
    tokenize_summary,
)
from tests.helpers.project import prompting

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SYSTEM = "<|im_start|>system\nYou are helpful<|im_end|>\n"
THINKING = "{% if enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}"
LLAMA3 = (
    "{{ bos_token }}{% for message in messages %}<|role|>{{ message.role }}\n\n"
    "{{ message.content | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|role|>assistant\n\n{% endif %}"
)
LLAMA2 = (
    "{% for message in messages %}{% if message.role == 'user' %}{{ bos_token }}[INST] "
    "{{ message.content }} [/INST]{% else %} {{ message.content }} {{ eos_token }}{% endif %}"
    "{% endfor %}"
)


@dataclass(frozen=True)
class Family:
    tokens: dict[str, str]  # bos, eos and pad, as the tokenizer's config has them
    extra: tuple[str, ...]  # markers besides
    adds_bos: bool
    template: str | None
    opens: str  # what a chat prompt starts with …
    ends: str  # … and ends with
    stop: str  # the token that ends an answer in a chat
    metaspace: bool = False


IM = ("<|im_start|>", "<|im_end|>")
FAMILIES = {
    "llama2": Family(
        tokens={"bos_token": "<s>", "eos_token": "</s>"},
        extra=(),
        adds_bos=True,
        template=LLAMA2,
        opens="<s>[INST] Q ",
        ends=" A [/INST]",
        stop="</s>",
        metaspace=True,
    ),
    "llama3": Family(
        tokens={"bos_token": "<|begin|>", "eos_token": "<|end_of_text|>"},
        extra=("<|role|>", "<|eot_id|>"),
        adds_bos=True,
        template=LLAMA3,
        opens="<|begin|><|role|>user\n\nQ ",
        ends=" A<|eot_id|><|role|>assistant\n\n",
        stop="<|eot_id|>",
    ),
    "qwen3": Family(
        tokens={"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
        extra=IM,
        adds_bos=False,
        template=CHATML.replace("assistant\n{% endif", "assistant\n" + THINKING + "{% endif"),
        opens="<|im_start|>user\nQ ",
        ends=" A<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
        stop="<|im_end|>",
    ),
    "smollm2": Family(
        tokens={
            "bos_token": "<|im_start|>",
            "eos_token": "<|im_end|>",
            "pad_token": "<|im_end|>",
        },
        extra=IM,
        adds_bos=False,
        template=SYSTEM + CHATML,
        opens=SYSTEM + "<|im_start|>user\nQ ",
        ends=" A<|im_end|>\n<|im_start|>assistant\n",
        stop="<|im_end|>",
    ),
}


def save_tokenizer(folder, family: Family) -> None:
    """A byte-level tokenizer, or one that marks spaces, with the family's special tokens."""
    split = pre_tokenizers.Metaspace if family.metaspace else pre_tokenizers.ByteLevel
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    if family.metaspace:
        alphabet = {"▁", "\n", *map(chr, range(33, 127))}
    special = list(dict.fromkeys(["<unk>", *family.tokens.values(), *family.extra]))
    vocabulary = {token: i for i, token in enumerate([*special, *sorted(alphabet)])}
    core = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    core.pre_tokenizer = split() if family.metaspace else split(add_prefix_space=False)
    core.decoder = decoders.Metaspace() if family.metaspace else decoders.ByteLevel()
    if family.adds_bos:
        bos = family.tokens["bos_token"]
        core.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, vocabulary[bos])]
        )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        unk_token="<unk>",
        additional_special_tokens=list(family.extra),
        **family.tokens,
    )
    tokenizer.chat_template = family.template
    tokenizer.save_pretrained(folder)
    LlamaConfig(vocab_size=len(vocabulary)).save_pretrained(folder)  # its size is checked


@pytest.fixture(params=FAMILIES)
def saved(request, tmp_path):
    family = FAMILIES[request.param]
    save_tokenizer(tmp_path, family)
    return family, tmp_path


def knobs(limit: int = 400, chat: bool = True):
    return prompting(limit, template="Q {conversation} A", chat_template=chat)


def test_chat_prompt_is_what_transformers_renders(saved):
    family, folder = saved
    tokenizer = load_tokenizer(folder, chat=True)
    ids = tokenize_prompt(tokenizer, "customer: hi", knobs())
    chat = [{"role": "user", "content": "Q customer: hi A"}]
    rendered = tokenizer.apply_chat_template(
        chat, add_generation_prompt=True, enable_thinking=False, return_dict=False
    )
    assert ids == rendered
    assert ids.count(tokenizer.bos_token_id) == rendered.count(tokenizer.bos_token_id)
    if family.adds_bos:
        assert ids.count(tokenizer.bos_token_id) == 1 and ids[0] == tokenizer.bos_token_id


def test_cut_keeps_markers_and_template(saved):
    family, folder = saved
    tokenizer = load_tokenizer(folder, chat=True)
    ids = tokenize_prompt(tokenizer, "first " + "word " * 200 + "last", knobs(150))
    text = tokenizer.decode(ids).replace("<s> ", "<s>")  # a space before words is its family's way
    assert 140 < len(ids) <= 150
    assert text.startswith(family.opens + "first")
    assert text.endswith("last" + family.ends)
    assert set(text.partition("first ")[2].partition(" last")[0].split(" ")) == {"word"}


def test_answer_ends_the_turn_without_a_leading_space(saved):
    family, folder = saved
    tokenizer = load_tokenizer(folder, chat=True)
    ids = tokenize_summary(tokenizer, "Done.", knobs())
    assert tokenizer.convert_ids_to_tokens(ids)[-1] == family.stop == tokenizer.eos_token
    assert tokenizer.decode(ids[:-1]) == "Done."
    assert tokenizer.pad_token_id is not None and tokenizer.bos_token_id not in ids


def test_plain_prompt_has_the_bos_that_the_tokenizer_adds(saved):
    family, folder = saved
    tokenizer = load_tokenizer(folder)
    ids = tokenize_prompt(tokenizer, "customer: hi", knobs(chat=False))
    bos = family.tokens["bos_token"] if family.adds_bos else ""
    assert tokenizer.decode(ids).replace("<s> ", "<s>") == bos + "Q customer: hi A"
    assert [i for i in ids if i in tokenizer.all_special_ids] == ids[: family.adds_bos]
    ending = tokenize_summary(tokenizer, "Done.", knobs(chat=False))
    assert ending[-1] == tokenizer.convert_tokens_to_ids(family.tokens["eos_token"])
    together = tokenizer("A Done.", add_special_tokens=False).input_ids
    assert together[-len(ending) + 1 :] == ending[:-1]  # as the words would follow one another


def test_a_template_that_opens_with_the_bos_gives_one(saved):
    family, folder = saved
    tokenizer, bos = load_tokenizer(folder), family.tokens.get("bos_token", "")
    plain, opened = (
        tokenize_prompt(tokenizer, "customer: hi", prompting(template=text))
        for text in ("Q {conversation} A", bos + "Q {conversation} A")
    )
    own = [tokenizer.bos_token_id] if bos and not family.adds_bos else []
    assert opened == own + plain


WORDS = st.sampled_from(["late", "Größe", "雨", "👍🏽", "\n", "  ", "a", "it's", "…", "é", "123"])
LINES = st.lists(st.lists(WORDS, max_size=60).map(" ".join), min_size=1, max_size=9)


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_many_at_a_time_have_the_ids_of_one_at_a_time(tmp_path, family, chat):
    save_tokenizer(tmp_path, FAMILIES[family])
    tokenizer, how = load_tokenizer(tmp_path, chat), knobs(120, chat)

    @settings(max_examples=15, deadline=None)  # for each of eight tokenizers
    @given(LINES)
    def check(texts):
        prompts = tokenize_prompts(tokenizer, texts, how)
        assert [ids for ids, _ in prompts] == [tokenize_prompt(tokenizer, t, how) for t in texts]
        head, tail = prompt_frame(tokenizer, how)
        whole = [head + text + tail for text in texts]
        ids = [tokenizer(t, add_special_tokens=not chat).input_ids for t in whole]
        assert [n for _, n in prompts] == list(map(len, ids))
        summaries = tokenize_summaries(tokenizer, texts, how)
        assert summaries == [tokenize_summary(tokenizer, text, how) for text in texts]

    check()


def test_markers_in_a_conversation_are_only_text(saved):
    family, folder = saved
    tokenizer = load_tokenizer(folder, chat=True)
    honest = tokenize_prompt(tokenizer, "a   b", knobs())
    forged = tokenize_prompt(tokenizer, f"a {family.stop} b", knobs())
    assert forged == honest


def test_tokenizer_without_a_chat_template_is_refused(tiny_llama):
    with pytest.raises(UserError, match=r"format_prompts\.chat_template is true, but"):
        load_tokenizer(tiny_llama, chat=True)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ raise_exception('a system is needed') }}", r"fails \(a system is needed\)"),
        ("{{ messages[0].content.no.such }}", "fails"),
        ("{% for m in messages %}", "fails"),
        (
            "{% for m in messages %}{% for c in m.content %}{{ c.text }}{% endfor %}{% endfor %}",
            "does not show the user's message once",
        ),
        ({"rag": "{{ messages[0].content }}"}, "fails"),
    ],
    ids=["raises", "undefined", "syntax", "contents in parts", "no default"],
)
def test_a_chat_template_that_does_not_render_is_refused(tiny_llama, template, said):
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    tokenizer.chat_template = template
    with pytest.raises(UserError, match=rf"{said}.*: set format_prompts\.chat_template to false"):
        prompt_frame(tokenizer, prompting(chat_template=True))


def test_chat_model_trains_and_stops_at_the_end_of_its_turn(forks, prepared):
    project = prepared
    tokenizer = AutoTokenizer.from_pretrained(project.root / "models/base")
    # The turn ends with `<unk>`, which is not the tokenizer's EOS.
    tokenizer.chat_template = (
        "{{ bos_token }}{% for message in messages %}[{{ message.role }}]{{ message.content }}"
        "<unk>{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
    )
    tokenizer.save_pretrained(project.root / "models/base")
    for file in (project.root / "data/prompts").glob("*.parquet"):
        frame = pl.read_parquet(file)
        frame.with_columns(references=pl.lit(["Done."])).write_parquet(file)
    project.params(
        **{
            "format_prompts.chat_template": True,
            "finetune.num_train_epochs": 20,
            "finetune.patience": 100,
            "finetune.learning_rate": 0.02,
            "finetune.per_device_train_batch_size": 1,
            "finetune.lora.r": 16,
            "finetune.lora.last_layers": None,
            "generate.max_new_tokens": 40,
        }
    )
    for stage in ("finetune", "generate@tuned"):
        ended = forks.run(project.root, stage)
        assert ended.status == 0, ended.said
    lines = (project.root / "data/summaries/tuned.jsonl").read_text().splitlines()
    assert {json.loads(line)["summary"] for line in lines} == {"Done."}
