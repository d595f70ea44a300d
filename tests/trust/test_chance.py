"""A pipeline that leaks is caught, an honest one is not."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from consilience.trust import chance_check, permuted_outcome, permuted_outcomes

X = np.random.default_rng(0).standard_normal((80, 500))
Y = (np.random.default_rng(1).random(80) < 0.5).astype(int)


def honest(y: np.ndarray) -> float:
    model = make_pipeline(SelectKBest(k=10), LogisticRegression())
    return float(cross_val_score(model, X, y, scoring="roc_auc").mean())


def leaking(y: np.ndarray) -> float:
    chosen = SelectKBest(k=10).fit_transform(X, y)
    return float(cross_val_score(LogisticRegression(), chosen, y, scoring="roc_auc").mean())


def test_selection_outside_the_folds_is_caught() -> None:
    check = permuted_outcome(leaking, Y, 0.5, repeats=8)
    assert check.status == "failed"
    assert check.details[0]["mean"] > 0.7


def test_selection_inside_the_folds_is_not() -> None:
    check = permuted_outcome(honest, Y, 0.5, repeats=8)
    assert check.status != "failed"
    assert abs(check.details[0]["mean"] - 0.5) < 0.1


@pytest.mark.parametrize("n", [3, 5, 20])
def test_false_alarms_are_rarer_than_one_in_two_hundred(n: int) -> None:
    """The rate promised is one in a thousand; 20 alarms in 4,000 would be five times that."""
    rng = np.random.default_rng(n)
    alarms = sum(
        chance_check(rng.normal(0.5, 0.08, n), 0.5).status == "failed" for _ in range(4000)
    )
    assert alarms < 20


def test_worse_than_chance_is_no_leak_and_lower_may_be_better() -> None:
    low = np.array([0.40, 0.41, 0.39, 0.40, 0.42, 0.40])
    assert chance_check(low, 0.5).status == "passed"
    assert chance_check(low, 0.5, higher_is_better=False).status == "failed"


def test_a_sure_but_tiny_excess_passes() -> None:
    scores = 0.505 + 0.001 * np.random.default_rng(0).standard_normal(30)
    assert chance_check(scores, 0.5).status == "passed"
    assert chance_check(scores, 0.5, margin=0.0).status == "failed"


def test_scores_that_scatter_too_much_are_said_to() -> None:
    check = chance_check([0.2, 0.8, 0.5], 0.5)
    assert check.status == "warning"
    assert "more permutations" in check.sentence


def test_what_cannot_be_run_is_said_not_to_be() -> None:
    assert chance_check([0.5, 0.5, 0.5], None).status == "not run"
    assert chance_check([0.5, np.nan, 0.5], 0.5).status == "not run"
    assert "No outcome was permuted" in chance_check([], 0.5).sentence
    assert "2 scores" in chance_check([0.5, 0.5], 0.5).sentence


def test_the_p_value_counts_permutations_as_good() -> None:
    scores = [0.45, 0.5, 0.55, 0.6]
    assert chance_check(scores, 0.5, observed=0.56).details[0]["p_value"] == pytest.approx(2 / 5)
    below = chance_check(scores, 0.5, observed=0.4, higher_is_better=False)
    assert below.details[0]["p_value"] == pytest.approx(1 / 5)


def test_permuted_outcomes_keep_what_is_there_and_repeat_with_the_seed() -> None:
    once, again = permuted_outcomes(Y, 3, seed=4), permuted_outcomes(Y, 3, seed=4)
    for a, b in zip(once, again, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(np.sort(a), np.sort(Y))
    assert not np.array_equal(once[0], once[1])
