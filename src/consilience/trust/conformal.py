"""Conformal prediction: sets of classes and intervals that hold the truth as often as they say.

Split conformal prediction (Papadopoulos et al., ECML 2002; Vovk, Gammerman and Shafer,
2005): of n patients whom the model had not seen it is known how badly each one's truth
fitted (the conformity score). A new patient's set holds all that fits no worse than the
ceil((n + 1) level)-th smallest of these. If he is exchangeable with them, it holds his
truth with a probability of at least `level`, and of at most 1 / (n + 1) more where scores
do not tie, whatever the model is worth. A poor model shows in large sets.

What is kept of patients: for each group and each of four levels one score, rounded up to
four digits, that is a distance or a probability without a name, and no measurement.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from consilience.errors import InputError, listing
from consilience.metrics.scores import FloatArray, Probabilities, Values
from consilience.records import Interval, Record
from consilience.trust.taxonomy import Labels

LEVELS = (0.5, 0.8, 0.9, 0.95)
FEWEST = 20  # patients in a group that is judged by itself: enough for each of the levels
DIGITS = 4


def conformal_quantile(scores: FloatArray, level: float, *, repeats: int = 1) -> float:
    """Return the score that a new patient's stays at or below with a probability of `level`.

    Parameters
    ----------
    scores : ndarray of shape (n_patients * repeats,)
        Conformity scores of patients whom the model had not seen; higher fits worse.
    level : float
    repeats : int
        How many scores each patient has, from cross-validation drawn anew. They count
        as one patient.

    Returns
    -------
    float
        The ceil((n + 1) level)-th smallest of n; infinity where there are too few.
    """
    n = len(scores) // repeats
    rank = math.ceil((n + 1) * level - 1e-9)
    if rank > n:
        return math.inf
    return float(np.sort(scores)[rank * repeats - 1])


class Cell(Record):
    """A group of patients and the thresholds learned from it.

    Parameters
    ----------
    labels : tuple of str
        What its patients have in common; empty: nothing, they are all.
    patients : int
    thresholds : tuple of float or None
        One a level; None: there are too few patients to rule anything out.
    """

    labels: tuple[str, ...]
    patients: int
    thresholds: tuple[float | None, ...]

    @property
    def name(self) -> str:
        """The group in words."""
        return ", ".join(self.labels) or "all patients"


@dataclass(frozen=True)
class Threshold:
    """What a patient's conformity is compared with.

    Attributes
    ----------
    value : float
        Infinity where nothing can be ruled out.
    group : str
        The patients it was learned from.
    fallback : str
        Why it is not his own group, a sentence; empty if it is.
    """

    value: float
    group: str
    fallback: str = ""


class Thresholds(Record):
    """Thresholds for all patients and for each group that has enough of them."""

    levels: tuple[float, ...]
    cells: tuple[Cell, ...] = Field(description="all patients first, then groups, wider first")

    @classmethod
    def of(
        cls,
        scores: FloatArray,
        groups: Sequence[Labels],
        *,
        levels: tuple[float, ...] = LEVELS,
    ) -> Self:
        """Learn from conformity scores of patients whom the model had not seen.

        Parameters
        ----------
        scores : ndarray of shape (n_repeats, n_patients)
        groups : sequence of tuple of str or None
            Each patient's labels, see `Taxonomy.groups`.
        levels : tuple of float
        """
        return cls(
            levels=levels,
            cells=tuple(
                Cell(
                    labels=labels,
                    patients=len(rows),
                    thresholds=tuple(_kept(scores[:, rows], level) for level in levels),
                )
                for labels, rows in members(groups).items()
            ),
        )

    def of_patient(self, labels: Labels, level: float) -> Threshold:
        """Return the threshold of the narrowest group that a patient is of.

        Raises
        ------
        InputError
            If the level is none of those learned.
        """
        place = self._place(level)
        known = {cell.labels: cell for cell in self.cells}
        for width in range(len(labels), -1, -1):
            cell = known.get(labels[:width])  # type: ignore[arg-type]  # None is in no group
            if cell is not None:
                value = cell.thresholds[place]
                return Threshold(
                    math.inf if value is None else value,
                    cell.name,
                    _fallback(labels, width, cell),
                )
        raise InputError("nothing was learned of any patient; learn from at least one.")

    def _place(self, level: float) -> int:
        if level not in self.levels:
            known = listing([f"{one:g}" for one in self.levels])
            raise InputError(f"level {level:g} was not learned; there are {known}.")
        return self.levels.index(level)


def members(groups: Sequence[Labels]) -> dict[tuple[str, ...], npt.NDArray[np.intp]]:
    """Return all patients, and each group that is large enough, by the labels they share."""
    found: dict[tuple[str, ...], list[int]] = {(): list(range(len(groups)))}
    for row, labels in enumerate(groups):
        for width in range(1, len(labels) + 1):
            shared = labels[:width]
            if None not in shared:
                found.setdefault(shared, []).append(row)  # type: ignore[arg-type]
    ordered = sorted(found, key=lambda labels: (len(labels), labels))
    return {
        labels: np.array(found[labels], dtype=np.intp)
        for labels in ordered
        if not labels or len(found[labels]) >= FEWEST
    }


def _fallback(labels: Labels, width: int, cell: Cell) -> str:
    if width == len(labels):
        return ""
    if None in labels:
        return f"Part of what his group goes by is not known, so he is judged against {cell.name}."
    wanted = ", ".join(str(label) for label in labels)
    return f"Fewer than {FEWEST} patients were of {wanted}, so he is judged against {cell.name}."


def _kept(scores: FloatArray, level: float) -> float | None:
    value = conformal_quantile(scores.ravel(), level, repeats=len(scores))
    return None if math.isinf(value) else rounded_up(value)


def rounded_up(value: float) -> float:
    """Return a number at four digits, never less than it was: the promise is kept."""
    if value == 0:
        return 0.0
    scale = 10.0 ** (DIGITS - 1 - math.floor(math.log10(abs(value))))
    rounded = math.ceil(value * scale) / scale
    return max(rounded, value)


@dataclass(frozen=True)
class PredictionSet:
    """The classes that cannot be ruled out.

    Attributes
    ----------
    labels : tuple of str
        The likeliest first, never empty.
    level : float
    threshold : Threshold
        With the group it was learned from.
    """

    labels: tuple[str, ...]
    level: float
    threshold: Threshold


class ClassSets(Record):
    """Sets of classes.

    Parameters
    ----------
    score : {"lac", "aps"}
        "lac": one less the probability of the class, with the smallest sets on average
        (Sadinle, Lei and Wasserman, JASA 2019, 114:223), for two classes. "aps": the
        probability of the class and of all likelier ones, fairer to the hard cases
        (Romano, Sesia and Candes, NeurIPS 2020; without randomisation), for more.
    labels : tuple of str
        The classes, as the model has them.
    thresholds : Thresholds
    """

    score: Literal["lac", "aps"]
    labels: tuple[str, ...]
    thresholds: Thresholds

    @classmethod
    def of(
        cls, scores: Sequence[Probabilities], y: npt.NDArray[Any], groups: Sequence[Labels]
    ) -> Self:
        """Learn from probabilities of patients whom the model had not seen.

        Parameters
        ----------
        scores : sequence of Probabilities
            One a repeat, of the same patients.
        y : ndarray of shape (n_patients,)
        groups : sequence of tuple of str or None
        """
        classes = scores[0].classes
        score: Literal["lac", "aps"] = "lac" if len(classes) == 2 else "aps"
        own = np.searchsorted(classes, y)
        rows = np.arange(len(y))
        found = np.array([CONFORMITY[score](one.values)[rows, own] for one in scores])
        labels = tuple(str(label) for label in classes)
        return cls(score=score, labels=labels, thresholds=Thresholds.of(found, groups))

    def sets(
        self, scores: Probabilities, groups: Sequence[Labels], level: float
    ) -> list[PredictionSet]:
        """Return each patient's set; it holds the likeliest class whatever the threshold."""
        found = []
        each = CONFORMITY[self.score](scores.values)
        for labels, conformity, row in zip(groups, each, scores.values, strict=True):
            threshold = self.thresholds.of_patient(labels, level)
            order = np.argsort(-row, kind="stable")
            kept = [place for place in order if conformity[place] <= threshold.value]
            names = tuple(self.labels[place] for place in kept or order[:1])
            found.append(PredictionSet(names, level, threshold))
        return found


