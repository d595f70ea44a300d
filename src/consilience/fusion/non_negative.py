"""Blocks without negative entries, and the way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self, get_args

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from consilience.cohort.modality import FloatArray
from consilience.errors import InputError

Negatives = Literal["refuse", "split", "centre", "shift"]
WAYS: tuple[Negatives, ...] = get_args(Negatives)


class NonNegative(BaseEstimator):  # type: ignore[misc]
    """From blocks to columns that are never negative, in an order of their own.

    Modalities and features are put in the order of their names, so that the order in
    which they come changes nothing, to the last digit.

    Parameters
    ----------
    negatives : {"refuse", "split", "centre", "shift"}
        "split": a feature that falls below 0 becomes two columns, its positive part and
        its negative part with the sign turned (Kim and Tidor 2003; so did Zhang et al.
        2012). A part that no training patient shows has no column.
        "centre": as "split", about the training mean and in standard deviations: what is
        above average and what is below, whatever the sign.
        "shift": the smallest training value is subtracted, and the column brought back to
        a root mean square of 1; a new patient below it counts as at it.

    Attributes
    ----------
    names_ : list of str
        The modalities, sorted.
    features_ : dict of str to list of str
        The features, sorted.
    order_ : dict of str to ndarray of int
        Where each of them stands in the block.
    source_ : dict of str to ndarray of int
        The feature each column comes from.
    sign_ : dict of str to ndarray
        -1 for the part below 0 or the mean, otherwise 1.
    offset_, size_ : dict of str to ndarray
        What was subtracted from a feature and what it was then divided by.
    """

    def __init__(self, negatives: Negatives = "refuse") -> None:
        self.negatives = negatives

    def fit(self, blocks: Mapping[str, FloatArray], features: Mapping[str, Sequence[str]]) -> Self:
        """Learn which columns there are from training patients.

        Parameters
        ----------
        blocks : mapping of str to ndarray of shape (n, p_m)
            NaN where missing.
        features : mapping of str to sequence of str
            The names of their columns.

        Raises
        ------
        InputError
            If an entry is negative and `negatives` is "refuse".
        """
        self.names_ = sorted(blocks)
        self.features_: dict[str, list[str]] = {}
        self.order_: dict[str, npt.NDArray[np.intp]] = {}
        self.source_: dict[str, npt.NDArray[np.intp]] = {}
        self.sign_: dict[str, FloatArray] = {}
        self.offset_: dict[str, FloatArray] = {}
        self.size_: dict[str, FloatArray] = {}
        for name in self.names_:
            order = np.argsort(np.asarray(features[name], dtype=str), kind="stable")
            self.order_[name] = order
            self.features_[name] = [features[name][i] for i in order]
            self._fit_columns(name, self._checked(name, blocks[name][:, order]))
        return self

    def _fit_columns(self, name: str, values: FloatArray) -> None:
        lowest = np.nanmin(values, axis=0)
        width = values.shape[1]
        self.offset_[name], self.size_[name] = np.zeros(width), np.ones(width)
        self.source_[name], self.sign_[name] = np.arange(width), np.ones(width)
        if self.negatives in ("shift", "centre"):
            centre = np.nanmean(values, axis=0) if self.negatives == "centre" else lowest
            self.offset_[name] = centre
            self.size_[name] = np.sqrt(np.nanmean((values - centre) ** 2, axis=0))
        if self.negatives in ("split", "centre"):
            above = np.flatnonzero(np.nanmax(values, axis=0) > self.offset_[name])
            below = np.flatnonzero(lowest < self.offset_[name])
            self.source_[name] = np.concatenate([above, below])
            self.sign_[name] = np.repeat([1.0, -1.0], [len(above), len(below)])

    def _checked(self, name: str, values: FloatArray) -> FloatArray:
        if self.negatives == "refuse":
            wrong = np.flatnonzero((values < 0).any(axis=0))
            if len(wrong):
                feature = self.features_[name][wrong[0]]
                others = f" and {len(wrong) - 1} others" if len(wrong) > 1 else ""
                raise InputError(
                    f"modality {name!r}, feature {feature!r}{others}: a value below 0 cannot be "
                    "factorised without signs; set negatives to 'split' (two columns, one for "
                    "each sign), 'centre' (two about the mean) or 'shift' (counted from the "
                    "smallest training value)."
                )
        return values

    def columns(self, blocks: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        """Return each modality's columns, (n, n_columns), NaN where missing.

        Raises
        ------
        InputError
            If an entry is negative and `negatives` is "refuse".
        """
        found = {}
        for name in self.names_:
            values = self._checked(name, blocks[name][:, self.order_[name]])
            values = (values - self.offset_[name]) / self.size_[name]
            signed = values[:, self.source_[name]] * self.sign_[name]
            found[name] = np.maximum(signed, 0.0)  # keeps NaN
        return found

    def blocks(self, columns: Mapping[str, FloatArray]) -> dict[str, Any]:
        """Return columns as blocks: the way back."""
        found = {}
        for name in self.names_:
            values = np.zeros((len(columns[name]), len(self.order_[name])))
            np.add.at(values.T, self.source_[name], (columns[name] * self.sign_[name]).T)
            block = np.empty_like(values)
            block[:, self.order_[name]] = values * self.size_[name] + self.offset_[name]
            found[name] = block
        return found

    def places(self) -> tuple[npt.NDArray[np.intp], FloatArray]:
        """Return where each column's feature stands among those of all blocks, and its sign.

        The modalities follow one another as in `names_`, the features of each as in its block.
        """
        starts = np.cumsum([0, *(len(self.features_[name]) for name in self.names_)])
        places = [
            self.order_[name][self.source_[name]] + at
            for name, at in zip(self.names_, starts, strict=False)
        ]
        return np.concatenate(places), np.concatenate([self.sign_[n] for n in self.names_])
