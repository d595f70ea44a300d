"""Candidates side by side: scores with intervals, and paired differences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from consilience.cohort import Target
from consilience.metrics import Metric, holm, metrics_for, nadeau_bengio
from consilience.metrics.comparison import two_sided
from consilience.metrics.intervals import percentile_interval, resample_blocks
from consilience.study.evaluation import Evaluation
from consilience.study.finding import CandidateFinding, Difference, Estimate, Role
from consilience.study.part import finite
from consilience.study.parts import Parts, parts_of
from consilience.study.protocol import Fold, Protocol


@dataclass(frozen=True)
class Comparison:
    """Compares evaluations on the same patients and folds.

    Attributes
    ----------
    target : Target
    folds : sequence of Fold
    protocol : Protocol
    metric : Metric
        The primary one.
    """

    target: Target
    folds: Sequence[Fold]
    protocol: Protocol
    metric: Metric

    def estimate(self, evaluation: Evaluation, metric: Metric, rows: Any = slice(None)) -> Estimate:
        """Return a metric with the interval of a patient-level bootstrap.

        Parameters
        ----------
        rows : slice or ndarray of int, optional
            The patients to take it of; all by default.
        """
        parts = self._parts(evaluation, metric, rows)
        low, high, _ = percentile_interval(
            parts.replicates(metric, self._draws()), self.protocol.level
        )
        return Estimate(estimate=finite(parts.value(metric)), low=finite(low), high=finite(high))

    def value(self, evaluation: Evaluation) -> float:
        """Return the primary metric, as `estimate` does."""
        return self._parts(evaluation, self.metric).value(self.metric)

    def difference(self, ours: Evaluation, theirs: Evaluation) -> Difference:
        """Return by how much one evaluation is better than another; positive is better.

        The estimate is the difference of the two estimates. The interval and the
        p-value come from the Nadeau-Bengio corrected variance over folds, which
        counts that training sets overlap, and from what the estimate and the mean over
        folds disagree by; where the metric is not defined on most folds they come from
        the patient bootstrap, which holds the models fixed.
        """
        metric, sign = self.metric, 1.0 if self.metric.higher_is_better else -1.0
        parts = [self._parts(one, metric) for one in (ours, theirs)]
        estimate = sign * (parts[0].value(metric) - parts[1].value(metric))
        drawn = [part.replicates(metric, self._draws()) for part in parts]
        replicates = sign * (drawn[0] - drawn[1])
        ends = percentile_interval(replicates, self.protocol.level)
        low, high, p_value = self._over_folds(ours, theirs, estimate, sign) or (
            ends[0],
            ends[1],
            two_sided(replicates),
        )
        return Difference(
            estimate=finite(estimate),
            low=finite(low),
            high=finite(high),
            p_value=finite(p_value),
            bootstrap_low=finite(ends[0]),
            bootstrap_high=finite(ends[1]),
        )

    def _parts(self, evaluation: Evaluation, metric: Metric, rows: Any = slice(None)) -> Parts:
        chosen = np.arange(len(self.target.y))[rows]
        return parts_of(evaluation, metric, self.target.y, self.folds, chosen)

    def _draws(self) -> Iterator[npt.NDArray[Any]]:
        """Return the same resamples of the patients every time."""
        return resample_blocks(self.target.y, self.protocol.bootstrap, self.protocol.seed)

    def _over_folds(
        self, ours: Evaluation, theirs: Evaluation, estimate: float, sign: float
    ) -> tuple[float, float, float] | None:
        """Return interval and p-value from the corrected variance over folds, if it is defined."""
        y, metric = self.target.y, self.metric
        per_fold = ours.by_fold(metric, y, self.folds) - theirs.by_fold(metric, y, self.folds)
        known = per_fold[np.isfinite(per_fold)] * sign
        if len(known) < max(3, len(per_fold) / 2):
            return None
        n_test = float(np.mean([len(fold.test) for fold in self.folds]))
        n_train = float(np.mean([len(fold.train) for fold in self.folds]))
        over = nadeau_bengio(known, n_train, n_test, level=self.protocol.level)
        freedom = len(known) - 1
        reach = float(stats.t.ppf((1 + self.protocol.level) / 2, freedom))
        # Folds learn slightly different levels, and a score over all patients compares across
        # folds. What it shows beyond the folds' own scores is no gain: it widens the error.
        error = math.hypot((over.high - over.low) / 2 / reach, estimate - over.estimate)
        if error == 0:
            return estimate, estimate, over.p_value
        p_value = 2 * float(stats.t.sf(abs(estimate) / error, freedom))
        return estimate - reach * error, estimate + reach * error, p_value

    def findings(self, evaluations: Sequence[Evaluation]) -> list[CandidateFinding]:
        """Return every candidate's scores and its difference to the best single modality."""
        best = best_of(evaluations, ["single"], self)
        found = [self._finding(evaluation, best) for evaluation in evaluations]
        return _adjusted(found, self.protocol.primary)

    def _finding(self, evaluation: Evaluation, best: Evaluation | None) -> CandidateFinding:
        candidate = evaluation.candidate
        used = candidate.modalities or list(self.target.cohort.modalities)
        known = evaluation.failed is None
        main = self.estimate(evaluation, self.metric) if known else Estimate(estimate=None)
        compared = known and best is not None and candidate.name != best.candidate.name
        return CandidateFinding(
            name=candidate.name,
            role=candidate.role,
            modalities=used,
            metric=self.metric.name,
            estimate=main.estimate,
            low=main.low,
            high=main.high,
            difference_to_best_single=self.difference(evaluation, best)
            if compared and best is not None
            else None,
            others=self._others(evaluation) if known and candidate.role != "leave one out" else {},
            informed=int(evaluation.informed.sum()),
            among_informed=self._among_informed(evaluation) if known else None,
            failed=evaluation.failed,
            settings=evaluation.settings,
            method=type(candidate.method).__name__,
        )

    def _others(self, evaluation: Evaluation) -> dict[str, Estimate]:
        return {
            metric.name: self.estimate(evaluation, metric)
            for metric in metrics_for(self.target.kind)
            if metric.name != self.metric.name
        }

    def _among_informed(self, evaluation: Evaluation) -> Estimate | None:
        """Return the metric on the patients it knew something of, where some it did not."""
        rows = np.flatnonzero(evaluation.informed)
        if len(rows) == len(self.target.y) or len(rows) < 2:
            return None
        return self.estimate(evaluation, self.metric, rows)


