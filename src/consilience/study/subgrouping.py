"""For whom: score and calibration of one candidate in groups of patients."""

from __future__ import annotations

import math
from collections.abc import Sequence

from consilience.errors import InputError, listing, suggestion
from consilience.study.comparison import Comparison
from consilience.study.evaluation import Evaluation
from consilience.study.finding import Difference, Estimate, SubgroupFinding
from consilience.study.part import finite
from consilience.trust import Calibration, Subgroup, subgroup_table


def subgroup_findings(
    evaluation: Evaluation, comparison: Comparison, columns: Sequence[str], horizon: float | None
) -> list[SubgroupFinding]:
    """Return the groups of each column, scored and compared with the other patients.

    Raises
    ------
    InputError
        If the patients have no such column.
    """
    target, protocol = comparison.target, comparison.protocol
    patients = target.cohort.patients
    for column in columns:
        if column not in patients.columns:
            raise InputError(
                f"subgroups: the patients have no column {column!r}; there are "
                f"{listing(patients.columns, most=40)}.{suggestion(column, patients.columns)}"
            )
    if not columns:
        return []
    found = subgroup_table(
        comparison.metric,
        target.y,
        evaluation.scores,
        patients[list(columns)],
        level=protocol.level,
        seed=protocol.seed,
        horizon=horizon,
    )
    sign = 1.0 if comparison.metric.higher_is_better else -1.0
    return [_finding(group, sign) for group in found]


def _finding(group: Subgroup, sign: float) -> SubgroupFinding:
    worst = max(group.calibration, key=_distance, default=None)
    score, calibration = Estimate.of(group.score), Estimate(estimate=None)
    if worst is not None:
        calibration = _told(Estimate.of(worst.interval))
    if group.small:  # an interval of so few says nothing, however it looks
        score, calibration = _alone(score), _alone(calibration)
    return SubgroupFinding(
        column=group.column,
        group=group.group,
        patients=group.n,
        events=group.positives,
        score=score,
        calibration=calibration,
        calibration_of="" if worst is None else f"{worst.measure} of {worst.of}",
        difference_to_rest=None if group.small else _difference(group, sign),
        small=group.small,
    )


def _alone(estimate: Estimate) -> Estimate:
    """Return an estimate without its interval."""
    return Estimate(estimate=estimate.estimate)


def _told(estimate: Estimate) -> Estimate:
    """Return an estimate, without an interval of no width: nothing happened in the group."""
    return _alone(estimate) if estimate.low == estimate.high else estimate


def _difference(group: Subgroup, sign: float) -> Difference:
    ends = [sign * group.difference.low, sign * group.difference.high]
    low, high = sorted(ends) if all(map(math.isfinite, ends)) else ends
    return Difference(
        estimate=finite(sign * group.difference.estimate),
        low=finite(low),
        high=finite(high),
        p_adjusted=finite(group.difference.p_value),
    )


def _distance(calibration: Calibration) -> float:
    """Return how far off a calibration is, as far as it can be told."""
    estimate = calibration.interval.estimate
    right = 1.0 if "/" in calibration.measure else 0.0
    return abs(estimate - right) if math.isfinite(estimate) else -1.0
