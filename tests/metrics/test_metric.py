"""The laws every metric obeys, found through the catalogue."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.cohort.outcome import SURVIVAL_DTYPE
from consilience.errors import InputError
from consilience.metrics import Metric, Probabilities, SurvivalCurves, Values, metrics_for

KINDS = ("binary", "multiclass", "continuous", "survival")
ALL = [
    pytest.param(metric, id=f"{kind}-{metric.name}")
    for kind in KINDS
    for metric in metrics_for(kind)
]


def binary(rng, n):
    y = rng.integers(0, 2, n)
    p = np.round(rng.uniform(0, 1, n), int(rng.integers(1, 5)))
    return y, Probabilities(np.column_stack([1 - p, p]), np.array([0, 1]))


def multiclass(rng, n):
    classes = np.array(["a", "b", "c"])
    p = np.round(rng.dirichlet(np.ones(3), n), 2)
    p[:, 2] = 1 - p[:, :2].sum(axis=1)
    return rng.choice(classes, n), Probabilities(np.clip(p, 0, 1), classes)


def continuous(rng, n):
    digits = int(rng.integers(0, 4))
    return np.round(rng.normal(size=n), digits), Values(np.round(rng.normal(size=(n, 1)), digits))


def survival(rng, n):
    y = np.empty(n, dtype=SURVIVAL_DTYPE)
    y["event"] = rng.random(n) < rng.uniform(0.2, 1)
    y["time"] = np.round(rng.exponential(5, n), int(rng.integers(0, 3))) + 0.5
    times = np.sort(rng.choice(np.arange(1, 40), 12, replace=False) / 2.0)
    hazards = np.round(rng.exponential(0.2, n), int(rng.integers(1, 4)))
    return y, SurvivalCurves(np.exp(-hazards[:, None] * times), times)


MAKERS = {
    "binary": binary,
    "multiclass": multiclass,
    "continuous": continuous,
    "survival": survival,
}


def sample(metric, rng, n):
    return MAKERS[next(iter(metric.kinds))](rng, n)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.parametrize("metric", ALL)
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 30), most=st.integers(1, 4))
def test_a_replicate_is_the_metric_of_repeated_rows(metric: Metric, seed, n, most):
    rng = np.random.default_rng(seed)
    y, scores = sample(metric, rng, n)
    counts = rng.integers(0, most + 1, (4, n))
    counts[:, 0] += counts.sum(axis=1) == 0
    replicates = metric.replicates(y, scores, counts)
    for row, value in zip(counts, replicates, strict=True):
        rows = np.repeat(np.arange(n), row)
        assert value == pytest.approx(metric(y[rows], scores.take(rows)), abs=1e-7, nan_ok=True)


@pytest.mark.parametrize("metric", ALL)
def test_the_law_of_repeated_rows_is_not_tested_on_nothing(metric: Metric):
    rng = np.random.default_rng(0)
    y, scores = sample(metric, rng, 30)
    counts = rng.integers(0, 4, (20, 30))
    assert np.isfinite(metric.replicates(y, scores, counts)).mean() > 0.9


@pytest.mark.parametrize("metric", ALL)
def test_the_order_of_patients_does_not_matter(metric: Metric):
    rng = np.random.default_rng(1)
    y, scores = sample(metric, rng, 60)
    rows = rng.permutation(60)
    assert metric(y[rows], scores.take(rows)) == pytest.approx(metric(y, scores), abs=1e-12)


@pytest.mark.parametrize("metric", [p for p in ALL if p.values[0].chance is not None])
def test_scores_that_know_nothing_are_at_chance(metric: Metric):
    rng = np.random.default_rng(2)
    values = []
    for _ in range(60):
        y, _ = sample(metric, rng, 100)
        _, scores = sample(metric, rng, 100)
        values.append(metric(y, _centred(metric, y, scores)))
    # within four standard errors
    assert abs(np.mean(values) - metric.chance) < 4 * np.std(values) / np.sqrt(60) + 1e-12


def _centred(metric, y, scores):
    """For R², to know nothing is to predict the mean."""
    return Values(np.full((len(y), 1), y.mean())) if metric.name == "r2" else scores


CONSTANT = {
    "binary": Probabilities(np.full((40, 2), 0.5), np.array([0, 1])),
    "multiclass": Probabilities(np.full((40, 3), 1 / 3), np.array(["a", "b", "c"])),
    "survival": SurvivalCurves(np.tile([0.9, 0.5, 0.2], (40, 1)), np.array([1.0, 3.0, 9.0])),
}
RANKED = ("auroc", "macro_auroc", "harrell_concordance", "uno_concordance", "time_dependent_auc")


@pytest.mark.parametrize("metric", [p for p in ALL if p.values[0].name in RANKED])
def test_a_constant_score_has_half(metric: Metric):
    y, _ = sample(metric, np.random.default_rng(3), 40)
    scores = CONSTANT[next(iter(metric.kinds))]
    assert metric(y, scores) == pytest.approx(0.5, abs=1e-12)
    assert metric.replicates(y, scores, np.full((1, 40), 2))[0] == pytest.approx(0.5, abs=1e-12)


@pytest.mark.parametrize("metric", ALL)
def test_a_metric_can_be_sent_to_another_process(metric: Metric):
    y, scores = sample(metric, np.random.default_rng(4), 30)
    assert pickle.loads(pickle.dumps(metric))(y, scores) == metric(y, scores)


@pytest.mark.parametrize("metric", ALL)
def test_blocks_of_replicates_change_nothing(metric: Metric, monkeypatch):
    rng = np.random.default_rng(5)
    y, scores = sample(metric, rng, 25)
    counts = rng.integers(0, 3, (11, 25))
    whole = metric.replicates(y, scores, counts)
    monkeypatch.setattr("consilience.metrics.metric.BLOCK", 3 * 25)
    np.testing.assert_allclose(metric.replicates(y, scores, counts), whole, rtol=1e-9)


@pytest.mark.parametrize("metric", ALL)
def test_nobody_is_undefined(metric: Metric):
    y, scores = sample(metric, np.random.default_rng(6), 5)
    assert math.isnan(metric(y[:0], scores.take(slice(0))))
    assert np.isnan(metric.replicates(y[:0], scores.take(slice(0)), np.ones((2, 0)))).all()


def test_scores_of_other_patients_are_refused():
    y, scores = binary(np.random.default_rng(0), 10)
    auroc = metrics_for("binary")[0]
    with pytest.raises(InputError, match="scores of 10 patients"):
        auroc(y[:9], scores)
    with pytest.raises(InputError, match=r"counts need the shape \(replicates, 10\)"):
        auroc.replicates(y, scores, np.ones((2, 9)))


def test_a_score_that_is_no_number_is_refused_with_its_row():
    y, scores = continuous(np.random.default_rng(0), 10)
    scores.values[7] = np.nan
    with pytest.raises(InputError, match="row 7 is not a finite number"):
        metrics_for("continuous")[0](y, scores)


def test_scores_and_outcomes_of_another_kind_are_refused():
    y, scores = survival(np.random.default_rng(0), 10)
    with pytest.raises(InputError, match="binary, but the scores are SurvivalCurves"):
        metrics_for("binary")[0](y, scores)
    with pytest.raises(InputError, match="but the outcome's type is bool"):
        metrics_for("survival")[0](y["event"], scores)


def test_better_knows_the_direction():
    auroc, brier = metrics_for("binary")[0], metrics_for("binary")[4]
    slope = metrics_for("binary")[6]
    assert auroc.better(0.8, 0.7)
    assert brier.better(0.1, 0.2)
    assert slope.better(1.1, 0.5)
    assert not slope.better(1.6, 0.5)
    assert not auroc.better(math.nan, 0.5)
