"""Being stopped: what is done stays, and the user is told how to go on."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

import typer


class Terminated(BaseException):
    """The process was asked to end (SIGTERM)."""


@contextmanager
def stoppable(out: Path) -> Iterator[None]:
    """End on Ctrl-C or SIGTERM with one sentence, and the exit status shells expect.

    Parameters
    ----------
    out : Path
        Where the results are that a resumed run goes on with.
    """
    handled = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, _terminate) if handled else None
    try:
        yield
    except KeyboardInterrupt:
        _end(out, signal.SIGINT)
    except Terminated:
        _end(out, signal.SIGTERM)
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated


def _end(out: Path, reason: signal.Signals) -> NoReturn:
    kept = (out / "identity.json").exists()
    told = (
        f"What is done is kept in {out}; go on with --resume." if kept else "Nothing was written."
    )
    typer.echo(f"\nStopped. {told}", err=True)
    sys.exit(128 + reason)
