"""YAML that others wrote: read without running anything, within limits."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from consilience.errors import InputError, suggestion
from consilience.extras import require

#: Bytes of a file of rules, and how deep it may be nested.
LARGEST = 128 * 1024
DEEPEST = 24

# "all: [...]" is read as "all: {of: [...]}": the reader wrote no "of".
_LIST = re.compile(r"\b(all|any|none)\.of\b")

Model = TypeVar("Model", bound=BaseModel)


def _yaml() -> Any:
    return require("yaml", extra="clinic", purpose="reading rules")


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > LARGEST:
            raise InputError(f"{file} is larger than {LARGEST // 1024} KiB; split it.")
        return file.read_text(encoding="utf-8")
    except OSError as reason:
        raise InputError(f"{file} cannot be read: {reason.strerror}.") from reason
    except UnicodeDecodeError as reason:
        raise InputError(f"{file} is not UTF-8 text; save it as UTF-8.") from reason


def _check_events(text: str, file: Path) -> None:
    """Refuse aliases (which can grow without bound), tags and deep nesting, before building."""
    yaml, depth = _yaml(), 0
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for event in yaml.parse(text, Loader=loader):
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise InputError(f"{file}, line {line}: anchors and aliases (& and *) are not allowed.")
        if getattr(event, "tag", None):
            raise InputError(f"{file}, line {line}: tags such as {event.tag!r} are not allowed.")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise InputError(f"{file}, line {line}: nested deeper than {DEEPEST} levels.")


def _loader(file: Path) -> Any:
    yaml = _yaml()

    class OnceLoader(yaml.SafeLoader):  # type: ignore[misc, name-defined]
        """Plain data alone, each key once."""

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
            seen: set[str] = set()
            for key, _ in node.value:
                name = str(key.value)
                if name in seen:
                    line = key.start_mark.line + 1
                    raise InputError(f"{file}, line {line}: {name!r} is written twice.")
                seen.add(name)
            return dict(super().construct_mapping(node, deep=deep))

    return OnceLoader


def yaml_of(file: Path) -> Any:
    """Return what a YAML file says, as plain data.

    Raises
    ------
    InputError
        If it is too large, too deep, holds aliases or tags, or is not YAML.
    """
    text, yaml = _text(file), _yaml()
    try:
        _check_events(text, file)
        return yaml.load(text, Loader=_loader(file))
    except yaml.YAMLError as reason:
        mark = getattr(reason, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(reason, "problem", None) or "it is not YAML"
        raise InputError(f"{file}{where}: {problem}.") from reason
    except ValueError as reason:
        if isinstance(reason, InputError):
            raise
        raise InputError(f"{file}: {reason}.") from reason


def validated(model: type[Model], data: Any, file: Path) -> Model:
    """Return data as a model; the first thing wrong is said with its file and key.

    Raises
    ------
    InputError
    """
    if not isinstance(data, Mapping):
        raise InputError(f"{file}: expected keys and values, such as 'title: ...'.")
    try:
        return model.model_validate(data)
    except ValidationError as reason:
        # a mistyped key is also a missing one: the mistyped one is what the reader can see
        first = min(reason.errors(include_url=False), key=lambda e: e["type"] != "extra_forbidden")
        key = _LIST.sub(r"\1", ".".join(map(str, first["loc"]))) or "the file"
        name = str(data.get("id") or data.get("rule") or "")
        rule = f", rule {name!r}" if name else ""
        said = first["msg"].removeprefix("Value error, ")
        hint = ""
        if first["type"] == "extra_forbidden":
            said = "this key is not known"
            hint = suggestion(first["loc"][-1], _keys(model))
        raise InputError(f"{file}{rule}, key {key}: {_ended(said)}{hint}") from reason


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "?")) else f"{sentence}."


def _keys(model: type[BaseModel], seen: frozenset[type] = frozenset()) -> set[str]:
    """Return every key that may stand in a file, at any depth."""
    names: set[str] = set()
    for name, field in model.model_fields.items():
        names.add(field.alias or name)
        for part in _models_in(field.annotation):
            if part not in seen:
                names |= _keys(part, seen | {model})
    return names


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    found = []
    for part in getattr(annotation, "__args__", ()):
        found += _models_in(part)
    return found
