"""Several processes that train or generate together, one for each GPU, as torchrun starts them.

Each process runs the same stage on a share of the rows. All of them take the same decisions, and
only the first one prints and writes. To the libraries every process is alone on its machine: what
has to be added up or agreed on goes through the functions below, and nothing else does.
"""

import os
import sys
from collections.abc import Iterable
from datetime import timedelta

import torch
import torch.distributed as dist

from stages.common.cli import UserError
from stages.common.launch import LAUNCHED

WAIT = timedelta(hours=2)  # for the slowest process, which may be reading weights or ranking
# What a launcher sets; with it, accelerate would wrap the model and share out the data itself.
ENVIRONMENT = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "ROLE_RANK")


def join() -> None:
    """Join the processes that were started together with this one; call it before CUDA is used."""
    if "RANK" not in os.environ:
        return
    local, count = int(os.environ["LOCAL_RANK"]), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    rank, processes = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    choose_gpu(local)
    if LAUNCHED in os.environ:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // count))
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, rank=rank, world_size=processes, timeout=WAIT)
    for name in ENVIRONMENT:
        os.environ.pop(name, None)
    if is_first():
        print(f"{processes} processes work together", flush=True)
    else:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, until the end


def choose_gpu(local: int) -> None:
    """Let this process see one GPU alone, so that every library takes that one."""
    gpus = torch.cuda.device_count()
    if not gpus:
        return
    if local >= gpus:
        raise UserError(f"run.launch: more processes than the {gpus} GPUs of a machine")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(gpus)))
    os.environ["CUDA_VISIBLE_DEVICES"] = visible.split(",")[local]


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def size() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def is_first() -> bool:
    return rank() == 0


def leave_unless_first() -> None:
    """End all processes but the first, which alone writes what they made together."""
    if size() > 1:
        first = is_first()
        dist.barrier()
        dist.destroy_process_group()
        if not first:
            sys.exit(0)


def wait_for_all() -> None:
    if size() > 1:
        dist.barrier()


def from_first(value: object) -> object:
    """The first process's value, in every process."""
    if size() == 1:
        return value
    values = [value]
    dist.broadcast_object_list(values)
    return values[0]


def gather(value: object) -> list:
    """Every process's value, in every process, in their order."""
    if size() == 1:
        return [value]
    values = [None] * size()
    dist.all_gather_object(values, value)
    return values


def highest(value: float) -> float:
    """The highest of the processes' values: what one of them wants, all of them do."""
    return max(gather(value)) if size() > 1 else value


def add_up(tensors: Iterable[torch.Tensor]) -> None:
    """Replace each tensor by its sum over the processes, in place and in one message."""
    tensors = list(tensors)
    if size() == 1 or not tensors:
        return
    flat = torch.cat([tensor.reshape(-1).float() for tensor in tensors])
    dist.all_reduce(flat)
    parts = flat.split([tensor.numel() for tensor in tensors])
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view_as(tensor))
