"""Many small logistic regressions at once: the same rows, other counts."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from consilience.metrics.metric import Y
from consilience.metrics.scores import FloatArray

MOST_STEPS = 100
CLOSE = 1e-7  # Newton squares the error: after so small a step it is rounding


def logistic_fits(design: FloatArray, offset: FloatArray, y: Y, counts: FloatArray) -> FloatArray:
    """Return the maximum likelihood coefficients of each replicate by Newton's method.

    A step that lowers the likelihood is halved, so that a far start cannot diverge.

    Parameters
    ----------
    design : ndarray of shape (n_patients, k)
    offset : ndarray of shape (n_patients,)
        Part of the linear predictor that is not fitted.
    y : ndarray of shape (n_patients,)
        0 / 1.
    counts : ndarray of shape (n_replicates, n_patients)

    Returns
    -------
    ndarray of shape (n_replicates, k)
        NaN where the likelihood has no maximum that can be found.
    """
    k = design.shape[1]
    outer = (design[:, :, None] * design[:, None, :]).reshape(len(y), k * k)
    fits = np.full((len(counts), k), np.nan)
    beta = np.tile(_start(design, offset, y, counts), (len(counts), 1))
    running = np.arange(len(counts))
    likelihood = _likelihood(beta, design, offset, y, counts)
    for _ in range(MOST_STEPS):
        p = expit(offset + beta @ design.T)
        gradient = (counts * (y - p)) @ design
        curvature = ((counts * p * (1 - p)) @ outer).reshape(-1, k, k)
        # a ridge too small to matter keeps a flat likelihood solvable
        step = np.linalg.solve(curvature + 1e-12 * np.eye(k), gradient[:, :, None])[:, :, 0]
        done = np.abs(step).max(axis=1) < CLOSE
        fits[running[done]] = (beta + step)[done]
        if done.all():
            break
        left = ~done
        running, beta, step, counts = running[left], beta[left], step[left], counts[left]
        beta, likelihood = _climb(beta, step, likelihood[left], design, offset, y, counts)
    return fits


def _start(design: FloatArray, offset: FloatArray, y: Y, counts: FloatArray) -> FloatArray:
    """Return the fit to all replicates together, near each one's; 0 for a single one."""
    if len(counts) == 1:
        return np.zeros(design.shape[1])
    together = logistic_fits(design, offset, y, counts.mean(axis=0, keepdims=True))[0]
    return np.where(np.isnan(together), 0.0, together)


def _climb(
    beta: FloatArray,
    step: FloatArray,
    likelihood: FloatArray,
    design: FloatArray,
    offset: FloatArray,
    y: Y,
    counts: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Return the coefficients after the step, halved where it goes down, and their likelihood."""
    reached = _likelihood(beta + step, design, offset, y, counts)
    for _ in range(40):
        # rounding may lower the likelihood by a hair beside the maximum
        fell = np.flatnonzero(reached < likelihood - 1e-9 * np.abs(likelihood))
        if not len(fell):
            break
        step[fell] /= 2
        reached[fell] = _likelihood((beta + step)[fell], design, offset, y, counts[fell])
    return beta + step, reached


def _likelihood(
    beta: FloatArray, design: FloatArray, offset: FloatArray, y: Y, counts: FloatArray
) -> FloatArray:
    eta = offset + beta @ design.T
    # the log likelihood of one patient is -log(1 + exp(-eta)) or -log(1 + exp(eta))
    losses = np.logaddexp(0, np.where(y == 1, -eta, eta))
    return np.asarray(-np.einsum("bi,bi->b", counts, losses))
