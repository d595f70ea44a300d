"""What is left of a score as measurements go missing, beside imputation before early fusion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sklearn.impute import KNNImputer

from consilience.cohort import Outcome
from consilience.fusion.stacked_imputation import StackedImputation
from consilience.study.candidates import COMPARATOR, Candidate, default_learner
from consilience.study.comparison import Comparison
from consilience.study.evaluation import Evaluation, evaluate
from consilience.study.finding import Estimate, RobustnessFinding, RobustnessPoint
from consilience.study.jobs import ScoreJob
from consilience.study.protocol import Protocol
from consilience.study.removal import remaining
from consilience.study.store import Store

NEIGHBOURS = 10


def comparator(outcome: Outcome, protocol: Protocol) -> Candidate:
    """Return imputation before early fusion: what the candidates' robustness is set beside.

    Features of all modalities are standardised, those missing are filled with the mean of the
    10 training patients who are nearest by what is known (Troyanskaya et al. 2001), and the
    default learner learns from all of them.
    """
    learner = default_learner(outcome, protocol)
    return Candidate(
        COMPARATOR, StackedImputation(KNNImputer(n_neighbors=NEIGHBOURS), learner=learner)
    )


def robustness_findings(
    jobs: Sequence[Sequence[ScoreJob]], comparison: Comparison, store: Store
) -> list[RobustnessFinding]:
    """Return each candidate's scores, the comparator's first.

    Parameters
    ----------
    jobs : sequence of sequence of ScoreJob
        Of each candidate every fold once, already run; the comparator's first.
    comparison : Comparison
    store : Store
    """
    if not jobs:
        return []
    shares = dict(_shares(comparison, jobs[0]))
    beside: dict[float, Evaluation] = {}
    found = []
    for members in jobs:
        each = {
            asked: evaluate(members, comparison.target, store, removed=asked) for asked in shares
        }
        failed = next((one.failed for one in each.values() if one.failed is not None), None)
        points = [] if failed else _points(each, shares, beside, comparison)
        name = members[0].candidate.name
        found.append(
            RobustnessFinding(
                candidate=name, comparator=name == COMPARATOR, points=points, failed=failed
            )
        )
        if name == COMPARATOR and not failed:
            beside = each
    return found


def _shares(comparison: Comparison, jobs: Sequence[ScoreJob]) -> Iterator[tuple[float, float]]:
    """Yield each share asked for with the share that could be removed, as long as more could."""
    measured = comparison.target.cohort.measured.to_numpy(dtype=bool)
    there = sum(int(measured[job.fold.test].sum()) for job in jobs)
    before = -1.0
    for asked in (0.0, *jobs[0].removals):
        left = sum(int(remaining(measured[job.fold.test], asked, job.seed).sum()) for job in jobs)
        removed = 1 - left / there
        if removed > before:
            yield asked, removed
        before = removed


def _points(
    each: dict[float, Evaluation],
    shares: dict[float, float],
    beside: dict[float, Evaluation],
    comparison: Comparison,
) -> list[RobustnessPoint]:
    return [
        RobustnessPoint(
            asked=asked,
            removed=shares[asked],
            score=comparison.estimate(evaluation, comparison.metric),
            difference=_difference(evaluation, beside[asked], comparison) if beside else None,
        )
        for asked, evaluation in each.items()
    ]


def _difference(ours: Evaluation, theirs: Evaluation, comparison: Comparison) -> Estimate:
    found = comparison.difference(ours, theirs)
    return Estimate(estimate=found.estimate, low=found.low, high=found.high)