def best_of(
    evaluations: Sequence[Evaluation], roles: Sequence[Role], comparison: Comparison
) -> Evaluation | None:
    """Return the evaluation of some roles with the best estimate, or None if all failed."""
    known = [e for e in evaluations if e.candidate.role in roles and e.failed is None]
    sign = 1.0 if comparison.metric.higher_is_better else -1.0

    def quality(evaluation: Evaluation) -> float:
        value = comparison.value(evaluation)
        return sign * value if np.isfinite(value) else -np.inf

    return max(known, key=quality) if known else None


def _adjusted(found: list[CandidateFinding], primary: str | None) -> list[CandidateFinding]:
    """Return findings with p-values corrected for what was chosen on the same patients.

    By Holm over the fused candidates (not for a primary one). The best single modality
    was chosen too, which flatters it: of ten that know nothing, the best seems to beat any
    fusion. So that a fused candidate did worse is said with its p-value times their number
    (Bonferroni); that it did better needs no correction, which the choice makes harder.
    """
    singles = sum(c.role == "single" and c.estimate is not None for c in found)
    compared = {
        c.name: c.difference_to_best_single
        for c in found
        if c.role == "fused" and c.difference_to_best_single is not None
    }
    raw = [math.nan if d.p_value is None else d.p_value for d in compared.values()]
    corrected = dict(zip(compared, holm(raw), strict=True))
    if primary in compared:
        corrected[primary] = raw[list(compared).index(primary)]
    for name, difference in compared.items():
        if (difference.estimate or 0.0) < 0:
            corrected[name] = min(1.0, singles * corrected[name])
    return [_with_p(c, corrected[c.name]) if c.name in corrected else c for c in found]


def _with_p(found: CandidateFinding, p_value: float) -> CandidateFinding:
    assert found.difference_to_best_single is not None
    difference = found.difference_to_best_single.model_copy(update={"p_adjusted": finite(p_value)})
    return found.model_copy(update={"difference_to_best_single": difference})
