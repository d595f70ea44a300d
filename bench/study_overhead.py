"""What the study costs over the same folds written by hand with scikit-learn.

    python bench/study_overhead.py

Both sides fit each modality alone, the late mean and early fusion, with the same tuned
logistic regression on the same outer and inner folds, on one core, and both end with the
held-out probabilities on the disk. They take turns; the ratio is of each pair. The two
must also agree on the probabilities, else the comparison is off.

The hand-written folds choose by scikit-learn's ``neg_log_loss``, as one would write them.
Our scorer checks less and is faster; to tell what the study itself adds, they run once
more with it.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from consilience.cohort import Binary, Cohort, synthetic_cohort
from consilience.fusion import EarlyFusion
from consilience.fusion.task import Classification
from consilience.fusion.tuned import _Skill
from consilience.study import Candidate, Protocol, Study
from consilience.study.candidates import default_learner
from consilience.study.learners import ridge
from consilience.study.protocol import Fold

PAIRS, PATIENTS, FEATURES = 5, 600, 300
PROTOCOL = Protocol(folds=5, repeats=1, inner_folds=3, seed=0)


def by_hand(
    cohort: Cohort, y: np.ndarray, folds: list[Fold], out: Path, scoring: object = "neg_log_loss"
) -> pd.DataFrame:
    """Fit and predict with scikit-learn alone."""
    fit = partial(_fit, scoring=scoring)
    tables = [cohort.modalities[name].frame.to_numpy() for name in cohort.modalities]
    rows = []
    with threadpool_limits(1):
        for fold in folds:
            singles = [fit(X[fold.train], y[fold.train], X[fold.test]) for X in tables]
            late = [fit(X[fold.train], y[fold.train], X[fold.test]) for X in tables]
            stacked = np.hstack(tables)
            early = fit(stacked[fold.train], y[fold.train], stacked[fold.test])
            for number, p in enumerate([*singles, np.mean(late, axis=0), early]):
                rows.append(pd.DataFrame({"candidate": number, "patient": fold.test, "p": p}))
    frame = pd.concat(rows)
    frame.to_parquet(out)
    return frame


def _fit(X: np.ndarray, y: np.ndarray, new: np.ndarray, scoring: object) -> np.ndarray:
    scaler = StandardScaler().fit(X)
    grid = ridge("binary").grid
    inner = StratifiedKFold(PROTOCOL.inner_folds, shuffle=True, random_state=PROTOCOL.seed)
    search = GridSearchCV(LogisticRegression(max_iter=2000), dict(grid), cv=inner, scoring=scoring)
    return search.fit(scaler.transform(X), y).predict_proba(scaler.transform(new))[:, 1]


def by_study(study: Study, folder: Path) -> pd.DataFrame:
    """Run the same candidates as a study."""
    study.evaluate(study.prepare(folder))
    return pd.read_parquet(folder / "scores.parquet")


def main() -> None:
    """Print the ratio of wall times, pair by pair."""
    cohort, _ = synthetic_cohort(PATIENTS, modalities=3, features=FEATURES, seed=0)
    outcome = Binary("outcome")
    early = Candidate("early", EarlyFusion(default_learner(outcome, PROTOCOL)))
    study = Study(cohort, outcome, [early], PROTOCOL)
    y, folds = study.target.y, study.folds
    scorer = _Skill(Classification().fit(y))
    ratios, added = [], []
    for _ in range(PAIRS):
        with tempfile.TemporaryDirectory() as name:
            place = Path(name)
            ours, study_s = timed(by_study, study, place / "study")
            theirs, hand_s = timed(by_hand, study.target.cohort, y, folds, place / "p")
            _, same_s = timed(by_hand, study.target.cohort, y, folds, place / "q", scorer)
        ratios.append(study_s / hand_s)
        added.append(1000 * (study_s - same_s) / (len(study.candidates) * len(folds)))
        print(f"study {study_s:.2f} s, by hand {hand_s:.2f} s: {ratios[-1]:.3f}")
    same = np.abs(np.sort(ours["probability:1"]) - np.sort(theirs["p"])).max()
    print(f"largest difference of the probabilities: {same:.1e}")
    print(f"added by the study itself: median {statistics.median(added):.1f} ms a fit")
    print(f"median ratio {statistics.median(ratios):.3f} (at most 1.10)")


def timed(function: Callable[..., pd.DataFrame], *given: object) -> tuple[pd.DataFrame, float]:
    """Return what a function returns, and how many seconds it took."""
    start = time.perf_counter()
    return function(*given), time.perf_counter() - start


if __name__ == "__main__":
    main()
