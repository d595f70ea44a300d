"""Groups of features that belong together, such as gene families, and where tables have them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import pandas as pd

from consilience.errors import InputError, InputWarning, listing

Signatures: TypeAlias = str | Mapping[str, Sequence[str]]
FeatureGroups: TypeAlias = dict[str, dict[str, list[str]]]
"""Group to table to features."""


def read_signatures(given: Signatures) -> dict[str, tuple[str, ...]]:
    """Return groups of names, read from a file or taken from a mapping.

    Parameters
    ----------
    given : str or mapping of str to sequence of str
        A CSV file with a column a group, its head the group's name, and a name a cell;
        or the groups themselves.

    Raises
    ------
    InputError
        If the file cannot be read, there is no group, or a group has no name.
    """
    groups = given if isinstance(given, Mapping) else _columns_of(Path(given))
    if not groups:
        raise InputError("signatures: there is no group; give at least one, or no signatures.")
    named = {str(group): tuple(dict.fromkeys(str(n) for n in own)) for group, own in groups.items()}
    empty = [group for group, own in named.items() if not own]
    if empty:
        raise InputError(
            f"signatures: group {listing(empty)} names no feature; fill it or leave it out."
        )
    return named


def _columns_of(path: Path) -> dict[str, list[str]]:
    if not path.is_file():
        raise InputError(f"signatures: there is no file {str(path)!r}.")
    try:
        frame = pd.read_csv(path, dtype=str, encoding="utf-8-sig")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as reason:
        raise InputError(
            f"signatures: {str(path)!r} is no table with a column a group ({reason})."
        ) from reason
    cells = {str(group): frame[group].dropna().str.strip() for group in frame.columns}
    return {group: [name for name in own if name] for group, own in cells.items()}


def group_features(
    tables: Mapping[str, Iterable[str]], signatures: Mapping[str, Sequence[str]] | None, parts: int
) -> FeatureGroups:
    """Return which features of which tables belong to each group.

    A feature belongs to every group that has its name, or its name without what
    follows the last underscore: ``TP53`` stands for ``TP53_mut`` and ``TP53_rnaseq``.
    A table of which no feature is in any group is a group of its own, or several.

    Parameters
    ----------
    tables : mapping of str to iterable of str
        Features of each table.
    signatures : mapping of str to sequence of str, optional
        Names in each group.
    parts : int
        Into how many groups of about equal size, in the order of their names, the
        features of a table are split that is in no group.

    Returns
    -------
    dict
        Group to table to features, without groups that have none.
    """
    groups: FeatureGroups = {}
    for group, names in (signatures or {}).items():
        wanted = set(names)
        found = {table: [f for f in sorted(own) if _in(f, wanted)] for table, own in tables.items()}
        groups[group] = {table: own for table, own in found.items() if own}
    matched = {table for own in groups.values() for table in own}
    for table in sorted(set(tables) - matched):
        for number, own in enumerate(_split(sorted(tables[table]), parts), start=1):
            name = _free(table if parts == 1 else f"{table} {number}", groups)
            groups[name] = {table: own}
    return {group: own for group, own in groups.items() if own}


def check_signatures(
    signatures: Mapping[str, Sequence[str]], tables: Mapping[str, Sequence[str]]
) -> None:
    """Refuse a group of which no table has a feature; count and list what else fits nowhere.

    Raises
    ------
    InputError
        Naming the group and its first names.

    Warns
    -----
    InputWarning
        Of names that no table has, and of features of a table in the groups that are in
        none of them and so are not used.
    """
    known = {name for own in tables.values() for feature in own for name in _names(feature)}
    for group, names in signatures.items():
        if not known & set(names):
            raise InputError(
                f"signatures: no table has any of the {len(names)} features of group {group!r} "
                f"({listing(names, most=3)}); give names as the tables have them, which begin "
                f"with {listing(sorted(known), most=3)}."
            )
    asked = list(dict.fromkeys(name for own in signatures.values() for name in own))
    unknown = [name for name in asked if name not in known]
    if unknown:
        warnings.warn(
            f"signatures: {len(unknown)} of {len(asked)} names are in no table: "
            f"{listing(unknown)}.",
            InputWarning,
            stacklevel=2,
        )
    _tell_unused(set(asked), tables)


def _tell_unused(names: set[str], tables: Mapping[str, Sequence[str]]) -> None:
    for table, features in tables.items():
        unused = [feature for feature in features if not _in(feature, names)]
        if 0 < len(unused) < len(features):
            warnings.warn(
                f"signatures: {len(unused)} of {len(features)} features of {table!r} are in no "
                f"group and are not used: {listing(unused)}.",
                InputWarning,
                stacklevel=3,
            )


def _names(feature: str) -> tuple[str, str]:
    return feature, feature.rpartition("_")[0] or feature


def _in(feature: str, wanted: set[str]) -> bool:
    return not wanted.isdisjoint(_names(feature))


def _split(features: list[str], parts: int) -> list[list[str]]:
    parts = min(parts, len(features))
    stops = [round(i * len(features) / parts) for i in range(parts + 1)] if parts else [0]
    return [features[a:b] for a, b in pairwise(stops)]


def _free(name: str, taken: Iterable[str]) -> str:
    """Return the name, told apart from a group that has it already."""
    return f"{name} (table)" if name in set(taken) else name
