"""What a model answers under each treatment that could be chosen.

Patients were not given their treatments by lot. Who was given one differs from who was
given another in more than that, and a model of what was observed has learned the whole of
the difference. So what is compared here are answers, not effects (Hernán and Robins, "Causal
inference: what if", 2020, chapter 3), and the sentence that says so goes with the numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from consilience.cohort import Cohort, Table
from consilience.metrics.scores import FloatArray
from consilience.records import Option
from consilience.trust.importance import Scorer
from consilience.trust.number import Number
from consilience.trust.plausible import Bounds, Key, Plausible, name_of, plausible_each, told
from consilience.trust.varying import varied

WARNING = (
    "Observed differences between treatments are not their effects: those who were given one "
    "differed from those who were given another in more than that."
)


def treatment_options(
    model: Scorer,
    patient: Cohort,
    background: Cohort,
    number: Number,
    treatments: Mapping[Key, Bounds],
) -> tuple[Option, ...]:
    """Return the number told under each treatment, the lowest first within each feature.

    All else stays as it is. A patient who lacks the whole modality is not compared: nobody
    knows what else would have been measured.

    Parameters
    ----------
    model : fitted model with ``scores(cohort)``
    patient : Cohort
        Of one patient.
    background : Cohort
        Condensed training patients.
    number : Number
    treatments : mapping of (modality, feature) to Plausible
        With the levels of each, or 0 and 1.
    """
    found: list[Option] = []
    for (modality, feature), known in sorted(plausible_each(treatments).items()):
        if modality not in patient.modalities or not patient.has(modality)[0]:
            continue
        values = _values(known)
        if len(values) < 2:
            continue
        columns = {modality: {feature: _column(values)}}
        numbers = number.of(model.scores(varied(patient, columns, len(values), background)))
        now = _now(patient, modality, feature)
        label = name_of((modality, feature), known)
        options = [
            Option(
                modality=modality,
                feature=feature,
                treatment=name,
                number=answer,
                given=value == now,
                sentence=f"{label} {name}{' (on record)' if value == now else ''}, and all else "
                f"as it is: the model answers {told(number, answer)}.",
            )
            for (name, value), answer in zip(values.items(), numbers.tolist(), strict=True)
        ]
        found += sorted(options, key=lambda one: (one.number, one.treatment))
    return tuple(found)


def _values(known: Plausible) -> dict[str, str | float]:
    """Return what is compared: the levels of a category, or no and yes of 0 and 1."""
    if known.levels:
        return {level: level for level in known.levels}
    return {"no": 0.0, "yes": 1.0} if (known.low, known.high) == (0.0, 1.0) else {}


def _column(values: Mapping[str, str | float]) -> FloatArray | list[str]:
    listed = list(values.values())
    words = [value for value in listed if isinstance(value, str)]
    return words or np.array(listed, dtype=float)


def _now(patient: Cohort, modality: str, feature: str) -> Any:
    """Return what the patient has, NaN where it is not known."""
    table = patient.modalities[modality]
    assert isinstance(table, Table)
    return table.take(patient.positions(modality)).frame[feature].iloc[0]
