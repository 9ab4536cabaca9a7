"""The part of clean that takes each batch by itself, on a cluster of Ray (`run.ray`).

Batches come back in order, and what compares conversations stays in this process: so the tables are
those of one machine.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from stages.common.prefetch import prefetch
from stages.common.ray_cluster import join_cluster, told

AHEAD = 2  # batches in flight for each core of the cluster
# Of each task, which has one core.
ENVIRONMENT = {"POLARS_MAX_THREADS": "1"}


def mapper(address: str | None) -> Callable[[Callable, Iterable], Iterator]:
    """A `map` in order: `prefetch`, or its like on the cluster at the address.

    Raises `UserError` if Ray is not installed or no cluster is there.
    """
    if address is None:
        return prefetch
    join_cluster(address, "run.ray", runtime_env={"env_vars": ENVIRONMENT})
    return map_on_cluster


def map_on_cluster(function: Callable, items: Iterable) -> Iterator:
    import ray

    task, function = ray.remote(lambda function, item: function(item)), ray.put(function)
    waiting: deque = deque()
    ahead = AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
    with told("run.ray"):
        for item in items:
            waiting.append(task.remote(function, item))
            if len(waiting) > ahead:
                yield ray.get(waiting.popleft())
        while waiting:
            yield ray.get(waiting.popleft())
