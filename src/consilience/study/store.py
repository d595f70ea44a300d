"""Where a study keeps each result the moment it is there."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from pathlib import Path
from typing import Any

import pandas as pd

from consilience.errors import InputError
from consilience.study.holding import make_folder


class Store:
    """A folder of results, each written whole or not at all.

    A result is written to a temporary file beside its place, flushed to the disk, and
    renamed: after a kill at any moment a result is there and right, or not there.

    Parameters
    ----------
    folder : Path
        The study's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results = folder / "folds"

    def begin(self, identity: dict[str, Any], *, resume: bool) -> None:
        """Make the folder, or make sure that it holds results of the same study.

        Raises
        ------
        InputError
            If the folder is in use and `resume` was not said, or holds another study.
        """
        marker = self.folder / "identity.json"
        text = json.dumps(identity, indent=2, sort_keys=True, default=str)
        if marker.exists() and not resume:
            raise InputError(
                f"{self.folder} already holds a study; add --resume (resume=True) to go on "
                "with it, or choose another folder."
            )
        if marker.exists():
            _same_study(marker, text)
        elif make_folder(self.folder) and any(self.folder.iterdir()):
            raise InputError(
                f"{self.folder} is not empty and holds no study; choose another folder."
            )
        make_folder(self.results)
        self._sweep()
        write_atomically(marker, text.encode())

    def has(self, key: str) -> bool:
        """Return whether a result is there; a failure is none, and is tried again on resuming."""
        return self._path(key).exists()

    def write(self, key: str, frame: pd.DataFrame, notes: dict[str, Any]) -> None:
        """Write a result: a table, and notes beside it in the same file.

        Notes with the key "failed" mark the result as a failure.
        """
        stored = frame.copy(deep=False)
        stored.attrs = {"consilience": json.dumps(notes), "key": key}
        path = self._path(key)
        write_atomically(_failed(path) if "failed" in notes else path, stored.to_parquet())

    def read(self, key: str) -> tuple[pd.DataFrame, dict[str, Any]]:
        """Return a result, or the failure in its place, and its notes.

        Raises
        ------
        InputError
            If the file is damaged, or is another result under this one's name.
        """
        whole = self._path(key)
        path = whole if whole.exists() else _failed(whole)
        mend = "delete it and go on with --resume, and it is made anew."
        try:
            frame = pd.read_parquet(path)
            notes = json.loads(frame.attrs["consilience"])
        except (ValueError, KeyError, OSError) as reason:
            raise InputError(f"{path}: the result is damaged; {mend}") from reason
        if frame.attrs.get("key", key) != key:
            raise InputError(f"{path}: it holds another result than its name says; {mend}")
        return frame, notes

    def _path(self, key: str) -> Path:
        # Names differ in more than a file system keeps apart, so the digest decides.
        readable = re.sub(r"[^A-Za-z0-9]+", "-", key).strip("-")[:80]
        return self.results / f"{readable}-{hashlib.sha256(key.encode()).hexdigest()[:10]}.parquet"

    def _sweep(self) -> None:
        for left in self.results.glob("*.part"):
            left.unlink(missing_ok=True)


def _failed(path: Path) -> Path:
    return path.with_suffix(".failed")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _same_study(marker: Path, text: str) -> None:
    now = json.loads(text)
    try:
        before = dict(json.loads(marker.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as reason:
        raise InputError(
            f"{marker} is damaged, so nobody knows which study it is of; choose another folder."
        ) from reason
    changed = [key for key in sorted({*before, *now}) if before.get(key) != now.get(key)]
    if changed:
        raise InputError(
            f"{marker.parent} holds another study (what differs: {', '.join(changed)}); "
            "choose another folder, or run what was run there."
        )
