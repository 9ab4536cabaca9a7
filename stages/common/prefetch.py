"""Batches worked on in threads while those before are written: polars holds no lock of Python's."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor


def prefetch(function: Callable, items: Iterable, threads: int = 2) -> Iterator:
    """`map`, in order, on threads that work no further ahead than their number."""
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
