"""Allocate and free blocks of memory repeatedly; print the page faults of the last round.

python -m tests.helpers.freed_blocks [MODULE]      # imports the module first
"""

import ctypes
import resource
import sys
from importlib import import_module

SIZE = 20_000_000  # bytes


def faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def main() -> None:
    for name in sys.argv[1:]:
        import_module(name)
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    for _ in range(9):
        before = faults()
        blocks = [ctypes.c_void_p(libc.malloc(SIZE)) for _ in range(5)]
        for block in blocks:
            libc.memset(block, 1, SIZE)
        for block in blocks:
            libc.free(block)
    print(faults() - before)


if __name__ == "__main__":
    main()
