"""Who may send what: a token, the size of a body, and headers that keep a browser here.

It stands before page and API. Without a token the app answers to names of this machine alone, so
that no other site can reach it through a visitor's browser.
"""

import asyncio
import hmac
import html
import secrets
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tools.app import limits

LOCAL = ("127.0.0.1", "localhost", "[::1]")
COOKIE = "summarizer"
SLOW = 0.5  # seconds that a wrong token costs
DRAINED = 20  # times the limit that is read of a body and thrown away, so that the answer arrives
# Nothing is loaded from elsewhere. Gradio's page has scripts in it and compiles some.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self'"
    " 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; form-action 'self';"
    " frame-ancestors 'none'; base-uri 'self'; object-src 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
KEPT = ("/assets/", "/static/", "/static-offline-docs/")  # what a browser may keep: Gradio's files
LOGIN = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Conversation summarizer: token</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 24rem; margin: 15vh auto; padding: 0 1rem }}
label, input, button {{ display: block; width: 100%; box-sizing: border-box; font: inherit }}
input, button {{ padding: .6rem; margin: .4rem 0 1rem }}
</style></head>
<body><main><h1>Conversation summarizer</h1><p role="alert">{message}</p>
<form method="post" action="login"><label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" autofocus required>
<button>Open</button></form></main></body></html>"""


class Guard:
    """ASGI middleware. `token` is what API and page ask for; None: nothing."""

    def __init__(self, app: ASGIApp, token: str | None):
        self.app, self.token = app, token
        self.session = secrets.token_urlsafe(32)  # what the browser of one who knows it holds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError("no websockets here")

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith(KEPT):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        try:
            async with asyncio.timeout(limits.SECONDS):
                body, more = await read_body(scope, receive)
        except TimeoutError:
            await refuse(408, "the body did not come in time")(scope, receive, send_safely)
            return
        answer = self.refusal(Headers(scope=scope), body)
        if answer is None and self.token:
            answer = await self.ask_token(scope, body or b"")
        if answer:
            await answer(scope, receive, send_safely)
            return
        waiting = [{"type": "http.request", "body": body, "more_body": False}] if more else []

        async def receive_again() -> Message:
            return waiting.pop() if waiting else await receive()

        await self.app(scope, receive_again, send_safely)

    def refusal(self, headers: Headers, body: bytes | None) -> Response | None:
        if body is None:
            return refuse(413, f"the body is larger than {limits.BODY:,} bytes: send less at once")
        name = headers.get("host", "").lower()
        if not self.token and name.rpartition(":")[0] not in LOCAL and name not in LOCAL:
            return refuse(403, "this app answers to this machine alone: set SUMMARIZER_TOKEN")
        # A form of another site is sent to this name without asking.
        origin = headers.get("origin")
        if not self.token and origin is not None and origin.lower().partition("://")[2] != name:
            return refuse(403, "this app takes nothing from other sites")
        return None

    async def ask_token(self, scope: Scope, body: bytes) -> Response | None:
        """The answer to one who has no token; None to one who has."""
        headers, path = Headers(scope=scope), scope["path"].rstrip("/")
        if path.endswith("/login"):
            return await self.log_in(scope, body)
        kind, _, given = headers.get("authorization", "").partition(" ")
        cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        if kind.lower() == "bearer" and same(given.strip(), self.token):
            return None
        if same(cookie, self.session):
            return None
        if given:
            await asyncio.sleep(SLOW)
        if scope["method"] == "GET" and "text/html" in headers.get("accept", ""):
            return RedirectResponse(f"{scope.get('root_path', '')}/login", 303)
        answer = refuse(401, "a token is needed: send the header Authorization: Bearer TOKEN")
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer

    async def log_in(self, scope: Scope, body: bytes) -> Response:
        message = ""
        if scope["method"] == "POST":
            given = parse_qs(body.decode("utf-8", "replace")).get("token", [""])[0]
            if same(given, self.token):
                answer = RedirectResponse(f"{scope.get('root_path', '')}/", 303)
                secure = scope["scheme"] == "https"
                answer.set_cookie(
                    COOKIE, self.session, httponly=True, samesite="strict", secure=secure
                )
                return answer
            await asyncio.sleep(SLOW)
            message = "That is not the token."
        return HTMLResponse(LOGIN.format(message=html.escape(message)), 401 if message else 200)


def same(given: str, expected: str) -> bool:
    """In a time that tells nothing of how much of it is right."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


async def read_body(scope: Scope, receive: Receive) -> tuple[bytes | None, bool]:
    """The body, None if it is too large, and whether there was one to read."""
    if scope["method"] in ("GET", "HEAD", "OPTIONS"):
        return b"", False
    chunks, size, more = [], 0, True
    while more and size <= DRAINED * limits.BODY:
        message = await receive()
        size += len(message.get("body", b""))
        if size <= limits.BODY:
            chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    return (b"".join(chunks) if size <= limits.BODY else None), True


def refuse(status: int, message: str) -> Response:
    content = {"error": {"message": message, "conversations": []}}
    return JSONResponse(content, status)
