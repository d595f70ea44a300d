"""What methods find: from the method to the finding, without a patient's id in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from tests.study.report_example import example

from consilience.cohort import Binary, Cohort, Table, synthetic_cohort
from consilience.fusion import EarlyFusion, LateFusion
from consilience.fusion.discovery import (
    Component,
    Components,
    Discovery,
    Groups,
    Loading,
    Weights,
)
from consilience.fusion.discovery import (
    Path as Choice,
)
from consilience.fusion.sparse_cca import SparseCCA
from consilience.fusion.tuned_fusion import TunedFusion
from consilience.study import Candidate, Finding, Protocol, Study
from consilience.study.discovered import (
    ComponentsFound,
    GroupsFound,
    NothingFound,
    PathFound,
    WeightsFound,
)
from consilience.study.discovering import (
    PERMUTATIONS,
    DiscoveryJob,
    discovers,
    discovery_jobs,
    found,
)
from consilience.study.evaluation import Evaluation

QUICK = Protocol(
    folds=3, repeats=1, bootstrap=100, permutations=0, importance=False, leave_one_out=False
)


class Telling(EarlyFusion):
    """Early fusion that says how large its learner's coefficients are, and who is who."""

    def _fit(self, cohort: Cohort, y: Any) -> None:
        super()._fit(cohort, y)
        self.ids_ = cohort.index.to_numpy(dtype=str)

    def discoveries(self) -> list[Discovery]:
        """Return all four kinds."""
        coefficients = self.expert_.learner_.coef_[0]
        strongest = Component(
            "axis", (Loading("m1", "m1_1", float(coefficients[0])),), strength=np.nan
        )
        halves = {p: f"half {k % 2 + 1}" for k, p in enumerate(self.ids_)}
        return [
            Components("Axes", (strongest,), "length"),
            Weights("Sizes", {"m1": float(np.abs(coefficients).sum()), "m2": np.inf}),
            Choice("Way", (0.0, 1.0), (0.5, np.nan), "x", "y", chosen=0.0),
            Groups("Halves", halves, {"2": 0.9}),
        ]


class Mute(Telling):
    """Has nothing to say where it should."""

    def discoveries(self) -> list[Discovery]:
        """Fail."""
        raise RuntimeError("no words")


def study_of(*candidates: Candidate, protocol: Protocol = QUICK) -> Study:
    cohort, _ = synthetic_cohort(90, modalities=2, features=3, missing=0.2, seed=0)
    return Study(cohort, Binary("outcome"), candidates, protocol)


def test_every_kind_reaches_the_finding_and_the_page_and_no_id_does(tmp_path: Path) -> None:
    telling = Candidate("telling", Telling(LogisticRegression()))
    study = study_of(telling)
    finding = study.run(tmp_path / "out")
    kinds = [type(each) for each in finding.discoveries]
    assert kinds == [ComponentsFound, WeightsFound, PathFound, GroupsFound]
    components, weights, path, groups = finding.discoveries
    model = Telling(LogisticRegression()).fit(study.target.cohort, study.target.y)
    coefficients = model.expert_.learner_.coef_[0]
    assert isinstance(components, ComponentsFound) and isinstance(weights, WeightsFound)
    assert isinstance(path, PathFound) and isinstance(groups, GroupsFound)
    assert components.components[0].loadings[0].weight == pytest.approx(coefficients[0])
    assert components.components[0].strength is None  # not a number, and so not there
    assert weights.weights["m2"] is None
    assert path.y == [0.5, None]
    assert sum(group.patients for group in groups.groups) == len(model.ids_)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "What the methods found" in page and "telling: Halves" in page
    text = (tmp_path / "out" / "finding.json").read_text(encoding="utf-8")
    ids = study.target.cohort.index
    told = [str(p) for p in ids if f'"{p}"' in text or f">{p}<" in page]
    assert told == []
    assert Finding.load(tmp_path / "out" / "finding.json") == finding


def test_what_was_found_is_kept_for_going_on(tmp_path: Path, monkeypatch: Any) -> None:
    study = study_of(Candidate("telling", Telling(LogisticRegression())))
    first = study.run(tmp_path / "out")
    monkeypatch.setattr(Telling, "discoveries", Mute.discoveries)
    assert study.run(tmp_path / "out", resume=True).discoveries == first.discoveries


def test_a_method_that_fails_to_tell_is_reported_and_loses_nothing_else(tmp_path: Path) -> None:
    mute = Candidate("mute", Mute(LogisticRegression()))
    telling = Candidate("telling", Telling(LogisticRegression()))
    finding = study_of(mute, telling).run(tmp_path / "out")
    assert finding.discoveries[0] == NothingFound(candidate="mute", failed="RuntimeError: no words")
    assert len(finding.discoveries) == 5
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "What mute found cannot be shown: RuntimeError: no words" in page


def test_it_can_be_left_out(tmp_path: Path) -> None:
    telling = Candidate("telling", Telling(LogisticRegression()))
    protocol = replace(QUICK, discoveries=False)
    assert study_of(telling, protocol=protocol).run(tmp_path / "out").discoveries == []


def test_only_those_that_have_something_to_say_are_asked() -> None:
    telling = Telling(LogisticRegression())
    assert discovers(Candidate("a", telling))
    assert discovers(Candidate("a", TunedFusion(telling, {"learner__C": [1.0]})))
    assert not discovers(Candidate("a", telling, "single"))
    late = LateFusion(LogisticRegression())
    asked = type(late).discoveries is not EarlyFusion.discoveries
    assert discovers(Candidate("a", late)) == asked


def test_a_kind_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(TypeError, match="nothing is known"):
        found(pd.DataFrame(), "x", example("binary").evidence.target)  # type: ignore[arg-type]


def test_components_get_p_values_where_the_method_can_make_them() -> None:
    """Two tables share an axis, so that the first pair is no chance."""
    rng = np.random.default_rng(0)
    index = pd.Index([f"p{i:03d}" for i in range(80)], name="patient")
    shared = rng.normal(size=(80, 1))
    tables = {
        name: Table(pd.DataFrame(shared + rng.normal(size=(80, 4)), index=index))
        for name in ("a", "b")
    }
    y = pd.DataFrame({"y": np.arange(80) % 2}, index=index)
    target = Binary("y").of(Cohort(y, tables))
    sparse = SparseCCA(LogisticRegression(), n_components=1)
    for estimator in (sparse, TunedFusion(sparse, {"penalty": [0.6, 0.9]}, random_state=0)):
        (job,) = _jobs(Candidate("pairs", estimator), target)
        _, notes = job.run(target)
        (component,) = notes["discoveries"][0]["components"]
        assert component["p_value"] == pytest.approx(1 / (PERMUTATIONS + 1))
        assert component["strength"] > 0.4


def _jobs(candidate: Candidate, target: Any) -> list[DiscoveryJob]:
    nobody = np.zeros(len(target.y), dtype=bool)
    return discovery_jobs([Evaluation(candidate, [], nobody, {}, {}, {})], target, 0)
