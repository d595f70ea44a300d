"""Patient ids that should agree and do not."""

from __future__ import annotations

import re
from collections.abc import Callable

import pandas as pd

from consilience.errors import InputError, listing

Transformation = tuple[str, Callable[[str], str]]


def _tcga_patient(text: str) -> str:
    """Return the patient part of a TCGA barcode: its first three fields."""
    return "-".join(re.split(r"[-._]", text)[:3])


TRANSFORMATIONS: tuple[Transformation, ...] = (
    ("stripping blanks", str.strip),
    ("writing them in upper case", lambda text: text.strip().upper()),
    ("replacing '_' and '.' by '-'", lambda text: re.sub(r"[_.\s]", "-", text.strip())),
    (
        "writing them in upper case with '-' between the parts",
        lambda text: re.sub(r"[_.\s]", "-", text.strip().upper()),
    ),
    ("keeping the first three fields of the barcode", lambda text: _tcga_patient(text.strip())),
    (
        "keeping the first three fields of the barcode in upper case",
        lambda text: _tcga_patient(text.strip().upper()),
    ),
    ("dropping the zeros in front", lambda text: text.strip().lstrip("0")),
    ("dropping '.0' at the end", lambda text: re.sub(r"\.0$", "", text.strip())),
)


def matching_transformation(ids: pd.Index, known: pd.Index) -> tuple[str, int] | None:
    """Return the transformation that makes most ids agree, and how many, if any helps.

    It is applied to both sides, so "TCGA-OR-A5J1" meets "tcga_or_a5j1" in upper case
    with '-' between the parts. One that would make two patients one is not offered.
    """
    before = int(ids.isin(known).sum())
    best: tuple[str, int] | None = None
    for words, change in TRANSFORMATIONS:
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
    if not len(strangers):
        return
    found = matching_transformation(ids, known)
    hint = (
        f" After {found[0]}, {found[1]} of {len(ids)} would match."
        if found
        else f" The patients are called like {listing(known, most=2)}."
    )
    raise InputError(
        f"{what}: {len(strangers)} of {len(ids)} ids are no patient's: "
        f"{listing(strangers, most=3)}.{hint}"
    )
