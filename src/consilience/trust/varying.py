"""One patient many times over, with other values: what a model is asked "what if" about."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from consilience.cohort import Cohort, Table
from consilience.cohort.modality import FloatArray
from consilience.cohort.table import Blocks
from consilience.errors import InputError, suggestion

Column = FloatArray | list[str]  # of a feature: numbers, or the levels of a category


def one_patient(patient: Cohort) -> Cohort:
    """Return the cohort if it is one of one patient.

    Raises
    ------
    InputError
        If it is not.
    """
    if len(patient) != 1:
        raise InputError(f"one patient is asked about at a time, not {len(patient)}.")
    return patient


def measured_table(patient: Cohort, name: str) -> Table | None:
    """Return the one row that a table holds of a patient, None if it did not measure him."""
    modality = patient.modalities.get(name)
    if not isinstance(modality, Table) or not patient.has(name)[0]:
        return None
    return modality.take(patient.positions(name))


def varied(
    patient: Cohort, columns: Mapping[str, Mapping[str, Column]], n: int, forms: Cohort
) -> Cohort:
    """Return a patient `n` times, with other values in some columns of some tables.

    Parameters
    ----------
    patient : Cohort
        Of one patient.
    columns : mapping of str to mapping of str to column
        Modality, feature, and its `n` values.
    n : int
    forms : Cohort
        Whose tables say which features, of which kinds, a table has that did not measure
        the patient; what is given no value is then missing.

    Raises
    ------
    InputError
        If a table or a feature is not there.
    """
    many = patient
    for name in columns:
        if name not in patient.modalities:
            many = many.with_modality(name, _empty(forms, name, patient.index))
    many = many[np.zeros(n, dtype=np.intp)]
    for name, values in columns.items():
        row = measured_table(patient, name)
        form = _empty(forms, name, patient.index) if row is None else row
        table = form.take(np.zeros(n, dtype=np.intp))
        changed = table.replaced(_blocks(table, values))
        many = many.assigned(name, changed, np.arange(n, dtype=np.intp))
    return many


def _empty(forms: Cohort, name: str, index: pd.Index) -> Table:
    """Return a table of one patient in which nothing is known."""
    form = forms.modalities.get(name)
    if not isinstance(form, Table):
        raise InputError(f"there is no table {name!r}.{suggestion(name, forms.modalities)}")
    blank = pd.DataFrame(np.nan, index=index, columns=list(form.features))
    return Table(blank, kinds=form.kinds, units=form.units)


def _blocks(table: Table, values: Mapping[str, Column]) -> Blocks:
    numeric, text = np.array(table.numeric), table.categorical.copy()
    places = {feature: i for i, feature in enumerate(table.numeric_features)}
    for feature, column in values.items():
        if feature in places:
            numeric[:, places[feature]] = column
        elif feature in text.columns:
            text[feature] = np.array(column, dtype=object)
        else:
            raise InputError(
                f"there is no feature {feature!r}.{suggestion(feature, table.features)}"
            )
    return Blocks(numeric, text)
