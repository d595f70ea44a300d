"""From a modality to columns of numbers: what is fitted on training patients before learning."""

from __future__ import annotations

from abc import abstractmethod
from functools import singledispatch
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, clone

from consilience.cohort import Bag, Images, Modality, Table
from consilience.cohort.modality import FloatArray, Positions
from consilience.errors import InputError, listing

CHUNK = 4_000_000  # numbers handled at once: 32 MB


class Encoder(BaseEstimator):  # type: ignore[misc]
    """From one modality to columns; fitted on the training patients whom it measured."""

    names_: list[str]  # of the columns

    @abstractmethod
    def fit(self, modality: Any, y: Any = None) -> Self:
        """Learn what the columns are."""

    @abstractmethod
    def encode(self, modality: Any, patients: Positions) -> FloatArray:
        """Return the columns of the patients at these positions, (n, n_columns)."""


class Standardised(Encoder):
    """Numbers brought to mean 0 and variance 1, missing ones to 0 with an indicator beside.

    A missing value becomes the training mean. In a linear model the indicator makes
    that choice immaterial: any other constant gives the same fit.
    """

    def _fit_numbers(self, modality: Any, names: list[str]) -> None:
        n, width = len(modality), len(names)
        self.mean_, self.scale_, known = _moments(self._rows, modality, n, width)
        self.gappy_ = np.flatnonzero(known < n)
        self.names_ = names + [f"{names[i]} missing" for i in self.gappy_]

    @abstractmethod
    def _rows(self, modality: Any, patients: Positions) -> FloatArray:
        """Return the raw numbers of some patients, as a copy."""

    def _standardise(self, values: FloatArray) -> FloatArray:
        values -= self.mean_
        values /= self.scale_
        absent = np.isnan(values)
        if not absent.any():
            extra = np.zeros((len(values), len(self.gappy_)), dtype=values.dtype)
            return np.hstack([values, extra]) if len(self.gappy_) else values
        values[absent] = 0.0
        return np.hstack([values, absent[:, self.gappy_].astype(values.dtype)])


class TableEncoder(Standardised):
    """Numbers standardised, categories as one column a level; an unseen level is none of them."""

    def fit(self, modality: Table, y: Any = None) -> Self:
        """Learn means, scales and levels."""
        self.numeric_ = list(modality.numeric_features)
        self._fit_numbers(modality, list(self.numeric_))
        text = modality.categorical
        self.levels_ = {name: sorted(text[name].dropna().unique()) for name in text.columns}
        self.names_ += [
            f"{name} = {level}" for name in text.columns for level in self.levels_[name]
        ]
        return self

    def encode(self, modality: Table, patients: Positions) -> FloatArray:
        """Return standardised numbers, indicators and levels."""
        _check_features(modality, self.numeric_, list(self.levels_))
        values = self._standardise(self._rows(modality, patients))
        if not self.levels_:
            return values
        text = modality.categorical.iloc[patients]
        levels = [_one_hot(text[name], levels) for name, levels in self.levels_.items()]
        return np.hstack([values, *levels])

    def _rows(self, modality: Table, patients: Positions) -> FloatArray:
        values = modality.numeric_at(patients)
        if modality.numeric_features == tuple(self.numeric_):
            return values
        place = {name: i for i, name in enumerate(modality.numeric_features)}
        return values[:, [place[name] for name in self.numeric_]]


class BagEncoder(Standardised):
    """Mean and standard deviation over a patient's instances, and the log of their number."""

    def fit(self, modality: Bag, y: Any = None) -> Self:
        """Learn means and scales of the summaries."""
        means = [f"mean of {name}" for name in modality.features]
        spreads = [f"spread of {name}" for name in modality.features]
        self._fit_numbers(modality, [*means, *spreads, "log number of instances"])
        return self

    def encode(self, modality: Bag, patients: Positions) -> FloatArray:
        """Return standardised summaries."""
        return self._standardise(self._rows(modality, patients))

    def _rows(self, modality: Bag, patients: Positions) -> FloatArray:
        return np.array([_bag_summary(modality.instances(int(i))) for i in patients]).reshape(
            len(patients), 2 * modality.n_features + 1
        )


class ImageEncoder(Standardised):
    """Mean, spread and seven quantiles of an image's intensities: a baseline, not a reader."""

    SHARES = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)

    def fit(self, modality: Images, y: Any = None) -> Self:
        """Learn means and scales of the summaries."""
        self._fit_numbers(modality, ["mean", "spread", *(f"quantile {q:g}" for q in self.SHARES)])
        return self

    def encode(self, modality: Images, patients: Positions) -> FloatArray:
        """Return standardised summaries."""
        return self._standardise(self._rows(modality, patients))

    def _rows(self, modality: Images, patients: Positions) -> FloatArray:
        rows = [self._summary(np.asarray(modality.image(int(i)), dtype=float)) for i in patients]
        return np.array(rows).reshape(len(patients), 2 + len(self.SHARES))

    def _summary(self, image: FloatArray) -> FloatArray:
        return np.concatenate([[image.mean(), image.std()], np.quantile(image, self.SHARES)])


