"""What a measurement not made would probably have shown, given those that were.

Learned from condensed training patients (each the mean of a group of n_g patients). Let z
be their numbers, standardised by the patients' own spread, and a_g = n_g / sum n the weight
of a group. The covariance of the group means, B = sum a_g z_g z_g', is smaller than that of
patients, T, because patients differ within their group as well. The variance of each feature
within groups is known: d_j = 1 - B_jj, where the patients' spread is read off the 1st and
99th percentile of the training patients. Groups are made of patients who are alike, so what
is left within them is close to noise, and T is taken as B + diag(d). Then

    E[z_m | z_k]   = z_k' (B_kk + lambda D_kk)^-1 B_km,     lambda >= 1
    Var[z_m | z_k] = 1 - 2 b' B_km + b' (B_kk + D_kk) b,    b = (B_kk + lambda D_kk)^-1 B_km

which is the conditional normal distribution at lambda = 1 and ridge regression with an
error-in-variables penalty; lambda is chosen for each feature by leaving one group out
(PRESS: Allen, Technometrics 1974, 16:125), and the variance is never taken as less than the
error found so. A draw is the mean, the residual of one group drawn by its weight (the same
group for all features, so that those that go together are drawn together), and normal noise
that makes up the rest of the variance. Shares of 0/1 features, and of each level of a
category, are predicted as probabilities, and drawn from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from consilience.cohort import Cohort, Table
from consilience.cohort.modality import FloatArray
from consilience.errors import InputError
from consilience.trust.plausible import Key, Plausible
from consilience.trust.varying import Column, measured_table, one_patient

WEIGHT = "patients"  # the column of the condensed patients that says how many each stands for
QUANTILES_APART = 4.6527  # 1st to 99th percentile of a normal distribution, in its deviations
LEAST_WITHIN = 0.02  # of a feature's variance: no feature is taken as known without error
MOST_DEVIATIONS = 4.0  # a value further out counts as this far out
PENALTIES = np.array([*(2.0 ** np.arange(0, 14)), np.inf])


@dataclass(frozen=True)
class Conditional:
    """The distribution of some features of one patient, given what was measured of him.

    Attributes
    ----------
    features : tuple of (modality, feature)
    """

    features: tuple[Key, ...]
    _encoded: tuple[_Encoded, ...]
    _mean: FloatArray  # (n_columns,), standardised
    _residual: FloatArray  # (n_groups, n_columns)
    _noise: FloatArray  # (n_columns,), deviations
    _weights: FloatArray  # (n_groups,)

    def draws(self, n: int, seed: int = 0) -> dict[Key, Column]:
        """Return `n` draws of every feature; one draw holds features that go together.

        Parameters
        ----------
        n : int
        seed : int

        Returns
        -------
        dict of (modality, feature) to column
            (n,) numbers, or levels.
        """
        rng = np.random.default_rng(seed)
        steps = (rng.permutation(n) + 0.5) / n
        groups = np.searchsorted(np.cumsum(self._weights), steps)
        groups = np.minimum(groups, len(self._weights) - 1)
        noise = rng.standard_normal((n, len(self._mean))) * self._noise
        drawn = self._mean + self._residual[groups] + noise
        without = self._mean + self._residual[groups]
        found: dict[Key, Column] = {}
        for key, encoded in zip(self.features, self._encoded, strict=True):
            chance = rng.random(n)
            place = encoded.place
            found[key] = encoded.decoded(drawn[:, place], without[:, place], chance)
        return found

    def middle(self, key: Key) -> float:
        """Return the mean of a number, in its unit."""
        encoded = self._encoded[self.features.index(key)]
        return float(encoded.centre[0] + encoded.scale[0] * self._mean[encoded.place][0])

    def deviation(self, key: Key) -> float:
        """Return the standard deviation of a number, in its unit."""
        encoded = self._encoded[self.features.index(key)]
        of_groups = self._weights @ self._residual[:, encoded.place] ** 2
        return float(encoded.scale[0] * np.sqrt(of_groups + self._noise[encoded.place] ** 2)[0])


def conditional(
    patient: Cohort,
    background: Cohort,
    features: Sequence[Key],
    plausible: Mapping[Key, Plausible] | None = None,
) -> Conditional:
    """Return the distribution of features, given all else that was measured of a patient.

    Parameters
    ----------
    patient : Cohort
        Of one patient. What he has in `features` himself is not looked at.
    background : Cohort
        Condensed training patients; a column `patients` says how many each stands for.
    features : sequence of (modality, feature)
        Of tables of the background.
    plausible : mapping, optional
        The range that most training patients are in, by feature: it says how far patients
        are spread. Without it they are taken to be spread as condensed ones, which is less.

    Raises
    ------
    InputError
        If the background has no such feature, or it is not of one patient.
    """
    weights = group_weights(background)
    encoded = _encodings(one_patient(patient), background, weights, plausible or {})
    absent = [key for key in features if key not in encoded]
    if absent:
        raise InputError(f"the condensed patients have no {absent[0][1]!r} in {absent[0][0]!r}.")
    wanted = set(features)
    given = [one for key, one in encoded.items() if key not in wanted and one.known]
    due = [encoded[key] for key in features]
    fit = _regression(_side(given), _side(due), weights)
    starts = np.cumsum([0, *(one.columns.shape[1] for one in due)])
    placed = [replace(one, start=int(at)) for one, at in zip(due, starts[:-1], strict=True)]
    value = np.concatenate([one.value for one in given]) if given else np.zeros(0)
    mean = np.clip(value, -MOST_DEVIATIONS, MOST_DEVIATIONS) @ fit.slope
    return Conditional(tuple(features), tuple(placed), mean, fit.residual, fit.noise, weights)


def group_weights(background: Cohort) -> FloatArray:
    """Return the share of the training patients that each condensed one stands for."""
    patients = background.patients
    if WEIGHT not in patients:
        return np.full(len(patients), 1 / len(patients))
    counts = patients[WEIGHT].to_numpy(dtype=float)
    weights: FloatArray = counts / counts.sum()
    return weights


@dataclass(frozen=True)
class _Encoded:
    """One feature as columns: itself, or one for each level of a category.

    `columns` are standardised, (n_groups, n); NaN where a group has none. `value` is the
    patient's own, `within` the variance within groups (of 1 in all).
    """

    kind: str
    columns: FloatArray
    centre: FloatArray
    scale: FloatArray
    value: FloatArray
    within: FloatArray
    bounds: tuple[float, float]
    levels: tuple[str, ...] = ()
    start: int = 0  # among all columns

    @property
    def known(self) -> bool:
        return bool(np.isfinite(self.value).all())

    @property
    def place(self) -> slice:
        return slice(self.start, self.start + self.columns.shape[1])

    def decoded(self, drawn: FloatArray, without: FloatArray, chance: FloatArray) -> Column:
        """Return draws in the feature's own unit; shares are drawn from, without noise."""
        if self.levels:
            return self._levels(self.centre + without * self.scale, chance)
        if self.kind == "binary":
            share = np.clip(self.centre[0] + without[:, 0] * self.scale[0], 0.0, 1.0)
            return np.asarray(chance < share, dtype=float)
        values = np.clip(self.centre[0] + drawn[:, 0] * self.scale[0], *self.bounds)
        return np.asarray(np.rint(values) if self.kind == "count" else values)

    def _levels(self, shares: FloatArray, chance: FloatArray) -> list[str]:
        groups = len(self.columns)  # one more, in which all levels are as frequent
        smooth = np.clip(shares, 0.0, None)
        total = smooth.sum(axis=1, keepdims=True)
        smooth = np.where(total > 0, smooth / np.where(total > 0, total, 1.0), 0.0)
        smooth = smooth * groups + 1 / len(self.levels)
        upto = np.cumsum(smooth / smooth.sum(axis=1, keepdims=True), axis=1)
        places = (chance[:, None] > upto[:, :-1]).sum(axis=1)
        return [self.levels[place] for place in places]


