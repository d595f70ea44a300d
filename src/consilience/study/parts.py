"""Among which patients a metric is taken."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from consilience.metrics import Metric, Scores
from consilience.study.evaluation import Evaluation
from consilience.study.protocol import Fold

FloatArray = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Parts:
    """Groups of patients with their held-out scores; a metric is averaged over the groups.

    Attributes
    ----------
    y : ndarray of shape (n_patients,)
    groups : list of (ndarray of int, Scores)
        Positions, and the scores of those patients.
    """

    y: npt.NDArray[Any]
    groups: Sequence[tuple[npt.NDArray[np.intp], Scores]]

    def value(self, metric: Metric) -> float:
        """Return the metric, averaged over the groups in which it is defined."""
        return float(_mean(self._each(metric)))

    def replicates(self, metric: Metric, draws: Iterable[npt.NDArray[Any]]) -> FloatArray:
        """Return the same with patients counted as often as each resample drew them.

        Parameters
        ----------
        draws : iterable of ndarray of shape (n_replicates, n_patients)
            Blocks of resamples; see `metrics.intervals.resample_blocks`.
        """
        blocks = []
        for counts in draws:
            each = [metric.replicates(self.y[rows], s, counts[:, rows]) for rows, s in self.groups]
            blocks.append(_mean(np.array(each)))
        return np.concatenate(blocks)

    def mostly_defined(self, metric: Metric) -> bool:
        """Return whether the metric is defined in more than half of the groups."""
        return bool(np.isfinite(self._each(metric)).mean() > 0.5)

    def _each(self, metric: Metric) -> FloatArray:
        return np.array([metric(self.y[rows], scores) for rows, scores in self.groups])


def parts_of(
    evaluation: Evaluation,
    metric: Metric,
    y: npt.NDArray[Any],
    folds: Sequence[Fold],
    chosen: npt.NDArray[np.intp],
) -> Parts:
    """Return among which patients a metric is taken of an evaluation.

    A metric that compares patients with one another (`Metric.ranks`) is taken within each
    fold: what a fold's model says of everybody depends on whom it learned from, and the
    more cases there are among its training patients, the fewer there are among its test
    patients, so that over all folds together a good model seems worse than it is. Other
    metrics are taken over all patients, once a repeat; so is a ranking one where folds
    are too small for it to be defined in most of them.

    Parameters
    ----------
    chosen : ndarray of int
        The patients to take it of, in order.
    """
    if metric.ranks:
        within = Parts(
            y, [_of_fold(fold, evaluation.fold_scores[fold.key], chosen) for fold in folds]
        )
        if within.mostly_defined(metric):
            return within
    return Parts(y, [(chosen, scores.take(chosen)) for scores in evaluation.scores])


def _of_fold(
    fold: Fold, scores: Scores, chosen: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.intp], Scores]:
    kept = np.isin(fold.test, chosen)
    return fold.test[kept], scores.take(kept)


def _mean(values: FloatArray) -> Any:
    """Return the mean over the first axis of what is defined, NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
