"""Groups of patients within which uncertainty is judged, and to which a new patient belongs.

Groups are those of a few columns, such as sex and age group, fixed without looking at the
outcome. A patient of whom a column is not known is judged against all, and that is said.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from consilience.cohort import Cohort, Table
from consilience.records import Record
from consilience.trust.strata import MOST_LEVELS, span, tertiles

Labels = tuple[str | None, ...]
MOST_COMBINATIONS = 12


class Split(Record):
    """How one column is cut into groups.

    Parameters
    ----------
    column : str
    cuts : tuple of float
        Of a number: each group reaches from one to the next, the upper end included.
    values : tuple of str
        Of anything else: its values, each a group.
    """

    column: str
    cuts: tuple[float, ...] = ()
    values: tuple[str, ...] = ()

    @classmethod
    def of(cls, column: pd.Series, *, fewest: int) -> Self:
        """Learn from a column: thirds of many numbers, else its six most frequent values.

        Values that fewer than `fewest` patients have are of no group.
        """
        numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
        if numeric and column.nunique() > MOST_LEVELS:
            return cls(column=str(column.name), cuts=tertiles(column.to_numpy(dtype=float)))
        counts = column.dropna().map(_written).value_counts()
        counts = counts[counts >= fewest]
        values = sorted(counts.index, key=lambda value: (-counts[value], value))[:MOST_LEVELS]
        return cls(column=str(column.name), values=tuple(values))

    def label(self, value: Any) -> str | None:
        """Return the group of a value, such as "age over 52"; None if it is of none."""
        if pd.isna(value):
            return None
        if not self.cuts:
            written = _written(value)
            return f"{self.column} {written}" if written in self.values else None
        try:
            number = float(value)
        except (TypeError, ValueError):
            return None
        edges = itertools.pairwise((-math.inf, *self.cuts, math.inf))
        return next(
            (f"{self.column} {span(low, high)}" for low, high in edges if low < number <= high),
            None,
        )


class Taxonomy(Record):
    """A partition of patients by a few columns; without any, all are one group."""

    splits: tuple[Split, ...] = ()

    @classmethod
    def of(cls, patients: pd.DataFrame, columns: Sequence[str], *, fewest: int) -> Self:
        """Choose the columns, in order, that put most patients into groups of some size.

        A column is taken if it has at least two groups of at least `fewest` patients, three
        quarters of the patients are in one, and there are not more than 12 combinations.
        The outcome is not looked at.

        Parameters
        ----------
        patients : DataFrame
        columns : sequence of str
            The more important ones first.
        fewest : int
        """
        chosen: list[Split] = []
        combinations = 1
        for column in columns:
            split = Split.of(patients[column], fewest=fewest)
            counts = patients[column].map(split.label).value_counts()
            enough = len(counts) > 1 and counts.min() >= fewest
            most = counts.sum() >= 0.75 * len(patients)
            if enough and most and combinations * len(counts) <= MOST_COMBINATIONS:
                chosen.append(split)
                combinations *= len(counts)
        return cls(splits=tuple(chosen))

    def groups(self, cohort: Cohort) -> list[Labels]:
        """Return each patient's labels, one a column; None where it is not known.

        A column is looked for among the patients' own, then among the features of tables.
        """
        found = pd.DataFrame(
            {split.column: _column(cohort, split.column) for split in self.splits},
            index=cohort.index,
        )
        return self._of_frame(found)

    def _of_frame(self, patients: pd.DataFrame) -> list[Labels]:
        columns = [[split.label(v) for v in patients[split.column]] for split in self.splits]
        return list(zip(*columns, strict=True)) if columns else [()] * len(patients)


def _column(cohort: Cohort, name: str) -> Any:
    patients = cohort.patients
    if name in patients.columns:
        return patients[name].to_numpy(dtype=object)
    for modality_name, modality in cohort.modalities.items():
        if isinstance(modality, Table) and name in modality.kinds:
            places = cohort.positions(modality_name)
            own = modality.frame[name].to_numpy(dtype=object)
            has = places >= 0
            values = np.full(len(cohort), None, dtype=object)
            values[has] = own[places[has]]
            return values
    return np.full(len(cohort), None, dtype=object)


def _written(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
