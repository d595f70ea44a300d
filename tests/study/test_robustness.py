"""Scores as measurements go missing, beside imputation before early fusion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import KNNImputer
from tests.study.report_reading import overlaps

from consilience.cohort import Binary, Cohort, Outcome, Survival, synthetic_cohort
from consilience.errors import InputError
from consilience.fusion import EarlyFusion
from consilience.fusion.stacked_imputation import StackedImputation
from consilience.metrics import metrics_for
from consilience.study import Candidate, Finding, Protocol, Study
from consilience.study.candidates import COMPARATOR, default_learner, seeded
from consilience.study.learners import ridge
from consilience.study.removal import remaining, thinned
from consilience.study.report.robustness import failures, robustness, said

QUICK = Protocol(
    folds=3,
    repeats=1,
    inner_folds=2,
    bootstrap=200,
    permutations=0,
    importance=False,
    discoveries=False,
    leave_one_out=False,
    robustness=(0.25, 0.5),
)
OUTCOMES: dict[str, Outcome] = {
    "binary": Binary("outcome"),
    "survival": Survival("event", "time"),
}


class Fussy(EarlyFusion):
    """Early fusion of complete patients alone."""

    def _values(self, cohort: Cohort) -> Any:
        if not cohort.measured.to_numpy().all():
            raise InputError("every modality is needed.")
        return super()._values(cohort)


def study_of(kind: str, protocol: Protocol = QUICK, **options: Any) -> Study:
    cohort, _ = synthetic_cohort(90, kind=kind, features=5, seed=2, **options)
    early = Candidate("early", EarlyFusion(ridge(kind).estimator))
    return Study(cohort, OUTCOMES[kind], [early], protocol)


@pytest.mark.parametrize("kind", OUTCOMES)
def test_the_points_are_the_fitted_models_on_what_is_left(kind: str, tmp_path: Path) -> None:
    study = study_of(kind, missing=0.2)
    finding = study.run(tmp_path / "out")
    assert [r.candidate for r in finding.robustness] == [COMPARATOR, "late mean", "early"]
    assert [r.comparator for r in finding.robustness] == [True, False, False]
    beside, _, early = finding.robustness
    imputing = StackedImputation(
        KNNImputer(n_neighbors=10), learner=default_learner(study.outcome, QUICK)
    )
    for found, model in ((early, study.candidates[-1].estimator), (beside, imputing)):
        for point in found.points:
            expected = by_hand(study, model, point.asked)
            assert point.score.estimate == pytest.approx(expected, abs=1e-9)
            assert point.score.low < point.score.estimate < point.score.high
    for ours, theirs in zip(early.points, beside.points, strict=True):
        gap = ours.score.estimate - theirs.score.estimate
        assert ours.difference is not None and theirs.difference is None
        assert ours.difference.estimate == pytest.approx(gap)
        assert ours.difference.low < gap < ours.difference.high
    assert early.points[0].score.estimate == finding.candidate("early").estimate
    assert [point.asked for point in early.points] == [0.0, 0.25, 0.5]
    assert COMPARATOR not in [c.name for c in finding.candidates]
    assert set(pd.read_parquet(tmp_path / "out" / "scores.parquet")["candidate"]) == {
        c.name for c in finding.candidates
    }


def by_hand(study: Study, model: Any, share: float) -> float:
    metric, y, each = metrics_for(study.target.kind)[0], study.target.y, []
    for fold in study.folds:
        seed = study._seed(fold)
        fitted = seeded(model, seed).fit(study.target.cohort[fold.train], y[fold.train])
        poorer = thinned(study.target.cohort[fold.test], share, seed)
        each.append(metric(y[fold.test], fitted.scores(poorer), train_y=y[fold.train]))
    return float(np.mean(each))


def test_the_share_told_is_the_share_that_could_be_removed(tmp_path: Path) -> None:
    """Of two modalities everybody has, a half can go and no more."""
    cohort, _ = synthetic_cohort(60, modalities=2, features=3, seed=0)
    study = Study(cohort, Binary("outcome"), [], Protocol(**{**vars(QUICK), "robustness": True}))
    finding = study.run(tmp_path / "out")
    points = finding.robustness[1].points
    assert [point.asked for point in points] == [0.0, 0.2, 0.4, 0.6]
    told = [point.removed for point in points]
    there = taken = 0
    for fold in study.folds:
        measured = study.target.cohort[fold.test].measured.to_numpy()
        there += measured.sum()
        taken += measured.sum() - remaining(measured, 0.2, study._seed(fold)).sum()
    assert told[1] == pytest.approx(taken / there) and told[3] == pytest.approx(0.5)
    assert "of the nearest" not in finding.methods
    assert "20%, 40% and 50% of the measurements" in finding.methods
    filled = {item.item: item.answer for item in finding.checklist}
    assert "as sources go missing is under robustness" in filled["27a"]


def test_nothing_is_asked_where_nothing_can_go_or_it_is_switched_off(tmp_path: Path) -> None:
    cohort, _ = synthetic_cohort(60, modalities=1, features=3, seed=0)
    alone = Study(cohort, Binary("outcome"), protocol=QUICK).run(tmp_path / "alone")
    off = Protocol(**{**vars(QUICK), "robustness": False})
    silent = study_of("binary", off).run(tmp_path / "off")
    for finding in (alone, silent):
        assert finding.robustness == [] and "Robustness" not in finding.methods
        assert robustness(finding) is None and said(finding) == []
    assert not [f for f in (tmp_path / "off" / "folds").iterdir() if "imputation" in f.name]


def test_one_that_cannot_do_without_keeps_its_score(tmp_path: Path) -> None:
    cohort, _ = synthetic_cohort(60, features=3, seed=0)
    fussy = Candidate("fussy", Fussy(ridge("binary").estimator))
    finding = Study(cohort, Binary("outcome"), [fussy], QUICK).run(tmp_path / "out")
    assert finding.candidate("fussy").failed is None
    found = finding.robustness[-1]
    assert found.points == [] and "every modality is needed" in str(found.failed)
    assert finding.robustness[1].points
    (told,) = failures(finding)
    assert told.startswith("fussy gave no predictions with measurements removed: failed in 3 of 3")
    assert told in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_the_picture_has_a_line_a_candidate_and_all_numbers_beside_it(tmp_path: Path) -> None:
    cohort, _ = synthetic_cohort(90, features=3, missing=0.1, seed=0)
    many = [Candidate(f"early {k}", EarlyFusion(ridge("binary").estimator)) for k in range(6)]
    finding = Study(cohort, Binary("outcome"), many, QUICK).run(tmp_path / "out")
    chart = robustness(finding)
    assert chart is not None and overlaps(chart) == []
    assert {row[0] for row in chart.rows} == {r.candidate for r in finding.robustness}
    assert len(chart.rows) == 3 * len(finding.robustness)
    lines = [line for line in chart.figure.axes[0].lines if len(line.get_xdata()) == 3]
    assert len(lines) == 5 and "Those not drawn are in the table" in chart.caption
    shown = {tuple(np.round(line.get_ydata(), 9)) for line in lines}
    for name in (finding.verdict.best_fused, COMPARATOR):
        (found,) = (r for r in finding.robustness if r.candidate == name)
        assert tuple(round(p.score.estimate or 0.0, 9) for p in found.points) in shown
    (told,) = said(finding)
    assert told.startswith(f"With 50% of the measurements removed, {finding.verdict.best_fused}")
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert chart.title in page and "removed at random" in page
    assert Finding.load(tmp_path / "out" / "finding.json").robustness == finding.robustness


@pytest.mark.parametrize(
    ("shares", "said"),
    [((0.2, 1.0), "1.0 is no share"), ((0.4, 0.2), "once each, rising"), ((1,), "1 is no share")],
)
def test_shares_that_cannot_be_are_refused(shares: Any, said: str) -> None:
    with pytest.raises(InputError, match=f"robustness: .*{said}"):
        Protocol(robustness=shares)


def test_the_name_of_the_comparator_is_taken() -> None:
    cohort, _ = synthetic_cohort(60, features=3, seed=0)
    own = Candidate(COMPARATOR, EarlyFusion(ridge("binary").estimator))
    with pytest.raises(InputError, match="choose another name"):
        Study(cohort, Binary("outcome"), [own], QUICK)
