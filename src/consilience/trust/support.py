"""Whether a patient is like those a model was trained on: ranges, and distances in tables.

A number far outside what any training patient had is out of range: beyond the extremes by
more than half the distance between the 1st and 99th percentile, as a wrong unit is. A
patient may also be strange with every value in range: of each table the standardised
features are summarised by principal components, and two things are looked at: the squared
components over their variances (Hotelling's T squared), and the squared rest that they
leave out (the Q statistic; Jackson and Mudholkar, Technometrics 1979, 21:341). His distance is
the larger of the two, each less its mean and over its standard deviation. It is
compared with the 99th percentile of training patients' distances, each taken in a
summary learned without him, so that about one in a hundred such patients is called strange.
A missing value counts as the mean: what was not measured makes nobody strange.
"""

from __future__ import annotations

import math
from typing import Self

import numpy as np

from consilience.cohort import Cohort, Table
from consilience.metrics.scores import FloatArray
from consilience.records import Record
from consilience.trust.thresholds import conformal_quantile, rounded_up

MOST_FEATURES = 500  # of a table that are looked at, those with the largest spread
MOST_RANGES = 2_000
MOST_COMPONENTS = 10
VARIANCE = 0.9
USUAL = 0.99
FOLDS = 5
FEWEST = 100  # patients, for a 99th percentile to be one
DIGITS = 6


class Range(Record):
    """How far values of a feature may go."""

    modality: str
    feature: str
    unit: str = ""
    low: float
    high: float
    seen_low: float
    seen_high: float

    def says(self, value: float) -> str:
        """Return in a sentence that a value is outside."""
        unit = f" {self.unit}" if self.unit else ""
        return (
            f"{self.modality}: {self.feature} is {value:.6g}{unit}, far outside what the model "
            f"has seen ({self.seen_low:.6g} to {self.seen_high:.6g}{unit})."
        )


def ranges_of(cohort: Cohort) -> tuple[Range, ...]:
    """Return the ranges of the numbers in tables of at most 2,000 features.

    A constant has none, for the model cannot go by it.
    """
    return tuple(
        one
        for name, modality in cohort.modalities.items()
        if isinstance(modality, Table) and len(modality.numeric_features) <= MOST_RANGES
        for one in _ranges(name, modality)
    )


def _ranges(name: str, table: Table) -> list[Range]:
    found = []
    for feature, column in zip(
        table.numeric_features, np.asarray(table.numeric, dtype=float).T, strict=True
    ):
        known = column[np.isfinite(column)]
        if not len(known) or known.min() == known.max():
            continue
        low, inner, outer, high = (float(q) for q in np.quantile(known, (0.0, 0.01, 0.99, 1.0)))
        margin = (outer - inner) / 2 or (high - low) / 2
        found.append(
            Range(
                modality=name,
                feature=feature,
                unit=table.units.get(feature, ""),
                low=low - margin,
                high=high + margin,
                seen_low=low,
                seen_high=high,
            )
        )
    return found


def out_of_range(cohort: Cohort, ranges: tuple[Range, ...]) -> list[list[str]]:
    """Return, for each patient, a sentence for each value that is out of range."""
    said: list[list[str]] = [[] for _ in range(len(cohort))]
    columns = {name: _columns(cohort, name) for name in {one.modality for one in ranges}}
    for one in ranges:
        column = columns[one.modality].get(one.feature)
        if column is not None:
            for row in np.flatnonzero((column < one.low) | (column > one.high)).tolist():
                said[row].append(one.says(float(column[row])))
    return said


def _columns(cohort: Cohort, name: str) -> dict[str, FloatArray]:
    """Return each number of a table, (n_patients,), NaN where it is not known."""
    table = cohort.modalities.get(name)
    if not isinstance(table, Table) or not len(table):
        return {}
    places = cohort.positions(name)
    own = np.asarray(table.numeric, dtype=float)[np.maximum(places, 0)]
    own = np.where((places >= 0)[:, None], own, np.nan)
    return dict(zip(table.numeric_features, own.T, strict=True))


