"""Loading what reading a record needs, so that the first patient does not wait for it."""

from __future__ import annotations

from consilience.clinic.fhir.resources import load_models
from consilience.clinic.fhir.ucum import converter
from consilience.clinic.fhir.wanted import reading_of
from consilience.study.bundle.schema import Schema


def prepare(schema: Schema) -> None:
    """Load validators, units and codes (about a second, once), and look a schema over.

    A server calls it before it answers.

    Parameters
    ----------
    schema : Schema
        Of the model that records will be read for.

    Raises
    ------
    InputError
        If a code of the schema's is none.
    MissingExtraError
        If the extra ``clinic`` is not installed.
    """
    load_models()
    converter("mg/dL", "g/L")
    reading_of(schema)
