"""A source that a study made of patient columns, made again of new patients."""

from __future__ import annotations

from consilience.cohort import Cohort, Table
from consilience.study.bundle.schema import ModalitySchema, Schema


def with_patient_columns(cohort: Cohort, schema: Schema) -> tuple[Cohort, list[str]]:
    """Return the cohort with the tables it lacks and whose features its patients' columns are.

    A study's `patient_columns` become a source of the model; new patients have them as
    columns again, not as a modality.

    Returns
    -------
    cohort : Cohort
    names : list of str
        Of the modalities that were made, for the user to be told.
    """
    made = []
    for one in schema.modalities:
        if not _is_made_of_columns(one, cohort):
            continue
        columns = [feature.name for feature in one.features]
        known = cohort.patients[columns].dropna(how="all")  # who has none was not measured
        if len(known):
            cohort = cohort.with_modality(one.name, Table(known))
            made.append(one.name)
    return cohort, made


def _is_made_of_columns(modality: ModalitySchema, cohort: Cohort) -> bool:
    names = {feature.name for feature in modality.features}
    lacking = modality.kind == "table" and modality.name not in cohort.modalities
    return lacking and bool(names) and names <= set(cohort.patients.columns)