def _encodings(
    patient: Cohort, background: Cohort, weights: FloatArray, plausible: Mapping[Key, Plausible]
) -> dict[Key, _Encoded]:
    found: dict[Key, _Encoded] = {}
    for name, table in background.modalities.items():
        if not isinstance(table, Table):
            continue
        own = measured_table(patient, name)
        mine = None if own is None else own.frame.iloc[0]
        held = table.frame.iloc[background.positions(name)].set_axis(background.index)
        held[~background.has(name)] = np.nan
        for feature, kind in table.kinds.items():
            known = plausible.get((name, feature))
            value = None if mine is None else mine.get(feature)
            column = held[feature]
            if column.notna().any():
                encode = _of_category if kind == "categorical" else _of_number
                found[name, feature] = encode(kind, column, value, weights, known)
    return found


def _of_number(
    kind: str, column: pd.Series, value: object, weights: FloatArray, known: Plausible | None
) -> _Encoded:
    numbers = column.to_numpy(dtype=float)[:, None]
    centre, between = _moments(numbers, weights)
    low, high = (-np.inf, np.inf)
    spread = float(np.sqrt(between[0]))
    if kind == "binary":
        low, high = 0.0, 1.0
        spread = float(np.sqrt(max(centre[0] * (1 - centre[0]), between[0])))
    elif known is not None and known.low is not None and known.high is not None:
        low, high = known.low, known.high
        spread = max(spread, (high - low) / QUANTILES_APART)
    own = np.array([np.nan if value is None else float(value)])  # type: ignore[arg-type]
    return _standardised(kind, numbers, centre, np.array([spread]), own, (low, high), weights)


def _of_category(
    kind: str, column: pd.Series, value: object, weights: FloatArray, known: Plausible | None
) -> _Encoded:
    seen = tuple(sorted({str(level) for level in column.dropna()}))
    levels = tuple(dict.fromkeys([*seen, *(known.levels if known is not None else ())]))
    shares = np.array([[float(str(v) == level) for level in levels] for v in column])
    shares[column.isna().to_numpy()] = np.nan
    centre, between = _moments(shares, weights)
    spread = np.sqrt(np.maximum(between, centre * (1 - centre)))
    absent = value is None or pd.isna(value)  # type: ignore[call-overload]
    own = np.array([np.nan if absent else float(str(value) == level) for level in levels])
    found = _standardised(kind, shares, centre, spread, own, (0.0, 1.0), weights)
    return replace(found, levels=levels)


