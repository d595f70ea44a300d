"""Group commit: what arrives together is written in one transaction, and told after it.

A commit waits for the disk (fsync). One thread writes; while it waits for the disk, what
arrives is collected and shares the next commit, so that many requests a second need few
(Gray and Reuter, Transaction Processing, 1992, section 9.4: group commit).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from consilience.clinic.store.errors import speaking
from consilience.clinic.store.place import Place
from consilience.clinic.store.records import StoreUnavailable
from consilience.errors import InputError

T = TypeVar("T")
MOST = 256  # writes in one transaction


@dataclass
class _Waiting:
    """A write, and whoever waits for it."""

    job: Callable[[Connection], Any]
    future: Future[Any] = field(default_factory=Future)
    result: Any = None
    error: ValueError | None = None

    def tell(self) -> None:
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class Writer:
    """The one thread that writes to a database.

    Parameters
    ----------
    engine : Engine
    place : Place
    """

    def __init__(self, engine: Engine, place: Place) -> None:
        self._engine, self._place = engine, place
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    def run(self, job: Callable[[Connection], T]) -> T:
        """Run a write; return only when it is on the disk.

        Parameters
        ----------
        job : callable
            Given a connection within a transaction. What it raises as `ValueError` is
            raised here, and undoes this job alone.

        Raises
        ------
        StoreUnavailable
            If it could not be committed: then nothing of it is kept.
        """
        if threading.current_thread() is self._thread:
            raise RuntimeError("a write within a write would wait for itself")
        waiting = _Waiting(job)
        with self._start:
            if self._closed:
                raise StoreUnavailable(f"{self._place.name} was closed.")
            self._queue.put(waiting)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="records", daemon=True)
                self._thread.start()
        result: T = waiting.future.result()
        return result

    def close(self) -> None:
        """Write what waits, and end."""
        with self._start:
            self._closed = True
            self._queue.put(None)
            thread = self._thread
        if thread is not None:
            thread.join()

    def _work(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, last = self._batch(first)
            try:
                self._write(batch)
            except BaseException as defect:
                for one in batch:
                    if not one.future.done():
                        one.future.set_exception(defect)
                raise
            if last:
                return

    def _batch(self, first: _Waiting) -> tuple[list[_Waiting], bool]:
        """Return what waits, and whether the end was asked for."""
        batch = [first]
        while len(batch) < MOST:
            try:
                following = self._queue.get_nowait()
            except Empty:
                break
            if following is None:
                return batch, True
            batch.append(following)
        return batch, False

    def _write(self, batch: list[_Waiting]) -> None:
        try:
            with speaking(self._place.name):
                self._place.check()
                with (
                    self._engine.connect().execution_options(writes=True) as connection,
                    connection.begin(),
                ):
                    for one in batch:
                        self._try(connection, one)
                self._place.check()
        except StoreUnavailable as reason:
            for one in batch:  # each thread raises its own
                one.future.set_exception(StoreUnavailable(str(reason)))
            return
        for one in batch:
            one.tell()

    def _try(self, connection: Connection, one: _Waiting) -> None:
        """Run one write so that its own error undoes it and no other.

        Errors of the database as a whole (full, gone) pass: they undo them all.
        """
        try:
            with connection.begin_nested():
                one.result = one.job(connection)
        except (IntegrityError, DataError) as reason:
            one.error = InputError(_refused(self._place, reason))
        except UnicodeEncodeError:  # its message would quote what was to be kept
            one.error = InputError(
                "the record holds characters that are no text (lone surrogates); send it in UTF-8."
            )
        except ValueError as reason:
            one.error = reason


def _refused(place: Place, reason: DBAPIError) -> str:
    code = getattr(reason.orig, "sqlite_errorname", None) or type(reason.orig).__name__
    return f"{place.name} refused a record that is not in order ({code})."
