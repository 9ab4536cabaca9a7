"""Join a cluster of Ray, or say in one sentence why not."""

import os
import socket

from stages.common.cli import UserError

SECONDS = 10  # for the cluster to answer; Ray itself would try for minutes


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
            why += "; if it asks for a token, set RAY_AUTH_MODE=token"
        raise UserError(f"{name}: no cluster of Ray at {address!r}: {why}") from None
