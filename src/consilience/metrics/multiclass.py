"""Several classes.

y holds labels, p (n_patients, n_classes) their probabilities, classes what the columns stand
for; counts (n_replicates, n_patients).
"""

from __future__ import annotations

import math

import numpy as np
from sklearn.metrics import f1_score, log_loss, recall_score

from consilience.errors import InputError, listing
from consilience.metrics.calibration import weighted_mean
from consilience.metrics.discrimination import auroc, weighted_auroc
from consilience.metrics.metric import Y, ratio
from consilience.metrics.scores import FloatArray

_EPS = float(np.finfo(float).eps)


def codes(y: Y, classes: Y) -> Y:
    """Return the column of each label.

    Raises
    ------
    InputError
        If a label has no column.
    """
    place = np.clip(np.searchsorted(classes, y), 0, len(classes) - 1)
    unknown = classes[place] != y
    if unknown.any():
        raise InputError(
            f"the outcome holds {listing(np.unique(y[unknown]))}, but there are probabilities "
            f"only of {listing(classes)}."
        )
    return place


def macro_auroc(y: Y, p: FloatArray, classes: Y) -> float:
    """Return the mean of the AUROCs of each class against the rest.

    Over the classes that occur in y; NaN if only one does (Provost & Domingos 2000,
    unweighted).
    """
    place = codes(y, classes)
    present = np.unique(place)
    if len(present) < 2:
        return math.nan
    return float(np.mean([auroc((place == k).astype(int), p[:, k]) for k in present]))


def multiclass_balanced_accuracy(y: Y, p: FloatArray, classes: Y) -> float:
    """Return the mean recall of the classes that occur in y; NaN if only one does."""
    place = codes(y, classes)
    present = np.unique(place)
    if len(present) < 2:
        return math.nan
    return float(recall_score(place, p.argmax(axis=1), labels=present, average="macro"))


def macro_f1(y: Y, p: FloatArray, classes: Y) -> float:
    """Return the mean F1 of the classes that occur in y; NaN if only one does."""
    place = codes(y, classes)
    present = np.unique(place)
    if len(present) < 2:
        return math.nan
    return float(f1_score(place, p.argmax(axis=1), labels=present, average="macro"))


def multiclass_log_loss(y: Y, p: FloatArray, classes: Y) -> float:
    """Return minus the mean log probability of the class that happened.

    Probabilities of 0 count as the floating point's precision, as in scikit-learn.
    """
    return float(log_loss(codes(y, classes), p, labels=np.arange(len(classes))))


def multiclass_brier(y: Y, p: FloatArray, classes: Y) -> float:
    """Return the mean over patients of the squared differences summed over classes, 0 to 2.

    Brier's (1950) own form; scikit-learn has it only in its newest versions.
    """
    return float(_brier_losses(codes(y, classes), p).mean())


def weighted_macro_auroc(y: Y, p: FloatArray, classes: Y, counts: FloatArray) -> FloatArray:
    """Return `macro_auroc` of each replicate."""
    place = codes(y, classes)
    each = [weighted_auroc((place == k).astype(int), p[:, k], counts) for k in np.unique(place)]
    return _mean_of_present(np.array(each))


def weighted_multiclass_balanced_accuracy(
    y: Y, p: FloatArray, classes: Y, counts: FloatArray
) -> FloatArray:
    """Return `multiclass_balanced_accuracy` of each replicate."""
    place, decided = codes(y, classes), p.argmax(axis=1)
    each = [
        ratio(counts @ ((place == k) & (decided == k)), counts @ (place == k))
        for k in np.unique(place)
    ]
    return _mean_of_present(np.array(each))


def weighted_macro_f1(y: Y, p: FloatArray, classes: Y, counts: FloatArray) -> FloatArray:
    """Return `macro_f1` of each replicate."""
    place, decided = codes(y, classes), p.argmax(axis=1)
    each = []
    for k in np.unique(place):
        true, said = (place == k).astype(float), (decided == k).astype(float)
        score = ratio(2 * (counts @ (true * said)), counts @ (true + said))
        each.append(np.where(counts @ true > 0, score, np.nan))
    return _mean_of_present(np.array(each))


def weighted_multiclass_log_loss(y: Y, p: FloatArray, classes: Y, counts: FloatArray) -> FloatArray:
    """Return `multiclass_log_loss` of each replicate."""
    return weighted_mean(_log_losses(codes(y, classes), p), counts)


def weighted_multiclass_brier(y: Y, p: FloatArray, classes: Y, counts: FloatArray) -> FloatArray:
    """Return `multiclass_brier` of each replicate."""
    return weighted_mean(_brier_losses(codes(y, classes), p), counts)


def _log_losses(place: Y, p: FloatArray) -> FloatArray:
    of_truth = p[np.arange(len(place)), place]
    losses: FloatArray = -np.log(np.clip(of_truth, _EPS, 1 - _EPS))
    return losses


def _brier_losses(place: Y, p: FloatArray) -> FloatArray:
    losses: FloatArray = ((p - np.eye(p.shape[1])[place]) ** 2).sum(axis=1)
    return losses


def _mean_of_present(each: FloatArray) -> FloatArray:
    """Return the mean over classes, (n_classes, n_replicates), that are defined; NaN below two."""
    there = ~np.isnan(each)
    n = there.sum(axis=0)
    return np.where(n > 1, np.where(there, each, 0.0).sum(axis=0) / np.maximum(n, 1), np.nan)
