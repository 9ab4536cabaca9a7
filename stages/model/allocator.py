"""Settings of the CPU's memory allocator: freed memory is reused, and few compiled kernels stay."""

import contextlib
import ctypes
import os

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
