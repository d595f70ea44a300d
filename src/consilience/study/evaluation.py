"""From stored predictions to scores, candidate by candidate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from consilience.cohort import Target
from consilience.metrics import Metric, Probabilities, Scores, SurvivalCurves, Values
from consilience.study.candidates import Candidate
from consilience.study.jobs import ScoreJob
from consilience.study.protocol import Fold
from consilience.study.store import Store

MOST_TIMES = 64


@dataclass(frozen=True)
class Evaluation:
    """One candidate's predictions for patients it had not seen.

    Attributes
    ----------
    candidate : Candidate
    scores : list of Scores
        One a repeat; rows in the target's order. Empty if it failed.
    informed : ndarray of bool, shape (n_patients,)
        Who was told more than the prior, in every repeat.
    fold_scores : dict of str to Scores
        The same, by fold.
    fold_informed : dict of str to ndarray of bool
        Who was told more than the prior, by fold.
    settings : dict
        What was chosen in each fold.
    failed : str or None
    seconds : float or None
        Mean time of a fold, to fit and to predict.
    """

    candidate: Candidate
    scores: list[Scores]
    informed: npt.NDArray[np.bool_]
    fold_scores: dict[str, Scores]
    fold_informed: dict[str, npt.NDArray[np.bool_]]
    settings: dict[str, Any]
    failed: str | None = None
    seconds: float | None = None

    def by_fold(
        self, metric: Metric, y: npt.NDArray[Any], folds: Sequence[Fold]
    ) -> npt.NDArray[np.floating]:
        """Return the metric on each fold's test patients, NaN where it is not defined."""
        return np.array(
            [
                metric(y[fold.test], self.fold_scores[fold.key], train_y=y[fold.train])
                for fold in folds
            ]
        )


def time_grid(y: npt.NDArray[Any]) -> npt.NDArray[np.floating] | None:
    """Return at most 64 quantiles of the event times, at which survival curves are kept."""
    if not y.dtype.names:
        return None
    seen = np.unique(y["time"][y["event"]])
    if len(seen) <= MOST_TIMES:
        return seen
    shares = np.linspace(0, 1, MOST_TIMES)
    return np.unique(np.quantile(seen, shares, method="inverted_cdf"))


def evaluate(
    jobs: Sequence[ScoreJob], target: Target, store: Store, *, removed: float = 0.0
) -> Evaluation:
    """Gather one candidate's results.

    Parameters
    ----------
    jobs : sequence of ScoreJob
        Of this candidate, every fold once.
    removed : float
        The share of the test patients' measurements taken away, one of the jobs'.
    """
    candidate, n = jobs[0].candidate, len(target.y)
    found = {job.key: _only(store.read(job.key), removed) for job in jobs}
    failures = [notes["failed"] for _, notes in found.values() if "failed" in notes]
    settings = {
        job.fold.key: found[job.key][1]["settings"]
        for job in jobs
        if "settings" in found[job.key][1]
    }
    if failures:
        reason = f"failed in {len(failures)} of {len(jobs)} folds: {failures[0]}"
        nobody = np.zeros(n, dtype=bool)
        return Evaluation(candidate, [], nobody, {}, {}, settings, reason)
    by_fold = {job.fold.key: scores_of(found[job.key][0], target.y, job.times) for job in jobs}
    told = {job.fold.key: found[job.key][0]["informed"].to_numpy(dtype=bool) for job in jobs}
    informed = np.ones(n, dtype=bool)
    for job in jobs:
        informed[job.fold.test] &= told[job.fold.key]
    repeats = _by_repeat([job.fold for job in jobs], by_fold, n)
    seconds = float(np.mean([notes["seconds"] for _, notes in found.values()]))
    return Evaluation(candidate, repeats, informed, by_fold, told, settings, seconds=seconds)


def _only(
    stored: tuple[pd.DataFrame, dict[str, Any]], removed: float
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return what was said with a share of the measurements removed, or why nothing was."""
    frame, notes = stored
    if "failed" in notes:
        return stored
    if removed and "removal failed" in notes:
        return frame, {**notes, "failed": notes["removal failed"]}
    return frame[frame["removed"] == removed], notes


def scores_of(
    frame: pd.DataFrame, y: npt.NDArray[Any], times: npt.NDArray[np.floating] | None
) -> Scores:
    """Return the scores in a table that a job wrote."""
    if times is not None:
        return SurvivalCurves(_columns(frame, SurvivalCurves.prefix), times)
    if y.dtype.kind == "f":
        return Values(_columns(frame, Values.prefix))
    return Probabilities(_columns(frame, Probabilities.prefix), np.unique(y))


def score_rows(evaluation: Evaluation, target: Target, folds: Sequence[Fold]) -> pd.DataFrame:
    """Return a candidate's rows of `scores.parquet`; none if it failed."""
    rows = []
    for fold in folds if evaluation.failed is None else []:
        scores = evaluation.fold_scores[fold.key]
        whose = {
            "candidate": evaluation.candidate.name,
            "repeat": fold.repeat,
            "fold": fold.number,
            "patient": target.cohort.index[fold.test].to_numpy(),
            "informed": evaluation.fold_informed[fold.key],
        }
        risk = {"risk": scores.risk} if isinstance(scores, SurvivalCurves) else {}
        said = pd.DataFrame(scores.values, columns=list(scores.names))
        rows.append(pd.concat([pd.DataFrame({**whose, **risk}), said], axis=1))
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()


def _columns(frame: pd.DataFrame, prefix: str) -> npt.NDArray[np.floating]:
    names = [name for name in frame.columns if name.startswith(prefix)]
    return frame[names].to_numpy(dtype=float)


def _by_repeat(folds: Sequence[Fold], by_fold: dict[str, Scores], n: int) -> list[Scores]:
    repeats: dict[int, list[Fold]] = {}
    for fold in folds:
        repeats.setdefault(fold.repeat, []).append(fold)
    gathered = []
    for members in repeats.values():
        first = by_fold[members[0].key]
        values = np.full((n, first.values.shape[1]), np.nan)
        for fold in members:
            values[fold.test] = by_fold[fold.key].values
        gathered.append(replace(first, values=values))
    return gathered
