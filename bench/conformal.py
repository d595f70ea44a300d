"""Do conformal sets and bounds hold what they promise, on patients of HANCOCK held out?

    python bench/conformal.py [repeats]

Each repeat takes a third of the patients away and does with the rest what a study does:
scores from five folds, thresholds from these scores, the model refitted on all of the
rest. Coverage is that of the third. The repeats share their patients, so the error told
is that of drawing splits (standard deviation over repeats by the root of their number), and
not that of drawing patients.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, train_test_split
from sksurv.linear_model import CoxPHSurvivalAnalysis

from consilience.cohort import Cohort, EventBy, Outcome, Survival
from consilience.fusion import EarlyFusion
from consilience.metrics import Scores, SurvivalCurves
from consilience.metrics.scores import Probabilities
from consilience.trust.conformal import ClassSets
from consilience.trust.strata import strata_of
from consilience.trust.survival_bounds import TimeBounds, Uncensored
from consilience.trust.taxonomy import Taxonomy
from consilience.trust.thresholds import FEWEST
from loaders import hancock

GROUPS = ("sex_code", "age")
LEVELS = (0.8, 0.9, 0.95)
FOLDS = 5
REPEATS = 200
YEAR = 365.25
Y = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Held:
    """One repeat: the patients taken away, what is said of them and what came about."""

    cohort: Cohort
    y: Y
    scores: Scores
    sure: ClassSets | TimeBounds
    taxonomy: Taxonomy


def clinic(outcome: Outcome) -> tuple[Cohort, Y]:
    """Return the patients with clinical data, pathology and blood, and their outcome."""
    target = outcome.of(hancock().only(["clinical", "pathological", "blood"]))
    return target.cohort, target.y


def held_out(cohort: Cohort, y: Y, repeats: int) -> Iterator[Held]:
    """Yield the repeats."""
    survival = bool(y.dtype.names)
    strata = y["event"] if survival else y
    learner = CoxPHSurvivalAnalysis(alpha=10.0) if survival else LogisticRegression(C=0.05)
    model = EarlyFusion(learner)
    for seed in range(repeats):
        train, test = train_test_split(
            np.arange(len(y)), test_size=1 / 3, stratify=strata, random_state=seed
        )
        inside, known = cohort[train], y[train]
        scores = out_of_fold(model, inside, known, strata[train], seed)
        taxonomy = Taxonomy.of(inside.patients, GROUPS, fewest=FEWEST)
        learn = TimeBounds.of if survival else ClassSets.of
        sure: Any = learn([scores], known, taxonomy.groups(inside))
        model.fit(inside, known)
        yield Held(cohort[test], y[test], model.scores(cohort[test]), sure, taxonomy)


def out_of_fold(model: EarlyFusion, cohort: Cohort, y: Y, strata: Y, seed: int) -> Any:
    """Return each patient's scores by a model that never saw him."""
    times = np.unique(y["time"][y["event"]]) if y.dtype.names else None
    values: Any = None
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for train, test in folds.split(np.zeros(len(y)), strata):
        told = model.fit(cohort[train], y[train]).scores(cohort[test])
        if times is not None:
            told = SurvivalCurves(told.at(times), times)
        values = np.full((len(y), told.values.shape[1]), np.nan) if values is None else values
        values[test] = told.values
    if times is not None:
        return SurvivalCurves(values, times)
    return Probabilities(values, np.unique(y))


def outcome_of_each(held: Held, level: float) -> tuple[Y, Y]:
    """Return for each patient what counts as missed (weighted), and the size of his set."""
    groups = held.taxonomy.groups(held.cohort)
    if isinstance(held.sure, ClassSets):
        sets = held.sure.sets(held.scores, groups, level)
        missed = [str(true) not in one.labels for one, true in zip(sets, held.y, strict=True)]
        return np.array(missed, dtype=float), np.array([len(one.labels) for one in sets])
    bounds = [interval.low or 0.0 for interval, _ in held.sure.bounds(held.scores, groups, level)]
    early = held.y["event"] & (held.y["time"] < np.array(bounds))
    return early * Uncensored.of(held.y).weights(held.y), np.array(bounds) / YEAR


def coverage(cohort: Cohort, repeats: Sequence[Held]) -> pd.DataFrame:
    """Return coverage and size for each level and group, over the repeats."""
    strata = {"all": np.ones(len(cohort), dtype=bool)}
    for column in GROUPS:
        for one in strata_of(cohort.patients[column]):
            strata[f"{column} {one.label}"] = one.members
    rows = []
    for level in LEVELS:
        each = [outcome_of_each(held, level) for held in repeats]
        for name, members in strata.items():
            chosen = [held.cohort.index.isin(cohort.index[members]) for held in repeats]
            pairs = list(zip(each, chosen, strict=True))
            found = np.array([1 - missed[rows_].mean() for (missed, _), rows_ in pairs])
            sizes = [size[rows_].mean() for (_, size), rows_ in pairs]
            rows.append(
                {
                    "level": level,
                    "group": name,
                    "patients": float(np.mean([rows_.sum() for rows_ in chosen])),
                    "coverage": float(found.mean()),
                    "points off": 100 * float(found.mean() - level),
                    "error of splits": 100 * float(found.std(ddof=1) / np.sqrt(len(found))),
                    "size": float(np.mean(sizes)),
                }
            )
    return pd.DataFrame(rows)


OUTCOMES: dict[str, Outcome] = {
    "hancock-conformal-death-5-years": EventBy("death", "days_to_last_information", 5 * YEAR),
    "hancock-conformal-survival": Survival("death", "days_to_last_information"),
}


def main(repeats: int) -> None:
    """Write both tables."""
    from real_cohorts import write

    for name, outcome in OUTCOMES.items():
        start = time.perf_counter()
        cohort, y = clinic(outcome)
        table = coverage(cohort, list(held_out(cohort, y, repeats)))
        seconds = time.perf_counter() - start
        heading = (
            f"{name}: {len(cohort)} patients, a third held out {repeats} times; {seconds:.0f} s"
        )
        what = "years of the mean lower bound" if y.dtype.names else "mean classes in a set"
        write(name, heading, table, f"Size: {what}. Points off: coverage less level, in points.")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else REPEATS)
