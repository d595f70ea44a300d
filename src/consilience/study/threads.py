"""One thread for all arithmetic, so that the same numbers come out wherever a study runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from threadpoolctl import threadpool_limits

from consilience.errors import MissingExtraError
from consilience.fusion.deep import DeepFusion
from consilience.nn.training import need_torch


@contextmanager
def one_thread(methods: Iterable[Any]) -> Iterator[None]:
    """Limit arithmetic to one thread.

    Limits hold for libraries that are loaded: that of networks is loaded first, where one of
    the methods needs it. Where it is not installed, the method's fit says so.
    """
    if any(isinstance(method, DeepFusion) for method in methods):
        with suppress(MissingExtraError):
            need_torch()
    with threadpool_limits(1):
        yield
