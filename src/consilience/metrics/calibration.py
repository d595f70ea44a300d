"""Binary outcomes: a probability of 0.2 should be right in one of five.

Brier score and log loss, and the intercept and slope of the logistic recalibration model.
y is 0 / 1 throughout, p the probability of 1, counts (n_replicates, n_patients).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sklearn_log_loss

from consilience.metrics.logistic import logistic_fits
from consilience.metrics.metric import Y
from consilience.metrics.scores import FloatArray

LEAST = 1e-6  # probabilities nearer to 0 or 1 are moved here before their log odds are taken


def brier(y: Y, p: FloatArray) -> float:
    """Return the mean squared difference between probability and outcome (Brier 1950)."""
    return float(brier_score_loss(y, p, pos_label=1))


def log_loss(y: Y, p: FloatArray) -> float:
    """Return minus the mean log probability of what happened.

    A probability of exactly 0 or 1 is moved by the floating point's precision, as in
    scikit-learn, so that a single sure and wrong prediction costs 36.
    """
    return float(sklearn_log_loss(y, p, labels=[0, 1]))


def log_odds(p: FloatArray) -> FloatArray:
    """Return log(p / (1 - p)) with p kept within [1e-6, 1 - 1e-6]."""
    kept = np.clip(p, LEAST, 1 - LEAST)
    return np.log(kept) - np.log1p(-kept)


def calibration_slope(y: Y, p: FloatArray) -> float:
    """Return the slope of the outcome on the log odds of the prediction; 1 is ideal.

    The b of logit P(y = 1) = a + b * log_odds(p), by maximum likelihood (Cox,
    Biometrika 1958; Van Calster et al., BMC Medicine 2019). Below 1: predictions are
    too extreme, the sign of overfitting; above 1: too timid. NaN if y has one class,
    all predictions are equal, or the prediction separates the classes perfectly
    (the slope is then infinite). Probabilities are kept within [1e-6, 1 - 1e-6].
    """
    return float(weighted_calibration_slope(y, p, np.ones((1, len(y))))[0])


def calibration_intercept(y: Y, p: FloatArray) -> float:
    """Return calibration-in-the-large: the intercept with the slope fixed at 1; 0 is ideal.

    The a of logit P(y = 1) = a + log_odds(p), the log odds standing as an offset (Van
    Calster et al., BMC Medicine 2019). Below 0: risks are overestimated on average.
    NaN if y has one class. Probabilities are kept within [1e-6, 1 - 1e-6].
    """
    return float(weighted_calibration_intercept(y, p, np.ones((1, len(y))))[0])


def weighted_brier(y: Y, p: FloatArray, counts: FloatArray) -> FloatArray:
    """Return `brier` of each replicate."""
    return weighted_mean((p - y) ** 2, counts)


def weighted_log_loss(y: Y, p: FloatArray, counts: FloatArray) -> FloatArray:
    """Return `log_loss` of each replicate."""
    eps = np.finfo(p.dtype).eps
    return weighted_mean(-np.log(np.clip(np.where(y == 1, p, 1 - p), eps, 1 - eps)), counts)


def weighted_calibration_slope(y: Y, p: FloatArray, counts: FloatArray) -> FloatArray:
    """Return `calibration_slope` of each replicate."""
    odds = log_odds(p)
    slopes = np.full(len(counts), np.nan)
    spread = odds.std()
    defined = _overlapping(y, odds, counts)
    if defined.any():
        # on a standardised scale Newton's method starts near the solution
        design = np.column_stack([np.ones(len(y)), (odds - odds.mean()) / spread])
        slopes[defined] = logistic_fits(design, np.zeros(len(y)), y, counts[defined])[:, 1] / spread
    return slopes


def weighted_calibration_intercept(y: Y, p: FloatArray, counts: FloatArray) -> FloatArray:
    """Return `calibration_intercept` of each replicate."""
    intercepts = np.full(len(counts), np.nan)
    cases = counts @ y
    defined = (cases > 0) & (cases < counts.sum(axis=1))
    if defined.any():
        design = np.ones((len(y), 1))
        intercepts[defined] = logistic_fits(design, log_odds(p), y, counts[defined])[:, 0]
    return intercepts


def weighted_mean(losses: FloatArray, counts: FloatArray) -> FloatArray:
    """Return the mean loss of each replicate; losses (n_patients,)."""
    means: FloatArray = counts @ losses / counts.sum(axis=1)
    return means


def _overlapping(y: Y, odds: FloatArray, counts: FloatArray) -> npt.NDArray[np.bool_]:
    """Return, for each replicate, whether the classes' ranges overlap, so that the slope is finite.

    Overlap in one variable is exact: the maximum likelihood estimate exists if and
    only if neither order separates the classes (Albert & Anderson, Biometrika 1984).
    """
    order = np.argsort(odds, kind="stable")
    lowest, highest = [], []
    for label in (0, 1):
        mine = order[y[order] == label]
        if not len(mine):
            return np.zeros(len(counts), dtype=bool)
        there = counts[:, mine] > 0
        present = there.any(axis=1)
        low, high = there.argmax(axis=1), len(mine) - 1 - there[:, ::-1].argmax(axis=1)
        lowest.append(np.where(present, odds[mine[low]], np.inf))
        highest.append(np.where(present, odds[mine[high]], -np.inf))
    return (lowest[0] < highest[1]) & (lowest[1] < highest[0])
