"""Compute the next batches in threads while one is written. polars releases Python's lock."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor


def prefetch(function: Callable, items: Iterable, threads: int = 2) -> Iterator:
    """`map` in threads, in order. It computes at most `threads` items ahead, to bound memory."""
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
