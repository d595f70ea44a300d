"""Methods that work on one matrix a modality: the base fits the matrices and hands them over."""

from __future__ import annotations

import numbers
from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from consilience.cohort import Cohort
from consilience.cohort.modality import FloatArray
from consilience.errors import InputError
from consilience.fusion.base import Fusion
from consilience.fusion.blocks import Blocks, anything
from consilience.fusion.task import Y


class Blockwise(Fusion):
    """A method that sees each modality as a matrix of standardised columns; see `Blocks`.

    Attributes
    ----------
    blocks_ : Blocks
        How a modality becomes its matrix, fitted on the training patients.
    """

    centred: ClassVar[bool] = True
    """Whether columns have mean 0; if not they are only divided by their root mean square."""

    def _fit_blocks(
        self, cohort: Cohort, y: Y | None = None
    ) -> tuple[dict[str, FloatArray], npt.NDArray[np.intp]]:
        """Fit `blocks_`; return the matrices of the patients with any value, and who they are."""
        self.blocks_ = Blocks(self.modalities_, self.encoders or {}, centred=self.centred)
        blocks = self.blocks_.fit(cohort, y).matrices(cohort)
        known = np.flatnonzero(anything(blocks))
        if len(known) < len(cohort):
            blocks = {name: matrix[known] for name, matrix in blocks.items()}
        return blocks, known

    def _informed(self, cohort: Cohort) -> npt.NDArray[np.bool_]:
        known: npt.NDArray[np.bool_] = anything(self.blocks_.matrices(cohort))
        return known


class BlockFusion(Blockwise):
    """A method that learns the outcome from one matrix a modality.

    A subclass gives `_kind`, `_learn` and `_say`.
    """

    @abstractmethod
    def _learn(self, blocks: dict[str, FloatArray], y: Y) -> None:
        """Learn from matrices, (n_patients, n_columns) each, NaN where not measured."""

    @abstractmethod
    def _say(self, blocks: dict[str, FloatArray]) -> FloatArray:
        """Return the task's values of patients who each have at least one value."""

    def _fit(self, cohort: Cohort, y: Y) -> None:
        blocks, known = self._fit_blocks(cohort, y)
        self.silent_ = not self.task_.learnable(y[known])
        if not self.silent_:
            self._learn(blocks, y[known])

    def _values(self, cohort: Cohort) -> FloatArray:
        return self._say(self.blocks_.matrices(cohort))

    def _informed(self, cohort: Cohort) -> npt.NDArray[np.bool_]:
        return super()._informed(cohort) & (not self.silent_)


WIDEST = 65_536  # numbers in one vector of a network
DEEPEST = 256  # layers of a network, steps, heads
MOST_MEMBERS = 1000


def check_whole(name: str, value: Any, least: int, most: int | None = None) -> None:
    """Refuse a setting that is no whole number of at least `least`, and at most `most`."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < least:
        raise InputError(f"{name} must be a whole number of at least {least}, not {value!r}.")
    if most is not None and value > most:
        raise InputError(f"{name} must be at most {most:,}, not {_short(value)}.")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 30 else f"{text[:27]}..."


def check_between(name: str, value: Any, low: float, high: float) -> None:
    """Refuse a setting that is no number above `low` and below `high`."""
    if not (isinstance(value, numbers.Real) and low < float(value) < high):
        raise InputError(
            f"{name} must be a number above {low:g} and below {high:g}, not {value!r}."
        )
