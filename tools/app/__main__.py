"""A page and an HTTP API for summaries, on this machine alone unless you say otherwise.

    python -m tools.app

Paste or upload a conversation, look through the test split, compare two commits. The API's own page
is /docs. Nothing that comes in is kept. To let others in, set a token and name an address:

    SUMMARIZER_TOKEN=… python -m tools.app --host 0.0.0.0
"""

import argparse
import ipaddress
import os
import socket

from stages.common.atomic_io import need
from stages.common.cli import Interrupted, UserError, run
from stages.params import load
from tools.app import limits
from tools.summarize.engines import ADAPTER, BASE


def main() -> None:
    args = arguments()
    token = os.environ.get("SUMMARIZER_TOKEN") or None
    check(args.host, token)
    params = load()  # first: it tells who runs this from another folder
    if not args.rate:
        need(BASE, "run `make repro` first")
        need(ADAPTER, "run `make repro` first")
    params = params.model_copy(
        update={"generate": params.generate.model_copy(update={"server": None})}
    )
    listening = listen(args.host, args.port)
    try:
        from tools.app.server import serve
    except ImportError as error:
        raise UserError(
            f"the app needs {error.name}: pip install -r requirements-app.txt"
        ) from None
    host = f"[{args.host}]" if ":" in args.host else args.host
    where = f"http://{host}:{listening.getsockname()[1]}"
    try:
        serve(None if args.rate else params, not args.no_base, token, listening, where)
    except KeyboardInterrupt:
        raise Interrupted("stopped") from None


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.app", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=7860, help="0: any that is free")
    parser.add_argument("--no-base", action="store_true", help="the tuned model alone: less memory")
    parser.add_argument(
        "--rate", action="store_true", help="for raters: the blind sheet alone, no model and no API"
    )
    return parser.parse_args()


def check(host: str, token: str | None) -> None:
    """Others may come in by a token alone."""
    if token is None and not is_loopback(host):
        raise UserError(
            f"--host {host} lets others in: set SUMMARIZER_TOKEN in the environment, which page and"
            " API then ask for"
        )
    if token is not None and len(token) < limits.TOKEN:
        raise UserError(
            f"SUMMARIZER_TOKEN has {len(token)} characters: {limits.TOKEN} or more are needed, such"
            " as `openssl rand -hex 16` prints"
        )
    if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
        raise UserError("SUMMARIZER_TOKEN has characters that no HTTP header takes: use ASCII ones")


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listen(host: str, port: int) -> socket.socket:
    if not 0 <= port < 2**16:
        raise UserError(f"--port {port} is no port: 0 to {2**16 - 1} are")
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=512)
    except OSError as error:
        why = error.strerror.partition(" (")[0]  # Python repeats the address
        raise UserError(f"cannot listen on {host}:{port}: {why}; see --host and --port") from None


if __name__ == "__main__":
    run(main)
