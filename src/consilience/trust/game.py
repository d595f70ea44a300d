"""What a model says of hybrids, as a game: what players are worth together."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from consilience.cohort import Cohort
from consilience.cohort.modality import FloatArray, Positions
from consilience.trust.hybrid import Hybrids, Mask, Player
from consilience.trust.importance import Scorer
from consilience.trust.number import Number

AT_ONCE = 4_000_000  # numbers in the hybrids of one question: 32 MB


class Game(ABC):
    """Players, and the linked number of hybrids of a patient and the background.

    The worth of some players is the mean over the background of the linked number of the
    hybrids that have these of the patient (the interventional game of Janzing, Minorics
    and Bloebaum, AISTATS 2020). Condensed patients stand for about as many each, and so
    each counts the same.

    Attributes
    ----------
    players : tuple of Player
    spans : dict of str to slice
        Which players are of a modality.
    n : int
        Patients of the background.
    budget : int
        Hybrids that may be asked for, for each modality.
    number : Number
    """

    players: tuple[Player, ...]
    spans: dict[str, slice]
    n: int
    budget: int
    number: Number

    @abstractmethod
    def values(self, masks: Mask, rows: Positions) -> FloatArray:
        """Return the linked number of hybrids, (n,).

        Parameters
        ----------
        masks : ndarray of bool, (n, n_players)
            What each has of the patient.
        rows : ndarray of int, (n,)
            Whose the rest is.
        """

    def paths(self, name: str, starts: Mask, orders: Positions, rows: Positions) -> FloatArray:
        """Return the values along paths on which a modality's players join one by one.

        Parameters
        ----------
        name : str
            The modality.
        starts : ndarray of bool, (n_paths, n_players)
            Who has joined before; none of the modality.
        orders : ndarray of int, (n_paths, n_own)
            In which order its players join, counted within the modality.
        rows : ndarray of int, (n_paths,)

        Returns
        -------
        ndarray of shape (n_paths, n_own + 1)
        """
        n_paths, width = orders.shape
        turn, total = np.argsort(orders, axis=1), n_paths * (width + 1)
        found = np.empty(total)
        step = 4 * self.at_once
        for start in range(0, total, step):
            path, joined = np.divmod(np.arange(start, min(start + step, total)), width + 1)
            masks = starts[path]
            masks[:, self.spans[name]] = turn[path] < joined[:, None]
            found[start : start + step] = self.values(masks, rows[path])
        return found.reshape(n_paths, width + 1)

    @property
    def at_once(self) -> int:
        """How many hybrids are built and asked about at once."""
        return max(1, AT_ONCE // max(1, len(self.players)))


class ModelGame(Game):
    """The game in which a model is asked.

    Parameters
    ----------
    model : fitted model with ``scores(cohort)``
        What it says of a patient must not depend on who else is asked about.
    hybrids : Hybrids
    number : Number
    budget : int
    """

    def __init__(self, model: Scorer, hybrids: Hybrids, number: Number, budget: int) -> None:
        self.model, self.hybrids, self.number, self.budget = model, hybrids, number, budget
        self.players, self.spans, self.n = hybrids.players, hybrids.spans, hybrids.n
        self.asked = 0

    def values(self, masks: Mask, rows: Positions) -> FloatArray:
        told = masks & self.hybrids.differs[rows]  # the rest is the same on either side
        keys = np.hstack([np.packbits(told, axis=1), _bytes(rows)])
        flat = np.ascontiguousarray(keys).view(np.dtype((np.void, keys.shape[1])))[:, 0]
        _, first, inverse = np.unique(flat, return_index=True, return_inverse=True)
        found = np.empty(len(first))
        for together in self.hybrids.sides(masks[first]):
            for start in range(0, len(together), self.at_once):
                own = together[start : start + self.at_once]
                cohort = self.hybrids.cohort(masks[first[own]], rows[first[own]])
                found[own] = self.linked(cohort)
        return np.asarray(found[inverse])

    def linked(self, cohort: Cohort) -> FloatArray:
        """Return the linked number of patients."""
        self.asked += len(cohort)
        return self.number.linked(self.number.of(self.model.scores(cohort)))


def _bytes(rows: Positions) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(rows, dtype=np.int64).view(np.uint8).reshape(len(rows), 8)
