"""Every modality as a matrix of its own, with what is missing left missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator

from consilience.cohort import Cohort
from consilience.cohort.modality import FloatArray
from consilience.errors import InputError
from consilience.fusion.stack import Stack, _has


class Blocks(BaseEstimator):  # type: ignore[misc]
    """One standardised matrix a modality; NaN where nothing was measured.

    Columns are brought to mean 0 and variance 1 (with 1/n, over what was measured in the
    training patients). Those that do not vary are dropped. Categories are one column a
    level, standardised like the others.

    Parameters
    ----------
    names : sequence of str
        The modalities, in order.
    encoders : mapping of str to Encoder or transformer
        Encoders other than the kind's own.
    centred : bool
        If not, columns are only divided by their root mean square, so that what is not
        negative stays so.

    Attributes
    ----------
    features_ : dict of str to list of str
        Names of each modality's columns.
    mean_, scale_ : dict of str to ndarray
        A column's own unit is ``mean_ + scale_ * value``.
    constants_ : dict of str to dict of str to float
        The columns that do not vary, with their value.
    """

    def __init__(
        self, names: Sequence[str], encoders: Mapping[str, Any], *, centred: bool = True
    ) -> None:
        self.names = names
        self.encoders = encoders
        self.centred = centred

    @property
    def features(self) -> dict[str, list[str]]:
        """Names of each modality's columns."""
        return self.features_

    def fit(self, cohort: Cohort, y: Any = None) -> Self:
        """Learn columns, means and scales from the training patients.

        Raises
        ------
        InputError
            If no column of a modality varies.
        """
        self.stack_ = Stack(self.names, self.encoders).fit(cohort, y)
        self.features_: dict[str, list[str]] = {}
        self.mean_: dict[str, FloatArray] = {}
        self.scale_: dict[str, FloatArray] = {}
        self.kept_: dict[str, Any] = {}
        self.constants_: dict[str, dict[str, float]] = {}
        for name in self.names:
            self._fit_columns(name, self._raw(name, cohort))
        return self

    def _fit_columns(self, name: str, values: FloatArray) -> None:
        known = np.isfinite(values)
        count = np.maximum(known.sum(axis=0), 1)
        filled = np.where(known, values, 0.0)
        mean = filled.sum(axis=0) / count
        variance = np.where(known, values - mean, 0.0)
        np.square(variance, out=variance)
        spread = variance.sum(axis=0) / count
        # A constant column's variance is what rounding leaves of its mean, whatever its unit.
        varies = spread > (len(values) * np.finfo(float).eps * np.abs(mean)) ** 2
        if not varies.any():
            raise InputError(
                f"modality {name!r} has no feature that varies among the patients to learn from; "
                "leave it out."
            )
        columns = self.stack_.fitted_[name].raw_names
        self.kept_[name] = np.flatnonzero(varies)
        self.features_[name] = [columns[i] for i in self.kept_[name]]
        self.constants_[name] = {
            columns[i]: float(mean[i]) for i in np.flatnonzero(~varies) if known[:, i].any()
        }
        scale = np.sqrt(spread if self.centred else spread + mean**2)
        self.scale_[name] = scale[varies]
        self.mean_[name] = mean[varies] if self.centred else np.zeros(int(varies.sum()))

    def matrices(self, cohort: Cohort) -> dict[str, FloatArray]:
        """Return every modality's matrix, (n_patients, n_columns), NaN where not measured."""
        return {name: self._standardised(name, self._raw(name, cohort)) for name in self.names}

    def _standardised(self, name: str, values: FloatArray) -> FloatArray:
        kept = self.kept_[name]
        own = values if len(kept) == values.shape[1] else values[:, kept]
        own -= self.mean_[name]
        own /= self.scale_[name]
        return own

    def _raw(self, name: str, cohort: Cohort) -> FloatArray:
        """Return a modality's columns as measured; rows of NaN where it did not measure."""
        encoder = self.stack_.fitted_[name]
        out = np.full((len(cohort), len(encoder.raw_names)), np.nan)
        patients = np.flatnonzero(_has(cohort, name))
        if len(patients):
            self.stack_.check_kind(name, cohort)
            places = cohort.positions(name)[patients]
            try:
                out[patients] = encoder.raw(cohort.modalities[name], places)
            except InputError as reason:
                raise InputError(f"modality {name!r}: {reason}") from reason
        return out

    def own_unit(self, name: str, values: FloatArray) -> FloatArray:
        """Return values of the matrix in the unit in which the features were measured."""
        return values * self.scale_[name] + self.mean_[name]


def anything(blocks: Mapping[str, FloatArray]) -> Any:
    """Return which patients have at least one value, bool of shape (n_patients,)."""
    known = [np.isfinite(matrix).any(axis=1) for matrix in blocks.values()]
    return np.logical_or.reduce(known)
