"""Reading ahead keeps the order, the bound on what is in memory, and errors."""

from __future__ import annotations

import threading
import time

import pytest

from consilience.nn.ahead import read_ahead


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_what_is_read_comes_in_order(workers):
    def read(item: int) -> int:
        time.sleep(0.002 * (item % 3))
        return item * item

    assert list(read_ahead(read, range(20), workers)) == [i * i for i in range(20)]


def test_no_more_is_read_than_workers_and_one_in_use():
    started: list[int] = []
    lock = threading.Lock()

    def read(item: int) -> int:
        with lock:
            started.append(item)
        return item

    for done in read_ahead(read, range(30), 2):
        time.sleep(0.002)
        assert max(started) <= done + 2


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_comes_where_it_belongs(workers):
    def read(item: int) -> int:
        if item == 3:
            raise ValueError("the fourth")
        return item

    coming = read_ahead(read, range(9), workers)
    assert [next(coming) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="the fourth"):
        next(coming)


def test_stopping_early_leaves_no_thread():
    for item in read_ahead(lambda x: x, range(100), 3):
        if item == 2:
            break
    time.sleep(0.05)
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("consilience-reading")]
