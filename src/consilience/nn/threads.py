"""How many threads the arithmetic may use: as few as whoever set limits around us meant."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_info


def allowed() -> int:
    """Return how many threads PyTorch may use here.

    That is its own number, the number of cores this process may run on, or what every
    other library is limited to (by joblib in its workers, or `threadpool_limits`),
    whichever is least; PyTorch, loaded later than a limit was set, does not know of it.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    blas = [int(pool["num_threads"]) for pool in threadpool_info() if pool["user_api"] == "blas"]
    found = [torch.get_num_threads(), cores or 1, *blas]
    return max(1, min(found))


@contextmanager
def limited(workers: int = 0) -> Iterator[int]:
    """Keep arithmetic and reading threads together within what is allowed.

    Parameters
    ----------
    workers : int
        Reading threads wished for.

    Yields
    ------
    int
        Reading threads to use: one thread at least is left to compute.
    """
    before, most = torch.get_num_threads(), allowed()
    reading = min(workers, most - 1)
    torch.set_num_threads(most - reading)
    try:
        yield reading
    finally:
        torch.set_num_threads(before)
