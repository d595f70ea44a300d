"""Cohorts that come with the package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from consilience.cohort.cohort import Cohort
from consilience.cohort.table import Kind, Table

DATA = Path(__file__).parent / "data"

_STAGES = {"stage i": 1.0, "stage ii": 2.0, "stage iii": 3.0, "stage iv": 4.0}
_T_STAGES = {"t1": 1.0, "t2": 2.0, "t3": 3.0, "t4": 4.0}
_N_STAGES = {"n0": 0.0, "n1": 1.0}
_PATIENT_COLUMNS = {
    "years_to_birth": "age",
    "gender": "sex",
    "race": "race",
    "ethnicity": "ethnicity",
    "date_of_initial_pathologic_diagnosis": "year_of_diagnosis",
    "pathologic_stage": "stage",
    "residual_tumor": "residual_tumor",
    "radiation_therapy": "radiation_therapy",
    "C1A.C1B": "C1A.C1B",
    "mRNA_K4": "mRNA_K4",
    "MethyLevel": "MethyLevel",
    "miRNA.cluster": "miRNA.cluster",
    "SCNA.cluster": "SCNA.cluster",
    "protein.cluster": "protein.cluster",
    "COC": "COC",
    "OncoSign": "OncoSign",
    "purity": "purity",
    "ploidy": "ploidy",
    "genome_doublings": "genome_doublings",
    "ADS": "ADS",
}


def tcga_acc() -> Cohort:
    """Return 92 patients with adrenocortical carcinoma from The Cancer Genome Atlas.

    The outcome is overall survival, ``Survival("vital_status", "days")``:
    `vital_status` is 1 for the 34 who died; `days` is the days from diagnosis to death,
    or to the last follow-up of those who did not die. One patient died on day 0.

    The modalities, really missing for some:

    - ``clinical`` (92): age, sex, pathologic stage (1 to 4), T (1 to 4), N (0 or 1)
      and histology. That is what a clinician holds when the tumour has been removed
      and examined, before anything else happens. Left out, and kept as columns of
      `patients`: residual tumour and radiation (what the treatment was and left),
      race and ethnicity (to look at subgroups, not to predict by), and the year of
      diagnosis (it bounds how long a patient can have been followed).
      Left out altogether: the number of lymph nodes, known for 31.
    - ``rna`` (79 x 198): log2(x + 1) of normalised counts.
    - ``mirna`` (80 x 471): log2(x + 1) of counts.
    - ``copy_number`` (90 x 198): GISTIC calls, -2 (deep loss) to 2 (amplification).
    - ``protein`` (46 x 33): reverse-phase protein array levels.
    - ``mutation`` (90 x 97): 1 where the gene is mutated.

    `patients` also holds the molecular subtypes and clusters of the TCGA study. They
    were made from these very data, by looking at all patients: groups to compare,
    never features.

    Sources: TCGA open-access data as shipped in the Bioconductor package
    MultiAssayExperiment (miniACC), Artistic-2.0; Zheng et al., Cancer Cell 2016.

    Examples
    --------
    >>> from consilience.cohort import Survival, tcga_acc
    >>> target = Survival("vital_status", "days").of(tcga_acc())
    >>> len(target.cohort), int(target.y["event"].sum()), len(target.left_out)
    (91, 33, 1)
    """
    source = _read("clinical")
    tables = {
        "clinical": _clinical(source),
        "rna": _log2("rna", "log2(normalised count + 1)"),
        "mirna": _log2("mirna", "log2(count + 1)"),
        "copy_number": _as_is("copy_number", "continuous", "GISTIC call"),
        "protein": _as_is("protein", "continuous", "RPPA level"),
        "mutation": _as_is("mutation", "binary"),
    }
    return Cohort(_patients(source), tables, name="tcga-acc")


COHORTS: dict[str, Callable[[], Cohort]] = {"tcga-acc": tcga_acc}


def embedded_cohorts() -> tuple[str, ...]:
    """Return the names of the cohorts that come with the package, for `open_cohort`."""
    return tuple(COHORTS)


def _read(name: str) -> pd.DataFrame:
    return pd.read_csv(DATA / "tcga-acc" / f"{name}.csv", index_col="patient")


def _patients(source: pd.DataFrame) -> pd.DataFrame:
    days = source["days_to_death"].where(
        source["vital_status"] == 1, source["days_to_last_followup"]
    )
    outcome = pd.DataFrame({"vital_status": source["vital_status"], "days": days})
    return outcome.join(source[list(_PATIENT_COLUMNS)].rename(columns=_PATIENT_COLUMNS))


def _clinical(source: pd.DataFrame) -> Table:
    frame = pd.DataFrame(
        {
            "age": source["years_to_birth"].astype(float),
            "sex": source["gender"],
            "stage": source["pathologic_stage"].map(_STAGES),
            "t_stage": source["pathology_T_stage"].map(_T_STAGES),
            "n_stage": source["pathology_N_stage"].map(_N_STAGES),
            "histology": source["Histology"],
        }
    )
    kinds: dict[str, Kind] = {"age": "continuous", "stage": "continuous", "t_stage": "continuous"}
    return Table(frame, kinds=kinds, units={"age": "years"})


def _log2(name: str, unit: str) -> Table:
    counts = _read(name)
    frame = pd.DataFrame(
        np.log2(counts.to_numpy(dtype=float) + 1), index=counts.index, columns=counts.columns
    )
    return Table(
        frame,
        kinds=dict.fromkeys(frame.columns, "continuous"),
        units=dict.fromkeys(frame.columns, unit),
    )


def _as_is(name: str, kind: Kind, unit: str | None = None) -> Table:
    frame = _read(name)
    units = {} if unit is None else dict.fromkeys(frame.columns, unit)
    return Table(frame, kinds=dict.fromkeys(frame.columns, kind), units=units)