class Support(Record):
    """What training patients look like in one table.

    Parameters
    ----------
    modality : str
    features : tuple of str
    centre, scale : tuple of float
        Mean and standard deviation of each.
    components : tuple of tuple of float
        Directions in the standardised features.
    variances : tuple of float
        Of the components.
    rest, rest_spread : float
        Mean and standard deviation of the squared rest that the components leave out, as
        they are of normal features.
    usual : float or None
        The 99th percentile of held-out patients' distances; None: too few patients.
    patients : int
    """

    modality: str
    features: tuple[str, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    components: tuple[tuple[float, ...], ...]
    variances: tuple[float, ...]
    rest: float
    rest_spread: float
    usual: float | None
    patients: int

    @classmethod
    def of(cls, cohort: Cohort, name: str) -> Self | None:
        """Learn from the patients of a table; None if it is no table or has too few of them."""
        table = cohort.modalities[name]
        if not isinstance(table, Table) or len(table) < 2 * FOLDS:
            return None
        values = np.asarray(table.numeric, dtype=float)
        kept = _widest(values)
        if not len(kept):
            return None
        features = tuple(table.numeric_features[place] for place in kept)
        learned = cls._summary(name, features, values[:, kept])
        distances = held_out_distances(values[:, kept])
        usual = conformal_quantile(distances, USUAL) if len(table) >= FEWEST else math.inf
        threshold = rounded_up(usual) if math.isfinite(usual) else None
        return learned.model_copy(update={"usual": threshold})

    @classmethod
    def _summary(cls, name: str, features: tuple[str, ...], values: FloatArray) -> Self:
        known = np.isfinite(values)
        centre = np.where(known, values, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        centred = np.where(known, values - centre, 0.0)
        scale = np.sqrt((centred**2).sum(axis=0) / np.maximum(known.sum(axis=0) - 1, 1))
        scale = np.where(scale > 0, scale, 1.0)
        _, size, directions = np.linalg.svd(centred / scale, full_matrices=False)
        variances = size**2 / max(len(values) - 1, 1)
        share = np.cumsum(variances) / max(variances.sum(), 1e-12)
        k = min(int(np.searchsorted(share, VARIANCE)) + 1, MOST_COMPONENTS, len(variances))
        k = int(min(k, (variances > 1e-9).sum())) or 1
        left = np.append(variances[k:], 0.01 * variances.mean())  # never none at all
        return cls(
            modality=name,
            features=features,
            centre=_rounded(centre),
            scale=_rounded(scale),
            components=tuple(_rounded(row) for row in directions[:k]),
            variances=_rounded(np.maximum(variances[:k], 1e-9)),
            rest=float(left.sum()),
            rest_spread=float(np.sqrt(2 * (left**2).sum())),
            usual=None,
            patients=len(values),
        )

    def distances(self, cohort: Cohort) -> FloatArray:
        """Return each patient's distance, NaN of those whom the table did not measure."""
        found = np.full(len(cohort), np.nan)
        table = cohort.modalities.get(self.modality)
        if not isinstance(table, Table) or not len(table):
            return found
        columns = {feature: place for place, feature in enumerate(table.numeric_features)}
        order = [columns[feature] for feature in self.features]
        places = cohort.positions(self.modality)
        has = places >= 0
        found[has] = self.of_values(np.asarray(table.numeric, dtype=float)[places[has]][:, order])
        return found

    def of_values(self, values: FloatArray) -> FloatArray:
        """Return the distances of rows of the features, (n_patients,)."""
        standard = (values - np.array(self.centre)) / np.array(self.scale)
        standard = np.where(np.isfinite(standard), standard, 0.0)
        components = np.array(self.components)
        along = standard @ components.T
        left = ((standard - along @ components) ** 2).sum(axis=1)
        squared = (along**2 / np.array(self.variances)).sum(axis=1)
        k = len(self.variances)
        inside, outside = (squared - k) / np.sqrt(2 * k), (left - self.rest) / self.rest_spread
        return np.asarray(np.maximum(inside, outside))

    def strange(self, cohort: Cohort) -> list[str]:
        """Return, for each patient, why he is unlike the training patients; "" if he is not."""
        if self.usual is None:
            return [""] * len(cohort)
        return [
            f"{self.modality}: taken together its values are unlike those of the {self.patients} "
            f"patients the model learned from (distance {distance:.3g}; 99 of 100 of them are "
            f"within {self.usual:.3g})."
            if distance > self.usual
            else ""
            for distance in self.distances(cohort).tolist()
        ]


def strangeness(cohort: Cohort) -> FloatArray | None:
    """Return how far each patient is from the others, in the table in which he is farthest.

    Each distance is taken in a summary learned without him: 0 is the table's median and 1
    its 99th percentile. None where there is no table; 0 of a patient whom none measured.
    """
    found = np.zeros(len(cohort))
    tables = 0
    for name, modality in cohort.modalities.items():
        if isinstance(modality, Table) and len(modality) >= 2 * FOLDS:
            values = np.asarray(modality.numeric, dtype=float)
            kept = _widest(values)
            if len(kept):
                tables += 1
                distances = held_out_distances(values[:, kept])
                places = cohort.positions(name)
                middle, usual = np.quantile(distances, (0.5, USUAL))
                own = (distances[places[places >= 0]] - middle) / (usual - middle or 1.0)
                found[places >= 0] = np.maximum(found[places >= 0], own)
    return found if tables else None


def held_out_distances(values: FloatArray) -> FloatArray:
    """Return each row's distance in a summary learned from four fifths that lack it."""
    found = np.empty(len(values))
    fold = np.random.default_rng(0).permutation(len(values)) % FOLDS
    features = tuple(str(place) for place in range(values.shape[1]))
    for number in range(FOLDS):
        held = fold == number
        summary = Support._summary("", features, values[~held])
        found[held] = summary.of_values(values[held])
    return found


def _widest(values: FloatArray) -> FloatArray:
    """Return the places of at most 500 features that vary, those with the largest spread."""
    spread = np.nan_to_num(np.nanstd(values, axis=0)) if len(values) else np.zeros(0)
    order = np.argsort(-spread, kind="stable")[:MOST_FEATURES]
    return np.sort(order[spread[order] > 0])


def _rounded(values: FloatArray) -> tuple[float, ...]:
    return tuple(float(f"{value:.{DIGITS}g}") for value in values)
