"""Tables for networks: standardised numbers, codes of categories, and what is missing."""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from consilience.cohort import Table
from consilience.cohort.agreement import check_kinds
from consilience.cohort.modality import FloatArray, Positions
from consilience.nn.sources.source import Reading, Source, source_for


class TableSource(Source):
    """Numbers with mean 0 and variance 1 on the training patients, and codes of categories.

    Gives the arrays

    - ``numbers`` (n, n_numbers), float32: 0 where a value is missing;
    - ``known`` (n, n_numbers), float32: 1 where a value is there, else 0;
    - ``codes`` (n, n_categories), int64: 1, 2, ... for the levels, 0 for a missing value
      or a level that no training patient had.

    Features without a value in training are left out.

    Attributes
    ----------
    numbers_, texts_ : tuple of str
        Names of the numbers and of the categories, sorted; `features_` is both.
    mean_, scale_ : ndarray of shape (n_numbers,)
    gappy_ : ndarray of bool, (n_numbers,)
        Which numbers some training patient lacks.
    levels_ : dict of str to list of str
        Levels of each category, sorted.
    kinds_ : dict of str to str
        Kind of each number: continuous, count or binary.
    """

    def fit(self, modality: Table) -> Self:
        values, names = modality.numeric, np.array(modality.numeric_features, dtype=str)
        seen: npt.NDArray[np.bool_] = np.asarray(np.isfinite(values))
        order = np.argsort(names, kind="stable")
        order = order[np.asarray(seen.any(axis=0))[order]]
        values, seen = values[:, order], seen[:, order]
        self.numbers_ = tuple(str(name) for name in names[order])
        self.kinds_ = {name: modality.kinds[name] for name in self.numbers_}
        if not self.numbers_:
            self.mean_, self.scale_ = np.empty(0), np.empty(0)
        else:
            self.mean_ = np.nanmean(values, axis=0, dtype=float)
            spread = np.nanstd(values, axis=0, dtype=float)
            flat = spread <= 1e-12 * (1 + np.abs(self.mean_))
            self.scale_ = np.where(flat, 1.0, spread)
        self.gappy_ = ~seen.all(axis=0)
        text = modality.categorical
        levels = {name: sorted(text[name].dropna().unique()) for name in sorted(text.columns)}
        self.levels_ = {name: own for name, own in levels.items() if own}
        self.texts_ = tuple(self.levels_)
        self.features_ = (*self.numbers_, *self.texts_)
        return self

    def read(self, modality: Table, patients: Positions) -> Reading:
        check_kinds(modality, list(self.numbers_), list(self.texts_))
        place = {name: i for i, name in enumerate(modality.numeric_features)}
        found = [place.get(name, -1) for name in self.numbers_]
        values = np.full((len(patients), len(found)), np.nan)
        there = np.array(found, dtype=np.intp) >= 0  # an empty column may have lost its kind
        values[:, there] = modality.numeric_at(patients)[:, np.array(found, dtype=np.intp)[there]]
        known = np.isfinite(values)
        numbers = np.where(known, (values - self.mean_) / self.scale_, 0.0)
        codes = self._codes(modality, patients)
        return Reading(
            {
                "numbers": numbers.astype(np.float32),
                "known": known.astype(np.float32),
                "codes": codes,
            },
            usable=known.any(axis=1) | (codes > 0).any(axis=1),
        )

    def _codes(self, modality: Table, patients: Positions) -> npt.NDArray[np.int64]:
        codes = np.zeros((len(patients), len(self.texts_)), dtype=np.int64)
        if self.texts_:
            text = modality.categorical.iloc[patients].reindex(columns=list(self.texts_))
            for column, name in enumerate(self.texts_):
                levels = pd.Index(self.levels_[name])
                codes[:, column] = levels.get_indexer(pd.Index(text[name])) + 1
        return codes

    def own_unit(self, numbers: FloatArray) -> FloatArray:
        """Return standardised numbers, (n, n_numbers), in the features' own units."""
        return np.asarray(numbers * self.scale_ + self.mean_)


@source_for.register
def _(modality: Table) -> Source:
    return TableSource()
