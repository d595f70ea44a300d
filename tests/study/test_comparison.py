"""Differences are no surer than the folds make them, and what was chosen is paid for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from sklearn.model_selection import KFold, StratifiedKFold

from consilience.cohort import Cohort, Table, Target
from consilience.metrics import Probabilities, Scores, Values, metric_named, nadeau_bengio
from consilience.study.candidates import Candidate
from consilience.study.comparison import Comparison
from consilience.study.evaluation import Evaluation
from consilience.study.finding import CandidateFinding, Role
from consilience.study.protocol import Fold, Protocol

N = 100
PROTOCOL = Protocol(folds=5, repeats=1, bootstrap=100)


def target(y: npt.NDArray[np.generic], kind: str) -> Target:
    index = pd.Index([f"p{i:03d}" for i in range(len(y))], name="patient")
    table = Table(pd.DataFrame({"x": np.zeros(len(y))}, index=index))
    return Target(Cohort(pd.DataFrame(index=index), {"a": table}), y, pd.DataFrame(), kind)  # type: ignore[arg-type]


def evaluation(name: str, role: Role, scores: Scores, folds: Sequence[Fold]) -> Evaluation:
    by_fold = {fold.key: scores.take(fold.test) for fold in folds}
    informed = np.ones(len(scores), dtype=bool)
    return Evaluation(Candidate(name, None, role), [scores], informed, by_fold, {}, {})


def binary(protocol: Protocol = PROTOCOL) -> Comparison:
    y = np.arange(N) % 2
    pairs = StratifiedKFold(5, shuffle=True, random_state=0).split(y, y)
    folds = [Fold(0, number, *pair) for number, pair in enumerate(pairs)]
    return Comparison(target(y, "binary"), folds, protocol, metric_named("auroc", "binary"))


def probabilities(p: npt.NDArray[np.floating]) -> Probabilities:
    return Probabilities(np.column_stack([1 - p, p]), np.array([0, 1]))


def test_a_shift_between_folds_is_no_difference() -> None:
    """The same order in every fold, at other levels: AUROC compares within folds."""
    comparison = binary()
    rng = np.random.default_rng(0)
    p = 1 / (1 + np.exp(-rng.normal(size=N) - comparison.target.y))
    shifted = p.copy()
    for fold in comparison.folds:
        shifted[fold.test] = 0.5 * p[fold.test] + 0.1 * fold.number
    plain = evaluation("plain", "single", probabilities(p), comparison.folds)
    moved = evaluation("moved", "fused", probabilities(shifted), comparison.folds)
    found = comparison.difference(moved, plain)
    pooled = [comparison.metric(comparison.target.y, one.scores[0]) for one in (moved, plain)]
    assert pooled[0] < pooled[1] - 0.02  # over all patients it looks like a loss
    assert found.estimate == found.low == found.high == 0
    assert found.p_value == 1


def test_where_both_averages_agree_it_is_nadeau_and_bengio() -> None:
    """A mean absolute error over equal folds is the mean of theirs."""
    rng = np.random.default_rng(1)
    y = rng.normal(size=N)
    pairs = KFold(5, shuffle=True, random_state=0).split(y)
    folds = [Fold(0, number, *pair) for number, pair in enumerate(pairs)]
    metric = metric_named("mae", "continuous")
    comparison = Comparison(target(y, "continuous"), folds, PROTOCOL, metric)
    ours, theirs = (y + scale * rng.normal(size=N) for scale in (0.8, 1.0))
    found = comparison.difference(
        evaluation("ours", "fused", Values(ours[:, None]), folds),
        evaluation("theirs", "single", Values(theirs[:, None]), folds),
    )
    errors = np.abs(theirs - y) - np.abs(ours - y)
    known = nadeau_bengio([errors[fold.test].mean() for fold in folds], 80, 20)
    assert [found.estimate, found.low, found.high, found.p_value] == pytest.approx(
        [known.estimate, known.low, known.high, known.p_value]
    )


def test_worse_than_the_best_of_several_singles_pays_for_their_number() -> None:
    comparison = binary()
    rng = np.random.default_rng(2)
    strengths = {"best": 2.0, "second": 0.1, "third": 0.1, "worse": 1.0, "better": 3.0}
    noise = rng.normal(size=N)
    found = comparison.findings(
        [
            evaluation(
                name,
                "fused" if name in ("worse", "better") else "single",
                probabilities(1 / (1 + np.exp(-noise - strength * comparison.target.y))),
                comparison.folds,
            )
            for name, strength in strengths.items()
        ]
    )
    worse, better = (_difference(found, name) for name in ("worse", "better"))
    smaller, larger = sorted((worse[0], better[0]))
    by_holm = {smaller: 2 * smaller, larger: max(2 * smaller, larger)}
    assert worse[1] == pytest.approx(min(1.0, 3 * by_holm[worse[0]]))
    assert better[1] == pytest.approx(min(1.0, by_holm[better[0]]))


def test_one_declared_beforehand_is_not_corrected_for_the_others() -> None:
    comparison = binary(Protocol(folds=5, repeats=1, bootstrap=100, primary="declared"))
    rng = np.random.default_rng(3)
    noise = rng.normal(size=N)
    given: list[tuple[str, Role, float]] = [
        ("alone", "single", 1.0),
        ("declared", "fused", 2.0),
        ("other", "fused", 1.5),
    ]
    found = comparison.findings(
        [
            evaluation(
                name,
                role,
                probabilities(1 / (1 + np.exp(-noise - strength * comparison.target.y))),
                comparison.folds,
            )
            for name, role, strength in given
        ]
    )
    p_value, adjusted = _difference(found, "declared")
    assert adjusted == p_value


def _difference(found: Sequence[CandidateFinding], name: str) -> tuple[float, float]:
    difference = next(c for c in found if c.name == name).difference_to_best_single
    assert difference is not None
    assert difference.p_value is not None
    assert difference.p_adjusted is not None
    return difference.p_value, difference.p_adjusted
