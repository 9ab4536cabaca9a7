"""An archive on a Ray cluster: an actor for each GPU or for a few cores, a shard at a time.

Each actor calls `summarize_shard`, as the local engine does. Where a node is lost, Ray gives its
shards to others; a shard is written by one rename, so that it is there once.
"""

import argparse
import logging
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from stages.common.cli import UserError
from stages.common.ray_cluster import join_cluster, told
from stages.params import Params
from tools.summarize.engines import summarizer
from tools.summarize.folder import Folder
from tools.summarize.shard import Outcome, summarize_shard
from tools.summarize.shards import Shard

if TYPE_CHECKING:
    from stages.model.usage import Usage

CORES = 4  # of an actor without a GPU, if the cluster has so many


class Summarizer:
    """What an actor keeps: the loaded model."""

    def __init__(self, here: str, out: str, params: Params, usage: "Usage"):
        os.chdir(here)
        self.folder, self.params, self.write = Folder(out), params, summarizer(params, usage)

    def __call__(self, row: dict) -> dict:
        shard = Shard(**row)
        outcome = summarize_shard(shard, self.folder, self.params, self.write)
        return row | {"done": outcome.done, "rejected": outcome.rejected, "why": outcome.why}


def summarize_shards(
    shards: list[Shard],
    folder: Folder,
    params: Params,
    usage: "Usage",
    args: argparse.Namespace,
    _advance: object,
) -> Iterator[Outcome]:
    """Yield what became of each shard when its summaries are in the folder."""
    if not shards:
        return
    # Read when Ray is imported. Otherwise it warns of a restart of actors that it does well.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    join_cluster(args.address, "--engine ray", ignore_reinit_error=True)
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # `told` says it in a sentence
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus = sum(int(node.get("GPU", 0)) for node in nodes)
    cores = [n for node in nodes if (n := int(node.get("CPU", 0)))]
    each = min(CORES, min(cores, default=1))
    actors = min(args.actors or gpus or sum(n // each for n in cores), len(shards))
    if not actors:
        raise UserError(
            "--engine ray: no machine of the cluster has cores or a GPU for it: start one, or, if the"
            " cluster starts them when asked, say how many with --actors"
        )
    needs = {"num_gpus": 1} if gpus else {"num_cpus": each}
    rows = [shard._asdict() for shard in shards]
    found = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
        Summarizer,
        fn_constructor_args=(os.getcwd(), folder.url, params, usage),
        compute=ray.data.ActorPoolStrategy(size=actors),
        **needs,
    )
    with told("--engine ray"):
        for row in found.iter_rows():
            shard = Shard(*(row.pop(name) for name in Shard._fields))
            yield Outcome(shard, **row)
