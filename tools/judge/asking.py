"""Ask a judge about many items at once, by OpenAI's protocol for chats.

`OPENAI_API_KEY` is sent where it is set. Retries and waits are those of `stages.generation.server`.
"""

import asyncio
import os
from urllib.parse import urlsplit

import httpx2
from tqdm import tqdm

from stages.generation.server import TIMEOUT, other_protocol, send
from stages.params import Server
from stages.sources.json_columns import without_lone_surrogates
from tools.judge.prompts import answer_of, request_again
from tools.judge.replies import Replies, Reply
from tools.ratings.answers import Answer


def ask_all(server: Server, bodies: list[dict], replies: Replies) -> list[Answer | None]:
    """An answer for each request; None where the reply was none twice.

    Raises `UserError` where the server refuses, or does not answer for `server.patience_minutes`.
    """
    return asyncio.run(ask_at_once(server, bodies, replies))


async def ask_at_once(server: Server, bodies: list[dict], replies: Replies) -> list[Answer | None]:
    free = asyncio.Semaphore(server.concurrency)
    bar = tqdm(total=len(bodies), desc="judge", unit="item", disable=None)

    async def answer(client: httpx2.AsyncClient, body: dict) -> Answer | None:
        async with free:
            reply = await ask(client, server, body, replies)
            found = answer_of(reply.text)
            if found is None:
                again = request_again(body, reply.text)
                found = answer_of((await ask(client, server, again, replies)).text)
        bar.update()
        return found

    with bar:
        async with connect(server) as client:
            tasks = [asyncio.ensure_future(answer(client, body)) for body in bodies]
            try:
                return await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()


def connect(server: Server) -> httpx2.AsyncClient:
    """A URL without a path has its API below /v1; any other is taken as it is."""
    url = server.url.rstrip("/")
    key = os.environ.get("OPENAI_API_KEY")
    return httpx2.AsyncClient(
        base_url=url if urlsplit(url).path else f"{url}/v1",
        headers={"Authorization": f"Bearer {key}"} if key else {},
        limits=httpx2.Limits(max_connections=server.concurrency),
        timeout=TIMEOUT,
    )


async def ask(client: httpx2.AsyncClient, server: Server, body: dict, replies: Replies) -> Reply:
    if known := replies.get(body):
        return known
    answer = await send(client, server, "POST", "/chat/completions", body)
    try:
        text = answer["choices"][0]["message"].get("content") or ""
        usage = answer.get("usage") or {}
        counts = (usage.get(name) for name in ("prompt_tokens", "completion_tokens"))
        reply = Reply(
            without_lone_surrogates(str(text)),
            *(count if type(count) is int else None for count in counts),
        )
    except (AttributeError, IndexError, KeyError, TypeError):
        raise other_protocol(server) from None
    replies.add(body, reply)
    return reply
