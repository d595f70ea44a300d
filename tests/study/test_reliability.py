"""A study learns when its model knows, and measures whether it does."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests.study.report_reading import Reader

from consilience.cohort import (
    Binary,
    Cohort,
    Continuous,
    Multiclass,
    Outcome,
    Survival,
    synthetic_cohort,
)
from consilience.fusion import EarlyFusion
from consilience.metrics.scores import Probabilities, Values
from consilience.study import Candidate, Finding, Protocol, Study
from consilience.study.bundle import Bundle
from consilience.study.bundle.reliability import Reliability
from consilience.study.learners import ridge
from consilience.trust.number import PredictedValue, ProbabilityOf

QUICK = Protocol(
    folds=4,
    repeats=2,
    inner_folds=2,
    bootstrap=200,
    permutations=0,
    importance=False,
    discoveries=False,
    leave_one_out=False,
    robustness=False,
)
OUTCOMES: dict[str, Outcome] = {
    "binary": Binary("outcome"),
    "multiclass": Multiclass("outcome"),
    "continuous": Continuous("outcome"),
    "survival": Survival("event", "time"),
}
SAID = {"binary": "classes", "multiclass": "classes", "continuous": "values", "survival": "times"}


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory):
    """A function that runs a study of a kind once."""

    @lru_cache
    def run(kind: str) -> SimpleNamespace:
        cohort, _ = synthetic_cohort(240, kind=kind, features=5, seed=2, missing=0.2)
        place = tmp_path_factory.mktemp(kind) / "out"
        early = Candidate("early", EarlyFusion(ridge(kind).estimator))
        finding = Study(cohort, OUTCOMES[kind], [early], QUICK).run(place)
        return SimpleNamespace(cohort=cohort, place=place, finding=finding, kind=kind)

    return run


@pytest.mark.parametrize("kind", OUTCOMES)
def test_what_is_promised_is_held_within_what_chance_allows(studied, kind: str) -> None:
    found = studied(kind).finding.reliability
    assert found.of == SAID[kind]
    assert found.groups == ["sex", "age"]
    promised = [one for one in found.coverage if one.column != "outcome"]
    assert {one.level for one in promised} == {0.8, 0.9}
    assert {one.column for one in promised} == {"", "sex", "age"}
    for one in promised:
        assert one.high >= one.level - 0.01, one
        assert one.size > 0
    by_column = [one.patients for one in promised if one.column == "sex"]
    whole = next(one for one in promised if not one.column)
    assert sum(by_column) == whole.patients


@pytest.mark.parametrize("kind", OUTCOMES)
def test_the_fewer_are_answered_the_fewer_errors(studied, kind: str) -> None:
    curve = studied(kind).finding.reliability.curve
    assert curve[-1].share == 1.0
    half = next(point for point in curve if point.share >= 0.5)
    assert half.error < curve[-1].error


@pytest.mark.parametrize("kind", OUTCOMES)
def test_the_bundle_carries_it_and_is_the_same_read_back(studied, kind: str) -> None:
    made = studied(kind)
    assert Finding.load(made.place / "finding.json") == made.finding
    bundle = Bundle.load(made.place / "bundle")
    known = bundle.reliability
    assert known.patients > 200
    assert "jackknife" in known.note
    assert known.distributions is not None
    assert Reliability.model_validate_json(known.model_dump_json()) == known
    answered = 0
    for row in range(60):
        patient = made.cohort[row : row + 1]
        scores = bundle.model.scores(patient)
        silent = known.silent(patient, scores)
        answered += not silent
        interval, classes = known.interval(patient, scores), known.classes(patient, scores)
        assert bool(classes) == (SAID[kind] == "classes")
        if interval is not None:
            assert (interval.high is None) == (kind == "survival")
            assert interval.level == 0.9
    assert answered > 5


def test_no_patient_is_in_the_file(studied) -> None:
    made = studied("continuous")
    text = (made.place / "bundle" / "reliability.json").read_text()
    assert not [p for p in made.cohort.index if f'"{p}"' in text]
    numbers = {f"{x:.6g}" for x in made.cohort.patients["outcome"]}
    held = {f"{x:.6g}" for x in _numbers(json.loads(text)["intervals"])}
    assert not numbers & held


def _numbers(tree: object) -> list[float]:
    if isinstance(tree, dict):
        return [n for part in tree.values() for n in _numbers(part)]
    if isinstance(tree, list):
        return [n for part in tree for n in _numbers(part)]
    return [tree] if isinstance(tree, float) else []


@pytest.mark.parametrize("kind", OUTCOMES)
def test_the_report_shows_it(studied, kind: str) -> None:
    made = studied(kind)
    text = (made.place / "report.html").read_text(encoding="utf-8")
    page = Reader(text)
    assert "When the model knows" in page.text
    assert 'id="coverage"' in text
    assert 'id="answered"' in text
    for one in made.finding.reliability.coverage:
        if not one.column:
            assert f"Promised {one.level:.0%}, held {100 * one.coverage:.0f}%" in page.text


def test_an_older_finding_has_none_and_is_still_read(studied, tmp_path: Path) -> None:
    stored = json.loads(studied("binary").finding.to_json())
    del stored["reliability"]
    (tmp_path / "finding.json").write_text(json.dumps(stored))
    assert Finding.load(tmp_path / "finding.json").reliability is None


# --- reasons to be silent, and levels ---------------------------------------------------------


def held(n: int = 400, *, strength: float = 2.0) -> tuple[Cohort, Probabilities, np.ndarray]:
    """Return patients, what a good model says of them, and what came about."""
    cohort, _ = synthetic_cohort(n, modalities=1, features=6, seed=5)
    rng = np.random.default_rng(5)
    logit = strength * rng.normal(size=n)
    p = 1 / (1 + np.exp(-logit))
    y = (rng.random(n) < p).astype(int)
    return cohort, Probabilities(np.column_stack([1 - p, p]), np.array([0, 1])), y


def learned(strength: float = 2.0) -> tuple[Reliability, Cohort, Probabilities]:
    cohort, scores, y = held(strength=strength)
    folds = list(np.array_split(np.arange(len(y)), 5))
    number = ProbabilityOf("probability of death", "1")
    known = Reliability.of([scores], y, number, ["sex"], cohort, folds=folds)
    return known, cohort, scores


def test_a_value_out_of_range_is_a_reason_that_names_it() -> None:
    known, cohort, scores = learned()
    table = cohort.modalities["m1"]
    row = next(i for i in range(400) if not known.silent(cohort[[i]], scores.take([i])))
    frame = table.frame.iloc[[row]].copy()
    frame.iloc[0, 2] = 1e4
    patient = cohort[[row]].with_modality("m1", type(table)(frame))
    reasons = known.silent(patient, scores.take([row]))
    assert frame.columns[2] in reasons[0]
    assert "10000" in reasons[0]
    assert any("unlike" in reason for reason in reasons)


def test_who_was_not_measured_gets_no_number() -> None:
    known, cohort, scores = learned()
    nobody = cohort[[0]].assigned("m1", cohort[[0]].modalities["m1"], np.array([-1]))
    assert known.silent(nobody, scores.take([0])) == ("nothing that the model reads was measured.",)


def test_silent_patients_are_those_between_and_answered_ones_err_less() -> None:
    known, cohort, scores = learned(strength=1.0)
    silent = np.array([bool(said) for said in known.silences(cohort, scores)])
    _, _, y = held(strength=1.0)
    wrong = (scores.positive > 0.5) != y
    assert 0.1 < silent.mean() < 0.6
    assert wrong[~silent].mean() < wrong.mean() - 0.01
    assert np.abs(scores.positive - 0.5)[~silent].mean() > np.abs(scores.positive - 0.5).mean()


def test_a_zone_of_the_users_is_kept_silent() -> None:
    known, cohort, scores = learned()
    row = next(i for i in range(400) if not known.silent(cohort[[i]], scores.take([i])))
    told = float(scores.positive[row])
    zone = known.silence.model_copy(update={"zone": (told - 0.01, told + 0.01)})
    rule = known.model_copy(update={"silence": zone})
    patient = cohort[[row]], scores.take([row])
    assert "lies between" in rule.silent(*patient, number=told)[0]
    assert rule.silent(*patient, number=told + 0.02) == rule.silent(*patient) == ()


def test_levels_are_thirds_of_the_numbers_told() -> None:
    known, _, scores = learned()
    told = known.told(ProbabilityOf("probability of death", "1"), scores.positive)
    levels = [known.level(one) for one in told]
    assert [levels.count(name) for name in ("low", "middle", "high")] == pytest.approx(
        [400 / 3] * 3, abs=2
    )
    assert known.level(0.0) == "low"
    assert known.level(1.0) == "high"
    assert Reliability().level(0.5) is None


def test_an_interval_is_around_the_number_that_is_told() -> None:
    cohort, _ = synthetic_cohort(400, modalities=1, features=6, seed=5)
    rng = np.random.default_rng(7)
    true = rng.normal(size=400)
    said, y = Values(4.0 * true[:, None] - 10.0), true + 0.3 * rng.normal(size=400)
    number, folds = PredictedValue("x"), list(np.array_split(np.arange(200), 5))
    known = Reliability.of([said.take(slice(200))], y[:200], number, [], cohort[:200], folds=folds)
    assert known.recalibration.applied
    told = known.told(number, number.of(said))
    unseen = range(200, 400)
    ends = [known.interval(cohort[[row]], said.take([row])) for row in unseen]
    for row, one in zip(unseen, ends, strict=True):
        assert (one.low + one.high) / 2 == pytest.approx(told[row])
        assert one.high - one.low < 2 * 1.645 * 0.3 * 1.25  # what nobody can know, and a little
    held_them = [one.low <= y[row] <= one.high for row, one in zip(unseen, ends, strict=True)]
    assert np.mean(held_them) > 0.9 - 3 * np.sqrt(0.09 * (1 / 200 + 1 / 200))


def test_sets_are_of_the_probabilities_that_are_told() -> None:
    cohort, scores, y = held(strength=1.0)
    wild = np.clip(scores.positive, 1e-9, 1 - 1e-9)
    wild = 1 / (1 + ((1 - wild) / wild) ** 4 * np.exp(-6))  # too extreme, and too high
    said = Probabilities(np.column_stack([1 - wild, wild]), scores.classes)
    number, folds = ProbabilityOf("death", "1"), list(np.array_split(np.arange(400), 5))
    known = Reliability.of([said], y, number, [], cohort, folds=folds)
    assert known.recalibration.applied
    told = known.told(number, said.positive)
    first = [known.classes(cohort[[row]], said.take([row]))[0] for row in range(400)]
    assert first == ["1" if p > 0.5 else "0" for p in told]


def test_an_empty_one_says_nothing_and_is_never_silent_but_of_nothing() -> None:
    cohort, scores, _ = held()
    empty = Reliability()
    one = cohort[[0]], scores.take([0])
    assert empty.silent(*one) == ()
    assert empty.classes(*one) == ()
    assert empty.interval(*one) is None
    assert empty.notes(*one) == ()
    told = empty.told(ProbabilityOf("x", "1"), scores.positive)
    assert (told == scores.positive).all()


def test_of_whom_the_group_is_unknown_it_is_noted() -> None:
    known, cohort, scores = learned()
    assert known.notes(cohort[[0]], scores.take([0])) == ()
    stranger = Cohort(cohort[[0]].patients[[]], dict(cohort[[0]].modalities))
    assert "against all patients" in known.notes(stranger, scores.take([0]))[0]
