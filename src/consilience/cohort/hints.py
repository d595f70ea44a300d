"""Columns of the patients that could be what a study wants to predict."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pandas as pd

from consilience.cohort.outcome import OutcomeKind

_EVENT = re.compile(
    r"(event|status|death|dead|died|deceas|surviv|alive|vital|recur|relapse|progress|censor"
    r"|(^|_)(os|pfs|rfs|dfs|dss)($|_))",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"(days?|weeks?|months?|years?|time|duration|follow)(_|\b|$)|_(days?|months?|years?|time)"
    r"|(^|_)t_?to_",
    re.IGNORECASE,
)
_BIRTH = re.compile(r"(birth|age(_|\b|$)|diagnosis$)", re.IGNORECASE)


@dataclass(frozen=True)
class OutcomeHint:
    """A column, or two, that could be an outcome.

    Attributes
    ----------
    kind : {"binary", "multiclass", "continuous", "survival"}
        What kind of outcome it would be.
    columns : tuple of str
        The column; for survival the event's and the times'.
    why : str
        What was seen.
    """

    kind: OutcomeKind
    columns: tuple[str, ...]
    why: str


def outcome_hints(patients: pd.DataFrame) -> tuple[OutcomeHint, ...]:
    """Return columns that could be an outcome, by their values and names; only hints.

    Survival: an event column of two values with all time columns (names with days,
    months, time, follow-up, ...; numbers, none negative). Binary: two values.
    Multiclass: three to eight texts with at least five patients each.
    """
    binary = [str(c) for c in patients if _levels(patients[c]) == 2]
    times = [str(c) for c in patients if _is_time(patients[c], str(c))]
    events = [c for c in binary if _EVENT.search(c)]
    found = [
        OutcomeHint("survival", (event, *times), "an event of two values, and times")
        for event in events
        if times
    ]
    for column in [*events, *(c for c in binary if c not in events)]:
        values = sorted(patients[column].dropna().astype(str).unique())
        found.append(OutcomeHint("binary", (column,), f"two values: {values[0]}, {values[1]}"))
    for name, classes in patients.items():
        if _has_classes(classes):
            why = f"{_levels(classes)} classes"
            found.append(OutcomeHint("multiclass", (str(name),), why))
    return tuple(found)


def _levels(values: pd.Series) -> int:
    return int(values.dropna().nunique())


def _is_time(values: pd.Series, name: str) -> bool:
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return False
    known = values.dropna()
    named = bool(_TIME.search(name)) and not _BIRTH.search(name)
    return named and known.nunique() > 2 and bool((known >= 0).all())


def _has_classes(values: pd.Series) -> bool:
    counts = values.dropna().value_counts()
    text = not pd.api.types.is_numeric_dtype(values)
    return text and 3 <= len(counts) <= 8 and int(counts.min()) >= 5