class FrameEncoder(Encoder):
    """Any scikit-learn transformer, given the table as a DataFrame.

    Parameters
    ----------
    transformer : estimator
        With ``fit(frame, y)`` and ``transform(frame)``.
    """

    def __init__(self, transformer: Any) -> None:
        self.transformer = transformer

    def fit(self, modality: Table, y: Any = None) -> Self:
        """Fit a clone of the transformer."""
        self.features_ = list(modality.features)
        self.text_ = list(modality.categorical_features)
        self.transformer_ = clone(self.transformer).fit(modality.frame, y)
        width = self._columns(modality.take(np.arange(1))).shape[1]
        self.names_ = [f"{type(self.transformer).__name__} {i}" for i in range(width)]
        if hasattr(self.transformer_, "get_feature_names_out"):
            self.names_ = [str(name) for name in self.transformer_.get_feature_names_out()]
        return self

    def encode(self, modality: Table, patients: Positions) -> FloatArray:
        """Return what the transformer makes of the patients."""
        _check_features(modality, [f for f in self.features_ if f not in self.text_], self.text_)
        return self._columns(modality.take(patients))

    def _columns(self, table: Table) -> FloatArray:
        columns = self.transformer_.transform(table.frame[self.features_])
        dense = columns.toarray() if hasattr(columns, "toarray") else columns
        return np.asarray(dense, dtype=float)


@singledispatch
def default_encoder(modality: Modality) -> Encoder:
    """Return the encoder of a kind of modality; register one to add a kind.

    Raises
    ------
    InputError
        If no encoder is registered for the kind.
    """
    raise InputError(
        f"no encoder is known for a modality of kind {type(modality).__name__}; "
        "give one in `encoders`."
    )


@default_encoder.register
def _(modality: Table) -> Encoder:
    return TableEncoder()


@default_encoder.register
def _(modality: Bag) -> Encoder:
    return BagEncoder()


@default_encoder.register
def _(modality: Images) -> Encoder:
    return ImageEncoder()


def encoder_for(modality: Modality, given: Any) -> Encoder:
    """Return a fresh encoder: the one given (an Encoder or a transformer), or the kind's own."""
    if given is None:
        return default_encoder(modality)
    return clone(given) if isinstance(given, Encoder) else FrameEncoder(given)


def _moments(
    rows: Any, modality: Any, n: int, width: int
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.intp]]:
    """Return mean, scale and number of known values of each column, in one pass over chunks."""
    step = max(1, CHUNK // max(1, width))
    total, squares = np.zeros(width), np.zeros(width)
    known = np.zeros(width, dtype=np.intp)
    shift = np.zeros(width)
    for start in range(0, n, step):
        values = rows(modality, np.arange(start, min(n, start + step)))
        if start == 0:  # sums of squares about a value near the mean lose no digits
            shift = np.nan_to_num(values[0]).astype(float)
        values = values - shift
        absent = np.isnan(values)
        if absent.any():
            values[absent] = 0.0
        known += len(values) - absent.sum(axis=0)
        total += values.sum(axis=0, dtype=float)
        squares += np.einsum("ij,ij->j", values, values)
    mean = total / np.maximum(known, 1)
    variance = squares / np.maximum(known, 1) - mean**2
    flat = variance <= 1e-12 * np.maximum(1.0, shift**2)
    return mean + shift, np.where(flat, 1.0, np.sqrt(np.maximum(variance, 0.0))), known


def _bag_summary(instances: FloatArray) -> FloatArray:
    return np.concatenate([instances.mean(axis=0), instances.std(axis=0), [np.log(len(instances))]])


def _one_hot(values: pd.Series, levels: list[str]) -> FloatArray:
    return (values.to_numpy(dtype=object)[:, None] == np.array(levels, dtype=object)).astype(float)


def _check_features(table: Table, numeric: list[str], text: list[str]) -> None:
    absent = {*numeric, *text} - set(table.features)
    if absent:
        raise InputError(
            f"the table lacks {len(absent)} of the features it was fitted on: "
            f"{listing(sorted(absent), most=3)}."
        )
    changed = set(text) & set(table.numeric_features) | set(numeric) & set(
        table.categorical_features
    )
    if changed:
        raise InputError(
            f"feature {listing(sorted(changed), most=3)} held "
            f"{'text' if changed & set(text) else 'numbers'} when the model was fitted, "
            "and does not now."
        )
