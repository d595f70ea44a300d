"""The real cohorts of ``../shared/data``, for benchmarks and the tests that use them.

Each function says what became of every column. Patients and modalities are as the
files have them: nothing is imputed, and a modality that a patient lacks is missing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from consilience.cohort import Cohort, Table
from consilience.cohort.table import Kind
from consilience.errors import InputError

ROOT = Path(__file__).resolve().parents[1].parent / "shared" / "data"
STAINS = ("HE", "CD3", "CD8", "CD56", "CD68", "CD163", "MHC1", "PDL1")
HANCOCK_CODES = {
    "clinical": ["sex", "smoking_status"],
    "pathological": [
        "primary_tumor_site",
        "grading",
        "hpv_association_p16",
        "resection_status",
        "resection_status_carcinoma_in_situ",
        "histologic_type",
        "pT_stage",
        "pN_stage",
    ],
}
HEART_COLUMNS = (
    "age", "sex", "cp", "trestbps", "chol", "fbs", "restecg",
    "thalach", "exang", "oldpeak", "slope", "ca", "thal", "num",
)  # fmt: skip
HEART_PARTS = {
    "history": ("age", "sex", "cp"),
    "basic": ("trestbps", "chol", "fbs"),
    "exercise": ("restecg", "thalach", "exang", "oldpeak", "slope"),
    "imaging": ("ca", "thal"),
}
HEART_CODES = ("cp", "restecg", "slope", "thal")
HEART_UNITS = {"age": "years", "trestbps": "mmHg", "chol": "mg/dl", "thalach": "1/min"}
HOSPITALS = ("cleveland", "hungarian", "switzerland", "va")
BRCA_PARTS = {
    "demographic": ("age_", "ethnicity_", "race_"),
    "tumour": ("ajcc_", "icd_", "morphology_", "primary_diagnosis_", "tumor_stage_"),
    "history": ("prior_malignancy_", "synchronous_malignancy_"),
    "treatment": ("treatment_",),
}


def data_folder(name: str) -> Path:
    """Return a folder of the shared data.

    Raises
    ------
    InputError
        If it is not there, saying where it was looked for.
    """
    folder = ROOT / name
    if not folder.is_dir():
        raise InputError(
            f"the shared data folder {name!r} is not beside the project (../shared/data/{name})."
        )
    return folder


def hancock() -> Cohort:
    """Return HANCOCK: 763 patients with head and neck cancer, thirteen modalities.

    Outcome columns of `patients`, days counted from the first diagnosis:

    - ``death`` (213) and ``days_to_last_information``: overall survival. The days
      are those of death for the deceased, of the last contact for the others; any
      cause of death counts (``survival_status_with_cause`` tells it).
    - ``recurrence`` (177) and ``days_to_recurrence``: the days to recurrence where there
      was one, as in the file, and else ``days_to_last_information``, where it is empty.
      A patient who died without recurrence is censored at death: the cause-specific hazard.
      (``days_to_rfs_event`` is not used for it: it counts from another day zero, a
      month later at the median, and its event includes death.)
    - ``rfs_event`` (303) and ``days_to_rfs_event``: recurrence-free survival as published;
      some days are zero or negative, which `Survival` leaves out or refuses.

    Codes whose numbers have no order (site, histologic type, smoking, stages coded
    by the authors) are categories. ``primarily_metastasis`` and the pathology are known
    once the tumour has been removed; predict from that day on.
    """
    folder = data_folder("hancock")
    tables = {name: _hancock_table(folder, name) for name in ("clinical", "pathological")}
    tables |= {name: Table(_by_patient(folder / f"{name}.csv")) for name in ("blood", "icd_codes")}
    density = _by_patient(folder / "tma_cell_density.csv").dropna(how="all")
    tables["cell_density"] = Table(density, kinds=dict.fromkeys(density, "continuous"))
    tables |= {f"tma_{stain}": _embedding(folder, stain) for stain in STAINS}
    return Cohort(_hancock_patients(folder), tables, name="hancock")


def breast_tcga() -> tuple[Cohort, Cohort]:
    """Return breast-tcga: 150 tumours to train on, 70 to test on; column ``subtype``.

    Modalities mrna (200), mirna (184) and protein (142), as the R package mixOmics
    ships them, already on a log scale. None of the test tumours has protein.
    """
    folder = data_folder("breast-tcga")
    return _breast(folder, "train", ("mrna", "mirna", "protein")), _breast(
        folder, "test", ("mrna", "mirna")
    )


def tcga_survival(cancer: Literal["blca", "kirc", "lusc"]) -> Cohort:
    """Return one TCGA cancer as prepared for PORPOISE / MCAT.

    The file has a row a slide; all but the slide is the same for a patient, so each
    patient's first row is kept. Outcome: ``event`` (1 = died, that is 1 - censorship)
    and ``survival_months``. ``fold0`` to ``fold4`` say "train" or "val" as published.
    Modalities: clinical (age, female), mutation, copy_number and rna (z-scores); a
    cancer has those of which it has columns.
    """
    folder = data_folder("tcga-survival")
    rows = pd.read_csv(folder / f"{cancer}.csv.zip", low_memory=False)
    frame = rows.drop_duplicates("case_id").set_index("case_id")
    patients = frame[["site", "age", "survival_months"]].assign(
        event=1 - frame["censorship"].astype(int),
        sex=frame["is_female"].map({0: "male", 1: "female"}),
        **{f"fold{k}": _published(folder, cancer, k, frame.index) for k in range(5)},
    )
    tables = {"clinical": Table(frame[["age", "is_female"]], kinds={"age": "continuous"})}
    kinds: dict[str, tuple[str, Kind]] = {
        "mutation": ("_mut", "binary"),
        "copy_number": ("_cnv", "continuous"),
        "rna": ("_rnaseq", "continuous"),
    }
    for name, (suffix, kind) in kinds.items():
        part = frame[[column for column in frame if column.endswith(suffix)]].astype(float)
        if part.shape[1]:
            measured = part.dropna(how="all")
            tables[name] = Table(measured, kinds=dict.fromkeys(measured, kind))
    return Cohort(patients, tables, name=f"tcga-{cancer}")


def heart() -> Cohort:
    """Return the UCI heart disease data of four hospitals (column ``site``), 920 patients.

    Outcome: ``disease`` (1 where ``num`` > 0). Cholesterol and blood pressure of 0 are
    impossible and mean missing. The columns are put in the order in which they are
    measured: history, basic (pressure and blood), exercise (ECG at rest and under load)
    and imaging (fluoroscopy and thallium); a patient without any value of a part was
    not measured by it.
    """
    folder = data_folder("heart-4-hospitals")
    parts = []
    for site in HOSPITALS:
        part = pd.read_csv(folder / f"{site}.data", names=list(HEART_COLUMNS), na_values="?")
        part.index = pd.Index([f"{site}-{i + 1:03d}" for i in range(len(part))])
        parts.append(part.assign(site=site))
    frame = pd.concat(parts)
    frame[["chol", "trestbps"]] = frame[["chol", "trestbps"]].replace(0, np.nan)
    patients = pd.DataFrame(
        {
            "site": frame["site"],
            "disease": (frame["num"] > 0).astype(int),
            "num": frame["num"],
            "age": frame["age"],
            "sex": frame["sex"].map({0: "female", 1: "male"}),
        }
    )
    tables = {name: _heart_part(frame, list(columns)) for name, columns in HEART_PARTS.items()}
    return Cohort(patients, tables, name="heart-4-hospitals")


def fed_tcga_brca() -> Cohort:
    """Return FLamby's fed-tcga-brca: 1,096 patients, 39 features, column ``site``.

    Outcome: ``event`` (E) and ``days`` (T); a patient with 0 days has no follow-up and
    is left out by `Survival`. ``site`` is the region of the tissue source site, the
    third field's code in the TCGA barcode. The features are split by what they tell:
    demographic, tumour, history, treatment (known only later: leave it out to
    predict at diagnosis).
    """
    folder = data_folder("fed-tcga-brca")
    frame = pd.read_csv(folder / "brca.csv", index_col="pid")
    centres = pd.read_csv(folder / "centers.csv", keep_default_na=False).set_index("TSS Code")
    code = frame.index.str.split("-").str[1]
    patients = pd.DataFrame(
        {
            "site": centres.loc[code, "Region"].to_numpy(),
            "centre": code,
            "event": frame["E"].astype(int),
            "days": frame["T"],
            "age": frame["age_at_index"],
        },
        index=frame.index,
    )
    features = [column for column in frame if column not in ("E", "T")]
    tables = {
        name: Table(
            frame[[f for f in features if f.startswith(prefixes)]],
            units={"age_at_index": "years"} if name == "demographic" else None,
        )
        for name, prefixes in BRCA_PARTS.items()
    }
    return Cohort(patients, tables, name="fed-tcga-brca")


def _by_patient(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype={"patient_id": str}).set_index("patient_id")


def _hancock_table(folder: Path, name: str) -> Table:
    frame = _by_patient(folder / f"{name}.csv")
    kinds: dict[str, Kind] = dict.fromkeys(HANCOCK_CODES[name], "categorical")
    return Table(frame, kinds=kinds)


def _hancock_patients(folder: Path) -> pd.DataFrame:
    targets = _by_patient(folder / "targets.csv")
    clinical = _by_patient(folder / "clinical.csv")
    recurred = targets["recurrence"] == "yes"
    last = targets["days_to_last_information"]
    return targets.assign(
        recurrence=recurred.astype(int),
        death=(targets["survival_status"] == "deceased").astype(int),
        days_to_recurrence=targets["days_to_recurrence"].where(recurred, last),
        age=clinical["age_at_initial_diagnosis"],
        sex_code=clinical["sex"],
    )


def _embedding(folder: Path, stain: str) -> Table:
    with np.load(folder / f"tma_tile_dtr_256_{stain}.npz", allow_pickle=False) as file:
        ids = list(file.files)
        values = np.stack([file[patient] for patient in ids])
    frame = pd.DataFrame(values, index=ids, columns=[str(i) for i in range(values.shape[1])])
    return Table(frame, kinds=dict.fromkeys(frame, "continuous"))


def _breast(folder: Path, part: str, names: tuple[str, ...]) -> Cohort:
    patients = pd.read_csv(folder / f"{part}_subtype.csv", index_col="patient")
    tables = {}
    for name in names:
        frame = pd.read_csv(folder / f"{part}_{name}.csv", index_col=0)
        tables[name] = Table(frame, kinds=dict.fromkeys(frame, "continuous"))
    return Cohort(patients, tables, name=f"breast-tcga {part}")


def _published(folder: Path, cancer: str, fold: int, cases: pd.Index) -> pd.Series:
    split = pd.read_csv(folder / f"{cancer}_fold{fold}.csv")
    part = {case: name for name in ("train", "val") for case in split[name].dropna()}
    return pd.Series([part[case] for case in cases], index=cases)


def _heart_part(frame: pd.DataFrame, columns: list[str]) -> Table:
    part = frame[columns].dropna(how="all")
    codes = [name for name in columns if name in HEART_CODES]
    for name in codes:
        part[name] = part[name].map(lambda code: code if pd.isna(code) else str(int(code)))
    kinds: dict[str, Kind] = dict.fromkeys(codes, "categorical")
    units = {name: unit for name, unit in HEART_UNITS.items() if name in columns}
    return Table(part, kinds=kinds, units=units)
