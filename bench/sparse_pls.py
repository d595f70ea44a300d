"""Multi-block sparse PLS-DA: against R mixOmics, and as patients, features and modalities grow.

python bench/sparse_pls.py

R is not run here: its time is the one measured once, on two cores, with mixOmics'
``block.splsda`` on breast-tcga's training patients (150 patients; 200, 184 and 142
features; two components; design 0.1; the same numbers of features). It finds components
and nothing else; so does the first line. `BlockSparsePLSDA.fit` also reads the cohort,
calibrates on five inner folds and, in the last line, chooses numbers of features and of
components.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import balanced_accuracy_score

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.loaders import breast_tcga

from consilience.cohort import Cohort, Table
from consilience.errors import InputError
from consilience.fusion.numerics.block_components import Settings
from consilience.fusion.numerics.component_search import Chain, standardised
from consilience.fusion.sparse_pls_da import BlockSparsePLSDA
from consilience.fusion.sparse_pls_settings import design_matrix
from consilience.fusion.two_block_pls import TwoBlockPLS

R_SECONDS = 0.026
KEEP = {"mrna": [16, 17], "mirna": [18, 5], "protein": [5, 5]}
SIZES = [  # patients, features a modality, modalities
    (100, 1000, 3),
    (200, 1000, 3),
    (400, 1000, 3),
    (800, 1000, 3),
    (200, 100, 3),
    (200, 10_000, 3),
    (200, 1000, 2),
    (200, 1000, 6),
]


def seconds(work: Callable[[], object], runs: int) -> float:
    """Return the median time."""
    work()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def against_r() -> None:
    """Print times and errors on breast-tcga, whose test patients lack protein."""
    train, test = breast_tcga()
    y, truth = (part.patients["subtype"].to_numpy() for part in (train, test))
    frames = [train.modalities[name].frame.to_numpy() for name in KEEP]
    outcome = (y[:, None] == np.unique(y)).astype(float)
    settings = Settings(design_matrix(0.1, list(KEEP)))
    keep = list(zip(*KEEP.values(), strict=True))

    def components() -> Chain:
        chain = Chain.of([standardised(frame, frame)[0] for frame in frames], outcome)
        for own in keep:
            chain = chain.longer(own, settings)
        return chain

    own = seconds(components, 30)
    print(f"breast-tcga, components as R finds them: {own:.4f} s; R block.splsda {R_SECONDS} s,")
    print(f"    {R_SECONDS / own:.1f} times as long (on another day's two cores)")
    given = BlockSparsePLSDA(n_components=2, keep=KEEP, random_state=0)
    print(
        f"breast-tcga, fit with five inner folds:  {seconds(lambda: given.fit(train, y), 10):.3f} s"
    )
    tuned = BlockSparsePLSDA(random_state=0)
    print(
        f"breast-tcga, fit with everything tuned:  {seconds(lambda: tuned.fit(train, y), 5):.3f} s"
    )
    for name, model in {"keep as given": given, "tuned": tuned}.items():
        vote = 1 - balanced_accuracy_score(truth, model.vote(test))
        said = 1 - balanced_accuracy_score(truth, model.predict(test))
        loss = model.task_.loss(truth, model.predict_proba(test)).mean()
        print(f"    {name:14} balanced error: vote {vote:.4f}, probabilities {said:.4f}; "
              f"log loss {loss:.3f}")  # fmt: skip


def cohort_of(n: int, p: int, modalities: int) -> tuple[Cohort, np.ndarray]:
    """Return a cohort in which ten features of each modality know the class."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, n)
    ids = [f"p{i:05d}" for i in range(n)]
    tables = {}
    for place in range(modalities):
        values = rng.normal(size=(n, p))
        values[:, :10] += y[:, None]
        names = [f"m{place}_{j}" for j in range(p)]
        frame = pd.DataFrame(values, index=ids, columns=names)
        tables[f"m{place}"] = Table(frame, kinds=dict.fromkeys(names, "continuous"))
    return Cohort(pd.DataFrame(index=ids), tables), y


def as_it_grows() -> None:
    """Print times as patients, features and modalities grow."""
    print("\npatients  features  modalities   given keep (s)   tuned (s)   two-block PLS (s)")
    for n, p, modalities in SIZES:
        cohort, y = cohort_of(n, p, modalities)
        given = BlockSparsePLSDA(n_components=2, keep=10, random_state=0)
        tuned = BlockSparsePLSDA(random_state=0)
        pair = TwoBlockPLS()
        times = [seconds(partial(model.fit, cohort, y), 3) for model in (given, tuned, pair)]
        print(
            f"{n:8}  {p:8}  {modalities:10}   {times[0]:14.2f}   {times[1]:9.2f}   {times[2]:17.2f}"
        )


def main() -> None:
    """Print both."""
    try:
        against_r()
    except InputError as reason:
        print(f"not compared: {reason}")
    as_it_grows()


if __name__ == "__main__":
    main()
