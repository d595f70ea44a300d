"""One bundle as it is served: everything said within one answer comes from one of these."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from consilience.cohort import Cohort
from consilience.records import Assessment, Prediction
from consilience.study.bundle import Bundle
from consilience.study.bundle.annotation import (
    actionable_of,
    costs_of,
    plausible_of,
    treatments_of,
)
from consilience.study.bundle.shown import shown_number
from consilience.trust.counterfactual import counterfactuals
from consilience.trust.explanation import explain
from consilience.trust.missing_test import missing_tests
from consilience.trust.number import Number
from consilience.trust.options import treatment_options
from consilience.trust.words import FeatureNote, worded

NOTHING = "nothing that the model reads was measured."


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

    def prepare(self) -> None:
        """Load what the first answer would have to wait for.

        Raises
        ------
        InputError
            If a code of the schema's is none.
        """
        from consilience.clinic.fhir import prepare

        prepare(self.bundle.schema)

    def number(self, prediction: Prediction) -> Number:
        """Return which number is told of a patient: the event's, or the likeliest class's.

        It is moved as the study found it should be, or as the model says it.
        """
        manifest, parts = self.bundle.manifest, prediction.probabilities
        label = parts[-1].label if parts else ""
        if manifest.kind == "multiclass":
            label = max(parts, key=lambda part: part.probability).label
        number = shown_number(manifest, label)
        line = self.bundle.reliability.recalibration
        if manifest.kind == "multiclass" or not line.applied:
            return number
        return replace(number, slope=line.slope, intercept=line.intercept)

    def assess(self, patient: Cohort, at: str, *, quick: bool = False) -> Assessment:
        """Return what the bundle says of one patient.

        Parameters
        ----------
        patient : Cohort
            Of one patient, with any of the modalities.
        at : str
            When.
        quick : bool
            Leave out what takes long: counterfactuals, and what is worth measuring.

        Raises
        ------
        InputError
            As `Bundle.check`.
        """
        said = Assessment(
            patient=str(patient.index[0]),
            bundle=self.bundle.manifest.name,
            model=self.fingerprint,
            at=at,
            outcome=self.bundle.manifest.outcome,
            silent=(NOTHING,),
        )
        if not any(patient.has(name)[0] for name in patient.modalities):
            return said
        notices = self.bundle.check(patient)
        scores = self.bundle.model.scores(patient)
        prediction = self.bundle.told(patient, notices)[0]
        number = self.number(prediction)
        value = float(number.of(scores)[0])
        known = self.bundle.reliability
        silent = known.silent(patient, scores, number=value)
        if not (silent or prediction.informed):
            silent = (NOTHING,)
        told: dict[str, Any] = {
            "says": number.says,
            "silent": silent,
            "warnings": (*prediction.warnings, *known.notes(patient, scores)),
        }
        if silent:  # what is not told is not kept either
            return said.model_copy(update=told)
        told |= {
            "number": value,
            "level": known.level(value),
            "interval": known.interval(patient, scores),
            "classes": known.classes(patient, scores),
            "prediction": prediction,
        }
        return said.model_copy(update={**told, **self._reasons(patient, number, quick)})

    def _reasons(self, patient: Cohort, number: Number, quick: bool) -> dict[str, Any]:
        """Return why the number is what it is, and what would make it another."""
        model, background = self.bundle.model, self.bundle.background
        if background is None:
            return {}
        outcome = self.bundle.manifest.outcome
        explanation = explain(
            model, patient, background, number, outcome=outcome, model_id=self.fingerprint
        )
        found: dict[str, Any] = {
            "explanation": worded(explanation, self._notes, number, background)
        }
        if quick:
            return found
        asked = (model, patient, background, number)
        schema = self.bundle.schema
        return found | {
            "counterfactuals": counterfactuals(*asked, actionable_of(schema)),
            "missing": missing_tests(
                *asked, costs=costs_of(schema), plausible=plausible_of(schema)
            ),
            "options": treatment_options(*asked, treatments_of(schema)),
        }

    @cached_property
    def _notes(self) -> dict[tuple[str, str], FeatureNote]:
        return {
            (modality.name, one.name): FeatureNote(one.label or one.name, one.unit, one.reference)
            for modality in self.bundle.schema.modalities
            for one in modality.features
        }
