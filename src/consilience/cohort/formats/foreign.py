"""The boundary to other libraries' parsers on a stranger's file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from consilience.errors import InputError


@contextmanager
def parsing(path: Path, kind: str) -> Iterator[None]:
    """Say that a file cannot be read where a library's parser gives up on it.

    A damaged file makes these parsers raise almost anything (KeyError, zlib.error,
    SyntaxError, ...), so every exception counts. Only calls into the library belong
    inside the block: a defect of ours must keep its traceback.

    Raises
    ------
    InputError
        With the file, and what the parser said.
    """
    try:
        yield
    except (InputError, KeyboardInterrupt):
        raise
    except Exception as reason:
        said = " ".join(str(reason).split()) or type(reason).__name__
        short = said if len(said) <= 160 else said[:157] + "..."
        raise InputError(
            f"{path} cannot be read as {kind}: it is damaged, cut short or of another kind "
            f"({short.rstrip('.')}). Save or download it again."
        ) from reason
