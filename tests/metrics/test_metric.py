"""The laws every metric obeys, found through the catalogue."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.cohort.outcome import SURVIVAL_DTYPE
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
