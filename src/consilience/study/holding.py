"""A study's folder: made, and held against other runs."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from consilience.errors import InputError

fcntl: Any = importlib.import_module("fcntl") if importlib.util.find_spec("fcntl") else None


def make_folder(folder: Path) -> bool:
    """Make a folder unless it is there, and return True.

    Raises
    ------
    InputError
        If a file is in the way.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as reason:
        raise InputError(
            f"{folder} is no folder, and none can be made there; choose another."
        ) from reason
    return True


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder, made if need be, against other runs until the block ends.

    The system lets go of it when the process ends, however it ends. Where it has no
    such lock (Windows) the folder is not held.

    Raises
    ------
    InputError
        If another run holds it.
    """
    make_folder(folder)
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as reason:
            raise InputError(
                f"another run is writing to {folder}; wait until it ends, or choose another folder."
            ) from reason
        yield
    finally:
        os.close(handle)
