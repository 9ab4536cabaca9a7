"""What a judge is asked, and what it answered. The words are in `prompt.md`, beside this file."""

import json
import re
from pathlib import Path

from tools.ratings.answers import QUESTIONS, Answer
from tools.ratings.items import Item

PROMPT = Path(__file__).with_name("prompt.md")
# Of the prompt's own tags: a text that ends its part would speak to the judge as the prompt does.
TAG = re.compile(r"<(?=\s*/?\s*(?:conversation|summary)\b)", re.IGNORECASE)
AGAIN = "That is not the JSON object. Reply with the JSON object alone."
VALUES = {"yes": True, "true": True, "no": False, "false": False}


def prompt(item: Item) -> str:
    texts = {"conversation": item.conversation, "summary": item.summary}
    fields = {name: TAG.sub("‹", text) for name, text in texts.items()}
    # In one pass, for a conversation may hold "{summary}".
    template = PROMPT.read_text(encoding="utf-8")
    return re.sub(r"\{(conversation|summary)\}", lambda match: fields[match[1]], template)


def request(model: str, item: Item, extra: dict) -> dict:
    """The body of the request; an entry of `extra` adds to it, and one that is None takes away."""
    body = {
        "model": model,
        "messages": [{"role": "user", "content": prompt(item)}],
        "temperature": 0,
    }
    return {name: value for name, value in (body | extra).items() if value is not None}


def request_again(body: dict, reply: str) -> dict:
    """After a reply that is no answer."""
    more = [{"role": "assistant", "content": reply or "…"}, {"role": "user", "content": AGAIN}]
    return body | {"messages": [*body["messages"], *more]}


def answer_of(reply: str) -> Answer | None:
    """The last JSON object of a reply, which may stand behind thoughts; None if it is no answer."""
    for text in reversed(re.findall(r"\{[^{}]*\}", reply)):
        try:
            found = json.loads(text)
        except ValueError:
            continue
        values = {name: str(found.get(name)).strip().lower() for name in QUESTIONS}
        if set(values.values()) <= VALUES.keys():
            return {name: VALUES[value] for name, value in values.items()}
    return None
