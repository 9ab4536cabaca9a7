"""A prompt that is too long loses its middle, between two words where there are any.

The ids that are left are those that the tokenizer gives to their text. So a server, which gets the
text, and a model here, which gets the ids, read the same.
"""

from collections.abc import Callable

from stages.common.cli import UserError

NEAR = 8  # tokens: as far as a cut moves to stand between two words


def without_middle(
    text: str, encoding, start: int, limit: int, encode: Callable[[str], tuple]
) -> list[int]:
    """At most `limit` token ids of a prompt whose conversation `text` begins at character `start`.

    `encoding` is the prompt's, of the library `tokenizers`; `encode` gives that of another
    conversation in the same frame, and the conversation, in which it may change something. The
    frame's own tokens are never cut: a `UserError` says when they alone are too many.
    """
    ids = encoding.ids
    while len(ids) > limit:
        first, last = middle(text, encoding, len(ids), start, limit)
        left = first_word(range(first, max(first - NEAR, 0), -1), text, encoding, start)
        behind = range(last + 1, min(last + 1 + NEAR, len(ids)))
        right = left and first_word(behind, text, encoding, start)
        if left and right:
            return ids[:left] + ids[right:]
        # In a script without spaces, tokens meet that the tokenizer joins, or parts of a character.
        # Some tokenizers leave a word's space out of its span.
        before = min(span(encoding, first - 1)[1], span(encoding, first)[0]) - start
        after = span(encoding, last)[1] - start
        before, after = max(0, before), max(1, before + 1, after)  # at least a character goes
        text, encoding = encode(text[:before] + text[after:])
        ids = encoding.ids
    return ids


def span(encoding, i: int) -> tuple[int, int]:
    """The characters of token `i`: one at a time, for those of all cost as much as the tokens."""
    return encoding.token_to_chars(i) or (0, 0)  # a BOS or EOS that was added has none


def middle(text: str, encoding, size: int, start: int, limit: int) -> tuple[int, int]:
    """The first and the last of `size` tokens to cut, so that as many are left before as behind."""
    end = start + len(text)
    before = next(i for i in range(size) if span(encoding, i)[1] > start)
    after = 0
    for i in reversed(range(size)):
        begin, stop = span(encoding, i)
        if begin < end and stop:
            break
        after += begin >= end
    room = limit - before - after
    if room < 1:
        raise UserError(
            f"format_prompts.max_prompt_tokens is {limit}: the template alone takes {before + after}"
        )
    return before + room - room // 2, size - after - room // 2 - 1


def first_word(tokens: range, text: str, encoding, start: int) -> int | None:
    """The first of these tokens at which a word begins.

    It begins with the one space before it: no tokenizer joins what stands before and behind.
    """
    for i in tokens:
        at = span(encoding, i - 1)[1] - start  # where token i begins, if a character ends there
        between = at > 0 and text[at : at + 1] == " " and text[at - 1 : at].strip()
        if between and text[at + 1 : at + 2].isalnum() and span(encoding, i)[0] - start >= at:
            return i
    return None
