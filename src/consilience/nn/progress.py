"""Telling a person how training goes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Tell = Callable[[int, float, float], None]
"""Is told how many epochs are done, the training loss, and that of patients held back."""


def _silent(done: int, training: float, validation: float) -> None:
    """Show nothing."""


@contextmanager
def told(label: str, epochs: int, shown: bool) -> Iterator[Tell]:
    """Show a bar on standard error with losses and time left; in a log, a line now and then.

    Parameters
    ----------
    label : str
        What is trained.
    epochs : int
        At most.
    shown : bool
        Otherwise nothing is shown.
    """
    if not shown:
        yield _silent
        return
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(console.print, label, epochs)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Left

    words = "{task.description}: {task.fields[loss]}"
    columns = (TextColumn(words), BarColumn(), MofNCompleteColumn(), TextColumn("left"), Left())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(label, total=epochs, loss="starting")

        def tell(done: int, training: float, validation: float) -> None:
            bar.update(task, completed=done, loss=_losses(training, validation))

        yield tell


def _lines(say: Callable[[str], None], label: str, epochs: int) -> Tell:
    """Tell every tenth, for a bar that is redrawn leaves nothing in a log."""

    def tell(done: int, training: float, validation: float) -> None:
        if 10 * done // epochs > 10 * (done - 1) // epochs:
            say(f"{label}: epoch {done} of {epochs}, {_losses(training, validation)}")

    return tell


def _losses(training: float, validation: float) -> str:
    held = "" if math.isnan(validation) else f", held back {validation:.4f}"
    return f"loss {training:.4f}{held}"
