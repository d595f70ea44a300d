"""Who was measured, how: patients, modalities, outcomes, and where they are read from."""

from consilience.cohort.bag import Bag, bag_of
from consilience.cohort.cohort import Cohort
from consilience.cohort.embedded import embedded_cohorts, tcga_acc
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
from consilience.cohort.synthetic import Synthetic, Truth, synthetic_cohort, synthetic_truth
from consilience.cohort.table import Table

__all__ = [
    "Bag",
    "Binary",
    "Cohort",
    "Continuous",
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
    "embedded_cohorts",
    "synthetic_cohort",
    "synthetic_truth",
    "tcga_acc",
]
