"""Blood against tissue in HANCOCK: do they tell of the same thing, and does that help?

Sparse CCA between the blood and each source of tissue (immune cell density, eight
embeddings of tissue cores): penalty chosen on two thirds of the patients by
cross-validation, p-value by permutation there, and the canonical correlation in the other
third, which nothing was chosen on, with its own permutation p-value. Holm over the nine
sources. Then cooperative learning of blood and H&E against each alone, as a study.
"""

from __future__ import annotations

import time

import numpy as np
import pandas as pd

from candidates import cooperative
from consilience.cohort import Cohort
from consilience.fusion import SparseCCA
from consilience.fusion.canonical_inference import (
    choose_penalty_by_cross_validation,
    permutation_test,
)
from consilience.metrics import holm
from consilience.study.candidates import Candidate
from loaders import STAINS, hancock
from real_cohorts import HANCOCK_OUTCOMES, PROTOCOL, compare, write

SOURCES = ("cell_density", *(f"tma_{stain}" for stain in STAINS))
PERMUTATIONS = 1000
SEED = 0


def main() -> None:
    """Write both tables."""
    cohort = hancock()
    canonical(cohort)
    pair = cohort.only(["blood", "tma_HE"])
    pair = pair[pair.measured.to_numpy().any(axis=1)]
    for name, outcome in HANCOCK_OUTCOMES.items():
        own = [Candidate("cooperative", cooperative(outcome, PROTOCOL))]
        compare(f"{name}-blood-and-HE", pair, outcome, "5-fold three times, seed 0", PROTOCOL, own)


def canonical(cohort: Cohort) -> None:
    """Write what sparse CCA finds between blood and each source of tissue."""
    start = time.perf_counter()
    rows = []
    for source in SOURCES:
        print(f"blood x {source} ...", flush=True)
        rows.append({"tissue": source, **_pair(cohort.only(["blood", source]).complete())})
    table = pd.DataFrame(rows)
    table["p held out (Holm)"] = holm(list(table["p held out"]))
    heading = (
        f"HANCOCK: sparse CCA of blood and tissue, first component, {PERMUTATIONS} permutations, "
        f"seed {SEED}; {time.perf_counter() - start:.0f} s"
    )
    write("hancock-blood-tissue", heading, table, "")


def _pair(cohort: Cohort) -> dict[str, object]:
    rng = np.random.default_rng(SEED)
    order = rng.permutation(len(cohort))
    cut = 2 * len(cohort) // 3
    train, test = cohort[np.sort(order[:cut])], cohort[np.sort(order[cut:])]
    start = SparseCCA(n_components=1)
    choice = choose_penalty_by_cross_validation(start, train, random_state=SEED)
    model = start.set_params(penalty=choice.penalty).fit(train)
    tested = permutation_test(model, train, n=PERMUTATIONS, random_state=SEED)
    pairs = np.column_stack([variate[:, 0] for variate in model.variates(test).values()])
    # Of some patients none of the features with a weight was measured.
    first, second = pairs[np.isfinite(pairs).all(axis=1)].T
    found = float(np.corrcoef(first, second)[0, 1])
    null = [np.corrcoef(first, rng.permutation(second))[0, 1] for _ in range(PERMUTATIONS)]
    return {
        "patients": len(cohort),
        "penalty": choice.penalty,
        "in training": float(model.correlations_[0]),
        "p in training": float(tested["p_value"].iloc[0]),
        "held-out patients": len(first),
        "held out": found,
        "p held out": float((1 + np.sum(np.array(null) >= found)) / (1 + PERMUTATIONS)),
        "blood features": ", ".join(_names(model, "blood")),
    }


def _names(model: SparseCCA, name: str) -> list[str]:
    weights = model.weights_[name][:, 0]
    strongest = np.argsort(-np.abs(weights))[:4]
    return [model.blocks_.features_[name][i] for i in strongest if weights[i]]


if __name__ == "__main__":
    main()
