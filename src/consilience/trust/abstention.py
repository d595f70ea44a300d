"""When a model says nothing, and what that buys: fewer errors among those it answers.

The reject option of Chow (IEEE Trans. Information Theory 1970, 16:41). Its price is seen in
the risk-coverage curve (El-Yaniv and Wiener, JMLR 2010, 11:1605): patients are answered in
the order of how sure the model is, and the error among those answered is told for each
share of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from consilience.errors import InputError
from consilience.metrics.scores import FloatArray
from consilience.records import Interval, Record

Z = 1.959964  # of a 95 % interval
SHARES = tuple(round(0.1 * step, 1) for step in range(1, 11))


class Silence(Record):
    """When a number is not told although it could be.

    Parameters
    ----------
    level : float
        A set is asked at this level whether it rules anything out. Lower than the level
        at which sets are told: a model should not be silent of all but the clearest.
    widest : float
        An interval wider than this share of the study's own spread (between the 10th and
        90th percentile of the outcome, for a level of 0.8) says nothing.
    zone : tuple of float, optional
        Numbers between these two are too near a threshold of the user's to be told.
    """

    level: float = 0.8
    widest: float = 1.0
    zone: tuple[float, float] | None = None

    def of_number(self, number: float) -> list[str]:
        """Return why a number is not told: it lies in the zone."""
        if self.zone is None or not self.zone[0] <= number <= self.zone[1]:
            return []
        return [
            f"too uncertain: the number, {number:.3g}, lies between {self.zone[0]:g} and "
            f"{self.zone[1]:g}, where it is not to be relied on."
        ]

    def of_set(self, labels: tuple[str, ...], possible: int, level: float) -> list[str]:
        """Return why a number is not told: its set rules out no class."""
        if len(labels) < possible:
            return []
        return [
            f"too uncertain: none of the {possible} classes can be ruled out, even at a level of "
            f"{level:.0%}."
        ]

    def of_interval(self, interval: Interval, spread: float, unit: str) -> list[str]:
        """Return why a value is not told: its interval is as wide as what is seen anyway."""
        told = f" {unit}" if unit else ""
        if interval.low is None or interval.high is None:
            return [f"too uncertain: no interval can be given at a level of {interval.level:.0%}."]
        width = interval.high - interval.low
        if width <= self.widest * spread:
            return []
        return [
            f"too uncertain: the interval at a level of {interval.level:.0%} is {width:.3g}{told} "
            f"wide, and {spread:.3g}{told} hold the middle of all patients."
        ]


@dataclass(frozen=True)
class Answered:
    """A point of the risk-coverage curve.

    Attributes
    ----------
    share : float
        Of patients who are answered, the surest first.
    error : float
        Mean loss among them.
    low, high : float
        Its 95 % interval, models held: Wilson's of a share, else from the scatter.
    patients : int
    """

    share: float
    error: float
    low: float
    high: float
    patients: int


def risk_coverage(
    losses: FloatArray, sureness: FloatArray, weights: FloatArray | None = None
) -> list[Answered]:
    """Return the error among answered patients as more of them are answered.

    Parameters
    ----------
    losses : ndarray of shape (n_patients,)
        0 or 1 for wrong answers, or any error; of patients whom the model had not seen.
    sureness : ndarray of shape (n_patients,)
        Higher is answered first; who ties with the last one answered is answered, too.
    weights : ndarray of shape (n_patients,), optional
        Of each patient, such as of inverse probability of censoring; 0: not known.

    Raises
    ------
    InputError
        If nobody has a weight.
    """
    whole = np.ones(len(losses)) if weights is None else weights
    if not (whole > 0).any():
        raise InputError("the error among answered patients needs patients whose outcome is known.")
    found, before = [], 0
    for share in SHARES:
        place = max(int(np.ceil(share * len(sureness))) - 1, 0)
        taken = sureness >= np.sort(sureness)[::-1][place]
        if taken.sum() == before or not (whole[taken] > 0).any():
            continue
        before = int(taken.sum())
        found.append(_point(losses[taken], whole[taken], float(taken.mean())))
    return found


def _point(losses: FloatArray, weights: FloatArray, share: float) -> Answered:
    mean = float(np.average(losses, weights=weights))
    relative = weights / weights.sum()
    reach = Z * float(np.sqrt((relative**2 * (losses - mean) ** 2).sum()))
    low, high = max(mean - reach, 0.0), mean + reach
    if np.isin(losses, (0.0, 1.0)).all():
        low, high = _wilson(mean, 1.0 / float((relative**2).sum()))
    return Answered(share, mean, low, high, len(losses))


def _wilson(share: float, n: float) -> tuple[float, float]:
    """Return Wilson's interval of a share among so many patients, as weights let them count."""
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    reach = Z / (1 + Z**2 / n) * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return max(middle - reach, 0.0), min(middle + reach, 1.0)
