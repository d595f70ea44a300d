"""What decision support keeps: patients, what was said, what was answered, who may sign in."""

from consilience.clinic.store.records import (
    Answer,
    Card,
    PatientBrief,
    PatientRecord,
    StoreUnavailable,
    UnknownPatient,
    User,
)
from consilience.clinic.store.store import Store

__all__ = [
    "Answer",
    "Card",
    "PatientBrief",
    "PatientRecord",
    "Store",
    "StoreUnavailable",
    "UnknownPatient",
    "User",
]
