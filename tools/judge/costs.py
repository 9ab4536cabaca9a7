"""What a judge's requests cost: expected before, and counted after."""

from typing import NamedTuple

from tools.judge.prompts import answer_of, request_again
from tools.judge.replies import Replies, Reply

BYTES_A_TOKEN = 4  # of UTF-8, about, in most languages
TOKENS_OF_A_REPLY = 30


class Prices(NamedTuple):
    """Of a million tokens."""

    of_input: float
    of_output: float

    def cost(self, tokens_in: float, tokens_out: float) -> float:
        return (self.of_input * tokens_in + self.of_output * tokens_out) / 1e6


def expected(bodies: list[dict], replies: Replies, prices: Prices | None) -> str:
    """How much will be asked. Thoughts of a model that reasons are not foreseen."""
    new = [body for body in bodies if replies.get(body) is None]
    size = sum(len(m["content"].encode()) for body in new for m in body["messages"])
    tokens_in, tokens_out = round(size / BYTES_A_TOKEN), TOKENS_OF_A_REPLY * len(new)
    kept = f"; {len(bodies) - len(new)} replies are here already" if len(new) < len(bodies) else ""
    said = f"{len(new)} requests, about {tokens_in:,} tokens in and {tokens_out:,} out"
    if prices:
        said += f", which cost about {prices.cost(tokens_in, tokens_out):.2f}"
    return said + kept


def counted(bodies: list[dict], replies: Replies, prices: Prices | None) -> str:
    """What all replies to these requests took, those of earlier runs included."""
    found = [reply for body in bodies for reply in replies_to(body, replies)]
    known = [reply for reply in found if None not in (reply.tokens_in, reply.tokens_out)]
    tokens_in, tokens_out = (
        sum(reply.tokens_in for reply in known),
        sum(reply.tokens_out for reply in known),
    )
    said = f"{len(found)} replies, {tokens_in:,} tokens in and {tokens_out:,} out"
    if prices:
        said += f", which cost {prices.cost(tokens_in, tokens_out):.2f}"
    if len(known) < len(found):
        said += f"; {len(found) - len(known)} replies came without a count of tokens"
    return said


def replies_to(body: dict, replies: Replies) -> list[Reply]:
    first = replies.get(body)
    if first is None or answer_of(first.text):
        return [first] if first else []
    second = replies.get(request_again(body, first.text))
    return [first, second] if second else [first]
