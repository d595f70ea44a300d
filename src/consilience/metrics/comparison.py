"""Is one model better than another? Paired on the same patients, or over the folds of a study."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student

from consilience.errors import InputError
from consilience.metrics.intervals import (
    averaged,
    averaged_replicates,
    check_request,
    percentile_interval,
    resample_blocks,
)
from consilience.metrics.metric import Metric, Y
from consilience.metrics.scores import FloatArray, Scores


@dataclass(frozen=True)
class Difference:
    """A difference, first minus second, with its uncertainty.

    Attributes
    ----------
    estimate, low, high : float
        NaN where undefined.
    p_value : float
        Two-sided, of no difference.
    undefined : int
        Replicates or folds in which the difference was undefined and which were left out.
    """

    estimate: float
    low: float
    high: float
    p_value: float
    undefined: int = 0


def paired_bootstrap(
    metric: Metric,
    y: Y,
    scores_a: Sequence[Scores],
    scores_b: Sequence[Scores],
    *,
    n: int = 2000,
    level: float = 0.95,
    seed: int,
) -> Difference:
    """Return the metric of a minus that of b, both on the same resamples of the patients.

    Parameters
    ----------
    metric : Metric
    y : ndarray of shape (n_patients,)
    scores_a, scores_b : sequence of Scores
        One for each repeat of cross-validation, for the same patients in the same order.
    n : int
        Resamples.
    level : float
        Of the interval, between 0 and 1.
    seed : int

    Returns
    -------
    Difference
        In the metric's own direction: where lower is better, a negative difference
        favours a. The interval holds percentiles; the p-value is twice the share of
        resamples on the far side of 0, (1 + k) / (1 + n) so that it is never 0 (Davison &
        Hinkley 1997, section 4.2), and agrees with the interval.

    Raises
    ------
    InputError
        As `bootstrap`.
    """
    check_request(scores_a, n, level)
    check_request(scores_b, n, level)
    values = np.concatenate(
        [
            averaged_replicates(metric, y, scores_a, counts)
            - averaged_replicates(metric, y, scores_b, counts)
            for counts in resample_blocks(y, n, seed)
        ]
    )
    estimate = averaged(metric, y, scores_a) - averaged(metric, y, scores_b)
    low, high, undefined = percentile_interval(values, level)
    p_value = math.nan if math.isnan(low) else two_sided(values)
    return Difference(estimate, low, high, p_value, undefined)


def nadeau_bengio(
    differences: Any, n_train: float, n_test: float, level: float = 0.95
) -> Difference:
    """Return the mean difference over folds with the corrected resampled t test.

    Training sets of different folds overlap, so that the plain t test finds differences
    that are not there. The variance of the mean is corrected from s^2 / J to
    s^2 (1 / J + n_test / n_train), with J - 1 degrees of freedom (Nadeau & Bengio, Machine
    Learning 2003, equation 7; for repeated folds: Bouckaert & Frank 2004).

    Parameters
    ----------
    differences : array-like of shape (n_repeats * n_folds,)
        Metric of a minus metric of b in each fold; NaN where undefined.
    n_train, n_test : float
        Patients in the training and in the test part of a fold (their means, if they differ).
    level : float
        Of the interval.

    Returns
    -------
    Difference
        NaN throughout with fewer than two defined folds.

    Raises
    ------
    InputError
        If a size is not positive.
    """
    if not (n_train > 0 and n_test > 0):
        raise InputError(
            f"folds need patients to train and to test on, not {n_train:g} and {n_test:g}."
        )
    given = np.asarray(differences, dtype=float).ravel()
    values = given[~np.isnan(given)]
    undefined = len(given) - len(values)
    if len(values) < 2:
        return Difference(math.nan, math.nan, math.nan, math.nan, undefined)
    mean = float(values.mean())
    error = float(values.std(ddof=1)) * math.sqrt(1 / len(values) + n_test / n_train)
    reach = float(student.ppf((1 + level) / 2, len(values) - 1)) * error
    if error > 0:
        p_value = float(2 * student.sf(abs(mean) / error, len(values) - 1))
    else:
        p_value = float(mean == 0)
    return Difference(mean, mean - reach, mean + reach, p_value, undefined)


def holm(p_values: Any) -> FloatArray:
    """Return p-values adjusted for their number by Holm's step-down method.

    Controls the chance of any false finding under any dependence (Holm, Scand J Stat 1979).

    Parameters
    ----------
    p_values : array-like of shape (n_tests,)
        NaN stands for a test that could not be done; it stays NaN and does not count.

    Returns
    -------
    ndarray of shape (n_tests,)
    """
    adjusted: FloatArray = np.array(p_values, dtype=float)
    done = np.flatnonzero(~np.isnan(adjusted))
    order = done[np.argsort(adjusted[done], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(adjusted[order] * factors), 1.0)
    return adjusted


def two_sided(replicates: FloatArray) -> float:
    """Return the two-sided p-value of no difference that bootstrap replicates amount to.

    Twice the share of replicates on the far side of 0, (1 + k) / (1 + n) so that it is
    never 0 (Davison & Hinkley 1997, section 4.2). Undefined replicates are left out.
    """
    values = replicates[~np.isnan(replicates)]
    smaller = min(int((values <= 0).sum()), int((values >= 0).sum()))
    return float(min(1.0, 2 * (1 + smaller) / (1 + len(values))))
