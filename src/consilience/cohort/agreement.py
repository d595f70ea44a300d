"""Whether a modality given at prediction is as it was when a model was fitted."""

from __future__ import annotations

from collections.abc import Iterable

from consilience.cohort.table import Table
from consilience.errors import InputError, listing


def check_features(features: Iterable[str], wanted: Iterable[str]) -> None:
    """Refuse features among which some are missing that a model was fitted on.

    Raises
    ------
    InputError
        Naming them, as the predicate of a sentence about the modality.
    """
    absent = sorted(set(wanted) - set(features))
    if absent:
        raise InputError(
            f"it lacks {len(absent)} of the features the model was fitted on: "
            f"{listing(absent, most=3)}."
        )


def check_kinds(table: Table, numeric: list[str], text: list[str]) -> None:
    """Refuse a table that lacks features, or holds text for numbers or the reverse.

    Where all values are missing nothing tells the kind, and nothing is wrong.

    Raises
    ------
    InputError
        Naming the feature.
    """
    check_features(table.features, [*numeric, *text])
    if table.numeric_features == tuple(numeric):
        return
    changed = [n for n in text if table.kinds[n] != "categorical"]
    changed += [n for n in numeric if table.kinds[n] == "categorical"]
    wrong = [name for name in changed if table.frame[name].notna().any()]
    if wrong:
        before, now = ("text", "numbers") if wrong[0] in text else ("numbers", "text")
        raise InputError(
            f"feature {wrong[0]!r} held {before} when the model was fitted, and holds {now} now."
        )
