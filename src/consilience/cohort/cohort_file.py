"""`cohort.toml`: what the files of a stored cohort are."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from consilience.cohort.table import Kind
from consilience.errors import InputError, listing

FORMAT: Literal[1] = 1
FILE_NAME = "cohort.toml"
RESERVED = frozenset({"cohort", "patients", "left_out"})
UNSAFE = frozenset('/\\:*?"<>|')
LONGEST_NAME = 100


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class TableEntry(_Entry):
    """A table, in ``<name>.parquet``: ids first, then the features of `kinds` in order."""

    kind: Literal["table"] = "table"
    patients: Annotated[int, Field(ge=1)]
    dtype: Literal["float32", "float64"]
    kinds: dict[str, Kind]
    units: dict[str, str] = {}


class BagEntry(_Entry):
    """A bag, in ``<name>.zarr``: arrays instances, counts and perhaps coordinates."""

    kind: Literal["bag"] = "bag"
    patients: Annotated[int, Field(ge=1)]
    coordinates: bool
    coordinates_unit: str
    features: list[str]


class ImagesEntry(_Entry):
    """Images, in ``<name>.zarr``: images of one shape and type in one array."""

    kind: Literal["images"] = "images"
    patients: Annotated[int, Field(ge=1)]
    channels: Annotated[int, Field(ge=0)]
    spacing: bool
    spacing_unit: Literal["mm"] = "mm"


Entry: TypeAlias = TableEntry | BagEntry | ImagesEntry


class CohortFile(_Entry):
    """The whole of ``cohort.toml``."""

    format: Literal[1]
    name: str
    patients: Annotated[int, Field(ge=1)]
    left_out: Annotated[int, Field(ge=0)]
    modalities: dict[str, Annotated[Entry, Field(discriminator="kind")]] = {}


def write_cohort_file(folder: Path, content: CohortFile) -> None:
    """Write ``cohort.toml``; equal contents give equal bytes."""
    text = "\n".join(_toml(content.model_dump(), ()))
    (folder / FILE_NAME).write_text(text + "\n", encoding="utf-8", newline="\n")


def read_cohort_file(folder: Path) -> CohortFile:
    """Read and check ``cohort.toml``.

    Raises
    ------
    InputError
        Naming the file and the key that is wrong or not there.
    """
    path = folder / FILE_NAME
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as reason:
        raise InputError(f"{folder} is no stored cohort: it holds no {FILE_NAME}.") from reason
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as reason:
        raise InputError(f"{path} cannot be read: {reason}.") from reason
    version = raw.get("format")
    if isinstance(version, int) and version > FORMAT:
        raise InputError(
            f"{path}: format {version} is newer than {FORMAT}, the newest this version "
            "of consilience reads; upgrade consilience."
        )
    try:
        content = CohortFile.model_validate(raw)
    except ValidationError as reason:
        raise InputError(f"{path}: {_first_error(reason)}") from reason
    for name in content.modalities:
        check_file_name(name, str(path))
    _check_distinct(content.modalities, str(path))
    return content


def check_file_name(name: str, what: str) -> None:
    """Refuse a modality name that cannot be a file's name, or leads out of the folder.

    Raises
    ------
    InputError
        Saying which character or word is in the way.
    """
    wrong = sorted({c for c in name if c in UNSAFE or not c.isprintable()})
    if wrong:
        raise InputError(
            f"{what}: the modality name {name!r} holds {listing(wrong)}; it becomes a file's "
            "name, so use letters, digits, blanks, '-', '_' and '.'."
        )
    if not name or name[0] in ". " or name[-1] in ". " or len(name.encode()) > LONGEST_NAME:
        raise InputError(
            f"{what}: the modality name {name!r} cannot be a file's name: it is empty, longer "
            f"than {LONGEST_NAME} bytes, or begins or ends with a dot or a blank."
        )
    if name.casefold() in RESERVED:
        raise InputError(f"{what}: a modality cannot be called {name!r}; rename it.")


def check_file_names(names: Mapping[str, Any], what: str) -> None:
    """Refuse modality names that cannot be files side by side."""
    for name in names:
        check_file_name(name, what)
    _check_distinct(names, what)


def _check_distinct(names: Mapping[str, Any], what: str) -> None:
    seen: dict[str, str] = {}
    for name in names:
        twin = seen.setdefault(name.casefold(), name)
        if twin != name:
            raise InputError(
                f"{what}: the modalities {twin!r} and {name!r} differ only in case, which "
                "some file systems do not tell apart; rename one."
            )


def _first_error(reason: ValidationError) -> str:
    error = reason.errors()[0]
    tags = {"table", "bag", "images"}
    path = [str(part) for part in error["loc"]]
    if len(path) > 2 and path[0] == "modalities" and path[2] in tags:
        del path[2]  # pydantic names the member of the union, which is no key of the file
    more = f" (and {reason.error_count() - 1} more)" if reason.error_count() > 1 else ""
    words = {"missing": "is missing", "extra_forbidden": "is not known"}
    said = words.get(error["type"], f"is wrong: {error['msg']}")
    return f"key {'.'.join(path)!r} {said}{more}."


def _toml(mapping: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    if path and (not mapping or any(not isinstance(v, Mapping) for v in mapping.values())):
        yield f"\n[{'.'.join(_quoted(part) for part in path)}]"
    for key, value in mapping.items():
        if not isinstance(value, Mapping):
            yield f"{_quoted(key)} = {_value(value)}"
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            yield from _toml(value, (*path, key))


def _quoted(key: str) -> str:
    bare = key.isascii() and key.replace("_", "a").replace("-", "a").isalnum()
    return key if bare else _value(key)


def _value(value: Any) -> str:
    """Return a value in TOML: a JSON string is a TOML string but for the DEL character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
