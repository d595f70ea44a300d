"""Thresholds of conformal prediction, for all patients and for groups of them.

**Groups.** Where every combination of groups (women over 65) has enough patients, each has a
threshold of its own: Mondrian conformal prediction (Vovk, Gammerman and Shafer, "Algorithmic
Learning in a Random World", 2005, section 4.5). Where some are too small, thresholds are
made of a part for sex and a part for age group, by quantile regression with the new
patient added as the worst of all: conditional conformal prediction over groups that
overlap (Gibbs, Cherian and Candes, JRSS B 2025, arXiv:2305.12616). Then the promise holds among the
women and among those over 65, though not among the women over 65.

What is kept of patients: for each group and each of four levels one number, rounded to
four digits, that is a distance or a probability without a name, and no measurement.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator
from scipy import optimize

from consilience.errors import InputError, listing
from consilience.metrics.scores import FloatArray
from consilience.records import Record
from consilience.trust.taxonomy import Labels

LEVELS = (0.5, 0.8, 0.9, 0.95)
FEWEST = 20  # patients in a group that is judged by itself: enough for each of the levels
DIGITS = 4
NEAR = 1e-9
MOST_SCORES = 6_000  # in a linear program: of more, the first repeats, or every second patient


def conformal_quantile(
    scores: FloatArray, level: float, *, weights: FloatArray | None = None, repeats: int = 1
) -> float:
    """Return the score that a new patient's stays at or below with a probability of `level`.

    Parameters
    ----------
    scores : ndarray of shape (n_patients * repeats,)
        Conformity scores of patients whom the model had not seen; higher fits worse.
    level : float
    weights : ndarray of shape (n_patients * repeats,), optional
        How many patients each score stands for if it is exceeded; 1 by default.
    repeats : int
        How many scores each patient has, from cross-validation drawn anew. They count
        as one patient.

    Returns
    -------
    float
        The smallest score q with (1 + weight of those above q) / (n + 1) at most 1 - level.
        With one score of weight 1 a patient, the ceil((n + 1) level)-th smallest. Infinity where
        there are too few; minus infinity where nobody need be left below.
    """
    whole = np.ones(len(scores)) if weights is None else weights
    room = (1.0 - level) * (len(scores) // repeats + 1) - 1.0 + NEAR
    if room < 0:
        return math.inf
    order = np.argsort(-scores, kind="stable")
    above = np.cumsum(whole[order]) / repeats
    first = int(np.searchsorted(above, room, side="right"))
    return -math.inf if first == len(order) else float(scores[order][first])


class Cell(Record):
    """A group of patients and the thresholds learned for it.

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
        The patients it was learned for.
    fallback : str
        Why it is not his own group, a sentence; empty if it is.
    """

    value: float
    group: str
    fallback: str = ""


class Thresholds(Record):
    """Thresholds for all patients and for each group.

    Parameters
    ----------
    levels : tuple of float
    how : {"all", "mondrian", "additive"}
        For all patients alike, for each combination of groups by itself, or made of a
        part for each column.
    cells : tuple of Cell
        All patients first.
    """

    levels: tuple[float, ...]
    how: Literal["all", "mondrian", "additive"]
    cells: tuple[Cell, ...] = Field(description="all patients first")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.cells or self.cells[0].labels:
            raise ValueError("the first cell is of all patients")
        if any(len(cell.thresholds) != len(self.levels) for cell in self.cells):
            raise ValueError("each cell has one threshold a level")
        return self

    @classmethod
    def of(
        cls,
        scores: FloatArray,
        groups: Sequence[Labels],
        *,
        weights: FloatArray | None = None,
        least: float = 0.0,
        levels: tuple[float, ...] = LEVELS,
    ) -> Self:
        """Learn from conformity scores of patients whom the model had not seen.

        Parameters
        ----------
        scores : ndarray of shape (n_repeats, n_patients)
            Higher fits worse.
        groups : sequence of tuple of str or None
            Each patient's labels, see `Taxonomy.groups`.
        weights : ndarray of shape (n_patients,), optional
            How many patients each stands for if his score is exceeded.
        least : float
            No threshold is lower.
        levels : tuple of float
        """
        whole = np.ones(scores.shape[1]) if weights is None else weights
        learn = _Learning(scores, whole, groups, least)
        cells = [learn.cell((), learn.everybody, levels)]
        combined = learn.combinations()
        how: Literal["all", "mondrian", "additive"] = "all"
        if combined:
            small = min(len(rows) for rows in combined.values()) < FEWEST
            how = "additive" if small else "mondrian"
            learned = learn.additive if small else learn.cell
            cells += [learned(labels, rows, levels) for labels, rows in combined.items()]
        return cls(levels=levels, how=how, cells=tuple(cells))

    def of_patient(self, labels: Labels, level: float) -> Threshold:
        """Return the threshold of a patient's group, or of all patients where he is of none.

        Raises
        ------
        InputError
            If the level is none of those learned.
        """
        if level not in self.levels:
            known = listing([f"{one:g}" for one in self.levels])
            raise InputError(f"level {level:g} was not learned; there are {known}.")
        known_cells = {cell.labels: cell for cell in self.cells}
        own = known_cells.get(labels)  # type: ignore[arg-type]  # None is in no group
        cell = self.cells[0] if own is None else own
        value = cell.thresholds[self.levels.index(level)]
        fallback = "" if own is not None else _fallback(labels)
        return Threshold(math.inf if value is None else value, cell.name, fallback)


def _fallback(labels: Labels) -> str:
    known = [label for label in labels if label is not None]
    own = f"only {listing(known)} is known of his group" if known else "his group is not known"
    if len(known) == len(labels):
        own = f"no patient of the study was of {', '.join(known)}"
    return f"Uncertainty is judged against all patients, for {own}."


@dataclass(frozen=True)
class _Learning:
    """What thresholds are learned from."""

    scores: FloatArray
    weights: FloatArray
    groups: Sequence[Labels]
    least: float

    @property
    def everybody(self) -> npt.NDArray[np.intp]:
        return np.arange(self.scores.shape[1], dtype=np.intp)

    def combinations(self) -> dict[tuple[str, ...], npt.NDArray[np.intp]]:
        """Return the patients of each combination of the labels that occur."""
        columns = list(zip(*self.groups, strict=True))
        seen = [sorted({label for label in column if label is not None}) for column in columns]
        if not columns or not all(seen):
            return {}
        own: dict[Labels, list[int]] = {}
        for row, labels in enumerate(self.groups):
            own.setdefault(labels, []).append(row)
        return {
            labels: np.array(own.get(labels, []), dtype=np.intp)
            for labels in itertools.product(*seen)
        }

    def cell(
        self, labels: tuple[str, ...], rows: npt.NDArray[np.intp], levels: tuple[float, ...]
    ) -> Cell:
        """Return the thresholds of some patients by themselves."""
        repeats = len(self.scores)
        scores, weights = self.scores[:, rows].ravel(), np.tile(self.weights[rows], repeats)
        found = (
            conformal_quantile(scores, level, weights=weights, repeats=repeats) for level in levels
        )
        kept = tuple(self._kept(value) for value in found)
        return Cell(labels=labels, patients=len(rows), thresholds=kept)

    def additive(
        self, labels: tuple[str, ...], rows: npt.NDArray[np.intp], levels: tuple[float, ...]
    ) -> Cell:
        """Return thresholds of a combination that are sums of a part for each column.

        With q(x) linear in the labels, the sum over patients of w (score - q)+ plus
        (1 - level) q, and less level times q of the new patient, is made least. Its
        gradient says that in each group (1 + weight of those above) / (n + 1) is 1 - level.
        """
        combined = list(self.combinations())
        whole = [row for row in self.everybody if None not in self.groups[row]]
        known = whole[:: 1 + len(whole) // MOST_SCORES]
        seen = [sorted({one[place] for one in combined}) for place in range(len(labels))]
        design = _design([self.groups[row] for row in known], seen)
        corners = _design(combined, seen)
        new = corners[combined.index(labels)]
        top = 2.0 * float(np.abs(self.scores).max()) + 1.0
        repeats = max(1, MOST_SCORES // max(1, len(known)))
        program = _Program(self.scores[:repeats, known], self.weights[known], design, corners)
        found = (program.solved(new, level, self.least, top) for level in levels)
        kept = tuple(None if value > 0.999 * top else self._kept(value) for value in found)
        return Cell(labels=labels, patients=len(rows), thresholds=kept)

    def _kept(self, value: float) -> float | None:
        return None if value == math.inf else rounded_up(max(value, self.least))


def _design(groups: Sequence[Labels], seen: list[list[str]]) -> FloatArray:
    """Return an intercept, and for each column an indicator of every label but the first."""
    rows = [
        [1.0, *(float(label == one) for label, known in _pairs(labels, seen) for one in known[1:])]
        for labels in groups
    ]
    return np.array(rows)


def _pairs(labels: Labels, seen: list[list[str]]) -> list[tuple[str | None, list[str]]]:
    return list(zip(labels, seen, strict=True))


@dataclass(frozen=True)
class _Program:
    """The linear program of additive thresholds, solved in its dual.

    Primal: min cost b + sum of w h, with h >= 0, h >= score - x b, and least <= x b <= top
    in every combination. The dual has a row for each part of the threshold, which are few.
    """

    scores: FloatArray
    weights: FloatArray
    design: FloatArray
    corners: FloatArray

    def solved(self, new: FloatArray, level: float, least: float, top: float) -> float:
        """Return the threshold of a new patient, between `least` and `top`."""
        repeats, corners = len(self.scores), len(self.corners)
        counted = np.flatnonzero(self.weights > 0)
        cost = (1.0 - level) * self.design.sum(axis=0) - level * new
        rows = np.concatenate(
            [np.tile(self.design[counted], (repeats, 1)), self.corners, -self.corners]
        )
        gain = np.concatenate(
            [self.scores[:, counted].ravel(), np.full(corners, least), np.full(corners, -top)]
        )
        limits = np.concatenate(
            [np.tile(self.weights[counted], repeats) / repeats, np.full(2 * corners, np.inf)]
        )
        bounds: Any = np.column_stack([np.zeros(len(limits)), limits])
        found: Any = optimize.linprog(-gain, A_eq=rows.T, b_eq=cost, bounds=bounds, method="highs")
        if found.x is None:
            raise InputError(f"thresholds for groups cannot be found ({found.message}).")
        return float(new @ -found.eqlin.marginals)


def rounded_up(value: float) -> float:
    """Return a number at four digits, never less than it was: the promise is kept."""
    if abs(value) < NEAR:
        return 0.0
    scale = 10.0 ** (DIGITS - 1 - math.floor(math.log10(abs(value))))
    return max(math.ceil(value * scale) / scale, value)
