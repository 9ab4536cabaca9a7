"""An archive in this process, a shard after the other."""

import argparse
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from stages.params import Params
from tools.summarize.engines import summarizer
from tools.summarize.folder import Folder
from tools.summarize.shard import Outcome, summarize_shard
from tools.summarize.shards import Shard

if TYPE_CHECKING:
    from stages.model.usage import Usage


def summarize_shards(
    shards: list[Shard],
    folder: Folder,
    params: Params,
    usage: "Usage",
    _args: argparse.Namespace,
    advance: Callable[[int], object],
) -> Iterator[Outcome]:
    """Yield what became of each shard when its summaries are in the folder."""
    write = summarizer(params, usage) if shards else None
    advance(0)
    for shard in shards:
        yield summarize_shard(shard, folder, params, write, advance)
