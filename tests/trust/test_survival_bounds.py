"""Lower bounds on time: coverage with and without censoring, by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from sksurv.nonparametric import CensoringDistributionEstimator

from consilience.cohort.outcome import SURVIVAL_DTYPE
from consilience.metrics.scores import SurvivalCurves
from consilience.trust.survival_bounds import TimeBounds, Uncensored, survival_at, time_of

TIMES = np.linspace(0.01, 8, 200)


def draw(
    n: int, censoring: float, rng: np.random.Generator
) -> tuple[SurvivalCurves, np.ndarray, np.ndarray]:
    """Return curves of a model that is wrong, what was seen, and the true times."""
    x = rng.normal(size=n)
    true = rng.exponential(np.exp(-0.8 * x))
    end = rng.exponential(1 / censoring, size=n) if censoring else np.full(n, np.inf)
    y = np.empty(n, dtype=SURVIVAL_DTYPE)
    y["event"], y["time"] = true <= end, np.minimum(true, end)
    rate = 1.5 * np.exp(0.4 * x)  # too high, and too little of x
    return SurvivalCurves(np.exp(-rate[:, None] * TIMES), TIMES), y, true


@pytest.mark.parametrize(("censoring", "share"), [(0.0, 0.0), (0.3, 0.26), (1.0, 0.5)])
@pytest.mark.parametrize("level", [0.8, 0.9])
def test_as_many_live_to_their_bound_as_it_says(
    censoring: float, share: float, level: float
) -> None:
    rng, held, censored = np.random.default_rng(0), [], []
    for _ in range(150):
        scores, y, _ = draw(200, censoring, rng)
        learned = TimeBounds.of([scores], y, [()] * 200, levels=(level,))
        new, _, true = draw(300, censoring, rng)
        low = np.array([one.low or 0.0 for one, _ in learned.bounds(new, [()] * 300, level)])
        held.append((true >= low).mean())
        censored.append(learned.censored)
        assert (low <= learned.cutoff).all()
    error = np.std(held) / np.sqrt(len(held))
    assert np.mean(held) >= level - 3 * error
    assert np.mean(held) <= level + 0.02
    assert abs(np.mean(censored) - share) < 0.02


def test_to_leave_the_censored_out_would_break_the_promise() -> None:
    """What the weights are for: of those with an event alone, bounds are too early to be fair."""
    rng = np.random.default_rng(1)
    scores, y, true = draw(4000, 1.0, rng)
    level, nobody = 0.9, [()] * 4000
    learned = TimeBounds.of([scores], y, nobody, levels=(level,))
    as_if = y.copy()
    as_if["event"] = True  # censoring taken for the event
    naive = TimeBounds.of([scores], as_if, nobody, levels=(level,))
    ours, theirs = (
        np.mean(true >= np.array([b.low for b, _ in one.bounds(scores, nobody, level)]))
        for one in (learned, naive)
    )
    assert abs(ours - level) < 0.015
    assert theirs > level + 0.03


def test_groups_have_bounds_of_their_own() -> None:
    rng = np.random.default_rng(2)
    scores, y, true = draw(3000, 0.3, rng)
    sick = rng.random(3000) < 0.3
    y["time"][sick], true[sick] = y["time"][sick] / 3, true[sick] / 3
    groups = [("sick",) if s else ("well",) for s in sick]
    new = np.arange(1500, 3000)
    learned = TimeBounds.of([scores.take(slice(0, 1500))], y[:1500], groups[:1500], levels=(0.9,))
    bounds = learned.bounds(scores.take(new), [groups[i] for i in new], 0.9)
    low = np.array([one.low for one, _ in bounds])
    for members in (sick[new], ~sick[new]):
        assert abs((true[new][members] >= low[members]).mean() - 0.9) < 0.04
    alike = TimeBounds.of([scores.take(slice(0, 1500))], y[:1500], [()] * 1500, levels=(0.9,))
    low = np.array([one.low for one, _ in alike.bounds(scores.take(new), [()] * 1500, 0.9)])
    assert (true[new][sick[new]] >= low[sick[new]]).mean() < 0.85


def test_the_weights_are_those_of_scikit_survival() -> None:
    _, y, _ = draw(300, 0.5, np.random.default_rng(3))
    uncensored = Uncensored.of(y)
    theirs = CensoringDistributionEstimator().fit(y)
    rows = y["event"] & (y["time"] <= uncensored.cutoff)
    expected = theirs.predict_ipcw(y[rows])
    np.testing.assert_allclose(uncensored.weights(y)[rows], expected)
    assert (uncensored.weights(y)[~rows] == 0).all()


def test_who_is_censored_at_an_event_time_was_there_to_have_it() -> None:
    """At equal times the event comes first: its weight is 1 over the share before that time."""
    y = np.array([(False, 1.0), (True, 2.0), (False, 2.0), (True, 3.0)], dtype=SURVIVAL_DTYPE)
    np.testing.assert_allclose(Uncensored.of(y).weights(y), [0, 4 / 3, 0, 8 / 3])


def test_bounds_are_where_the_curve_has_come_down() -> None:
    scores = SurvivalCurves(np.array([[0.9, 0.5, 0.2]]), np.array([1.0, 2.0, 3.0]))
    assert time_of(scores.values[0], scores.times, 0.5) == 2.0
    assert time_of(scores.values[0], scores.times, 0.95) == 1.0
    assert time_of(scores.values[0], scores.times, 0.1) == 3.0
    assert survival_at(scores, np.array([0.5])) == [1.0]
    assert survival_at(scores, np.array([2.0])) == [0.5]


def test_of_too_few_patients_there_is_no_bound() -> None:
    scores, y, _ = draw(6, 0.0, np.random.default_rng(4))
    learned = TimeBounds.of([scores], y, [()] * 6)
    assert learned.bounds(scores, [()] * 6, 0.9)[0][0].low is None
    assert TimeBounds.model_validate_json(learned.model_dump_json()) == learned
