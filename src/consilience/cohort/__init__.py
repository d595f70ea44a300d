"""Who was measured, how: patients, modalities, outcomes, and where they are read from."""

from consilience.cohort.assembling import read_cohort
from consilience.cohort.bag import Bag, bag_of
from consilience.cohort.cohort import Cohort
from consilience.cohort.description import Description, describe
from consilience.cohort.embedded import embedded_cohorts, tcga_acc
from consilience.cohort.fingerprint import fingerprint
from consilience.cohort.images import Images
from consilience.cohort.modality import Modality
from consilience.cohort.outcome import (
    Binary,
    Continuous,
    EventBy,
    Multiclass,
    Outcome,
    Survival,
    Target,
)
from consilience.cohort.reading import read_patients, read_table
from consilience.cohort.storage import open_cohort, save_cohort
from consilience.cohort.synthetic import Synthetic, Truth, synthetic_cohort, synthetic_truth
from consilience.cohort.table import Table

__all__ = [
    "Bag",
    "Binary",
    "Cohort",
    "Continuous",
    "Description",
    "EventBy",
    "Images",
    "Modality",
    "Multiclass",
    "Outcome",
    "Survival",
    "Synthetic",
    "Table",
    "Target",
    "Truth",
    "bag_of",
    "describe",
    "embedded_cohorts",
    "fingerprint",
    "open_cohort",
    "read_cohort",
    "read_patients",
    "read_table",
    "save_cohort",
    "synthetic_cohort",
    "synthetic_truth",
    "tcga_acc",
]
