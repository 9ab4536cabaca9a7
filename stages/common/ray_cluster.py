"""Join a cluster of Ray, and say in one sentence what goes wrong there."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from stages.common.cli import UserError

SECONDS = 10  # for the cluster to answer; Ray itself would try for minutes
TOKEN = "set RAY_AUTH_MODE=token if the cluster asks for a token, and disabled if it has none"
SAME = "does every machine of the cluster have this folder and its packages at the same path?"


def join_cluster(address: str | None, name: str, **options) -> None:
    """Connect this process to the cluster at the address; None starts one on this machine.

    `name` is the option that asks for it, as the user wrote it; `options` are those of `ray.init`.
    Raises `UserError` if Ray is not installed or no cluster is there.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reads it when it is imported
    try:
        import ray
    except ImportError:
        raise UserError(f"{name} needs Ray: pip install -r requirements-scale.txt") from None
    try:
        host, _, port = (address or "").rpartition(":")
        if port.isdigit():
            socket.create_connection((host, int(port)), timeout=SECONDS).close()
        ray.init(address=address, log_to_driver=False, logging_level=40, **options)
    except (OSError, OverflowError, ValueError) as error:
        why = str(error).splitlines()[0]
        if port.isdigit() and type(error) is ConnectionError:  # Ray's own: something answers there
            why += f"; {TOKEN}"
        raise UserError(f"{name}: no cluster of Ray at {address!r}: {why}") from None


@contextmanager
def told(name: str) -> Iterator[None]:
    """Raise what a task raised as itself, and what the cluster failed in as a `UserError`."""
    import ray.exceptions

    try:
        yield
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError as error:
        # A traceback of where it happened, if there is one, ends with the error.
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        why = lines[-1].removeprefix(f"{UserError.__module__}.UserError: ")
        if why.startswith("The actor never ran"):  # the cluster calls back without this one's token
            raise UserError(f"{name}: the cluster refused a task: {TOKEN}") from None
        raise UserError(f"{name}: on the cluster: {why} ({SAME})") from None