def least_ambiguous(probabilities: FloatArray) -> FloatArray:
    """Return one less each class's probability, (n_patients, n_classes)."""
    return 1.0 - probabilities


def cumulative(probabilities: FloatArray) -> FloatArray:
    """Return for each class its probability with that of all likelier ones."""
    order = np.argsort(-probabilities, axis=1, kind="stable")
    sums = np.cumsum(np.take_along_axis(probabilities, order, axis=1), axis=1)
    found = np.empty_like(sums)
    np.put_along_axis(found, order, sums, axis=1)
    return found


CONFORMITY = {"lac": least_ambiguous, "aps": cumulative}


class ValueIntervals(Record):
    """Intervals around a value: as far to both sides as the residuals reach.

    The conformity score is the absolute residual (Lei et al., JASA 2018, 113:1094).
    Within a group every patient's interval is as wide.
    """

    thresholds: Thresholds

    @classmethod
    def of(cls, scores: Sequence[Values], y: FloatArray, groups: Sequence[Labels]) -> Self:
        """Learn from values of patients whom the model had not seen; as `ClassSets.of`."""
        found = np.array([np.abs(y - one.values[:, 0]) for one in scores])
        return cls(thresholds=Thresholds.of(found, groups))

    def intervals(
        self, scores: Values, groups: Sequence[Labels], level: float
    ) -> list[tuple[Interval, Threshold]]:
        """Return each patient's interval, without ends where nothing can be ruled out."""
        found = []
        for labels, value in zip(groups, scores.values[:, 0].tolist(), strict=True):
            threshold = self.thresholds.of_patient(labels, level)
            ends = (value - threshold.value, value + threshold.value)
            low, high = (end if math.isfinite(end) else None for end in ends)
            found.append((Interval(low=low, high=high, level=level), threshold))
        return found
