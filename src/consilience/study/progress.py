"""Telling a person how long it will take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console


class Progress(Protocol):
    """Is given what is being done, of how many pieces, and the pieces as they come."""

    def __call__(self, what: str, total: int, done: Iterator[str]) -> None:
        """Consume `done`; work happens as it is consumed."""


def silent(what: str, total: int, done: Iterator[str]) -> None:
    """Show nothing."""
    for _ in done:
        pass


def shown(what: str, total: int, done: Iterator[str]) -> None:
    """Show a bar with the time left on the terminal; in a log file, a line now and then."""
    from rich.console import Console

    console = Console(stderr=True)
    (_bar if console.is_terminal else _lines)(console, what, total, done)


def _lines(console: Console, what: str, total: int, done: Iterator[str]) -> None:
    """Print a line for every tenth, for a bar that is redrawn leaves nothing in a log."""
    began, told = time.monotonic(), 0
    for number, _ in enumerate(done, start=1):
        tenth = 10 * number // max(total, 1)
        if tenth > told:
            told = tenth
            console.print(f"{what}: {number} of {total}, {time.monotonic() - began:.0f} s")


def _bar(console: Console, what: str, total: int, done: Iterator[str]) -> None:
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
    with Bar(*columns, console=console) as bar:
        task = bar.add_task(what, total=total)
        for _ in done:
            bar.advance(task)
