"""What a model makes of each value of a table, one value at a time from one middle patient.

Of a model that adds up its features these numbers are all there is to know: whether it does
is for others to verify.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from consilience.cohort import Cohort
from consilience.cohort.modality import FloatArray, Positions
from consilience.trust.hybrid import Block, Mask, Part, TableBlock, WholeBlock, assembled, table_of


@dataclass(frozen=True)
class Curve:
    """What a block's values are worth, on the scale of the answer.

    Attributes
    ----------
    level : float
        The answer for the middle patient.
    own : ndarray of shape (n_features,)
        What the patient's value of each feature adds to it, in the order of the players.
    others : ndarray of shape (n_background, n_features)
        The same of the background.
    absent : float
        What it adds not to be measured, where that may be.
    features : slice
        Which of the block's players are features.
    """

    level: float
    own: FloatArray
    others: FloatArray
    absent: float
    features: slice

    def at(self, masks: Mask, rows: Positions) -> FloatArray:
        """Return the answer for hybrids that the block measured, (n,)."""
        added = np.where(masks[:, self.features], self.own, self.others[rows])
        return np.asarray(self.level + added.sum(axis=1))


class Probe(ABC):
    """Variants of one block, of which the first stands in the middle.

    Attributes
    ----------
    size : int
        How many there are.
    """

    size: int

    @abstractmethod
    def part(self, variants: Positions) -> Part:
        """Return some variants as a modality, and each one's position in it."""

    @abstractmethod
    def curve(self, answers: FloatArray) -> Curve:
        """Return what the model's answers for all variants say."""


class TableProbe(Probe):
    """Variants of a table: the middle patient, and one with each value of interest.

    Parameters
    ----------
    block : TableBlock
    pointwise : bool
        Whether every number that the patient or the background has is tried; otherwise
        one step from the middle is, and the line through both is taken.
    """

    def __init__(self, block: TableBlock, *, pointwise: bool) -> None:
        self.block = block
        numbers = np.vstack([block.own.numeric, block.numeric])
        words = np.vstack([block.own.text, block.text])
        self.middle = _middle(numbers)
        self.numbers = [
            _points(column, at, pointwise)
            for column, at in zip(numbers.T, self.middle, strict=True)
        ]
        self.words = [pd.unique(words[:, j]).tolist() for j in range(words.shape[1])]
        tried = [*self.numbers, *(np.array(own[1:], dtype=object) for own in self.words)]
        sizes = [len(values) for values in tried]
        self.stops = np.cumsum([1, *sizes])
        self.column = np.concatenate([[-1], np.repeat(np.arange(len(tried)), sizes)])
        self.value = np.concatenate([[None], *(v.astype(object) for v in tried)])
        self.size = len(self.column) + block.partial

    def part(self, variants: Positions) -> Part:
        width, dtype = len(self.numbers), self.block.own.numeric.dtype
        numbers = np.tile(self.middle.astype(dtype), (len(variants), 1))
        text = np.empty((len(variants), len(self.words)), dtype=object)
        text[:] = [levels[0] for levels in self.words]
        gone = variants == len(self.column)
        column = self.column[np.where(gone, 0, variants)]
        number = np.flatnonzero((column >= 0) & (column < width))
        numbers[number, column[number]] = self.value[variants[number]].astype(float)
        word = np.flatnonzero(column >= width)
        text[word, column[word] - width] = self.value[variants[word]]
        table = table_of(self.block.own.table, numbers, text)
        return table, np.where(gone, -1, np.arange(len(variants)))

    def curve(self, answers: FloatArray) -> Curve:
        added = answers - answers[0]
        block, width = self.block, self.block.own.numeric.shape[1]
        numbers = np.vstack([block.own.numeric, block.numeric]).astype(float)
        words = np.vstack([block.own.text, block.text])
        worth = np.empty((len(numbers), width + words.shape[1]))
        for j, values in enumerate(numbers.T):
            own = added[self.stops[j] : self.stops[j + 1]]
            worth[:, j] = _read_off(values, self.middle[j], self.numbers[j], own)
        for j, levels in enumerate(self.words, start=width):
            own = np.concatenate([[0.0], added[self.stops[j] : self.stops[j + 1]]])
            place = {level: i for i, level in enumerate(levels)}
            worth[:, j] = own[[place[word] for word in words[:, j - width]]]
        first = 1 if block.partial else 0
        ordered = np.empty_like(worth)
        ordered[:, block.place - first] = worth
        players = slice(first, first + worth.shape[1])
        return Curve(float(answers[0]), ordered[0], ordered[1:], float(added[-1]), players)


