"""Held-out modalities of real patients: autoencoders beside the usual imputers.

    python -m bench deep_imputation
    python bench/deep_imputation.py [word ...]

With words, only methods whose name has one are run, and take their place in the table. A
modality is hidden from a tenth of the patients who have it, each method is fitted on
what is left and fills it; three times. Errors are in standard deviations of each feature,
and correlations those of true and imputed values in these units.

Of each of HANCOCK's eight embeddings every sixteenth number is taken (32 of 512), so that
the iterative imputer ends in minutes.
"""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.exceptions import ConvergenceWarning

from consilience.cohort import Cohort, Table
from consilience.fusion.factor_model import MOFA
from consilience.fusion.imputation_score import hide_modalities, imputation_scores
from consilience.fusion.joint_nmf import JointNMF
from consilience.fusion.multimodal_autoencoder import MultimodalAutoencoder
from consilience.fusion.multimodal_vae import MultimodalVAE
from consilience.fusion.stacked_imputation import usual_imputers
from consilience.nn.training import Training
from loaders import STAINS, breast_tcga, hancock

RESULTS = Path(__file__).parent / "results"
SHARE, REPEATS, STEP, NETWORKS = 0.1, 3, 16, 5
TRAINING = Training(60, 10, learning_rate=3e-3)  # fewer epochs than usual, for time


def cohorts() -> dict[str, Cohort]:
    """Return the cohorts."""
    patients = hancock()
    for stain in STAINS:
        frame = patients.modalities[f"tma_{stain}"].frame.iloc[:, ::STEP]
        table = Table(frame, kinds=dict.fromkeys(frame, "continuous"))
        patients = patients.with_modality(f"tma_{stain}", table)
    return {"breast-tcga": breast_tcga()[0], "HANCOCK": patients}


def methods() -> dict[str, Any]:
    """Return what is compared."""
    return {
        **usual_imputers(),
        "MOFA, 15 factors": MOFA(n_factors=15),
        "joint NMF, 16 centred": JointNMF(
            n_components=16, negatives="centre", l1=0.05, random_state=0
        ),
        **{name: method.set_params(training=TRAINING) for name, method in deep().items()},
    }


def deep() -> dict[str, Any]:
    """Return the autoencoders."""
    return {
        "autoencoder": MultimodalAutoencoder(),
        f"autoencoder, {NETWORKS} networks": MultimodalAutoencoder(members=NETWORKS),
        "VAE": MultimodalVAE(),
        f"VAE, {NETWORKS} networks": MultimodalVAE(members=NETWORKS),
        "VAE, nothing private": MultimodalVAE(private=0),
        "VAE, mixture": MultimodalVAE(experts="mixture"),
        "VAE, mixture of products": MultimodalVAE(experts="mixture-of-products"),
    }


def main() -> None:
    """Score every method on both cohorts."""
    asked = sys.argv[1:]
    chosen = {
        name: method
        for name, method in methods().items()
        if not asked or any(word in name for word in asked)
    }
    for cohort_name, cohort in cohorts().items():
        for name, method in chosen.items():
            start = time.perf_counter()
            scores = _scores(cohort, name, method).assign(cohort=cohort_name)
            write(_merged(scores))  # at once: a run that is broken off keeps what it has
            told = f"mean correlation {scores['correlation'].mean():.3f}"
            seconds = time.perf_counter() - start
            print(f"{cohort_name}: {name}: {told} ({seconds:.0f} s)", flush=True)


def _scores(cohort: Cohort, name: str, method: Any) -> pd.DataFrame:
    with warnings.catch_warnings():
        # Said in `usual_imputers`: five rounds of the iterative imputer do not settle.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return imputation_scores(
            cohort, {name: method}, hide=hide_modalities, share=SHARE, repeats=REPEATS
        )


def _merged(new: pd.DataFrame) -> pd.DataFrame:
    """Return the table with a method's new rows on a cohort in the place of older ones."""
    path = RESULTS / "deep-imputation.csv"
    if not path.exists():
        return new
    old = pd.read_csv(path)
    same = old["method"].isin(new["method"]) & old["cohort"].isin(new["cohort"])
    both = pd.concat([old[~same], new], ignore_index=True)
    places = {name: i for i, name in enumerate(methods())}
    both = both[both["method"].isin(list(places))]
    order = both["method"].map(places)
    return (
        both.assign(order=order)
        .sort_values(["cohort", "order"], kind="stable")
        .drop(columns="order")
    )


def write(table: pd.DataFrame) -> None:
    """Write, by cohort, correlations and errors: a row a method, a column a modality."""
    lines = [
        "# Imputation of held-out modalities",
        "",
        f"A modality hidden from {SHARE:.0%} of its patients, {REPEATS} times (seed 0). "
        "Correlation of true and imputed values, standardised by feature, over all hidden values "
        "(the mean of each feature has none: counted as 0); mean over the repeats. Settings "
        "of the autoencoders were chosen on breast-tcga, which flatters them there.",
    ]
    for cohort, part in table.groupby("cohort", sort=False):
        for measure, title in (("correlation", "correlation"), ("nrmse", "error")):
            wide = part.pivot_table(index="method", columns="modality", values=measure, sort=False)
            wide = wide.reindex(part["method"].unique())
            if measure == "correlation":
                wide = wide.fillna(0.0)
            wide["mean"] = wide.mean(axis=1)
            wide["s"] = part.groupby("method")["seconds"].max()
            lines += ["", f"## {cohort}: {title}", "", *_rows(wide)]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "deep-imputation.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    table.round(6).to_csv(RESULTS / "deep-imputation.csv", index=False)


def _rows(wide: pd.DataFrame) -> list[str]:
    lines = [f"| method | {' | '.join(wide.columns)} |", "|---" * (len(wide.columns) + 1) + "|"]
    for method, row in wide.iterrows():
        cells = [f"{value:.1f}" if name == "s" else f"{value:.3f}" for name, value in row.items()]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    sys.exit(main())
