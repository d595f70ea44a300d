"""What a model was trained on, feature by feature: names, kinds, units, ranges."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import Self

import numpy as np

from consilience.cohort import Bag, Cohort, Images, Modality, Table
from consilience.cohort.modality import FloatArray
from consilience.study.part import Part

COLUMNS_AT_ONCE = 512


class FeatureSchema(Part):
    """One feature as the training patients had it, and what is known of it beside.

    The numbers of a bag are those of a patient's mean over his instances, those of an
    image its mean, lowest and highest intensity. What follows `missing` is never guessed:
    it is said in notes (see `consilience.study.bundle.annotation`).
    """

    name: str
    kind: str
    unit: str = ""
    minimum: float | None = None
    low: float | None = None  # 1st percentile
    high: float | None = None  # 99th percentile
    maximum: float | None = None
    levels: tuple[str, ...] | None = None  # of a category
    missing: float = 0.0  # share of the patients measured
    label: str = ""  # what a clinician calls it
    codes: tuple[str, ...] = ()  # "system|code" of FHIR, any of which means it
    reference: tuple[float | None, float | None] | None = None  # usual in the healthy
    actionable: bool = False  # whether care can change it
    treatment: bool = False  # whether its levels are treatments to choose from
    cost: float | None = None  # of measuring it, in a currency of the user's


class ModalitySchema(Part):
    """One modality as the training patients had it."""

    name: str
    kind: str
    patients: int
    always_measured: bool
    features: tuple[FeatureSchema, ...]


class Schema(Part):
    """What a model reads.

    Parameters
    ----------
    modalities : tuple of ModalitySchema
        Those it uses, in order.
    patients : int
        How many it was trained on.
    """

    patients: int
    modalities: tuple[ModalitySchema, ...]

    @classmethod
    def of(cls, cohort: Cohort, names: Sequence[str]) -> Self:
        """Describe some modalities of the training cohort."""
        described = (_described(cohort, name) for name in names)
        return cls(patients=len(cohort), modalities=tuple(described))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the modalities."""
        return tuple(modality.name for modality in self.modalities)


def _described(cohort: Cohort, name: str) -> ModalitySchema:
    modality = cohort.modalities[name]
    return ModalitySchema(
        name=name,
        kind=kind_name(modality),
        patients=int(cohort.has(name).sum()),
        always_measured=bool(cohort.has(name).all()),
        features=tuple(describe_features(modality)),
    )


def kind_name(modality: Modality) -> str:
    """Return what a kind of modality is called: "table", "bag", "images"."""
    return type(modality).__name__.lower()


@singledispatch
def describe_features(modality: Modality) -> list[FeatureSchema]:
    """Describe every feature; a kind without a description of its own has none."""
    return []


@describe_features.register
def _(modality: Table) -> list[FeatureSchema]:
    values, names = summaries(modality)
    numeric = dict(zip(names, _ranges(values), strict=True))
    text = modality.categorical
    described = []
    for name, kind in modality.kinds.items():
        if name in numeric:
            own = FeatureSchema(name=name, kind=kind, unit=modality.units.get(name, ""))
            described.append(own.model_copy(update=numeric[name]))
        else:
            levels = tuple(sorted(text[name].dropna().unique()))
            missing = float(text[name].isna().mean())
            described.append(FeatureSchema(name=name, kind=kind, levels=levels, missing=missing))
    return described


@describe_features.register(Bag)
@describe_features.register(Images)
def _(modality: Bag | Images) -> list[FeatureSchema]:
    values, names = summaries(modality)
    ranges = zip(names, _ranges(values), strict=True)
    return [FeatureSchema(name=name, kind="continuous").model_copy(update=r) for name, r in ranges]


@singledispatch
def summaries(modality: Modality) -> tuple[FloatArray, tuple[str, ...]]:
    """Return the numbers that have a range, (n_patients, n), and what they are called."""
    return np.empty((len(modality), 0)), ()


@summaries.register
def _(modality: Table) -> tuple[FloatArray, tuple[str, ...]]:
    return modality.numeric, modality.numeric_features


@summaries.register
def _(modality: Bag) -> tuple[FloatArray, tuple[str, ...]]:
    means = [modality.instances(i).mean(axis=0) for i in range(len(modality))]
    return np.array(means, dtype=float).reshape(
        len(modality), modality.n_features
    ), modality.features


@summaries.register
def _(modality: Images) -> tuple[FloatArray, tuple[str, ...]]:
    images = (modality.image(i) for i in range(len(modality)))
    rows = [(image.mean(), image.min(), image.max()) for image in images]
    names = ("mean intensity", "lowest intensity", "highest intensity")
    return np.array(rows, dtype=float).reshape(len(modality), 3), names


def _ranges(values: FloatArray) -> list[dict[str, float | None]]:
    """Return minimum, percentiles, maximum and share missing of every column."""
    found: list[dict[str, float | None]] = []
    for start in range(0, values.shape[1], COLUMNS_AT_ONCE):
        part = np.asarray(values[:, start : start + COLUMNS_AT_ONCE], dtype=float)
        missing = np.isnan(part).mean(axis=0) if len(part) else np.ones(part.shape[1])
        found += [_range(column, share) for column, share in zip(part.T, missing, strict=True)]
    return found


def _range(column: FloatArray, missing: float) -> dict[str, float | None]:
    known = column[~np.isnan(column)]
    shares = (0.0, 0.01, 0.99, 1.0)
    numbers = [float(q) for q in np.quantile(known, shares)] if len(known) else [None] * 4
    names = ("minimum", "low", "high", "maximum")
    return {**dict(zip(names, numbers, strict=True)), "missing": float(missing)}
