"""Reading the next batches while the network computes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Given = TypeVar("Given")
Read = TypeVar("Read")


def read_ahead(
    read: Callable[[Given], Read], wanted: Iterable[Given], workers: int
) -> Iterator[Read]:
    """Yield ``read(item)`` of each item, in order, the next ones being read meanwhile.

    Parameters
    ----------
    read : callable
    wanted : iterable
    workers : int
        Threads; with 0 each is read when it is asked for. One more batch than workers is
        in memory.
    """
    if workers == 0:
        yield from map(read, wanted)
        return
    coming = iter(wanted)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="consilience-reading")
    try:
        started: deque[Future[Read]] = deque(
            pool.submit(read, item) for item in islice(coming, workers)
        )
        while started:
            done = started.popleft().result()
            started.extend(pool.submit(read, item) for item in islice(coming, 1))
            yield done
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
