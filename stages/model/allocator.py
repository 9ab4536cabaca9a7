"""Settings of memory allocators: the CPU's reuses freed memory and few kernels stay, a GPU's is emptied."""

import contextlib
import ctypes
import os

import torch

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # options of glibc's mallopt, see malloc.h
MAX_MMAP_THRESHOLD = 32 * 2**20  # bytes; the most that glibc accepts


def configure_allocator() -> None:
    """Call it before the first matrix product.

    oneDNN compiles a kernel for each new length and caches the last 1,024, several megabytes each;
    a model needs only those of the current batch. glibc returns freed memory to the system, and
    getting it back costs a page fault for every 4 kilobytes (`benchmarks/README.md`).
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")
    with contextlib.suppress(OSError, AttributeError, TypeError):  # another C library
        libc = ctypes.CDLL(None)
        libc.mallopt(MMAP_THRESHOLD, MAX_MMAP_THRESHOLD)
        libc.mallopt(TRIM_THRESHOLD, -1)  # never return it


def release_memory() -> None:
    """Return what torch holds free of the GPU's memory, so that a smaller batch finds one piece."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()
