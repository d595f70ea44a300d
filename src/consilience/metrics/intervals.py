"""How sure a metric is: the patient-level stratified bootstrap."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from consilience.errors import InputError
from consilience.metrics.metric import BLOCK, Counts, Metric, Y
from consilience.metrics.scores import FloatArray, Scores

MOST_UNDEFINED = 0.1  # share of undefined replicates above which there is no interval


@dataclass(frozen=True)
class Interval:
    """An estimate with its uncertainty.

    Attributes
    ----------
    estimate, low, high : float
        NaN where undefined.
    undefined : int
        Bootstrap replicates in which the metric was undefined; they are left out of the
        interval, and above a tenth of all there is none.
    """

    estimate: float
    low: float
    high: float
    undefined: int = 0


def resample_blocks(y: Y, n: int, seed: int) -> Iterator[Counts]:
    """Yield bootstrap resamples of patients in blocks that fit in memory.

    Patients are drawn with replacement within strata: the classes of labels (integers,
    truth values or text), events and censored of a survival outcome; numbers (floats) are
    one stratum. Row b is the same whatever the size of the blocks.

    Parameters
    ----------
    y : ndarray of shape (n_patients,)
        The outcome: labels, numbers (floats), or structured survival.
    n : int
        How many resamples.
    seed : int

    Yields
    ------
    ndarray of shape (block, n_patients), int
        How often each patient was drawn.
    """
    strata = _strata(y)
    seeds = np.random.SeedSequence(seed).spawn(len(strata))
    generators = [np.random.default_rng(one) for one in seeds]
    step = max(1, BLOCK // max(1, len(y)))
    for start in range(0, n, step):
        block = min(step, n - start)
        counts = np.zeros((block, len(y)), dtype=np.int64)
        for rows, generator in zip(strata, generators, strict=True):
            counts[:, rows] = _draw(len(rows), block, generator)
        yield counts


def resamples(y: Y, n: int, seed: int) -> Counts:
    """Return bootstrap resamples of patients, stratified by class or event, as counts.

    Parameters
    ----------
    y, n, seed
        As for `resample_blocks`, which needs less memory.

    Returns
    -------
    ndarray of shape (n, n_patients), int
        How often each patient was drawn; row sums are n_patients.
    """
    return np.concatenate([np.zeros((0, len(y)), dtype=np.int64), *resample_blocks(y, n, seed)])


def bootstrap(
    metric: Metric,
    y: Y,
    scores_list: Sequence[Scores],
    *,
    n: int = 2000,
    level: float = 0.95,
    seed: int,
) -> Interval:
    """Return a metric with its percentile interval over resamples of the patients.

    Resampling is stratified by class or event, so that every resample holds as many
    cases as the data (Efron & Tibshirani 1993, chapter 13). The interval says how the
    metric of these predictions would vary with other patients; it does not refit.

    Parameters
    ----------
    metric : Metric
    y : ndarray of shape (n_patients,)
    scores_list : sequence of Scores
        One for each repeat of cross-validation, for the same patients in the same order;
        the estimate and each replicate are averaged over them.
    n : int
        Resamples.
    level : float
        Of the interval, between 0 and 1.
    seed : int

    Returns
    -------
    Interval

    Raises
    ------
    InputError
        If there are no scores, or they do not fit y or the metric.
    """
    check_request(scores_list, n, level)
    estimate = averaged(metric, y, scores_list)
    values = np.concatenate(
        [
            averaged_replicates(metric, y, scores_list, counts)
            for counts in resample_blocks(y, n, seed)
        ]
    )
    low, high, undefined = percentile_interval(values, level)
    return Interval(estimate, low, high, undefined)


def averaged(metric: Metric, y: Y, scores_list: Sequence[Scores]) -> float:
    """Return the metric averaged over repeats of cross-validation."""
    return float(np.mean([metric(y, scores) for scores in scores_list]))


def averaged_replicates(
    metric: Metric, y: Y, scores_list: Sequence[Scores], counts: Counts
) -> FloatArray:
    """Return the metric's replicates averaged over repeats of cross-validation."""
    values: FloatArray = np.mean([metric.replicates(y, s, counts) for s in scores_list], axis=0)
    return values


def percentile_interval(values: FloatArray, level: float) -> tuple[float, float, int]:
    """Return the low and high percentile of the defined replicates, and how many are undefined."""
    defined = values[~np.isnan(values)]
    undefined = len(values) - len(defined)
    if undefined > MOST_UNDEFINED * len(values):
        return math.nan, math.nan, undefined
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high), undefined


def check_request(scores_list: Sequence[Scores], n: int, level: float) -> None:
    """Refuse a bootstrap without scores, without resamples or with an impossible level."""
    if not len(scores_list):
        raise InputError("there are no scores to compute an interval of.")
    if n < 1:
        raise InputError(f"a bootstrap needs at least one resample, not {n}.")
    if not 0 < level < 1:
        raise InputError(
            f"the level of an interval lies between 0 and 1 (0.95, say), not at {level:g}."
        )


def _strata(y: Y) -> list[Y]:
    if y.dtype.names is not None:
        label = y["event"]
    elif y.dtype.kind == "f":
        label = np.zeros(len(y), dtype=int)
    else:
        label = y
    _, code = np.unique(label, return_inverse=True)
    return [np.flatnonzero(code == k) for k in range(int(code.max(initial=-1)) + 1)]


def _draw(n_patients: int, n: int, generator: np.random.Generator) -> Counts:
    drawn = generator.integers(0, n_patients, size=(n, n_patients), dtype=np.int64)
    drawn += np.arange(n)[:, None] * n_patients
    return np.bincount(drawn.ravel(), minlength=n * n_patients).reshape(n, n_patients)
