"""Patients put together from one patient and another: what a model is asked to explain him.

A hybrid has some of the patient's measurements and, for the rest, those of a patient of the
background. What may be his or the other's is a player: a feature of a table; and, where one
of the two was not measured by a modality, having been measured by it, as a whole.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from consilience.cohort import Cohort, Modality, Table
from consilience.cohort.modality import FloatArray, Positions
from consilience.cohort.table import Blocks, TableSource
from consilience.errors import InputError, listing

Mask: TypeAlias = npt.NDArray[np.bool_]
Part: TypeAlias = tuple[Modality, Positions]


class Player(NamedTuple):
    """Something that a hybrid has of the patient or of another.

    Attributes
    ----------
    modality : str
    feature : str or None
        None: whether, or all that, the modality measured.
    """

    modality: str
    feature: str | None


class Block(ABC):
    """One modality of the patient and of the background, lined up.

    Attributes
    ----------
    players : tuple of Player
        Sorted by name, so that the order of columns changes nothing.
    differs : ndarray of bool, (n_background, n_players)
        Where the patient and another have not the same.
    forks : bool
        Whether its rows come from two objects, so that hybrids of both must be asked apart.
    """

    players: tuple[Player, ...]
    differs: Mask
    forks: bool = False

    @abstractmethod
    def part(self, masks: Mask, rows: Positions) -> Part:
        """Return the modality of hybrids, and each one's position in it, -1 for none.

        Parameters
        ----------
        masks : ndarray of bool, (n, n_players)
            What each has of the patient.
        rows : ndarray of int, (n,)
            Whose the rest is.
        """

    @abstractmethod
    def measured(self, masks: Mask, rows: Positions) -> Mask:
        """Return which hybrids the modality measured, (n,)."""


@dataclass(frozen=True)
class Columns:
    """A table's form, and some patients' values in it.

    Attributes
    ----------
    table : Table
        It gives names, kinds and units.
    numeric, text : ndarray of shape (n, n_numeric), (n, n_categorical)
    """

    table: Table
    numeric: FloatArray
    text: npt.NDArray[np.object_]

    @classmethod
    def of(cls, form: Table, values: Table) -> Columns:
        """Return the values of a table in the order of another, gaps where it lacks a feature."""
        text = values.categorical.reindex(columns=list(form.categorical_features))
        names = form.numeric_features
        if values.numeric_features == names:
            return cls(form, np.asarray(values.numeric), _gaps(text))
        place = {name: i for i, name in enumerate(values.numeric_features)}
        wide = np.hstack([values.numeric, np.full((len(values), 1), np.nan)])
        return cls(form, wide[:, [place.get(name, -1) for name in names]], _gaps(text))

    def made(self, numeric: FloatArray, text: npt.NDArray[np.object_]) -> Table:
        """Return a table of this form with other rows."""
        return table_of(self.table, numeric, text)


def _gaps(text: pd.DataFrame) -> npt.NDArray[np.object_]:
    values: npt.NDArray[np.object_] = text.to_numpy(dtype=object).copy()
    values[pd.isna(values)] = None
    return values


def table_of(form: Table, numeric: FloatArray, text: npt.NDArray[np.object_]) -> Table:
    """Return a table with the features, kinds and units of another, and these rows."""
    index = pd.Index([str(i) for i in range(len(numeric))])
    frame = pd.DataFrame(text, index=index, columns=list(form.categorical_features), dtype=object)
    blocks = Blocks(numeric, frame)
    return Table.from_source(TableSource(index, form.kinds, form.units, partial(_itself, blocks)))


def _itself(blocks: Blocks) -> Blocks:
    return blocks


class TableBlock(Block):
    """A table that measured the patient and some of the background.

    A patient of the background whom it did not measure lends the values of another (the
    next one in turn) for hybrids that were measured; whether a hybrid was is a player.
    """

    def __init__(self, name: str, patient: Table, background: Table, positions: Positions) -> None:
        self.has = positions >= 0
        known = np.flatnonzero(self.has)
        donors = np.where(self.has, positions, positions[known[np.cumsum(self.has) % len(known)]])
        self.own = Columns.of(background, patient)
        others = Columns.of(background, background)
        # In the patient's precision, in which the model is told his own values.
        self.numeric = np.asarray(others.numeric[donors], dtype=self.own.numeric.dtype)
        self.text = others.text[donors]
        features = (*background.numeric_features, *background.categorical_features)
        order = np.array(sorted(range(len(features)), key=lambda i: features[i]), dtype=np.intp)
        self.partial = not self.has.all()
        whole = [Player(name, None)] if self.partial else []
        self.players = (*whole, *(Player(name, features[i]) for i in order))
        self.place = np.argsort(order) + len(whole)  # the player of each column
        self.differs = self._differs(len(whole))

    def _differs(self, first: int) -> Mask:
        same = (self.numeric == self.own.numeric) | (
            np.isnan(self.numeric) & np.isnan(self.own.numeric)
        )
        columns = ~np.hstack([same, np.asarray(self.text == self.own.text, dtype=bool)])
        found = np.empty((len(self.has), len(self.players)), dtype=bool)
        found[:, self.place] = columns
        found[:, :first] = ~self.has[:, None]
        return found

    def part(self, masks: Mask, rows: Positions) -> Part:
        split = self.own.numeric.shape[1]
        numbers, words = masks[:, self.place[:split]], masks[:, self.place[split:]]
        table = self.own.made(
            np.where(numbers, self.own.numeric, self.numeric[rows]),
            np.where(words, self.own.text, self.text[rows]),
        )
        return table, np.where(self.measured(masks, rows), np.arange(len(rows)), -1)

    def measured(self, masks: Mask, rows: Positions) -> Mask:
        return self.has[rows] | masks[:, 0] if self.partial else np.ones(len(rows), dtype=bool)


class WholeBlock(Block):
    """A modality that goes over as a whole: it has no features, or measured but one side."""

    def __init__(self, name: str, own: Part | None, others: Part | None, n: int) -> None:
        self.players = (Player(name, None),)
        self.own, self.others = own, others
        self.forks = own is not None and others is not None
        self.has = np.zeros(n, dtype=bool) if others is None else others[1] >= 0
        self.differs = (self.has | (own is not None))[:, None]

    def part(self, masks: Mask, rows: Positions) -> Part:
        his = masks[:, 0]
        if self.others is None or (self.own is not None and his.all()):
            assert self.own is not None
            return self.own[0], np.where(his, self.own[1][0], -1)
        return self.others[0], np.where(his, -1, self.others[1][rows])

    def measured(self, masks: Mask, rows: Positions) -> Mask:
        return np.where(masks[:, 0], self.own is not None, self.has[rows])


class Hybrids:
    """All players of a patient against a background, and the hybrids of both.

    Parameters
    ----------
    patient : Cohort
        Of one patient.
    background : Cohort
    names : sequence of str
        The modalities that may play; one that measured nobody of either side does not.

    Raises
    ------
    InputError
        If there is not one patient, or nobody in the background.
    """

    def __init__(self, patient: Cohort, background: Cohort, names: Sequence[str]) -> None:
        if len(patient) != 1:
            raise InputError(f"one patient is explained at a time, not {len(patient)}.")
        if not len(background):
            raise InputError("the background holds nobody to compare the patient with.")
        self.n = len(background)
        found = {name: _block(name, patient, background) for name in sorted(names)}
        self.blocks = {name: block for name, block in found.items() if block is not None}
        self.players = tuple(p for block in self.blocks.values() for p in block.players)
        stops = np.cumsum([0, *(len(block.players) for block in self.blocks.values())])
        self.spans = {
            name: slice(int(start), int(stop))
            for name, start, stop in zip(self.blocks, stops[:-1], stops[1:], strict=True)
        }
        parts = [block.differs for block in self.blocks.values()]
        self.differs = np.hstack(parts) if parts else np.zeros((self.n, 0), dtype=bool)

    @property
    def tables(self) -> dict[str, TableBlock]:
        """Blocks whose features are players."""
        return {n: b for n, b in self.blocks.items() if isinstance(b, TableBlock)}

    def cohort(self, masks: Mask, rows: Positions) -> Cohort:
        """Return hybrids as a cohort, none of which may take a forking block from both sides."""
        parts = {
            name: block.part(masks[:, self.spans[name]], rows)
            for name, block in self.blocks.items()
        }
        return assembled(len(rows), parts)

    def sides(self, masks: Mask) -> list[Positions]:
        """Return the hybrids that can be asked together, by the side of every forking block."""
        forks = [self.spans[n].start for n, block in self.blocks.items() if block.forks]
        if not forks:
            return [np.arange(len(masks))]
        _, group = np.unique(masks[:, forks], axis=0, return_inverse=True)
        return [np.flatnonzero(group.ravel() == g) for g in range(int(group.max()) + 1)]


def _block(name: str, patient: Cohort, background: Cohort) -> Block | None:
    own, others = _measured(name, patient), _measured(name, background)
    if own is None and others is None:
        return None
    if own is not None and others is not None:
        his, theirs = own[0], others[0]
        if isinstance(his, Table) and isinstance(theirs, Table):
            return TableBlock(name, his.take(own[1]), theirs, others[1])
        if type(his) is not type(theirs):
            kinds = listing([type(his).__name__, type(theirs).__name__])
            raise InputError(f"modality {name!r} is of two kinds, {kinds}, in patient and others.")
    return WholeBlock(name, own, others, len(background))


def _measured(name: str, cohort: Cohort) -> Part | None:
    known = name in cohort.modalities and cohort.has(name).any()
    return (cohort.modalities[name], cohort.positions(name)) if known else None


_NOBODY = Table(pd.DataFrame(index=["0"]))


def assembled(n: int, parts: Mapping[str, Part]) -> Cohort:
    """Return a cohort of `n` patients from modalities and each patient's position in them."""
    cohort = Cohort(pd.DataFrame(index=[str(i) for i in range(n)]), {})
    for name, (modality, positions) in parts.items():
        cohort = cohort.with_modality(name, _NOBODY).assigned(name, modality, positions)
    return cohort


def names_of(model: Any, patient: Cohort, background: Cohort) -> list[str]:
    """Return the modalities that the model reads; all, where it does not say."""
    everything = dict.fromkeys([*patient.modalities, *background.modalities])
    asked = getattr(model, "modalities_", None)
    return list(everything) if asked is None else [n for n in everything if n in set(asked)]
