"""Telling a person how long it will take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class Progress(Protocol):
    """Is given what is being done, of how many pieces, and the pieces as they come."""

    def __call__(self, what: str, total: int, done: Iterator[str]) -> None:
        """Consume `done`; work happens as it is consumed."""


def silent(what: str, total: int, done: Iterator[str]) -> None:
    """Show nothing."""
    for _ in done:
        pass


def shown(what: str, total: int, done: Iterator[str]) -> None:
    """Show a bar with the time left on the terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total)
        for _ in done:
            bar.advance(task)
