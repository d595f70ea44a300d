"""Which modality and which feature a fitted model leans on.

Permutation importance (Breiman, "Random forests", Machine Learning 2001; Fisher, Rudin and
Dominici, JMLR 2019): how much worse the model scores patients it has not seen when what
was measured of them is dealt anew among them. Nothing is fitted again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from consilience.cohort import Cohort, Table
from consilience.cohort.modality import FloatArray, Positions
from consilience.cohort.table import Blocks
from consilience.errors import InputError
from consilience.metrics.metric import Metric
from consilience.metrics.scores import Probabilities, Scores, SurvivalCurves

Y = npt.NDArray[Any]
MOST_NUMBERS = 4_000_000  # in one copy of a table with many shuffled columns: 32 MB
MOST_ROWS = 4_000


class Scorer(Protocol):
    """A fitted model; the score of a patient must not depend on who else is asked about."""

    def scores(self, cohort: Cohort) -> Scores:
        """Return scores, a row a patient."""


@dataclass(frozen=True)
class Importance:
    """What a model loses without one source of information, in the metric.

    Attributes
    ----------
    modality : str
    feature : str or None
        None: the modality as a whole.
    drop : float
        How much worse the model scores with it shuffled among the patients who have it, the
        mean over repeats. Positive: it matters. NaN where the metric is undefined.
    removed : float or None
        How much worse with the modality taken for not measured; None for features.
    n_patients : int
        Who have it.
    """

    modality: str
    feature: str | None
    drop: float
    removed: float | None
    n_patients: int


def permutation_importance(
    model: Scorer,
    cohort: Cohort,
    y: Y,
    metric: Metric,
    *,
    repeats: int = 5,
    seed: int = 0,
    most_features: int = 100,
) -> list[Importance]:
    """Measure what a fitted model loses without each modality and each feature.

    A modality is shuffled by giving each patient who has it all that was measured of
    another who has it; who was not measured stays so. A feature is shuffled within its
    table, its gaps with it.

    All features of tables are tried if there are no more than `most_features`. If there
    are more, those are tried that go most with what the model says: the largest absolute
    rank correlation with its score, over all modalities whose own drop, or loss when
    removed, is not zero. A feature that works through another alone may so be passed over.

    Parameters
    ----------
    model : fitted estimator with ``scores(cohort)``
    cohort : Cohort
        Patients the model has not seen.
    y : ndarray of shape (n_patients,)
    metric : Metric
    repeats : int
        How often each is shuffled.
    seed : int
    most_features : int

    Returns
    -------
    list of Importance
        Modalities in the cohort's order, then features, the most important first.

    Raises
    ------
    InputError
        If y is not one a patient, or there is nothing to repeat.
    """
    if len(y) != len(cohort):
        raise InputError(f"y has {len(y)} entries for {len(cohort)} patients.")
    if repeats < 1:
        raise InputError(f"importance needs at least 1 repeat, not {repeats}.")
    asked = _Question(model, cohort, y, metric, repeats, seed)
    modalities = [asked.of_modality(name) for name in cohort.modalities]
    used = [one.modality for one in modalities if one.drop != 0 or one.removed != 0]
    chosen = asked.features_to_try(used, most_features)
    features = [one for name in used for one in asked.of_features(name, chosen[name])]
    return modalities + sorted(features, key=lambda one: -np.nan_to_num(one.drop, nan=-np.inf))


class _Question:
    """A model, patients and a metric, asked again and again with something changed."""

    def __init__(
        self, model: Scorer, cohort: Cohort, y: Y, metric: Metric, repeats: int, seed: int
    ) -> None:
        self.model, self.cohort, self.y, self.metric = model, cohort, y, metric
        self.repeats, self.seed = repeats, seed
        self.scores = model.scores(cohort)
        self.before = metric(y, self.scores)

    def of_modality(self, name: str) -> Importance:
        positions, modality = self.cohort.positions(name), self.cohort.modalities[name]
        places = np.flatnonzero(positions >= 0)
        shuffled = []
        for order in self._orders(name, len(places)):
            dealt = positions.copy()
            dealt[places] = positions[places][order]
            shuffled.append(self._drop(self.cohort.assigned(name, modality, dealt)))
        nobody = np.full(len(self.cohort), -1, dtype=np.intp)
        removed = self._drop(self.cohort.assigned(name, modality, nobody))
        return Importance(name, None, float(np.mean(shuffled)), removed, len(places))

    def features_to_try(self, names: Sequence[str], most: int) -> dict[str, list[str]]:
        """Return the features of each modality that are tried."""
        tables = {name: self.cohort.modalities[name] for name in names}
        features = {n: list(t.features) if isinstance(t, Table) else [] for n, t in tables.items()}
        if sum(len(of_one) for of_one in features.values()) <= most:
            return features
        ranked = sorted(
            (
                (-strength, name, feature)
                for name in names
                for feature, strength in self._with(name)
            ),
            key=lambda entry: entry[0],
        )
        chosen = {(name, feature) for _, name, feature in ranked[:most]}
        return {n: [f for f in of_one if (n, f) in chosen] for n, of_one in features.items()}

    def of_features(self, name: str, features: Sequence[str]) -> Iterator[Importance]:
        """Yield the importance of features, many of them at a call of the model."""
        if not features:
            return
        n, width = len(self.cohort), max(1, self.cohort.modalities[name].n_features)
        many = max(1, min(MOST_ROWS // n, MOST_NUMBERS // (n * width)))
        jobs = [(f, k) for f in features for k in range(self.repeats)]
        drops: list[float] = []
        for start in range(0, len(jobs), many):
            drops += self._drops(name, jobs[start : start + many])
        has = int(self.cohort.has(name).sum())
        for feature, drop in zip(features, np.reshape(drops, (-1, self.repeats)), strict=True):
            yield Importance(name, feature, float(drop.mean()), None, has)

    def _drops(self, name: str, jobs: Sequence[tuple[str, int]]) -> list[float]:
        """Return the drop for each (feature, repeat), the model being asked once for all."""
        n = len(self.cohort)
        tiled = self.cohort[np.tile(np.arange(n), len(jobs))]
        table = tiled.modalities[name]
        assert isinstance(table, Table)  # features_to_try names features of tables alone
        size = len(table) // len(jobs)
        orders = list(self._orders(name, size))
        changed = table.replaced(_shuffled(table, size, [(f, orders[k]) for f, k in jobs]))
        scores = self.model.scores(tiled.assigned(name, changed, tiled.positions(name)))
        parts = [scores.take(slice(i * n, (i + 1) * n)) for i in range(len(jobs))]
        return [self._worse(self.metric(self.y, part)) for part in parts]

    def _orders(self, name: str, size: int) -> Iterator[Positions]:
        """Yield as many orders as repeats, the same for a modality and all its features."""
        seed = [self.seed, list(self.cohort.modalities).index(name)]
        rng = np.random.default_rng(seed)
        for _ in range(self.repeats):
            yield rng.permutation(size)

    def _drop(self, cohort: Cohort) -> float:
        return self._worse(self.metric(self.y, self.model.scores(cohort)))

    def _worse(self, after: float) -> float:
        ideal = self.metric.ideal
        if ideal is not None:
            return abs(after - ideal) - abs(self.before - ideal)
        return (self.before - after) if self.metric.higher_is_better else (after - self.before)

    def _with(self, name: str) -> list[tuple[str, float]]:
        """Return each feature of a table with its rank correlation with the model's score."""
        table, places = self.cohort.modalities[name], np.flatnonzero(self.cohort.has(name))
        if not isinstance(table, Table) or len(places) < 2:
            return []
        frame = table.take(self.cohort.positions(name)[places]).frame
        columns = [_as_numbers(frame[feature]) for feature in frame.columns]
        said = _one_number(self.scores.take(places))
        strength = _correlations(np.column_stack(columns), said)
        return list(zip(frame.columns, strength.tolist(), strict=True))


