"""A bundle's folder: written whole or not at all, read as a stranger's."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import ConfigDict, ValidationError

from consilience.errors import InputError, listing
from consilience.study.bundle.documents import FORMAT, Manifest
from consilience.study.part import Part

MANIFEST = "manifest.json"
MODEL, SCHEMA, CALIBRATION = "model.skops", "schema.json", "calibration.json"
PROVENANCE, CARD = "provenance.json", "model-card.md"
FILES = (MODEL, SCHEMA, CALIBRATION, PROVENANCE, CARD)
WEIGHTS = "weights.safetensors"  # of a model that holds networks
BACKGROUND = "background.npz"  # condensed training patients, none of whom is one
RELIABILITY = "reliability.json"  # when the model knows, and how surely
OPTIONAL = (WEIGHTS, BACKGROUND, RELIABILITY)
Document = TypeVar("Document", bound=Part)

LARGEST_MANIFEST = 2**20
LARGEST_FILE = 2**31


def write_folder(folder: Path, files: Mapping[str, bytes], *, overwrite: bool) -> None:
    """Write files into a new folder, which appears with all of them or not at all.

    Raises
    ------
    InputError
        If something is there and `overwrite` is not said, or it is no bundle.
    """
    _check_place(folder, overwrite)
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, data in files.items():
            _write(fresh / name, data)
        fresh.chmod(0o755)
        _put(fresh, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _check_place(folder: Path, overwrite: bool) -> None:
    if not os.path.lexists(folder):
        return
    empty = folder.is_dir() and not any(folder.iterdir())
    if not (empty or (folder / MANIFEST).is_file()):
        raise InputError(f"{folder}: something that is no bundle is there; choose another folder.")
    if not (empty or overwrite):
        raise InputError(
            f"{folder}: a bundle is there already; choose another folder, or say overwrite=True."
        )


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _put(fresh: Path, folder: Path) -> None:
    """Move the new folder into place; an older one goes only when the new one is there."""
    if not folder.exists() or not any(folder.iterdir()):
        fresh.replace(folder)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
    folder.replace(old)
    fresh.replace(folder)
    shutil.rmtree(old)


def read_folder(folder: Path) -> tuple[Manifest, dict[str, bytes]]:
    """Return the manifest of a bundle and its files, each as the manifest says it is.

    Raises
    ------
    InputError
        If a file is missing, is a link, is not what the manifest says, or the bundle is of a
        newer format; the sentence names the file.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; a bundle is a folder.")
    manifest = _manifest(folder / MANIFEST)
    strange = sorted(set(manifest.files) - {*FILES, *OPTIONAL})
    if strange:
        raise InputError(
            f"{folder / MANIFEST}: it names {listing(strange, most=3)}, which no bundle has."
        )
    lacking = sorted(set(FILES) - set(manifest.files))
    if lacking:
        raise InputError(f"{folder / MANIFEST}: it does not name {listing(lacking)}.")
    files = {name: read_regular(folder / name, LARGEST_FILE) for name in manifest.files}
    for name, data in files.items():
        if hashlib.sha256(data).hexdigest() != manifest.files[name]:
            raise InputError(
                f"{folder / name}: it is not the file that {MANIFEST} names (its SHA-256 differs); "
                "the bundle was changed or damaged, so copy it again."
            )
    return manifest, files


def _manifest(path: Path) -> Manifest:
    data = read_regular(path, LARGEST_MANIFEST)
    found = parsed(_Format, data, path).format
    if found > FORMAT:
        raise InputError(
            f"{path}: the bundle is of format {found}, and this version of consilience reads up to "
            f"{FORMAT}; install a newer one."
        )
    return parsed(Manifest, data, path)


class _Format(Part):
    """The one key that every format has."""

    model_config = ConfigDict(extra="ignore")
    format: int


def parsed(kind: type[Document], data: bytes, path: Path) -> Document:
    """Return a document of a bundle.

    Raises
    ------
    InputError
        Naming the file and the key.
    """
    try:
        return kind.model_validate_json(data)
    except ValidationError as reason:
        first = reason.errors()[0]
        place = ".".join(str(step) for step in first["loc"]) or "the file"
        raise InputError(
            f"{path}: not in the form of a bundle: {place}: {first['msg']}."
        ) from reason


def read_regular(path: Path, most: int) -> bytes:
    """Return the content of a plain file; links and devices are not followed.

    Raises
    ------
    InputError
        If it is not there, is no plain file, or is too large.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        if path.is_symlink():
            raise InputError(f"{path}: it is a link; a bundle holds its files itself.")
        with os.fdopen(os.open(path, flags), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise InputError(f"{path}: it is no plain file.")
            if status.st_size > most:
                raise InputError(
                    f"{path}: it has {status.st_size:,} bytes; at most {most:,} are read."
                )
            return file.read(most + 1)
    except FileNotFoundError as reason:
        inside = path.parent / "bundle"
        hint = f"did you mean {inside}?" if inside.is_dir() else "copy it again."
        raise InputError(f"{path}: the bundle lacks this file; {hint}") from reason
    except OSError as reason:
        raise InputError(f"{path}: it cannot be read ({reason.strerror}).") from reason
