"""The HTTP API: conversations in, summaries out, as JSON.

A request is read as a file of JSON lines would be by `tools.summarize`, whose summaries it equals.
"""

import asyncio
import json
from collections.abc import Iterable

from fastapi import Depends, FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException

from stages.common.cli import UserError
from stages.sources.json_columns import without_lone_surrogates
from tools.app import limits
from tools.app.contract import Answer, Asked, Health, Problem, Refused, Summary
from tools.app.models import Models
from tools.app.reading import Found, read_values
from tools.app.service import STOPPING, Busy, NotReady, Service

DESCRIPTION = "Summaries of conversations by the tuned model, which reads them as in training."
METHODS = ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE"]
REASONS = {
    400: "no JSON",
    401: "no token, or a wrong one",
    413: "too large",
    422: "no conversations in it, or one that cannot be read",
    503: "loading, or busy: `Retry-After` says when to try again",
}


def build(service: Service, token: bool) -> FastAPI:
    """The app with its routes; the page is mounted on it. `token`: whether one is asked for."""
    app = FastAPIOffline(title="Conversation summarizer", description=DESCRIPTION, redoc_url=None)
    secured = [Depends(HTTPBearer(auto_error=False))] if token else []
    responses = {status: {"model": Problem, "description": why} for status, why in REASONS.items()}

    @app.get("/health", response_model=Health)
    async def health() -> JSONResponse:
        """Whether the model is ready: 200, or 503 while it is not."""
        found = {"state": service.state, "waiting": len(service.queue)}
        return JSONResponse(found, 200 if service.state == "ready" else 503)

    @app.post("/v1/summaries", responses=responses, dependencies=secured)
    async def summaries(asked: Asked) -> Answer:
        """Summarise a conversation, or up to a hundred. One that cannot be read refuses all."""
        values = asked.values(limits.CONVERSATIONS)
        models = service.ready()
        found, redacted = await run_in_threadpool(read_values, values, models.params.clean)
        refuse_faults(found)
        names = ("tuned", "base") if asked.base else ("tuned",)
        if missing := set(names) - set(models.models):
            raise Refused(422, f"the {missing.pop()} model is not loaded here: leave `base` out")
        futures = service.ask([one.conversation.text for one in found], names)
        try:
            written = await asyncio.gather(*map(asyncio.wrap_future, futures))
        except asyncio.CancelledError:
            if not service.stopping:
                raise
            raise NotReady(STOPPING) from None  # its batch takes longer than the server waits
        rows = await run_in_threadpool(explained, models, found, written)
        return Answer(summaries=rows, redacted=redacted)

    @app.api_route("/v1/{rest:path}", methods=METHODS, include_in_schema=False)
    async def other(rest: str) -> None:
        if rest == "summaries":
            raise HTTPException(405, "send a POST request", {"Allow": "POST"})
        raise HTTPException(404, "there is only POST /v1/summaries")

    handle_errors(app)
    return app


def refuse_faults(found: list[Found]) -> None:
    """A `Refused` that names every conversation that cannot be read or is too long."""
    most = limits.CHARACTERS
    faults = [(i, one.fault) for i, one in enumerate(found) if one.fault]
    if faults:
        raise Refused(422, *faults)
    long = [
        (i, f"has {len(one.conversation.text):,} characters, more than {most:,}")
        for i, one in enumerate(found)
        if len(one.conversation.text) > most
    ]
    if long:
        raise Refused(413, *long)


def explained(
    models: Models, found: Iterable[Found], written: Iterable[dict[str, str]]
) -> list[Summary]:
    return [
        Summary(
            id=encodable(one.id),
            **summaries,
            unsupported=models.unsupported(one.conversation, summaries),
            tokens_cut=models.tokens_cut(one.conversation.text),
        )
        for one, summaries in zip(found, written, strict=True)
    ]


def encodable(id_: object) -> object:
    """An id may be any JSON value; half of an emoji in it has no UTF-8."""
    return json.loads(without_lone_surrogates(json.dumps(id_, ensure_ascii=False)))


def handle_errors(app: FastAPI) -> None:
    """Every error is JSON with a sentence."""

    def handler(kind: type[Exception]):
        def register(answer):
            async def handle(_request: Request, error: Exception) -> JSONResponse:
                return answer(error)

            app.add_exception_handler(kind, handle)
            return answer

        return register

    @handler(Refused)
    def refused(error: Refused) -> JSONResponse:
        return problem(error.status, str(error), error.faults)

    @handler(Busy)
    def busy(error: Busy) -> JSONResponse:
        return problem(503, str(error), retry=error.seconds)

    @handler(NotReady)
    def not_ready(error: NotReady) -> JSONResponse:
        return problem(503, str(error), retry=5)

    @handler(UserError)
    def unable(error: UserError) -> JSONResponse:
        return problem(500, str(error))

    @handler(Exception)
    def unexpected(_error: Exception) -> JSONResponse:
        return problem(500, "this failed: the terminal of the server says why")

    @handler(HTTPException)
    def http(error: HTTPException) -> JSONResponse:
        # FastAPI's own word for what is no text.
        unread = error.status_code == 400 and "parsing the body" in str(error.detail)
        message = "the body is not JSON in UTF-8" if unread else str(error.detail)
        answer = problem(error.status_code, message)
        answer.headers.update(error.headers or {})
        return answer

    @handler(RequestValidationError)
    def invalid(error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        *_, place = (str(part) for part in first["loc"])
        if first["type"] == "json_invalid":
            why = first.get("ctx", {}).get("error", "")
            return problem(400, f"the body is not valid JSON: {why}, at character {place}")
        if place == "body":
            return problem(
                400,
                "the body must be a JSON object, with the header Content-Type: application/json",
            )
        if first["type"] == "extra_forbidden":
            return problem(422, f"{place!r} is not known: conversation, conversations and base are")
        return problem(422, f"{place}: {first['msg'][:1].lower()}{first['msg'][1:]}")


def problem(
    status: int, message: str, faults: Iterable[tuple[int, str]] = (), retry: int = 0
) -> JSONResponse:
    listed = [{"number": number, "message": why} for number, why in faults]
    content = {"error": {"message": message, "conversations": listed}}
    return JSONResponse(content, status, {"Retry-After": str(retry)} if retry else None)
