"""From a conversation to the token ids a model sees, the same in training and inference."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from jinja2 import TemplateError
from tokenizers.processors import TemplateProcessing
from transformers.utils import chat_template_utils

from stages.common.cli import UserError
from stages.model.truncation import without_middle
from stages.params import FormatPrompts

# Some chat templates write today's date. Another day would be another prompt: in a training that is
# resumed, for the base model beside the tuned one, in every later summary.
DAY = datetime(2024, 7, 26)  # the one that Llama 3's template has where it knows none

NO_CHAT = "set format_prompts.chat_template to false"


def tokenize_prompt(
    tokenizer, conversation: str, knobs: FormatPrompts, frame: tuple[str, str] | None = None
) -> list[int]:
    """Token ids of the prompt of a conversation, at most `max_prompt_tokens`, with one BOS if the
    tokenizer has one.

    With `chat_template` the prompt is the user's message, and the ids end where the answer starts.
    A conversation that is too long loses its middle: the problem stands at its start and the
    outcome at its end. The words of the template and the chat's markers are never cut; a
    `UserError` says when they alone fill `max_prompt_tokens`. `frame` is what `prompt_frame` gave
    in training.
    """
    ((ids, _),) = tokenize_prompts(tokenizer, [conversation], knobs, frame)
    return ids


def tokenize_prompts(
    tokenizer, conversations: list[str], knobs: FormatPrompts, frame: tuple[str, str] | None = None
) -> list[tuple[list[int], int]]:
    """`tokenize_prompt` of each, and its number of tokens before it lost its middle."""
    head, tail = frame or prompt_frame(tokenizer, knobs)

    def encode(texts: list[str]):
        return tokenizer(
            [head + text + tail for text in texts],
            # A chat template writes its BOS itself.
            add_special_tokens=not knobs.chat_template,
            return_attention_mask=False,
            verbose=False,
        )

    def encode_one(text: str) -> tuple:
        texts = _without_markers(tokenizer, [text])  # the halves of one may have met
        return texts[0], encode(texts).encodings[0]

    conversations = _without_markers(tokenizer, conversations)
    encoded, limit = encode(conversations), knobs.max_prompt_tokens
    prompts = []
    for i, (ids, text) in enumerate(zip(encoded.input_ids, conversations, strict=True)):
        part = ids
        if len(ids) > limit:
            part = without_middle(text, encoded.encodings[i], len(head), limit, encode_one)
        prompts.append((part, len(ids)))
    return prompts


def check_places(tokenizer, folder) -> None:
    """Raise a `UserError` for a tokenizer of Python alone, as ByT5's, BioGPT's and CTRL's are: it
    does not tell where in the text a token stands, without which no conversation can be cut."""
    if not tokenizer.is_fast:
        raise UserError(
            f"the tokenizer in {folder} ({type(tokenizer).__name__}) does not tell where in the text"
            " its tokens stand, so no long conversation can be cut: choose a base model that has a"
            " tokenizer.json"
        )


def open_ended(tokenizer) -> None:
    """Have the tokenizer add nothing behind a text, as one saved with `add_eos_token` does: to a
    model, an EOS behind the prompt says that another text begins."""
    encoding = tokenizer("a").encodings[0]
    added = encoding.special_tokens_mask
    if 0 not in added or not added[-1]:
        return
    first = added.index(0)
    front = list(zip(encoding.tokens[:first], encoding.ids[:first], strict=True))
    single = [*(token for token, _ in front), "$A"]
    backend = tokenizer.backend_tokenizer
    backend.post_processor = TemplateProcessing(single=single, special_tokens=front)


def prompt_text(tokenizer, ids: list[int]) -> str:
    """The text of a prompt of token ids, for a program that tokenizes it, and adds a BOS, itself."""
    bos = [tokenizer.bos_token_id]
    added = tokenizer("").input_ids[:1] == bos == ids[:1]
    return tokenizer.decode(ids[added:], clean_up_tokenization_spaces=False)


def tokenize_summary(tokenizer, summary: str, knobs: FormatPrompts) -> list[int]:
    """Token ids of a completion: the summary and the EOS that ends generation.

    After a plain prompt a space parts it from the prompt's last word; a chat's marker needs none.
    """
    return tokenize_summaries(tokenizer, [summary], knobs)[0]


def tokenize_summaries(tokenizer, summaries: list[str], knobs: FormatPrompts) -> list[list[int]]:
    """`tokenize_summary` of each."""
    texts = _without_markers(tokenizer, summaries)
    texts = texts if knobs.chat_template else [" " + text for text in texts]
    if not texts:
        return []
    encoded = tokenizer(texts, add_special_tokens=False, return_attention_mask=False, verbose=False)
    return [[*ids, tokenizer.eos_token_id] for ids in encoded.input_ids]


def end_of_turn(tokenizer) -> str:
    """The token that the chat template writes after an answer: what generation must stop at."""
    answer = "{answer}"
    chat = [{"role": "user", "content": "?"}, {"role": "assistant", "content": answer}]
    after = _render(tokenizer, chat).rpartition(answer)[2]
    tokens = tokenizer.convert_ids_to_tokens(tokenizer(after, add_special_tokens=False).input_ids)
    return next((t for t in tokens if t in special_tokens(tokenizer)), tokenizer.eos_token)


def prompt_frame(tokenizer, knobs: FormatPrompts) -> tuple[str, str]:
    """What stands before and after the conversation: the template's text, for a chat as the user's
    message."""
    if not knobs.chat_template:
        head, tail = knobs.template.split("{conversation}")
        return without_bos(tokenizer, head), tail
    chat = [{"role": "user", "content": knobs.template}]
    # Models that can think aloud first (Qwen3) are asked to answer at once; others ignore it.
    with _one_day():
        whole = _render(tokenizer, chat, add_generation_prompt=True, enable_thinking=False)
    if whole.count("{conversation}") != 1:
        raise UserError(
            f"the tokenizer's chat template does not show the user's message once: {NO_CHAT}"
        )
    head, tail = whole.split("{conversation}")
    return head, tail


def without_bos(tokenizer, text: str) -> str:
    """The text without a BOS at its start where the tokenizer adds one: "<s>[INST] " of Llama 2."""
    adds = tokenizer.bos_token and tokenizer.bos_token_id in tokenizer("a").input_ids
    return text.removeprefix(tokenizer.bos_token) if adds else text


def _render(tokenizer, chat: list[dict[str, str]], **options) -> str:
    try:
        return tokenizer.apply_chat_template(chat, tokenize=False, **options)
    # What it raises itself, such as for its system; several templates and no default.
    except (TemplateError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"the tokenizer's chat template fails ({reason}): {NO_CHAT}") from None


class _OneDay:
    now = staticmethod(lambda: DAY)


@contextmanager
def _one_day() -> Iterator[None]:
    """Chat templates take the time from `transformers`, which hands them no function of ours."""
    clock, chat_template_utils.datetime = chat_template_utils.datetime, _OneDay
    try:
        yield
    finally:
        chat_template_utils.datetime = clock


def _without_markers(tokenizer, texts: list[str]) -> list[str]:
    """`texts` with no token that a tokenizer reads as a marker: what people wrote ends no turn."""
    for token in special_tokens(tokenizer):
        texts = [text.replace(token, " ") for text in texts]
    return texts


def special_tokens(tokenizer) -> list[str]:
    """The tokens that have a name, and those that only `tokenizer.json` calls special (Llama 3)."""
    added = tokenizer.added_tokens_decoder.values()
    unnamed = (str(token) for token in added if token.special)
    return list(dict.fromkeys([*tokenizer.all_special_tokens, *unnamed]))
