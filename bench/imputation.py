"""Held-out entries and held-out modalities of real cohorts, imputed by every method that can.

    python bench/imputation.py ["joint NMF" ...]

With words, only methods whose name has one are run, and take their place in the table.
A tenth of the measured values, or a tenth of the patients of each modality, is hidden,
three times; every method is fitted on what is left and fills it. Errors are in standard
deviations of each feature: 1 is what its mean makes.
"""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.exceptions import ConvergenceWarning

from consilience.cohort import Cohort, tcga_acc
from consilience.fusion.factor_model import MOFA
from consilience.fusion.imputation_score import hide_entries, hide_modalities, imputation_scores
from consilience.fusion.joint_nmf import JointNMF
from consilience.fusion.similarity_network import SimilarityNetworkFusion
from consilience.fusion.sparse_cca import SparseCCA
from consilience.fusion.stacked_imputation import usual_imputers
from loaders import breast_tcga, hancock

RESULTS = Path(__file__).parent / "results"
SHARE, REPEATS = 0.1, 3
HIDING = {"entries": hide_entries, "modalities": hide_modalities}
FACTORS = (5, 15)


def cohorts() -> dict[str, Cohort]:
    """Return the cohorts; the first two lie beside the project."""
    return {
        "breast-tcga": breast_tcga()[0],
        "HANCOCK, clinical and blood": hancock().only(["clinical", "blood"]),
        "tcga-acc": tcga_acc(),
    }


def methods() -> dict[str, Any]:
    """Return what is compared."""
    return {
        **usual_imputers(),
        **{f"MOFA, {k} factors": MOFA(n_factors=k) for k in FACTORS},
        **{
            f"joint NMF, {k}": JointNMF(n_components=k, negatives="shift", random_state=0)
            for k in FACTORS
        },
        # As the page of joint NMF advises for imputation.
        "joint NMF, 16 centred": JointNMF(
            n_components=16, negatives="centre", l1=0.05, random_state=0
        ),
        "network fusion": SimilarityNetworkFusion(),
        "sparse CCA, 5": SparseCCA(n_components=5, penalty=0.6),
    }


def main() -> None:
    """Score every method on every cohort, both ways of hiding."""
    asked = sys.argv[1:]
    chosen = {
        name: method
        for name, method in methods().items()
        if not asked or any(word in name for word in asked)
    }
    tables = []
    for cohort_name, cohort in cohorts().items():
        for hidden, hide in HIDING.items():
            for name, method in chosen.items():
                start = time.perf_counter()
                scores = _scores(cohort, name, method, hide)
                tables.append(scores.assign(cohort=cohort_name, hidden=hidden))
                seconds = time.perf_counter() - start
                errors = ", ".join(f"{row.modality} {row.nrmse:.3f}" for row in scores.itertuples())
                print(f"{cohort_name}, {hidden}: {name}: {errors} ({seconds:.0f} s)", flush=True)
    write(_merged(pd.concat(tables, ignore_index=True)))


def _merged(new: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the new rows in the place of older ones of the same methods."""
    path = RESULTS / "imputation.csv"
    whole = set(new["method"]) == set(methods())
    if whole or not path.exists():
        return new
    old = pd.read_csv(path)
    return pd.concat([old[~old["method"].isin(new["method"])], new], ignore_index=True)


def _scores(cohort: Cohort, name: str, method: Any, hide: Any) -> pd.DataFrame:
    with warnings.catch_warnings():
        # Said in `usual_imputers`: five rounds of the iterative imputer do not settle.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return imputation_scores(cohort, {name: method}, hide=hide, share=SHARE, repeats=REPEATS)


def write(table: pd.DataFrame) -> None:
    """Write one table a cohort and way of hiding, methods in rows and modalities in columns."""
    lines = [
        "# Imputation of hidden values",
        "",
        f"{SHARE:.0%} hidden, {REPEATS} times (seed 0). Error in standard deviations of each "
        "feature (95% interval over the repeats), and correlation with the truth. The last "
        "column is seconds to fit and impute once.",
    ]
    for (cohort, hidden), part in table.groupby(["cohort", "hidden"], sort=False):
        modalities = list(dict.fromkeys(part["modality"]))
        lines += ["", f"## {cohort}: {hidden}", ""]
        lines += [
            f"| method | {' | '.join(modalities)} | s |",
            "|---" * (len(modalities) + 2) + "|",
        ]
        for method, rows in part.groupby("method", sort=False):
            cells = rows.set_index("modality")
            told = " | ".join(_cell(cells.loc[name]) for name in modalities)
            lines.append(f"| {method} | {told} | {rows['seconds'].max():.1f} |")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "imputation.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    table.round(6).to_csv(RESULTS / "imputation.csv", index=False)


def _cell(row: pd.Series) -> str:
    cell = f"{row['nrmse']:.3f} ({row['nrmse_low']:.3f} to {row['nrmse_high']:.3f})"
    return cell if pd.isna(row["correlation"]) else f"{cell}, r {row['correlation']:.2f}"


if __name__ == "__main__":
    sys.exit(main())
