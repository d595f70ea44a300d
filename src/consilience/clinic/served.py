"""One bundle as it is served: everything said within one answer comes from one of these."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from consilience.cohort import Cohort
from consilience.records import Assessment, Prediction
from consilience.study.bundle import Bundle
from consilience.study.bundle.shown import shown_number
from consilience.trust.number import Number


@dataclass(frozen=True)
class Served:
    """A bundle, loaded once; frozen, so that an answer never mixes two versions.

    Attributes
    ----------
    bundle : Bundle
    """

    bundle: Bundle

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a bundle.

        Raises
        ------
        InputError
            As `Bundle.load`.
        """
        return cls(Bundle.load(folder))

    @cached_property
    def fingerprint(self) -> str:
        """The model's, computed once."""
        return self.bundle.fingerprint

    def number(self, prediction: Prediction) -> Number:
        """Return which number is told of a patient: the event's, or the likeliest class's."""
        parts = prediction.probabilities
        likeliest = self.bundle.manifest.kind == "multiclass"
        part = max(parts, key=lambda one: one.probability) if likeliest else parts[-1:]
        label = part.label if likeliest else "".join(one.label for one in part)
        return shown_number(self.bundle.manifest, label)

    def assess(self, patient: Cohort, at: str) -> Assessment:
        """Return what the bundle says of one patient (a cohort of one)."""
        notices = self.bundle.check(patient)
        prediction = self.bundle.told(patient, notices)[0]
        number = self.number(prediction)
        silent = () if prediction.informed else ("nothing that the model reads was measured.",)
        value = float(number.of(self.bundle.model.scores(patient))[0])
        return Assessment(
            patient=prediction.patient,
            bundle=self.bundle.manifest.name,
            model=self.fingerprint,
            at=at,
            outcome=prediction.outcome,
            number=None if silent else value,
            says=number.says,
            silent=silent,
            prediction=prediction,
            warnings=prediction.warnings,
        )
