"""Several modalities side by side in one matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator

from consilience.cohort import Cohort
from consilience.cohort.modality import FloatArray
from consilience.errors import InputError
from consilience.fusion.encoding import CHUNK, Encoder, encoder_for


class Stack(BaseEstimator):  # type: ignore[misc]
    """The columns of all modalities; zeros and an indicator where one is missing.

    After standardising, zero is the training mean: a patient whom a modality did not
    measure stands in its middle, and the indicator column "<name> measured" lets the
    learner give such patients a level of their own.

    Parameters
    ----------
    names : sequence of str
        The modalities, in order.
    encoders : mapping of str to Encoder or transformer
        Encoders other than the kind's own.
    """

    def __init__(self, names: Sequence[str], encoders: Mapping[str, Any]) -> None:
        self.names = names
        self.encoders = encoders

    def fit(self, cohort: Cohort, y: Any) -> Self:
        """Fit each encoder on the patients whom its modality measured."""
        self.fitted_: dict[str, Encoder] = {}
        self.kinds_ = {name: type(cohort.modalities[name]).__name__ for name in self.names}
        self.partial_: list[str] = []
        for name in self.names:
            measured = cohort.has(name)
            encoder = encoder_for(cohort.modalities[name], self.encoders.get(name))
            rows = cohort.positions(name)[measured]
            modality = cohort.modalities[name].take(rows)
            self.fitted_[name] = encoder.fit(
                modality, None if y is None else np.asarray(y)[measured]
            )
            if not measured.all():
                self.partial_.append(name)
        return self

    def check_kind(self, name: str, cohort: Cohort) -> None:
        """Refuse a modality that is of another kind than when the encoder was fitted."""
        kind = type(cohort.modalities[name]).__name__
        if kind != self.kinds_[name]:
            raise InputError(
                f"modality {name!r} was a {self.kinds_[name]} when the model was fitted, "
                f"and is a {kind} now."
            )

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Modality and name of every column."""
        own = [(name, column) for name in self.fitted_ for column in self.fitted_[name].names_]
        return own + [(name, "measured") for name in self.partial_]

    @property
    def owners(self) -> list[tuple[str, str | None]]:
        """Modality and feature of which every column is; None for the modality as a whole."""
        own = [(name, owner) for name, enc in self.fitted_.items() for owner in enc.owners]
        return own + [(name, None) for name in self.partial_]

    def transform(self, cohort: Cohort) -> FloatArray:
        """Return all columns, (n_patients, n_columns)."""
        out = np.zeros((len(cohort), len(self.columns)))
        start = 0
        for name, encoder in self.fitted_.items():
            stop = start + len(encoder.names_)
            if name in cohort.modalities:
                self.check_kind(name, cohort)
                _fill(out[:, start:stop], cohort, name, encoder)
            start = stop
        for place, name in enumerate(self.partial_, start):
            out[:, place] = _has(cohort, name)
        return out


def _fill(out: FloatArray, cohort: Cohort, name: str, encoder: Encoder) -> None:
    modality = cohort.modalities[name]
    patients = np.flatnonzero(cohort.has(name))
    places = cohort.positions(name)[patients]
    step = max(1, CHUNK // max(1, out.shape[1]))
    for start in range(0, len(patients), step):
        part = slice(start, start + step)
        try:
            out[patients[part]] = encoder.encode(modality, places[part])
        except InputError as reason:
            raise InputError(f"modality {name!r}: {reason}") from reason


def _has(cohort: Cohort, name: str) -> Any:
    return cohort.has(name) if name in cohort.modalities else np.zeros(len(cohort), dtype=bool)