def _shuffled(table: Table, size: int, jobs: Sequence[tuple[str, Positions]]) -> Blocks:
    """Return a table's values with one feature in a new order in each stretch of `size` rows."""
    numeric, categorical = np.array(table.numeric), table.categorical
    place = {feature: i for i, feature in enumerate(table.numeric_features)}
    text = {feature: categorical[feature].to_numpy(dtype=object).copy() for feature in categorical}
    for number, (feature, order) in enumerate(jobs):
        rows = slice(number * size, (number + 1) * size)
        column = numeric[:, place[feature]] if feature in place else text[feature]
        column[rows] = column[rows][order]
    return Blocks(numeric, pd.DataFrame(text, index=categorical.index, columns=categorical.columns))


def _one_number(scores: Scores) -> FloatArray:
    """Return what is said of each patient as one number."""
    if isinstance(scores, SurvivalCurves):
        return scores.risk
    values = scores.values
    if isinstance(scores, Probabilities) and values.shape[1] > 2:
        return values[:, int(np.argmax(values.std(axis=0)))]
    return values[:, -1]


def _as_numbers(column: pd.Series) -> FloatArray:
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(dtype=float)
    codes = pd.factorize(column, sort=True)[0].astype(float)
    return np.where(codes < 0, np.nan, codes)


def _correlations(columns: FloatArray, said: FloatArray) -> FloatArray:
    """Return absolute rank correlations, a missing value standing at its column's mean rank."""
    known = ~np.isnan(columns)
    ranks = stats.rankdata(np.where(known, columns, np.inf), axis=0)
    mean = np.where(known, ranks, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    centred = np.where(known, ranks - mean, 0.0)
    against = stats.rankdata(said) - (len(said) + 1) / 2
    size = np.sqrt((centred**2).sum(axis=0) * (against**2).sum())
    return np.where(size > 0, np.abs(against @ centred) / np.where(size > 0, size, 1.0), 0.0)