class WholeProbe(Probe):
    """Variants of a block that goes over as a whole: the patient's own, and the others'."""

    def __init__(self, block: WholeBlock, n: int) -> None:
        self.block, self.size = block, n + 1

    def part(self, variants: Positions) -> Part:
        return self.block.part((variants == 0)[:, None], np.maximum(variants - 1, 0))

    def curve(self, answers: FloatArray) -> Curve:
        others = (answers[1:] - answers[0])[:, None]
        return Curve(float(answers[0]), np.zeros(1), others, 0.0, slice(0, 1))


def probe_of(block: Block, n: int, *, pointwise: bool) -> Probe | None:
    """Return the variants of a block; None where they cannot be asked about together."""
    if isinstance(block, TableBlock):
        return TableProbe(block, pointwise=pointwise)
    return WholeProbe(block, n) if isinstance(block, WholeBlock) and not block.forks else None


def laid_out(probes: dict[str, Probe], *, alone: bool, at_once: int) -> Iterator[Cohort]:
    """Yield all variants as patients, block after block, some at once.

    Parameters
    ----------
    probes : dict of str to Probe
    alone : bool
        Whether the other blocks are not measured; otherwise they stand in their middle.
    at_once : int
        How many patients.
    """
    stops = np.cumsum([0, *(probe.size for probe in probes.values())])
    for start in range(0, int(stops[-1]), at_once):
        end = min(start + at_once, int(stops[-1]))
        parts = {}
        for first, last, (name, probe) in zip(stops, stops[1:], probes.items(), strict=False):
            variants = np.arange(max(start, first), max(start, first, min(end, last))) - first
            modality, own = probe.part(np.concatenate([[0], variants]).astype(np.intp))
            positions = np.full(end - start, -1 if alone else own[0], dtype=np.intp)
            begin = max(start, first) - start
            positions[begin : begin + len(variants)] = own[1:]
            parts[name] = (modality, positions)
        yield assembled(end - start, parts)


def _middle(numbers: FloatArray) -> FloatArray:
    """Return a known value in the middle of each column, 0 where none is known."""
    known = ~np.isnan(numbers)
    total = np.where(known, numbers, 0.0).sum(axis=0, dtype=float)
    return np.asarray(total / np.maximum(known.sum(axis=0), 1)).astype(numbers.dtype).astype(float)


def _points(values: FloatArray, middle: float, pointwise: bool) -> FloatArray:
    """Return the numbers to try in a column beside the middle, a gap last if there is one."""
    gap = np.isnan(values)
    known = values[~gap].astype(float)
    gaps = np.full(int(gap.any()), np.nan)
    if pointwise:
        return np.concatenate([np.unique(known), gaps])
    spread = float(known.std()) if len(known) else 0.0
    step = np.array([middle + (spread if spread > 0 else 1.0)]).astype(values.dtype).astype(float)
    return np.concatenate([step, gaps])


def _read_off(
    values: FloatArray, middle: float, points: FloatArray, added: FloatArray
) -> FloatArray:
    """Return what each value adds, from what the points that were tried add."""
    gap = np.isnan(values)
    known = ~np.isnan(points)
    knots, heights = points[known], added[known]
    worth = np.zeros(len(values))
    if len(knots) == 1 and not gap.all():
        slope = heights[0] / (knots[0] - middle) if knots[0] != middle else 0.0
        worth[~gap] = slope * (values[~gap] - middle)
    elif len(knots):
        worth[~gap] = np.interp(values[~gap], knots, heights)
    if gap.any():
        worth[gap] = added[-1]
    return worth
