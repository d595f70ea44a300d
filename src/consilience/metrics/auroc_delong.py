"""AUROC by DeLong: its variance, and the difference between two models, without resampling."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.stats import norm, rankdata

from consilience.metrics.comparison import Difference
from consilience.metrics.intervals import Interval
from consilience.metrics.metric import Y
from consilience.metrics.scores import FloatArray


def delong(y: Y, p: Any, level: float = 0.95) -> Interval:
    """Return AUROC with DeLong's interval.

    Normal approximation, kept within [0, 1] (DeLong et al., Biometrics 1988); computed
    from mid-ranks in O(n log n) (Sun & Xu, IEEE Signal Processing Letters 2014).

    Parameters
    ----------
    y : ndarray of shape (n_patients,)
        0 / 1.
    p : ndarray of shape (n_patients,)
        Score, higher for 1.
    level : float
        Of the interval.

    Returns
    -------
    Interval
        NaN if y has one class; its ends are NaN with one patient in a class.
    """
    areas, covariance = delong_covariance(y, np.asarray(p, dtype=float)[None, :])
    reach = float(norm.ppf((1 + level) / 2)) * math.sqrt(covariance[0, 0])
    low, high = np.clip([areas[0] - reach, areas[0] + reach], 0.0, 1.0)
    return Interval(float(areas[0]), float(low), float(high))


def delong_difference(y: Y, p1: Any, p2: Any, level: float = 0.95) -> Difference:
    """Return AUROC of p1 minus AUROC of p2 on the same patients, with DeLong's test.

    Parameters
    ----------
    y, p1, p2, level
        As for `delong`.

    Returns
    -------
    Difference
        The p-value is 1 where the two rank all patients alike.
    """
    areas, covariance = delong_covariance(y, np.array([p1, p2], dtype=float))
    contrast = np.array([1.0, -1.0])
    difference = float(contrast @ areas)
    variance = float(contrast @ covariance @ contrast)
    error = 0.0 if variance < 0 else math.sqrt(variance)  # rounding may leave a hair below 0
    reach = float(norm.ppf((1 + level) / 2)) * error
    p_value = float(2 * norm.sf(abs(difference) / error)) if error > 0 else float(difference == 0)
    if math.isnan(error):
        p_value = math.nan
    return Difference(difference, difference - reach, difference + reach, p_value)


def delong_covariance(y: Y, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the AUROCs of several scores and their covariance.

    Parameters
    ----------
    y : ndarray of shape (n_patients,)
        0 / 1.
    scores : ndarray of shape (n_models, n_patients)

    Returns
    -------
    areas : ndarray of shape (n_models,)
    covariance : ndarray of shape (n_models, n_models)
        NaN with fewer than two patients in a class.
    """
    cases, controls = scores[:, y == 1], scores[:, y == 0]
    m, n, k = cases.shape[1], controls.shape[1], len(scores)
    if min(m, n) == 0:
        return np.full(k, np.nan), np.full((k, k), np.nan)
    together = rankdata(np.concatenate([cases, controls], axis=1), axis=1)
    # share of controls below each case, and of cases above each control (Sun & Xu, eq. 5)
    of_cases = (together[:, :m] - rankdata(cases, axis=1)) / n
    of_controls = 1 - (together[:, m:] - rankdata(controls, axis=1)) / m
    if min(m, n) == 1:
        return of_cases.mean(axis=1), np.full((k, k), np.nan)
    covariance = np.cov(of_cases).reshape(k, k) / m + np.cov(of_controls).reshape(k, k) / n
    return of_cases.mean(axis=1), covariance
