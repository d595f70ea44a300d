"""Answers are computed beside the server's own thread: a few at a time, none without end."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from consilience.clinic.hooks.refusal import Refusal
from consilience.errors import InputError

T = TypeVar("T")
log = logging.getLogger("consilience.clinic.hooks")


class Workers:
    """A bounded number of threads, and a bounded queue before them.

    Parameters
    ----------
    name : str
        Of the threads.
    threads : int
    waiting : int
        How many may wait; who comes after them is told to come back.
    """

    def __init__(self, name: str, threads: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._room = threading.BoundedSemaphore(threads + waiting)

    async def run(self, job: Callable[[], T]) -> T:
        """Return what a job returns.

        Raises
        ------
        Refusal
            503 if too many wait already.
        """
        return await self.ended(self.begin(job))

    def begin(self, job: Callable[[], T]) -> asyncio.Future[T]:
        """Begin a job; to be called where an event loop runs.

        Raises
        ------
        Refusal
            503 if too many wait already.
        """
        if not self._room.acquire(blocking=False):
            raise Refusal(503, "too many calls are waiting; try again.", {"Retry-After": "1"})
        try:
            running = self._pool.submit(job)
        except RuntimeError as closed:
            self._room.release()
            raise Refusal(503, "the service is stopping.", {"Retry-After": "5"}) from closed
        running.add_done_callback(self._done)
        waited = asyncio.wrap_future(running)
        waited.add_done_callback(_seen)
        return waited

    async def ended(self, waited: asyncio.Future[T], within: float | None = None) -> T:
        """Return what a job returned.

        Parameters
        ----------
        waited : Future
        within : float, optional
            Seconds. A job that takes longer is not stopped; what it returns or raises
            then is for its own records.

        Raises
        ------
        TimeoutError
            If it takes longer.
        """
        return await asyncio.wait_for(asyncio.shield(waited), within)

    def _done(self, ended: Future[T]) -> None:
        self._room.release()
        defect = None if ended.cancelled() else ended.exception()
        if not isinstance(defect, Refusal | InputError | None):
            # Only its kind: what it says may hold a patient's data.
            log.error("a hook's answer failed: %s", type(defect).__name__)

    def close(self) -> None:
        """End the threads; what has begun is ended first."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _seen(ended: asyncio.Future[T]) -> None:
    """Nobody waits for a late job; without this its error would be printed, values and all."""
    if not ended.cancelled():
        ended.exception()


class Turn:
    """Who speaks: the job that is ready, or the clock that ran out. Only one of them does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = False

    def take(self) -> bool:
        """Return whether this is the first to take it."""
        with self._lock:
            first, self._taken = not self._taken, True
        return first
