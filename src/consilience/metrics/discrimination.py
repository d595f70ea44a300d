"""Binary outcomes: the score should tell those with from those without.

Each metric stands twice: from scikit-learn for one set of patients, and, with a name that
starts with `weighted`, for many bootstrap replicates at once. y is 0 / 1 throughout, p the
probability of 1, counts (n_replicates, n_patients).
"""

from __future__ import annotations

import math

import numpy as np
from sklearn.metrics import average_precision_score, f1_score, recall_score, roc_auc_score

from consilience.metrics.metric import Y, ratio
from consilience.metrics.scores import FloatArray

THRESHOLD = 0.5  # probability from which a patient counts as predicted positive


def auroc(y: Y, p: FloatArray) -> float:
    """Return the area under the ROC curve; NaN if y has one class.

    The probability that a patient with the outcome has a higher score than one
    without, ties counted half (Hanley & McNeil, Radiology 1982).
    """
    return float(roc_auc_score(y, p)) if _both(y) else math.nan


def auprc(y: Y, p: FloatArray) -> float:
    """Return the area under the precision-recall curve; NaN if y has one class.

    Average precision: the sum over thresholds of precision times the gain in recall, without
    interpolation (Davis & Goadrich, ICML 2006). At chance it is the prevalence.
    """
    return float(average_precision_score(y, p)) if _both(y) else math.nan


def balanced_accuracy(y: Y, p: FloatArray) -> float:
    """Return the mean of sensitivity and specificity at probability 0.5; NaN if y has one class."""
    if not _both(y):
        return math.nan
    return float(recall_score(y, p >= THRESHOLD, average="macro"))


def f1(y: Y, p: FloatArray) -> float:
    """Return F1 = 2 TP / (2 TP + FP + FN) at probability 0.5; NaN if all three are 0."""
    return float(f1_score(y, p >= THRESHOLD, zero_division=np.nan))


def weighted_auroc(y: Y, p: FloatArray, counts: FloatArray) -> FloatArray:
    """Return `auroc` of each replicate, by one sort and cumulative sums."""
    cases, controls = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
    controls = controls[np.argsort(p[controls], kind="stable")]
    below = np.searchsorted(p[controls], p[cases], side="left")
    upto = np.searchsorted(p[controls], p[cases], side="right")
    passed = np.zeros((len(counts), len(controls) + 1))
    np.cumsum(counts[:, controls], axis=1, out=passed[:, 1:])
    won = np.take(passed, below, axis=1)
    if (below != upto).any():
        won = 0.5 * (won + np.take(passed, upto, axis=1))
    of_cases = counts[:, cases]
    return ratio(np.einsum("bi,bi->b", of_cases, won), of_cases.sum(axis=1) * passed[:, -1])


def weighted_auprc(y: Y, p: FloatArray, counts: FloatArray) -> FloatArray:
    """Return `auprc` of each replicate."""
    order = np.argsort(-p, kind="stable")
    starts = np.flatnonzero(np.diff(p[order], prepend=np.inf))
    flagged = np.add.reduceat(counts[:, order], starts, axis=1)
    found = np.add.reduceat((counts * y)[:, order], starts, axis=1)
    cases, everyone = found.sum(axis=1), flagged.sum(axis=1)
    precision = np.cumsum(found, axis=1) / np.maximum(np.cumsum(flagged, axis=1), 1.0)
    both = (cases > 0) & (cases < everyone)
    return np.where(both, ratio(np.einsum("bi,bi->b", found, precision), cases), np.nan)


def weighted_balanced_accuracy(y: Y, p: FloatArray, counts: FloatArray) -> FloatArray:
    """Return `balanced_accuracy` of each replicate."""
    positive = p >= THRESHOLD
    sensitivity = ratio(counts @ (y * positive), counts @ y)
    return 0.5 * (sensitivity + ratio(counts @ ((1 - y) * ~positive), counts @ (1 - y)))


def weighted_f1(y: Y, p: FloatArray, counts: FloatArray) -> FloatArray:
    """Return `f1` of each replicate."""
    positive = (p >= THRESHOLD).astype(float)
    return ratio(2 * (counts @ (y * positive)), counts @ (y + positive))


def _both(y: Y) -> bool:
    return bool((y == 1).any() and (y == 0).any())
