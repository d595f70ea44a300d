"""From a modality to columns of numbers: what is fitted on training patients before learning."""

from __future__ import annotations

from abc import abstractmethod
from functools import singledispatch
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, clone

from consilience.cohort import Bag, Images, Modality, Table
from consilience.cohort.agreement import check_features, check_kinds
from consilience.cohort.modality import FloatArray, Positions
from consilience.errors import InputError

CHUNK = 1_000_000  # numbers handled at once: 8 MB


class Encoder(BaseEstimator):  # type: ignore[misc]
    """From one modality to columns; fitted on the training patients whom it measured."""

    names_: list[str]  # of the columns

    @abstractmethod
    def fit(self, modality: Any, y: Any = None) -> Self:
        """Learn what the columns are."""

    @abstractmethod
    def encode(self, modality: Any, patients: Positions) -> FloatArray:
        """Return the columns of the patients at these positions, (n, n_columns)."""

    def raw(self, modality: Any, patients: Positions) -> FloatArray:
        """Return the columns `raw_names` as they were measured, NaN where a value is missing."""
        return self.encode(modality, patients)

    @property
    def raw_names(self) -> list[str]:
        """Names of the columns that `raw` returns."""
        return self.names_

    @property
    def owners(self) -> list[str | None]:
        """The feature of which each column is; None for one that is of the whole modality."""
        return [None] * len(self.names_)


class Standardised(Encoder):
    """Numbers brought to mean 0 and variance 1, missing ones to 0 with an indicator beside.

    A missing value becomes the training mean. In a linear model the indicator makes
    that choice immaterial: any other constant gives the same fit.
    """

    def _fit_numbers(self, modality: Any, names: list[str]) -> None:
        n, width = len(modality), len(names)
        self.mean_, self.scale_, known = _moments(self._rows, modality, n, width)
        self.gappy_ = np.flatnonzero(known < n)
        self.measured_ = list(names)
        self.names_ = names + [f"{names[i]} missing" for i in self.gappy_]

    def raw(self, modality: Any, patients: Positions) -> FloatArray:
        return np.asarray(self._rows(modality, patients), dtype=float)

    @property
    def raw_names(self) -> list[str]:
        return self.measured_

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
        check_kinds(modality, self.numeric_, list(self.levels_))
        values = self._standardise(self._rows(modality, patients))
        if not self.levels_:
            return values
        text = modality.categorical.iloc[patients].reindex(columns=list(self.levels_))
        levels = [_one_hot(text[name], levels) for name, levels in self.levels_.items()]
        return np.hstack([values, *levels])

    def raw(self, modality: Table, patients: Positions) -> FloatArray:
        """Return numbers, and 0 or 1 for each level; NaN where a value is missing."""
        check_kinds(modality, self.numeric_, list(self.levels_))
        numbers = super().raw(modality, patients)
        if not self.levels_:
            return numbers
        text = modality.categorical.iloc[patients].reindex(columns=list(self.levels_))
        levels = [
            np.where(text[name].isna().to_numpy()[:, None], np.nan, _one_hot(text[name], levels))
            for name, levels in self.levels_.items()
        ]
        return np.hstack([numbers, *levels])

    @property
    def raw_names(self) -> list[str]:
        """Names of the numbers and of the levels, as "stage = II"."""
        levels = [f"{name} = {level}" for name in self.levels_ for level in self.levels_[name]]
        return [*self.measured_, *levels]

    @property
    def owners(self) -> list[str | None]:
        """The feature of which each column is: number, its gap, or level."""
        gaps = [self.measured_[i] for i in self.gappy_]
        return [*self.measured_, *gaps, *(f for f, own in self.levels_.items() for _ in own)]

    def _rows(self, modality: Table, patients: Positions) -> FloatArray:
        values = modality.numeric_at(patients)
        if modality.numeric_features == tuple(self.numeric_):
            return values
        unknown = np.full((len(values), 1), np.nan, dtype=values.dtype)
        place = {name: i for i, name in enumerate(modality.numeric_features)}
        return np.hstack([values, unknown])[:, [place.get(name, -1) for name in self.numeric_]]


class BagEncoder(Standardised):
    """Mean and standard deviation over a patient's instances, and the log of their number."""

    def fit(self, modality: Bag, y: Any = None) -> Self:
        """Learn means and scales of the summaries."""
        self.features_ = tuple(modality.features)
        means = [f"mean of {name}" for name in self.features_]
        spreads = [f"spread of {name}" for name in self.features_]
        self._fit_numbers(modality, [*means, *spreads, "log number of instances"])
        return self

    def encode(self, modality: Bag, patients: Positions) -> FloatArray:
        """Return standardised summaries."""
        return self._standardise(self._rows(modality, patients))

    def _rows(self, modality: Bag, patients: Positions) -> FloatArray:
        check_features(modality.features, self.features_)
        place = [modality.features.index(name) for name in self.features_]
        rows = [_bag_summary(modality.instances(int(i))[:, place]) for i in patients]
        return np.array(rows).reshape(len(patients), 2 * len(place) + 1)


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
        if not isinstance(modality, Table):
            raise InputError(
                f"{type(self.transformer).__name__} is given a table as a DataFrame, and this "
                f"modality is of kind {type(modality).__name__}; write an Encoder for it."
            )
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
        numeric = [name for name in self.features_ if name not in self.text_]
        check_kinds(modality, numeric, self.text_)
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
    """Return mean, scale and number of known values of each column, a chunk of rows at a time.

    Chunks are merged by the formula of Chan, Golub and LeVeque (1979), which loses no
    digits where the mean is large beside the spread.
    """
    step = max(1, CHUNK // max(1, width))
    mean, squares, known = np.zeros(width), np.zeros(width), np.zeros(width, dtype=np.intp)
    for start in range(0, n, step):
        part = _part_moments(rows(modality, np.arange(start, min(n, start + step))))
        share = part.known / np.maximum(known + part.known, 1)
        away = part.mean - mean
        squares += part.squares + away**2 * known * share
        mean += away * share
        known += part.known
    variance = squares / np.maximum(known, 1)
    # A constant column's variance is what rounding leaves of its mean, whatever its unit.
    flat = variance <= (n * np.finfo(float).eps * mean) ** 2
    return mean, np.where(flat, 1.0, np.sqrt(variance)), known


class _Part(NamedTuple):
    mean: FloatArray
    squares: FloatArray  # sum of squares about the mean
    known: npt.NDArray[np.intp]


def _part_moments(values: FloatArray) -> _Part:
    """Return the moments of some rows' known values, in double precision; overwrites the rows."""
    absent = np.isnan(values)
    gaps = bool(absent.any())
    known = len(values) - absent.sum(axis=0)
    if gaps:
        values[absent] = 0.0
    mean = values.sum(axis=0, dtype=float) / np.maximum(known, 1)
    away = np.subtract(values, mean, out=values if values.dtype == np.float64 else None)
    if gaps:
        away[absent] = 0.0
    return _Part(mean, np.einsum("ij,ij->j", away, away), known)


def _bag_summary(instances: FloatArray) -> FloatArray:
    return np.concatenate([instances.mean(axis=0), instances.std(axis=0), [np.log(len(instances))]])


def _one_hot(values: pd.Series, levels: list[str]) -> FloatArray:
    same = values.to_numpy(dtype=object)[:, None] == np.array(levels, dtype=object)
    return np.asarray(same, dtype=float)
