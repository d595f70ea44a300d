"""Regression on means of groups, for patients: see `conditional` for the formula."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from consilience.cohort.modality import FloatArray

PENALTIES = np.array([*(2.0 ** np.arange(-4, 14)), np.inf])
ENOUGH_GROUPS = 30  # fewer cannot tell penalties below 1 apart
LEAST_LEFT = 1e-3  # of a group's weight in its own prediction, for leaving it out


@dataclass(frozen=True)
class GroupMeans:
    """Standardised columns of groups.

    Attributes
    ----------
    columns : ndarray of shape (n_groups, n_columns)
        0 where a group has none.
    known : ndarray of bool of shape (n_groups, n_columns)
    within : ndarray of shape (n_columns,)
        Variance within groups.
    """

    columns: FloatArray
    known: npt.NDArray[np.bool_]
    within: FloatArray

    def rooted(self, weights: FloatArray) -> FloatArray:
        """Return columns whose products are covariances of those who have both.

        A column known of few groups is stretched, so that its variance is that of those.
        """
        held = np.maximum((weights[:, None] * self.known).sum(axis=0), 1e-12)
        return np.asarray(self.columns * np.sqrt(weights)[:, None] / np.sqrt(held))


@dataclass(frozen=True)
class GroupFit:
    """What is predicted of patients from means of groups.

    Attributes
    ----------
    slope : ndarray of shape (n_given, n_due)
    residual : ndarray of shape (n_groups, n_due)
        Of the groups, 0 on average.
    noise : ndarray of shape (n_due,)
        The standard deviation that patients have beyond the groups' residuals.
    """

    slope: FloatArray
    residual: FloatArray
    noise: FloatArray


def group_regression(
    given: GroupMeans, due: GroupMeans, weights: FloatArray, size: float
) -> GroupFit:
    """Fit columns to others, each with the penalty that predicts a left-out group best.

    Parameters
    ----------
    given : GroupMeans
        What is known of a patient.
    due : GroupMeans
        What is not.
    weights : ndarray of shape (n_groups,)
        They add up to 1.
    size : float
        Patients a group, on average.
    """
    target = due.rooted(weights)
    own = given.rooted(weights) / np.sqrt(given.within)
    length, axes = np.linalg.eigh(own @ own.T)
    length = np.maximum(length, 0.0)
    along = axes.T @ target
    press = np.full(target.shape[1], np.inf)
    inner = np.zeros_like(target)
    # The simplest first: it stays where others are no better.
    for penalty in _penalties(len(weights)):
        kept = length / (length + penalty)
        error = (target - axes @ (kept[:, None] * along)) * due.known
        out = (error / np.maximum(1 - (axes**2 @ kept)[:, None], LEAST_LEFT)) ** 2
        better = out.sum(axis=0) < press - 1e-12
        press = np.where(better, out.sum(axis=0), press)
        inner = np.where(better, axes @ (along / (length + penalty)[:, None]), inner)
    slope = (own.T @ inner) / np.sqrt(given.within)[:, None]
    return _with_noise(slope, given, due, weights, press, size)


def _penalties(groups: int) -> FloatArray:
    """Return the penalties to try, the largest first."""
    smallest = PENALTIES[0] if groups >= ENOUGH_GROUPS else 1.0
    tried: FloatArray = np.flip(PENALTIES[np.flatnonzero(smallest <= PENALTIES)])
    return tried


def _with_noise(
    slope: FloatArray,
    given: GroupMeans,
    due: GroupMeans,
    weights: FloatArray,
    press: FloatArray,
    size: float,
) -> GroupFit:
    """Return residuals of the groups, and what noise patients have beside them."""
    held = np.maximum((weights[:, None] * due.known).sum(axis=0), 1e-12)
    raw = np.where(due.known, due.columns - given.columns @ slope, 0.0)
    residual = np.where(due.known, raw - (weights @ raw) / held, 0.0)
    fitted = given.rooted(weights) @ slope
    explained = (fitted**2).sum(axis=0) + given.within @ slope**2
    variance = 1 - 2 * (fitted * due.rooted(weights)).sum(axis=0) + explained
    variance = np.maximum(np.minimum(variance, size * press), press)
    spare = variance - weights @ residual**2
    return GroupFit(slope, residual, np.sqrt(np.maximum(spare, 0.0)))
