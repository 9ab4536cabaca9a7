"""What a process on a CPU keeps of the memory that it has used: enough to be fast, and no more."""

import contextlib
import ctypes
import os

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # options of glibc's mallopt
LARGEST = 32 * 2**20  # bytes, the most that it takes for the second


def keep_memory() -> None:
    """To be called before the first product.

    oneDNN compiles kernels for every length it meets and keeps the last 1,024 of them, of some
    megabytes each, though a model needs no more than those of the row in hand. glibc gives what
    is freed back to the system, and taking it anew costs a fault for every 4 kilobytes
    (`benchmarks/README.md`).
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")
    with contextlib.suppress(OSError, AttributeError, TypeError):  # another C library
        libc = ctypes.CDLL(None)
        libc.mallopt(MMAP_THRESHOLD, LARGEST)
        libc.mallopt(TRIM_THRESHOLD, -1)  # never
