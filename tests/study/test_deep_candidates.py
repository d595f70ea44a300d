"""Networks as candidates: declared in a file, seeded, on one thread, drawn, or not installed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.study.discoveries_example import discovering
from tests.study.report_reading import changed, overlaps

from consilience.cohort import Binary, Target, synthetic_cohort
from consilience.errors import InputError
from consilience.fusion import IntermediateFusion
from consilience.fusion.tuned_fusion import TunedFusion
from consilience.nn.training import Training
from consilience.study import Candidate, Protocol, Study
from consilience.study.candidates import seeded
from consilience.study.declaring import declared
from consilience.study.described import references
from consilience.study.discovered import PathFound
from consilience.study.jobs import ScoreJob
from consilience.study.report.discoveries import discoveries
from consilience.study.settings import CandidateSettings

SHORT = {"max_epochs": 3}


def candidate(**keys: Any) -> Candidate:
    settings = CandidateSettings(**{"name": "deep", "method": "IntermediateFusion", **keys})
    return declared(settings, "binary", Protocol(inner_folds=2, seed=5))


def test_training_is_a_table_of_its_own() -> None:
    made = candidate(options={"members": 2, "training": {"max_epochs": 7, "batch_size": 16}})
    assert isinstance(made.estimator, IntermediateFusion) and made.estimator.members == 2
    assert made.estimator.training.get_params() == Training(7, batch_size=16).get_params()


@pytest.mark.parametrize("options", [{}, {"training": SHORT}])
def test_settings_of_training_can_be_tried(options: dict[str, Any]) -> None:
    made = candidate(options=options, grid={"training__learning_rate": [1e-3, 1e-2]})
    assert isinstance(made.estimator, TunedFusion)
    assert made.method.training.max_epochs == options.get("training", {}).get("max_epochs", 200)
    assert made.estimator.grid == {"training__learning_rate": [1e-3, 1e-2]}


def test_encoders_are_named_by_modality() -> None:
    from consilience.nn.encoders import MLP

    table = {"m1": "MLP", "m2": {"encoder": "MLP", "dropout": 0.5}}
    encoders = candidate(options={"encoders": table}).method.encoders
    assert isinstance(encoders["m1"], MLP) and encoders["m2"].dropout == 0.5


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"options": {"training": 5}}, "training must be a table, such as"),
        ({"options": {"training": {"epochs": 5}}}, "training has no option 'epochs'"),
        ({"options": {"training": {"max_epochs": 0}}}, "max_epochs must be"),
        ({"grid": {"training__learning_rate": [-1.0]}}, "learning_rate must be"),
        ({"grid": {"training__rate": [1.0]}}, "has no setting 'training__rate'"),
        ({"options": {"encoders": {"m1": "MPL"}}}, "m1: encoder: 'MPL' is none of .*'MLP'"),
        ({"options": {"encoders": {"m1": ["MLP"]}}}, "m1: encoder: .* is none of .*'MLP'"),
        ({"options": {"encoders": {"m1": {"encoder": []}}}}, "m1: encoder: .* is none of .*'MLP'"),
        ({"options": {"encoders": {"m1": {"encoder": "MLP", "depth": 0}}}}, "depth must be"),
        ({"options": {"encoders": {"m1": {"encoder": "MLP", "x": 1}}}}, "MLP has no option 'x'"),
        ({"method": "EarlyFusion", "options": {"encoders": {}}}, "no option 'encoders'"),
    ],
)
def test_what_cannot_be_is_named_with_its_key(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        candidate(**keys)


def test_the_study_seeds_networks_unless_the_file_does() -> None:
    plain = candidate(options={"training": SHORT})
    assert seeded(plain.estimator, 9).random_state == 9
    assert seeded(candidate(options={"random_state": 4}).estimator, 9).random_state == 4
    tried = candidate(options={"training": SHORT}, grid={"width": [4, 8]})
    assert seeded(tried.estimator, 9).method.random_state == 9


class Spying(ScoreJob):
    def _scores(self, model: Any, test: Any) -> Any:
        import torch

        assert torch.get_num_threads() == 1
        return super()._scores(model, test)


def target_of(n: int = 60) -> Target:
    cohort, _ = synthetic_cohort(n, modalities=2, features=4, missing=0.1, seed=0)
    return Binary("outcome").of(cohort)


def test_they_are_fitted_and_asked_on_one_thread_and_give_the_same_numbers_again() -> None:
    target = target_of()
    fold = Protocol(folds=2, repeats=1).splits(target)[0]
    job = Spying(candidate(options={"training": SHORT}), fold, 3, None, removals=(0.3,))
    (frame, notes), (again, _) = job.run(target), job.run(target)
    assert "failed" not in notes
    pd.testing.assert_frame_equal(frame, again)
    assert sorted(frame["removed"].unique()) == [0.0, 0.3]
    other = Spying(job.candidate, fold, 4, None).run(target)[0]
    whole = frame[frame["removed"] == 0.0]
    assert not np.allclose(other["probability:1"], whole["probability:1"])


QUICK = Protocol(
    folds=2,
    repeats=1,
    inner_folds=2,
    bootstrap=100,
    permutations=0,
    importance=False,
    leave_one_out=False,
    robustness=(0.4,),
)


def test_without_the_extra_the_candidate_fails_alone_and_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # as where it is not installed
    table = {"training": SHORT, "encoders": {"m1": "MLP"}}
    deep = candidate(options=table, grid={"width": [4, 8]})
    study = Study(target_of().cohort, Binary("outcome"), [deep], QUICK)
    finding = study.run(tmp_path / "out")
    assert "pip install 'consilience[deep]'" in str(finding.candidate("deep").failed)
    assert finding.candidate("late mean").failed is None
    assert [r.candidate for r in finding.robustness if r.points][1:] == ["late mean"]


def test_a_study_of_networks_tells_their_curves_versions_and_time(tmp_path: Path) -> None:
    deep = candidate(options={"members": 3, "training": {"max_epochs": 4}})
    study = Study(target_of().cohort, Binary("outcome"), [deep], QUICK)
    finding = study.run(tmp_path / "out")
    assert finding.candidate("deep").failed is None
    assert len([d for d in finding.discoveries if d.candidate == "deep"]) == 3
    drawn = [chart for chart in discoveries(finding) if chart.group == "deep"]
    assert len(drawn) == 1 and len(drawn[0].rows) == 3
    assert {"torch", "lightning"} <= set(finding.provenance.versions)
    taken = finding.provenance.fit_seconds
    assert set(taken) == {c.name for c in finding.candidates} and min(taken.values()) > 0
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Time of a fold, to fit and predict" in page
    deep_found = next(r for r in finding.robustness if r.candidate == "deep")
    assert [point.asked for point in deep_found.points] == [0.0, 0.4]


def test_libraries_of_networks_are_told_only_where_there_are_some() -> None:
    study = Study(target_of().cohort, Binary("outcome"), [], QUICK)
    assert "torch" not in study.identity()["versions"]


# --- the picture ---------------------------------------------------------------------------


def curve(number: int, y: tuple[float | None, ...], **keys: Any) -> PathFound:
    usual: dict[str, Any] = {
        "candidate": "deep",
        "title": f"Learning curve of member {number}",
        "x_label": "epoch",
        "y_label": "loss",
        "x": [float(k) for k in range(1, len(y) + 1)],
        "y": list(y),
        "chosen": 2.0,
    }
    return PathFound(**{**usual, **keys})


def test_curves_of_one_ensemble_are_one_picture() -> None:
    found = [curve(1, (3.0, 1.0, 2.0)), curve(2, (4.0, 2.0)), curve(3, (5.0, None, 4.0))]
    charts = discoveries(changed(discovering("binary"), discoveries=found).finding)
    assert len(charts) == 1 and overlaps(charts[0]) == []
    assert charts[0].title == "deep: Learning curve of member 1 and 2 more"
    assert charts[0].rows[0][1:] == ("3", "2", "1.000", "2.000")
    assert [row[0] for row in charts[0].rows] == [one.title for one in found]
    axes = charts[0].figure.axes[0]
    assert [tuple(line.get_ydata()) for line in axes.lines[:2]] == [(3.0, 1.0, 2.0), (4.0, 2.0)]


def test_curves_of_others_and_of_other_things_stay_apart() -> None:
    found = [
        curve(1, (3.0, 1.0)),
        curve(1, (3.0, 1.0), candidate="other"),
        curve(1, (3.0, 1.0), candidate="other", x_label="penalty"),
    ]
    assert len(discoveries(changed(discovering("binary"), discoveries=found).finding)) == 3


def test_references_are_told_without_their_marks() -> None:
    known = references("IntermediateFusion")
    assert known and not any(".. [" in each for each in known)
