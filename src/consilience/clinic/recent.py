"""Answers of the last minute: a record system asks about a patient whenever he is opened."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")

MOST = 512
SECONDS = 60.0


class Recent(Generic[Answer]):
    """Answers by the content of what was asked; a changed record is another question.

    Parameters
    ----------
    most : int
        How many are kept.
    seconds : float
        How long.
    clock : callable
        Seconds that only go forward.
    """

    def __init__(
        self,
        most: int = MOST,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most, self._seconds, self._clock = most, seconds, clock
        self._kept: OrderedDict[Hashable, tuple[float, Answer]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, about: Hashable, content: str, answered: Callable[[], Answer]) -> Answer:
        """Return the answer kept, or the one now given.

        Parameters
        ----------
        about : hashable
            What the answer depends on beside the content.
        content : str
            The record, as it is written.
        answered : callable
            Gives the answer; not kept if it raises.
        """
        key = (about, hashlib.sha256(content.encode("utf-8", "surrogatepass")).digest())
        with self._lock:
            at, answer = self._kept.get(key, (float("-inf"), None))
            if answer is not None and self._clock() - at < self._seconds:
                return answer
        fresh = answered()
        with self._lock:
            self._kept[key] = (self._clock(), fresh)
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return fresh
