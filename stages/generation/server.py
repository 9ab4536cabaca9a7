"""Summaries by a server with OpenAI's protocol: vLLM, SGLang, llama.cpp, `transformers serve`.

A prompt is rendered, cut and tokenized here, as for a model in this process, and its text goes to
`/v1/completions`. `OPENAI_API_KEY` is sent where it is set.
"""

import asyncio
import os
import random
import sys
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from zlib import crc32

import httpx2

from stages.common.cli import UserError
from stages.model.tokenization import prompt_text
from stages.params import Generate, Server

# A request has neither beams nor these penalties: what a server makes of other names differs.
DEFAULTS = {
    "num_beams": 1,
    "min_new_tokens": 0,
    "no_repeat_ngram_size": 0,
    "repetition_penalty": 1.0,
}
# llama-cpp-python's server would take 1.1. First the name that vLLM and SGLang have for it, then
# llama.cpp's; `transformers serve` refuses a request with either, and has the model's own.
NO_PENALTY = {"repetition_penalty": 1.0, "repeat_penalty": 1.0}
REFUSED = {400, 422}
BUSY = {408, 409, 425, 429, 500, 502, 503, 504}
LONGEST_WAIT = 30.0  # seconds between two attempts
TIMEOUT = httpx2.Timeout(600.0, connect=10.0)  # a batch may be long on a CPU


def check_settings(knobs: Generate) -> None:
    """A `UserError` where `generate` asks for what a server is not told."""
    for name, default in DEFAULTS.items():
        if (value := getattr(knobs, name)) != default:
            raise UserError(
                f"a server gets no generate.{name}, which is {value}: set it to {default}, or"
                " generate without a server"
            )


def complete(
    server: Server,
    tokenizer,
    prompts: list[list[int]],
    knobs: Generate,
) -> list[tuple[str, bool]]:
    """The text that follows each prompt of token ids, and whether it came to its end.

    A server that does not answer is asked again for
    `server.patience_minutes`; then, and where it refuses a request, a `UserError` says why.
    """
    texts = [prompt_text(tokenizer, ids) for ids in prompts]
    if any(tokenizer(t).input_ids != ids for t, ids in zip(texts, prompts, strict=True)):
        tell_once("prompts have other tokens at the server: the tokenizer adds to their text")
    return asyncio.run(complete_all(server, texts, knobs))


async def complete_all(server: Server, texts: list[str], knobs: Generate) -> list[tuple[str, bool]]:
    key = os.environ.get("OPENAI_API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    limits = httpx2.Limits(max_connections=server.concurrency)
    free = asyncio.Semaphore(server.concurrency)
    url = server.url.rstrip("/").removesuffix("/v1")
    async with httpx2.AsyncClient(
        base_url=url, headers=headers, limits=limits, timeout=TIMEOUT
    ) as client:
        model = server.model or await only_model(client, server)

        async def ask(text: str) -> tuple[str, bool]:
            body = {"model": model, "prompt": text, **settings(knobs, text)}
            async with free:
                answer = await send(client, server, "POST", "/v1/completions", body, NO_PENALTY)
            try:
                (choice,) = answer["choices"]
                return choice["text"], choice["finish_reason"] != "length"
            except (KeyError, TypeError, ValueError):
                raise other_protocol(server) from None

        tasks = [asyncio.ensure_future(ask(text)) for text in texts]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()


def settings(knobs: Generate, prompt: str) -> dict:
    """What a request says beside its prompt.

    Each prompt has a seed of its own, from its text: whatever batch, file or resumed run it is in,
    it is sampled alike. 31 bits, since llama.cpp takes 2**32 - 1 for no seed.
    """
    if not knobs.do_sample:
        return {"max_tokens": knobs.max_new_tokens, "temperature": 0.0}
    return {
        "max_tokens": knobs.max_new_tokens,
        "temperature": knobs.temperature,
        "top_p": knobs.top_p,
        "seed": (knobs.seed + crc32(prompt.encode("utf-8", "surrogatepass"))) % 2**31,
    }


async def only_model(client: httpx2.AsyncClient, server: Server) -> str:
    """The name of the one model that the server has."""
    answer = await send(client, server, "GET", "/v1/models")
    try:
        names = [str(model["id"]) for model in answer["data"]]
    except (KeyError, TypeError):
        raise other_protocol(server) from None
    if len(names) != 1:
        shown = ", ".join(names[:5]) or "none"
        raise UserError(f"{server.url} has {len(names)} models, {shown}: name one of them")
    return names[0]


async def send(
    client: httpx2.AsyncClient,
    server: Server,
    method: str,
    path: str,
    body: dict | None = None,
    more: dict | None = None,
) -> dict:
    """The answer to a request, asked for again while the server is busy, starting or gone.

    `more` goes with the body, unless the server refuses that.
    """
    deadline, wait = time.monotonic() + 60 * server.patience_minutes, 0.5
    while True:
        try:
            extra = more if more and server.url not in strict else {}
            answer = await client.request(method, path, json=body and body | extra)
            if answer.status_code == 200:
                return answer.json()
            if answer.status_code in REFUSED and extra:
                strict.add(server.url)
                continue
            why, asked = f"answers with status {answer.status_code}", retry_after(answer)
            if answer.status_code == 500 and method == "GET":
                raise UserError(
                    f"{server.url} does not list its models: name the one that is meant"
                )
            if answer.status_code in (401, 403):
                raise UserError(f"{server.url}{path} {why}: is OPENAI_API_KEY set, and right?")
            if answer.status_code not in BUSY:
                # Its own words may hold the customer's, so they are not repeated.
                raise UserError(f"{server.url}{path} {why}: see the server's log, and its model")
        # Nested too deep, JSON is a RecursionError.
        except (httpx2.TransportError, ValueError, RecursionError) as error:
            why, asked = f"does not answer ({type(error).__name__})", 0.0
        except httpx2.InvalidURL:
            raise UserError(f"{server.url} is no URL of a server") from None
        if time.monotonic() + max(wait, asked) > deadline:
            raise UserError(f"{server.url} {why}: start it, and run the same again")
        tell_once(f"{server.url} {why}, and is asked again for {server.patience_minutes:g} minutes")
        # Many requests fail together; they shall not come back together.
        await asyncio.sleep(asked + wait * random.uniform(0.5, 1.5))
        wait = min(2 * wait, LONGEST_WAIT)


def retry_after(answer: httpx2.Response) -> float:
    """The seconds for which a busy server asks to be left alone; it may say so by a date."""
    value = answer.headers.get("Retry-After", "")
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):  # no such header, or neither
        return 0.0


def other_protocol(server: Server) -> UserError:
    return UserError(f"{server.url} does not answer as OpenAI's protocol has it")


strict: set[str] = set()  # URLs of servers that take nothing beyond OpenAI's protocol
told: set[str] = set()


def tell_once(line: str) -> None:
    if line not in told:
        told.add(line)
        print(line, file=sys.stderr, flush=True)
