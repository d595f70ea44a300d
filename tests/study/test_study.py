"""A study from cohort to finding, for every kind of outcome."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from consilience.cohort import (
    Binary,
    Cohort,
    Continuous,
    EventBy,
    Multiclass,
    Outcome,
    Survival,
    Table,
    synthetic_cohort,
)
from consilience.errors import InputError
from consilience.fusion import EarlyFusion
from consilience.study import Bundle, Candidate, Finding, Protocol, Study

QUICK = Protocol(
    folds=3, repeats=1, bootstrap=100, permutations=0, importance=False, leave_one_out=False
)
OUTCOMES: dict[str, Outcome] = {
    "binary": Binary("outcome"),
    "multiclass": Multiclass("outcome"),
    "continuous": Continuous("outcome"),
    "survival": Survival("event", "time"),
}


class Broken(LogisticRegression):  # type: ignore[misc]
    """A learner that fails in every fold."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Broken:
        """Fail."""
        raise RuntimeError("the licence\nhas expired")


@pytest.mark.parametrize("kind", OUTCOMES)
def test_every_kind_of_outcome(tmp_path: Path, kind: str) -> None:
    cohort, _ = synthetic_cohort(120, kind=kind, modalities=2, features=4, missing=0.15, seed=0)
    finding = Study(cohort, OUTCOMES[kind], protocol=QUICK).run(tmp_path / "out")
    names = [candidate.name for candidate in finding.candidates]
    assert names == [
        "m1 alone", "m2 alone", "late mean", "early", "late weighted", "stacked",
    ]  # fmt: skip
    assert all(candidate.failed is None for candidate in finding.candidates)
    assert Finding.load(tmp_path / "out" / "finding.json") == finding
    json.loads((tmp_path / "out" / "finding.json").read_text(), parse_constant=pytest.fail)
    scores = pd.read_parquet(tmp_path / "out" / "scores.parquet")
    assert scores.groupby("candidate").size().eq(120).all()
    bundle = Bundle.load(tmp_path / "out" / "bundle")
    assert len(bundle.predict(cohort[:5])) == 5


def test_a_failing_candidate_is_reported_and_loses_nobody(tmp_path: Path) -> None:
    cohort, _ = synthetic_cohort(90, modalities=2, features=4, seed=0)
    broken = Candidate("broken", EarlyFusion(Broken()))
    finding = Study(cohort, Binary("outcome"), [broken], QUICK).run(tmp_path / "out")
    failed = finding.candidate("broken")
    assert failed.estimate is None and failed.failed is not None
    assert "3 of 3 folds" in failed.failed and "the licence has expired" in failed.failed
    assert finding.candidate("late mean").estimate is not None
    assert "broken" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_a_failed_fold_is_tried_again_on_resuming(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort, _ = synthetic_cohort(90, modalities=2, features=4, seed=0)
    study = Study(cohort, Binary("outcome"), [Candidate("x", EarlyFusion(Broken()))], QUICK)
    study.run(tmp_path / "out")
    assert len(list((tmp_path / "out" / "folds").glob("*.failed"))) == 3
    monkeypatch.setattr(Broken, "fit", LogisticRegression.fit)
    finding = study.run(tmp_path / "out", resume=True)
    assert finding.candidate("x").failed is None


def test_the_answer_is_more_where_together_they_know_more(tmp_path: Path) -> None:
    """The outcome is the sum of one signal in each of three sources."""
    rng = np.random.default_rng(0)
    index = pd.Index([f"p{i:03d}" for i in range(400)], name="patient")
    hidden = rng.normal(size=(400, 3))
    tables = {
        f"s{k}": Table(
            pd.DataFrame(
                hidden[:, [k]] + 0.3 * rng.normal(size=(400, 3)), index=index, columns=list("abc")
            )
        )
        for k in range(3)
    }
    risk = hidden.sum(axis=1)
    patients = pd.DataFrame({"y": (risk + rng.logistic(size=400) > 0).astype(int)}, index=index)
    # Three folds say little about how much folds differ; these are the default's fifteen.
    usual = replace(QUICK, folds=5, repeats=3)
    finding = Study(Cohort(patients, tables), Binary("y"), protocol=usual).run(tmp_path / "out")
    assert finding.verdict.answer == "together more"
    assert "together they know more than the best of them alone" in finding.verdict.sentence


def test_sources_that_know_nothing_add_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    index = pd.Index([f"p{i:03d}" for i in range(150)], name="patient")
    tables = {
        name: Table(pd.DataFrame(rng.normal(size=(150, 5)), index=index, columns=list("abcde")))
        for name in ("s1", "s2")
    }
    patients = pd.DataFrame({"y": rng.integers(0, 2, 150)}, index=index)
    finding = Study(Cohort(patients, tables), Binary("y"), protocol=QUICK).run(tmp_path / "out")
    assert finding.verdict.answer == "no gain shown"


def test_the_flow_counts_everybody(tmp_path: Path) -> None:
    cohort, _ = synthetic_cohort(200, kind="survival", modalities=2, features=3, seed=0)
    outcome = EventBy("event", "time", by=200.0)
    finding = Study(cohort, outcome, protocol=QUICK).run(tmp_path / "out")
    first, *_, last = finding.cohort.flow
    assert first.patients == 200
    assert last.patients == finding.cohort.analysed
    assert first.patients - sum(step.left_out for step in finding.cohort.flow) == last.patients
    assert any("censored before 200" in step.reason for step in finding.cohort.flow)


def test_a_single_modality_gets_no_comparison(tmp_path: Path) -> None:
    cohort, _ = synthetic_cohort(90, modalities=1, features=4, seed=0)
    finding = Study(cohort, Binary("outcome"), protocol=QUICK).run(tmp_path / "out")
    assert finding.candidate("m1 alone").estimate is not None
    assert finding.verdict.answer in ("no gain shown", "cannot tell")


def test_an_outcome_among_the_features_is_refused() -> None:
    cohort, _ = synthetic_cohort(60, modalities=1, features=3, seed=0)
    leaky = cohort.with_modality("notes", Table(cohort.patients[["outcome"]]))
    with pytest.raises(InputError, match="'notes' holds 'outcome'"):
        Study(leaky, Binary("outcome"))


def test_each_site_left_out_in_turn(tmp_path: Path) -> None:
    cohort, _ = synthetic_cohort(150, modalities=2, features=4, sites=3, seed=0)
    protocol = Protocol(
        leave_out="site", bootstrap=100, permutations=0, importance=False, leave_one_out=False
    )
    finding = Study(cohort, Binary("outcome"), protocol=protocol).run(tmp_path / "out")
    scores = pd.read_parquet(tmp_path / "out" / "scores.parquet")
    sites = cohort.patients["site"].astype(str)
    assert scores.groupby("fold")["patient"].apply(lambda ids: sites[ids].nunique()).eq(1).all()
    assert finding.candidate("late mean").estimate is not None


def test_the_bundle_holds_the_candidate_declared_beforehand(tmp_path: Path) -> None:
    cohort, _ = synthetic_cohort(90, modalities=2, features=4, noise_modalities=1, seed=0)
    for primary in ("late mean", "early"):
        declared = replace(QUICK, primary=primary)
        finding = Study(cohort, Binary("outcome"), protocol=declared).run(tmp_path / primary)
        assert finding.bundle == finding.verdict.best_fused == primary
        assert Bundle.load(tmp_path / primary / "bundle").manifest.candidate == primary
