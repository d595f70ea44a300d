"""Patient ids that should agree and do not."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import MappingProxyType

import pandas as pd

from consilience.errors import InputError, listing, suggestion


def _dashes(text: str) -> str:
    return re.sub(r"[_.\s]", "-", text.strip())


def _barcode(text: str) -> str:
    """Return the patient part of a TCGA barcode: its first three fields."""
    return "-".join(_dashes(text).split("-")[:3])


TRANSFORMATIONS: MappingProxyType[str, Callable[[str], str]] = MappingProxyType(
    {
        "strip blanks": str.strip,
        "upper case": lambda text: text.strip().upper(),
        "dashes": _dashes,
        "upper case, dashes": lambda text: _dashes(text.upper()),
        "first three fields": _barcode,
        "upper case, first three fields": lambda text: _barcode(text.upper()),
        "upper case, letters and digits": lambda text: re.sub(r"[^A-Z0-9]", "", text.upper()),
        "no leading zeros": lambda text: text.strip().lstrip("0") or "0",
        "no trailing .0": lambda text: re.sub(r"\.0$", "", text.strip()),
    }
)
"""What can be done to ids so that they agree, by the words a user asks for it with.

"dashes" writes "-" for "_", "." and blanks; "first three fields" keeps the patient's part
of a TCGA barcode.
"""


def changed_ids(ids: pd.Index, transformation: str, what: str) -> pd.Index:
    """Return ids after a transformation.

    Parameters
    ----------
    ids : Index
        Patient ids, text, unique.
    transformation : str
        A key of `TRANSFORMATIONS`.
    what : str
        What carries the ids, for the error: "patients".

    Raises
    ------
    InputError
        If there is no such transformation, or it would make two patients one.
    """
    if transformation not in TRANSFORMATIONS:
        raise InputError(
            f"ids can be changed by {listing(TRANSFORMATIONS, most=20)}, not by "
            f"{transformation!r}.{suggestion(transformation, TRANSFORMATIONS)}"
        )
    after = pd.Index(ids.map(TRANSFORMATIONS[transformation]), dtype=object, name=ids.name)
    twice = after.duplicated(keep=False)
    if twice.any():
        same = after[twice][0]
        raise InputError(
            f"{what}: {transformation!r} would make one patient, {same!r}, of "
            f"{listing(ids[after == same])}; keep the ids as they are or change them in the file."
        )
    return after


def matching_transformation(ids: pd.Index, known: pd.Index) -> tuple[str, int] | None:
    """Return the transformation that makes most ids agree, and how many, if any helps.

    It is applied to both sides, so "TCGA-OR-A5J1" meets "tcga_or_a5j1" by "upper case,
    dashes". One that would make two patients one is not offered.
    """
    before = int(ids.isin(known).sum())
    best: tuple[str, int] | None = None
    for words, change in TRANSFORMATIONS.items():
        ours, theirs = pd.Index(ids.map(change)), pd.Index(known.map(change))
        if theirs.has_duplicates or ours.has_duplicates:
            continue
        matched = int(ours.isin(theirs).sum())
        if matched > max(before, best[1] if best else 0):
            best = (words, matched)
    return best


def unknown_ids(ids: pd.Index, known: pd.Index, what: str) -> None:
    """Refuse ids that no patient has.

    Raises
    ------
    InputError
        Naming the ids, and the transformation that would make them agree.
    """
    strangers = ids[~ids.isin(known)].unique()
    if len(strangers):
        raise InputError(
            f"{what}: {len(strangers)} of {len(ids)} ids are no patient's: "
            f"{listing(strangers, most=3)}.{how_to_agree(ids, known)}"
        )


def how_to_agree(ids: pd.Index, known: pd.Index) -> str:
    """Return " ..." with the transformation that would help, or what patients are called."""
    found = matching_transformation(ids, known)
    if found is None:
        return f" The patients are called like {listing(known, most=2)}."
    return (
        f" With change_ids={found[0]!r} (--ids {found[0]!r}), {found[1]} of {len(ids)} would match."
    )
