"""What leaves a study: the model, the schema of its inputs, calibration, provenance, card."""

from consilience.study.bundle.bundle import Bundle
from consilience.study.bundle.check import Notice
from consilience.study.bundle.documents import BundleProvenance, Calibration, Manifest
from consilience.study.bundle.schema import FeatureSchema, ModalitySchema, Schema

__all__ = [
    "Bundle",
    "BundleProvenance",
    "Calibration",
    "FeatureSchema",
    "Manifest",
    "ModalitySchema",
    "Notice",
    "Schema",
]
