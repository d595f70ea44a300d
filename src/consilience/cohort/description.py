"""What a cohort holds: who was measured by what, and what is odd about it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from functools import singledispatch
from typing import Any

import numpy as np
import pandas as pd

from consilience.cohort.bag import Bag
from consilience.cohort.cohort import Cohort
from consilience.cohort.hints import OutcomeHint, outcome_hints
from consilience.cohort.images import Images
from consilience.cohort.modality import Modality
from consilience.cohort.resemblance import Alike, alike_patients, equal_columns
from consilience.cohort.suspicion import Suspicion, suspicions
from consilience.cohort.table import Table, kind_of

_MOST_LEVELS = 12


@dataclass(frozen=True)
class ColumnDescription:
    """One column of a table or of the patients.

    Attributes
    ----------
    name, kind, unit : str
        What it is called, of which kind it is, and its unit ("" if none is known).
    missing : float
        Share of missing values among those measured, 0 to 1.
    low, median, high : float or None
        Range of the numbers; None for text.
    levels : dict of str to int
        How often the commonest texts occur; empty for numbers.
    n_levels : int
        How many different texts there are; 0 for numbers.
    suspicious : tuple of Suspicion
        What to look at.
    """

    name: str
    kind: str
    unit: str
    missing: float
    low: float | None
    median: float | None
    high: float | None
    levels: dict[str, int]
    n_levels: int
    suspicious: tuple[Suspicion, ...]


@dataclass(frozen=True)
class ModalityDescription:
    """One modality.

    Attributes
    ----------
    name, kind : str
        What it is called; "table", "bag" or "images".
    n_patients, n_features : int
        How many it measured, and how many numbers or texts there are each.
    missing : float
        Share of missing values inside the table, 0 to 1.
    columns : tuple of ColumnDescription
        The features of a table; empty for other kinds.
    equal_columns : tuple of tuple of str
        Groups of features that hold the same values.
    note : str
        What else there is to say, such as instances a patient.
    """

    name: str
    kind: str
    n_patients: int
    n_features: int
    missing: float
    columns: tuple[ColumnDescription, ...]
    equal_columns: tuple[tuple[str, ...], ...]
    note: str


@dataclass(frozen=True)
class Pattern:
    """A combination of modalities, and how many patients have exactly it."""

    modalities: tuple[str, ...]
    n_patients: int


@dataclass(frozen=True)
class Description:
    """What a cohort holds.

    Attributes
    ----------
    name : str
        The cohort.
    n_patients, n_complete, n_unmeasured : int
        Patients, those measured by every modality, and those by none.
    modalities : tuple of ModalityDescription
        What measured them.
    patterns : tuple of Pattern
        Combinations of modalities, the commonest first.
    patients : tuple of ColumnDescription
        Columns of the patients.
    outcomes : tuple of OutcomeHint
        Columns of the patients that could be an outcome.
    alike : tuple of Alike
        Pairs of patients with almost the same measurements.
    left_out : dict of str to int
        How many were left out while reading, by "source: reason".
    """

    name: str
    n_patients: int
    n_complete: int
    n_unmeasured: int
    modalities: tuple[ModalityDescription, ...]
    patterns: tuple[Pattern, ...]
    patients: tuple[ColumnDescription, ...]
    outcomes: tuple[OutcomeHint, ...]
    alike: tuple[Alike, ...]
    left_out: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return the description as dicts, lists, text and numbers, ready for JSON."""
        return asdict(self)


def describe(cohort: Cohort) -> Description:
    """Say what a cohort holds: who has what, types, missing values, ranges, oddities.

    Parameters
    ----------
    cohort : Cohort
        Its tables are read; of bags and images only the sizes.

    Returns
    -------
    Description
        ``to_dict()`` gives it as JSON; ``consilience cohort describe`` prints it.

    Examples
    --------
    >>> from consilience.cohort import describe, tcga_acc
    >>> description = describe(tcga_acc())
    >>> description.n_patients, description.patterns[0].n_patients
    (92, 43)
    """
    measured = cohort.measured.to_numpy()
    patients = cohort.patients
    left_out = cohort.left_out
    reasons = Counter(f"{s}: {r}" for s, r in zip(left_out.source, left_out.reason, strict=True))
    return Description(
        name=cohort.name,
        n_patients=len(cohort),
        n_complete=int(measured.all(axis=1).sum()),
        n_unmeasured=int((~measured.any(axis=1)).sum()),
        modalities=tuple(_described(m, name) for name, m in cohort.modalities.items()),
        patterns=_patterns(cohort),
        patients=tuple(_column(patients[c], str(c), kind_of(patients[c]), "") for c in patients),
        outcomes=outcome_hints(patients),
        alike=tuple(
            pair
            for name, modality in cohort.modalities.items()
            if isinstance(modality, Table)
            for pair in alike_patients(modality, name)
        ),
        left_out=dict(reasons),
    )


def _patterns(cohort: Cohort) -> tuple[Pattern, ...]:
    names = list(cohort.modalities)
    rows = Counter(map(tuple, cohort.measured.to_numpy().tolist()))
    return tuple(
        Pattern(tuple(name for name, has in zip(names, row, strict=True) if has), n)
        for row, n in rows.most_common()
    )


@singledispatch
def _described(modality: Modality, name: str) -> ModalityDescription:
    kind = type(modality).__name__.lower()
    return ModalityDescription(name, kind, len(modality), modality.n_features, 0.0, (), (), "")


@_described.register
def _(modality: Table, name: str) -> ModalityDescription:
    frame, units = modality.frame, modality.units
    columns = tuple(_column(frame[f], f, k, units.get(f, "")) for f, k in modality.kinds.items())
    missing = float(np.mean([column.missing for column in columns])) if columns else 0.0
    n_patients, n_features = frame.shape
    equal = equal_columns(frame)
    return ModalityDescription(name, "table", n_patients, n_features, missing, columns, equal, "")


@_described.register
def _(modality: Bag, name: str) -> ModalityDescription:
    counts = modality.counts
    note = f"{counts.sum()} instances, {counts.min()} to {counts.max()} a patient"
    return ModalityDescription(
        name, "bag", len(modality), modality.n_features, 0.0, (), (), note if len(counts) else ""
    )


@_described.register
def _(modality: Images, name: str) -> ModalityDescription:
    shapes = Counter(modality.image(i).shape for i in range(min(len(modality), 20)))
    note = "such as " + " x ".join(map(str, shapes.most_common(1)[0][0])) if shapes else ""
    return ModalityDescription(
        name, "images", len(modality), modality.n_features, 0.0, (), (), note
    )


def _column(values: pd.Series, name: str, kind: str, unit: str) -> ColumnDescription:
    missing = float(values.isna().mean()) if len(values) else 0.0
    odd = suspicions(values)
    if kind == "categorical" or not pd.api.types.is_numeric_dtype(values):
        levels = values.dropna().astype(str).value_counts()
        top = {str(level): int(n) for level, n in levels.head(_MOST_LEVELS).items()}
        return ColumnDescription(
            name, "categorical", unit, missing, None, None, None, top, len(levels), odd
        )
    numbers = values.to_numpy(dtype=float, na_value=np.nan)
    numbers = numbers[~np.isnan(numbers)]
    if not len(numbers):
        return ColumnDescription(name, kind, unit, missing, None, None, None, {}, 0, odd)
    low, median, high = float(numbers.min()), float(np.median(numbers)), float(numbers.max())
    return ColumnDescription(name, kind, unit, missing, low, median, high, {}, 0, odd)
