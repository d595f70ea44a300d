"""Conformal sets and intervals: parity with MAPIE, and coverage."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from consilience.metrics.scores import Probabilities, Values
from consilience.trust.conformal import ClassSets, ValueIntervals, cumulative


def classes_of(n: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4))
    y = np.argmax(x[:, :1] * np.arange(classes) + rng.gumbel(size=(n, classes)), axis=1)
    return x, y


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("level", [0.8, 0.9])
def test_sets_are_those_of_mapie(classes: int, level: float) -> None:
    mapie = pytest.importorskip("mapie.classification")
    x, y = classes_of(600, classes, 0)
    model = LogisticRegression().fit(x[:200], y[:200])
    theirs = mapie.SplitConformalClassifier(model, confidence_level=level, conformity_score="lac")
    theirs.conformalize(x[200:400], y[200:400])
    expected = theirs.predict_set(x[400:])[1][:, :, 0]
    told = Probabilities(model.predict_proba(x), model.classes_)
    learned = ClassSets.of([told.take(slice(200, 400))], y[200:400], [()] * 200)
    ours = learned.sets(told.take(slice(400, None)), [()] * 200, level)
    known = np.array([[str(c) in one.labels for c in model.classes_] for one in ours])
    empty = ~expected.any(axis=1)  # ours then hold the likeliest class
    # Thresholds kept at four digits, rounded up: a class may be in ours alone, never lacking.
    assert (known[~empty] >= expected[~empty]).all()
    assert (known[~empty] != expected[~empty]).mean() < 0.005
    assert (known[empty].sum(axis=1) == 1).all()


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_intervals_are_those_of_mapie(level: float) -> None:
    mapie = pytest.importorskip("mapie.regression")
    rng = np.random.default_rng(1)
    x = rng.normal(size=(500, 3))
    y = x[:, 0] + rng.normal(size=500)
    model = LinearRegression().fit(x[:200], y[:200])
    theirs = mapie.SplitConformalRegressor(model, confidence_level=level)
    theirs.conformalize(x[200:350], y[200:350])
    expected = theirs.predict_interval(x[350:])[1][:, :, 0]
    told = Values(model.predict(x)[:, None])
    learned = ValueIntervals.of([told.take(slice(200, 350))], y[200:350], [()] * 150)
    ours = learned.intervals(told.take(slice(350, None)), [()] * 150, level)
    found = np.array([(one.low, one.high) for one, _ in ours])
    np.testing.assert_allclose(found, expected, atol=2e-3)
    assert (found[:, 0] <= expected[:, 0] + 1e-12).all()


@pytest.mark.parametrize("score", ["lac", "aps"])
def test_sets_hold_the_truth_as_often_as_they_say(score: str) -> None:
    """A model that is wrong about everything still keeps its promise, in larger sets."""
    level, shares = 0.9, []
    for seed in range(60):
        x, y = classes_of(700, 3, seed)
        model = LogisticRegression().fit(x[:100], np.random.default_rng(seed).permutation(y[:100]))
        told = Probabilities(model.predict_proba(x[100:]), model.classes_)
        learned = ClassSets.of([told.take(slice(0, 200))], y[100:300], [()] * 200, score=score)
        sets = learned.sets(told.take(slice(200, None)), [()] * 400, level)
        shares.append(np.mean([str(c) in one.labels for one, c in zip(sets, y[300:], strict=True)]))
    error = np.std(shares) / np.sqrt(len(shares))
    assert np.mean(shares) >= level - 3 * error
    if score == "lac":
        assert np.mean(shares) <= level + 1 / 201 + 3 * error


def test_a_better_model_has_smaller_sets() -> None:
    x, y = classes_of(900, 3, 0)
    sizes = []
    for labels in (y[:300], np.random.default_rng(0).permutation(y[:300])):
        model = LogisticRegression().fit(x[:300], labels)
        told = Probabilities(model.predict_proba(x[300:]), model.classes_)
        learned = ClassSets.of([told.take(slice(0, 300))], y[300:600], [()] * 300)
        sets = learned.sets(told.take(slice(300, None)), [()] * 300, 0.8)
        sizes.append(np.mean([len(one.labels) for one in sets]))
    assert sizes[0] < sizes[1] - 0.3


def test_classes_come_the_likeliest_first_and_never_none() -> None:
    told = Probabilities(np.array([[0.2, 0.5, 0.3]] * 40), np.array(["a", "b", "c"]))
    learned = ClassSets.of([told], np.array(["b"] * 40), [()] * 40)
    sure = Probabilities(np.array([[0.1, 0.45, 0.45], [0.4, 0.3, 0.3]]), told.classes)
    sets = learned.sets(sure, [(), ()], 0.9)
    assert sets[0].labels == ("b",)  # nothing is at 0.5 or above: the likeliest
    assert sets[1].labels == ("a",)
    unsure = ClassSets.of([told], np.array(["c"] * 40), [()] * 40).sets(sure, [(), ()], 0.9)
    assert unsure[0].labels == ("b", "c")
    assert unsure[1].labels == ("a", "b", "c")


def test_cumulative_scores_add_up_the_likelier_classes() -> None:
    found = cumulative(np.array([[0.2, 0.5, 0.3]]))
    np.testing.assert_allclose(found, [[1.0, 0.5, 0.8]])


def test_repeats_of_cross_validation_count_as_one_patient() -> None:
    rng = np.random.default_rng(0)
    one = Values(rng.normal(size=(30, 1)))
    y = rng.normal(size=30)
    once = ValueIntervals.of([one], y, [()] * 30)
    thrice = ValueIntervals.of([one, one, one], y, [()] * 30)
    assert once == thrice
