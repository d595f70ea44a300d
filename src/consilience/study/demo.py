"""The study that `consilience demo` runs."""

from __future__ import annotations

from consilience.cohort import Survival, open_cohort
from consilience.study.protocol import Protocol
from consilience.study.study import Study


def demo_study() -> Study:
    """Return a survival study on the embedded cohort, all sources, all four methods."""
    return Study(
        open_cohort("tcga-acc"),
        Survival("vital_status", "days", positive=1, label="death"),
        protocol=Protocol(folds=5, repeats=2),
        title="Survival in adrenocortical carcinoma",
    )


def short_demo_study() -> Study:
    """Return the same study with each patient held out once, to have a bundle soon."""
    return Study(
        open_cohort("tcga-acc"),
        Survival("vital_status", "days", positive=1, label="death"),
        protocol=Protocol(folds=5, repeats=1, leave_one_out=False),
        title="Survival in adrenocortical carcinoma",
    )
