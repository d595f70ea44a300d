"""Condensed patients, and one patient beside them, as standardised columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from consilience.cohort import Cohort, Table
from consilience.cohort.modality import FloatArray
from consilience.trust.plausible import Key, Plausible
from consilience.trust.varying import Column, measured_table

WEIGHT = "patients"  # the column of the condensed patients that says how many each stands for
QUANTILES_APART = 4.6527  # 1st to 99th percentile of a normal distribution, in its deviations
LEAST_WITHIN = 0.02  # of a feature's variance: no feature is taken as known without error


def group_size(background: Cohort) -> float:
    """Return how many patients a condensed one stands for on average; infinite if not known."""
    patients = background.patients
    return float(patients[WEIGHT].mean()) if WEIGHT in patients else np.inf


def group_weights(background: Cohort) -> FloatArray:
    """Return the share of the training patients that each condensed one stands for."""
    patients = background.patients
    if WEIGHT not in patients:
        return np.full(len(patients), 1 / len(patients))
    counts = patients[WEIGHT].to_numpy(dtype=float)
    weights: FloatArray = counts / counts.sum()
    return weights


@dataclass(frozen=True)
class Form:
    """How a feature is made of columns: itself, or one for each level of a category."""

    kind: str
    start: int
    width: int
    bounds: tuple[float, float] = (-np.inf, np.inf)
    levels: tuple[str, ...] = ()

    @property
    def place(self) -> slice:
        """Its columns."""
        return slice(self.start, self.start + self.width)

    def decoded(self, drawn: FloatArray, sure: FloatArray, chance: FloatArray, n: int) -> Column:
        """Return draws in the feature's own unit.

        Parameters
        ----------
        drawn, sure : ndarray of shape (n_draws, width)
            With noise and without: shares have none, for drawing from them is the noise.
        chance : ndarray of shape (n_draws,)
            Uniform between 0 and 1.
        n : int
            Condensed patients; a level that none of them has counts as one in n + 1.
        """
        if self.levels:
            return self._levels(sure, chance, n)
        if self.kind == "binary":
            return np.asarray(chance < sure[:, 0], dtype=float)
        values = np.clip(drawn[:, 0], *self.bounds)
        return np.asarray(np.rint(values) if self.kind == "count" else values)

    def _levels(self, shares: FloatArray, chance: FloatArray, n: int) -> list[str]:
        likely = np.clip(shares, 0.0, None)
        total = likely.sum(axis=1, keepdims=True)
        likely = np.where(total > 0, likely / np.where(total > 0, total, 1.0), 0.0)
        likely = likely * n + 1 / len(self.levels)
        upto = np.cumsum(likely / likely.sum(axis=1, keepdims=True), axis=1)
        places = (chance[:, None] > upto[:, :-1]).sum(axis=1)
        return [self.levels[place] for place in places]


@dataclass(frozen=True)
class GroupColumns:
    """All features of the condensed patients' tables, beside those of one patient.

    Attributes
    ----------
    weights : ndarray of shape (n_groups,)
    size : float
        Patients a group, on average.
    columns : ndarray of shape (n_groups, n_columns)
        Standardised by the patients' own spread; 0 where a group has none.
    known : ndarray of bool of shape (n_groups, n_columns)
    centre, scale : ndarray of shape (n_columns,)
        Scale 0: all groups are the same.
    value : ndarray of shape (n_columns,)
        The patient's own, standardised; NaN where it was not measured of him.
    within : ndarray of shape (n_columns,)
        The share of the patients' variance that is within groups.
    forms : dict of (modality, feature) to Form
    """

    weights: FloatArray
    size: float
    columns: FloatArray
    known: npt.NDArray[np.bool_]
    centre: FloatArray
    scale: FloatArray
    value: FloatArray
    within: FloatArray
    forms: dict[Key, Form]

    @classmethod
    def of(
        cls, patient: Cohort, background: Cohort, plausible: Mapping[Key, Plausible]
    ) -> GroupColumns:
        """Return the columns; features of which no group knows anything are left out."""
        parts = _Parts(len(background))
        for name, table in background.modalities.items():
            if isinstance(table, Table):
                own = measured_table(patient, name)
                parts.add_numbers(background, name, own, plausible)
                parts.add_categories(background, name, own, plausible)
        return parts.joined(group_weights(background), group_size(background))


@dataclass
class _Parts:
    """Columns as they are gathered, table by table."""

    n: int
    raw: list[FloatArray] = field(default_factory=list)
    own: list[FloatArray] = field(default_factory=list)
    spans: list[FloatArray] = field(default_factory=list)  # what a plausible range says of spread
    shares: list[npt.NDArray[np.bool_]] = field(default_factory=list)  # of patients: 0 to 1
    forms: dict[Key, Form] = field(default_factory=dict)
    width: int = 0

    def add_numbers(
        self, background: Cohort, name: str, own: Table | None, plausible: Mapping[Key, Plausible]
    ) -> None:
        table, places = background.modalities[name], background.positions(name)
        assert isinstance(table, Table)
        raw = np.full((self.n, len(table.numeric_features)), np.nan)
        raw[places >= 0] = table.numeric_at(places[places >= 0])
        kept = np.flatnonzero(~np.isnan(raw).all(axis=0))
        features = [table.numeric_features[i] for i in kept]
        kinds = table.kinds
        spans = []
        for place, feature in enumerate(features):
            known = plausible.get((name, feature), Plausible())
            low, high = known.low, known.high
            ranged = low is not None and high is not None and kinds[feature] != "binary"
            span = (low, high) if low is not None and high is not None else (-np.inf, np.inf)
            bounds = (0.0, 1.0) if kinds[feature] == "binary" else span
            at = self.width + place
            self.forms[name, feature] = Form(kinds[feature], at, 1, bounds)
            spans.append((span[1] - span[0]) / QUANTILES_APART if ranged else 0.0)
        mine: dict[str, float] = {}
        if own is not None:
            mine = dict(zip(own.numeric_features, own.numeric[0].tolist(), strict=True))
        self._add(
            raw[:, kept],
            np.array([mine.get(feature, np.nan) for feature in features]),
            np.array(spans),
            np.array([kinds[feature] == "binary" for feature in features], dtype=bool),
        )

    def add_categories(
        self, background: Cohort, name: str, own: Table | None, plausible: Mapping[Key, Plausible]
    ) -> None:
        table, has = background.modalities[name], background.has(name)
        assert isinstance(table, Table)
        text = table.categorical.iloc[background.positions(name)[has]]
        mine = None if own is None else own.categorical.iloc[0]
        for feature in text:
            held = text[feature]
            if held.isna().all():
                continue
            known = plausible.get((name, str(feature)), Plausible()).levels
            levels = tuple(dict.fromkeys([*sorted(held.dropna().unique()), *known]))
            raw = np.full((self.n, len(levels)), np.nan)
            raw[has] = np.where(held.isna().to_numpy()[:, None], np.nan, _one_hot(held, levels))
            value = None if mine is None else mine.get(feature)
            one = np.full((1, len(levels)), np.nan)
            if not pd.isna(value):
                one = _one_hot(pd.Series([value]), levels)
            form = Form("categorical", self.width, len(levels), (0.0, 1.0), levels)
            self.forms[name, str(feature)] = form
            self._add(raw, one[0], np.zeros(len(levels)), np.ones(len(levels), dtype=bool))

    def _add(
        self,
        raw: FloatArray,
        own: FloatArray,
        spans: FloatArray,
        shares: npt.NDArray[np.bool_],
    ) -> None:
        self.raw.append(raw)
        self.own.append(own)
        self.spans.append(spans)
        self.shares.append(shares)
        self.width += raw.shape[1]

    def joined(self, weights: FloatArray, size: float) -> GroupColumns:
        raw = np.concatenate([np.zeros((self.n, 0)), *self.raw], axis=1)
        own, spans = (np.concatenate([np.zeros(0), *part]) for part in (self.own, self.spans))
        shares = np.concatenate([np.zeros(0, dtype=bool), *self.shares])
        known = ~np.isnan(raw)
        weight = np.where(known, weights[:, None], 0.0)
        total = weight.sum(axis=0)
        filled = np.where(known, raw, 0.0)
        centre = (weight * filled).sum(axis=0) / total
        between = (weight * np.where(known, raw - centre, 0.0) ** 2).sum(axis=0) / total
        drawn = np.where(shares, np.sqrt(np.clip(centre * (1 - centre), 0.0, None)), spans)
        scale = np.maximum(np.sqrt(between), drawn)
        divided = np.where(scale > 0, scale, 1.0)
        return GroupColumns(
            weights=weights,
            size=size,
            columns=np.where(known, raw - centre, 0.0) / divided,
            known=known,
            centre=centre,
            scale=scale,
            value=(own - centre) / divided * (scale > 0),
            within=np.maximum(1 - between / divided**2, LEAST_WITHIN),
            forms=self.forms,
        )


def _one_hot(column: pd.Series, levels: tuple[str, ...]) -> FloatArray:
    return np.array([[float(value == level) for level in levels] for value in column])