def _standardised(
    kind: str,
    numbers: FloatArray,
    centre: FloatArray,
    spread: FloatArray,
    own: FloatArray,
    bounds: tuple[float, float],
    weights: FloatArray,
) -> _Encoded:
    scale = np.where(spread > 0, spread, 1.0)
    columns = (numbers - centre) / scale
    _, between = _moments(columns, weights)
    within = np.maximum(1 - between, LEAST_WITHIN)
    value = np.where(spread > 0, (own - centre) / scale, np.where(np.isnan(own), np.nan, 0.0))
    return _Encoded(kind, columns, centre, np.where(spread > 0, scale, 0.0), value, within, bounds)


def _moments(columns: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the weighted mean and variance of what is known of each column."""
    known = np.isfinite(columns)
    share = np.where(known, weights[:, None], 0.0)
    total = share.sum(axis=0)
    mean = (share * np.where(known, columns, 0.0)).sum(axis=0) / total
    variance = (share * np.where(known, columns - mean, 0.0) ** 2).sum(axis=0) / total
    return mean, variance


@dataclass(frozen=True)
class _Side:
    """Columns of several features beside one another; gaps stand at the mean.

    What is known of few is stretched, so that its variance is that of those who have it.
    """

    columns: FloatArray
    known: FloatArray
    within: FloatArray


def _side(parts: Sequence[_Encoded]) -> _Side:
    if not parts:
        return _Side(np.zeros((0, 0)), np.zeros((0, 0)), np.zeros(0))
    columns = np.concatenate([one.columns for one in parts], axis=1)
    return _Side(
        np.nan_to_num(columns),
        np.isfinite(columns).astype(float),
        np.concatenate([one.within for one in parts]),
    )


@dataclass(frozen=True)
class _Fit:
    """Slopes (n_given, n_due), residuals (n_groups, n_due) and what noise is to be added."""

    slope: FloatArray
    residual: FloatArray
    noise: FloatArray


def _regression(given: _Side, due: _Side, weights: FloatArray) -> _Fit:
    root = np.sqrt(weights)[:, None]
    share = (weights[:, None] * due.known).sum(axis=0)
    target = due.columns * root / np.sqrt(share)
    if not given.columns.size:
        return _finished(np.zeros((0, target.shape[1])), given, due, weights, np.zeros(len(share)))
    held = (weights[:, None] * given.known).sum(axis=0)
    stretched = given.columns * root / np.sqrt(held)
    own = stretched / np.sqrt(given.within)
    size, axes = np.linalg.eigh(own @ own.T)
    size = np.maximum(size, 0.0)
    along = axes.T @ target
    best = np.full(target.shape[1], np.inf)
    inner = np.zeros_like(target)
    for penalty in PENALTIES[::-1]:  # the simplest first: it wins where others are no better
        kept = size / (size + penalty)
        error = (target - axes @ (kept[:, None] * along)) * (due.known > 0)
        left = error / np.maximum(1 - (axes**2 @ kept)[:, None], 1e-3)
        press = (left**2).sum(axis=0)
        better = press < best - 1e-12
        best = np.where(better, press, best)
        inner = np.where(better, axes @ (along / (size + penalty)[:, None]), inner)
    slope = (own.T @ inner) / np.sqrt(given.within)[:, None]
    return _finished(slope, given, due, weights, best)


def _finished(
    slope: FloatArray, given: _Side, due: _Side, weights: FloatArray, press: FloatArray
) -> _Fit:
    """Return the fit with residuals of groups, and the noise that patients have beside."""
    fitted = given.columns @ slope if given.columns.size else np.zeros_like(due.columns)
    share = (weights[:, None] * due.known).sum(axis=0)
    raw = np.where(due.known > 0, due.columns - fitted, 0.0)
    residual = np.where(due.known > 0, raw - (weights @ raw) / share, 0.0)
    of_groups = weights @ residual**2
    variance = np.maximum(_variance(slope, given, due, weights), press)
    return _Fit(slope, residual, np.sqrt(np.maximum(variance - of_groups, 0.0)))


def _variance(slope: FloatArray, given: _Side, due: _Side, weights: FloatArray) -> FloatArray:
    """Return 1 - 2 b'c + b'Tb for every column."""
    if not given.columns.size:
        return np.ones(slope.shape[1])
    held = (weights[:, None] * given.known).sum(axis=0)
    share = (weights[:, None] * due.known).sum(axis=0)
    stretched = given.columns * np.sqrt(weights)[:, None] / np.sqrt(held)
    fitted = stretched @ slope
    target = due.columns * np.sqrt(weights)[:, None] / np.sqrt(share)
    explained = (fitted**2).sum(axis=0) + given.within @ slope**2
    return np.asarray(1 - 2 * (fitted * target).sum(axis=0) + explained)
