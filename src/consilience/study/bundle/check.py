"""Whether new patients are measured as the training patients were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Literal, TypeAlias

import numpy as np

from consilience.cohort import Bag, Cohort, Modality, Table
from consilience.errors import InputError, listing, suggestion
from consilience.study.bundle.schema import (
    FeatureSchema,
    ModalitySchema,
    Schema,
    kind_name,
    summaries,
)
from consilience.study.bundle.units import conversion, same_unit

Matter: TypeAlias = Literal["range", "category", "not measured", "nothing measured", "unit"]


@dataclass(frozen=True)
class Notice:
    """Something the reader of a prediction should know.

    Attributes
    ----------
    patient : str or None
        Whom it is about; None if the whole cohort.
    modality : str
    matter : {"range", "category", "not measured", "nothing measured", "unit"}
    sentence : str
    """

    patient: str | None
    modality: str
    matter: Matter
    sentence: str


def check_cohort(cohort: Cohort, schema: Schema) -> list[Notice]:
    """Compare a cohort with what a model was trained on.

    Returns
    -------
    list of Notice
        What can be predicted from, but should be known.

    Raises
    ------
    InputError
        Where predicting would be wrong: no modality of the model's, a feature missing,
        another kind, another unit. The sentence names table and column.
    """
    if not set(schema.names) & set(cohort.modalities):
        raise InputError(
            f"cohort {cohort.name!r} has none of the model's modalities "
            f"({listing(schema.names, most=20)}); it has {listing(cohort.modalities, most=20)}."
        )
    notices: list[Notice] = []
    for due in schema.modalities:
        notices += _not_measured(cohort, due)
        if due.name in cohort.modalities:
            _check_form(cohort.modalities[due.name], due)
            notices += _values(cohort, due)
    return notices + _nothing_measured(cohort, schema)


def _not_measured(cohort: Cohort, due: ModalitySchema) -> Iterator[Notice]:
    absent = due.name not in cohort.modalities or not cohort.has(due.name).any()
    if not (absent or due.always_measured):
        return
    why = "; every training patient had it" if due.always_measured else ""
    measured = np.zeros(len(cohort), dtype=bool) if absent else cohort.has(due.name)
    for patient in cohort.index[~measured]:
        sentence = f"{due.name!r} was not measured{why}."
        yield Notice(str(patient), due.name, "not measured", sentence)


def _nothing_measured(cohort: Cohort, schema: Schema) -> list[Notice]:
    present = [name for name in schema.names if name in cohort.modalities]
    informed = np.logical_or.reduce([cohort.has(name) for name in present])
    sentence = "nothing that the model reads was measured: this is what is known of everybody."
    return [Notice(str(p), "", "nothing measured", sentence) for p in cohort.index[~informed]]


def _check_form(modality: Modality, due: ModalitySchema) -> None:
    if kind_name(modality) != due.kind:
        raise InputError(
            f"{due.name!r} is of kind {kind_name(modality)!r}, but the model was trained on "
            f"{due.kind!r}."
        )
    _check_features(modality, due)


@singledispatch
def _check_features(modality: Modality, due: ModalitySchema) -> None:
    """Nothing to compare in a kind without named features."""


@_check_features.register
def _(modality: Bag, due: ModalitySchema) -> None:
    wanted = tuple(feature.name for feature in due.features)
    if modality.features != wanted:
        raise InputError(
            f"bag {due.name!r}: its features are {listing(modality.features, most=3)}, but the "
            f"model was trained on {listing(wanted, most=3)}, in that order."
        )


@_check_features.register
def _(modality: Table, due: ModalitySchema) -> None:
    absent = [f.name for f in due.features if f.name not in modality.kinds]
    if absent:
        raise InputError(
            f"table {due.name!r} lacks {len(absent)} of the {len(due.features)} features that the "
            f"model reads: {listing(absent, most=3)}.{_hint(absent[0], modality.features)}"
        )
    for feature in due.features:
        _check_kind(modality, due.name, feature)
        _check_unit(modality, due.name, feature)


def _hint(absent: str, features: Sequence[str]) -> str:
    """Suggest a name that differs in case or spelling."""
    alike = {feature.casefold(): feature for feature in features}
    same = alike.get(absent.casefold())
    return f" Did you mean {same!r}?" if same else suggestion(absent, features)


def _check_kind(table: Table, name: str, feature: FeatureSchema) -> None:
    text = table.kinds[feature.name] == "categorical"
    if text != (feature.kind == "categorical"):
        held, due = ("text", "numbers") if text else ("numbers", "text")
        raise InputError(
            f"table {name!r}, column {feature.name!r}: it holds {held}, but the model was trained "
            f"on {due}; write it as in training, or say its kind when importing."
        )


def _check_unit(table: Table, name: str, feature: FeatureSchema) -> None:
    given = table.units.get(feature.name, "")
    if not given or not feature.unit or same_unit(given, feature.unit):
        return
    factor = conversion(given, feature.unit)
    advice = "convert it" if factor is None else f"multiply its values by {factor:.10g}"
    raise InputError(
        f"table {name!r}, column {feature.name!r}: its unit is {given!r}, but the model was "
        f"trained in {feature.unit!r}; {advice} and say so in the table's units."
    )


def _values(cohort: Cohort, due: ModalitySchema) -> list[Notice]:
    modality = cohort.modalities[due.name]
    notices = [*_out_of_range(modality, due)]
    if isinstance(modality, Table):
        notices += [*_unseen(modality, due), *_unitless(modality, due)]
    return notices


def _out_of_range(modality: Modality, due: ModalitySchema) -> Iterator[Notice]:
    values, names = summaries(modality)
    ranges = {f.name: (f.minimum, f.maximum) for f in due.features if f.minimum is not None}
    places = [i for i, name in enumerate(names) if name in ranges]
    if not places or not len(modality):
        return
    limits = np.array([ranges[names[i]] for i in places], dtype=float)
    inside = np.asarray(values, dtype=float)[:, places]
    outside = (inside < limits[:, 0]) | (inside > limits[:, 1])
    for row in np.flatnonzero(outside.any(axis=1)).tolist():
        columns = np.flatnonzero(outside[row])
        first = int(columns[0])
        least, most = limits[first]
        sentence = (
            f"{due.name!r}: {len(columns)} of {len(due.features)} values outside the training "
            f"range, such as {names[places[first]]!r} = {inside[row, first]:.6g} "
            f"({least:.6g} to {most:.6g})."
        )
        yield Notice(str(modality.index[row]), due.name, "range", sentence)


def _unseen(table: Table, due: ModalitySchema) -> Iterator[Notice]:
    text = table.categorical
    for feature in due.features:
        if feature.levels is not None:
            values = text[feature.name]
            strange = values.notna() & ~values.isin(feature.levels)
            for row in np.flatnonzero(strange.to_numpy()).tolist():
                sentence = (
                    f"{due.name!r}: {feature.name!r} = {values.iloc[row]!r} was not seen in "
                    "training."
                )
                yield Notice(str(table.index[row]), due.name, "category", sentence)


def _unitless(table: Table, due: ModalitySchema) -> Iterator[Notice]:
    silent = [f for f in due.features if f.unit and not table.units.get(f.name)]
    if silent:
        units = listing([f"{f.name} in {f.unit}" for f in silent], most=3)
        sentence = f"{due.name!r}: the table says no unit; the model was trained on {units}."
        yield Notice(None, due.name, "unit", sentence)
