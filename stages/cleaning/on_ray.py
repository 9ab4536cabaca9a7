"""The part of clean that takes each batch by itself, on a cluster of Ray (`run.ray`).

Batches come back in order, and what compares conversations stays in this process: so the tables are
those of one machine.
"""

import os
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from stages.common.cli import UserError
from stages.common.prefetch import prefetch

AHEAD = 2  # batches in flight for each core of the cluster
SECONDS = 10  # for the cluster to answer
# Of each task, which has one core.
ENVIRONMENT = {"POLARS_MAX_THREADS": "1"}


def mapper(address: str | None) -> Callable[[Callable, Iterable], Iterator]:
    """A `map` in order: `prefetch`, or its like on the cluster at the address.

    Raises `UserError` if Ray is not installed or no cluster is there.
    """
    if address is None:
        return prefetch
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reads it when it is imported
    try:
        import ray
    except ImportError:
        raise UserError("run.ray needs Ray: pip install -r requirements-scale.txt") from None
    try:
        host, _, port = address.rpartition(":")
        if port.isdigit():  # for Ray itself would try for minutes
            socket.create_connection((host, int(port)), timeout=SECONDS).close()
        environment = {"env_vars": ENVIRONMENT}
        ray.init(address=address, runtime_env=environment, log_to_driver=False, logging_level=40)
    except (OSError, ValueError) as error:
        raise UserError(f"run.ray: no cluster of Ray at {address!r}: {error}") from None
    return map_on_cluster


def map_on_cluster(function: Callable, items: Iterable) -> Iterator:
    import ray

    task, function = ray.remote(lambda function, item: function(item)), ray.put(function)
    waiting: deque = deque()
    ahead = AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
    try:
        for item in items:
            waiting.append(task.remote(function, item))
            if len(waiting) > ahead:
                yield ray.get(waiting.popleft())
        while waiting:
            yield ray.get(waiting.popleft())
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError as error:
        raise UserError(f"run.ray: {str(error).splitlines()[0]}") from None
