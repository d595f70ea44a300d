"""DeLong against its O(mn) definition, a published example, and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from consilience.metrics import delong, delong_difference
from consilience.metrics.auroc_delong import delong_covariance


def by_definition(y, scores):
    """DeLong et al. 1988, equations 4 to 6: structural components from all pairs."""
    pairs = [
        (s[y == 1][:, None] > s[y == 0]) + 0.5 * (s[y == 1][:, None] == s[y == 0]) for s in scores
    ]
    of_cases = np.array([pair.mean(axis=1) for pair in pairs])
    of_controls = np.array([pair.mean(axis=0) for pair in pairs])
    covariance = np.atleast_2d(np.cov(of_cases)) / of_cases.shape[1]
    return of_cases.mean(axis=1), covariance + np.atleast_2d(
        np.cov(of_controls)
    ) / of_controls.shape[1]


@given(st.integers(0, 2**32 - 1), st.integers(2, 12), st.integers(2, 12), st.integers(1, 3))
def test_mid_ranks_give_what_all_pairs_give(seed, cases, controls, models):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat([1, 0], [cases, controls]))
    scores = rng.integers(0, 6, (models, cases + controls)).astype(float)
    areas, covariance = delong_covariance(y, scores)
    expected_areas, expected_covariance = by_definition(y, scores)
    np.testing.assert_allclose(areas, expected_areas, atol=1e-12)
    np.testing.assert_allclose(covariance, expected_covariance, atol=1e-12)


def test_the_published_example_of_hanley_and_mcneil():
    """CT ratings of 109 patients (Radiology 1982, table I).

    Stata's manual (roctab) gives by DeLong: area 0.8932, standard error 0.0307, 95 %
    interval 0.83295 to 0.95339.
    """
    normal, abnormal = [33, 6, 6, 11, 2], [3, 2, 2, 11, 33]
    ratings = np.repeat([1, 2, 3, 4, 5] * 2, normal + abnormal).astype(float)
    y = np.repeat([0, 1], [58, 51])
    found = delong(y, ratings)
    assert found.estimate == pytest.approx(0.8932, abs=5e-5)
    assert found.low == pytest.approx(0.83295, abs=5e-6)
    assert found.high == pytest.approx(0.95339, abs=5e-6)
    assert math.sqrt(delong_covariance(y, ratings[None])[1][0, 0]) == pytest.approx(
        0.0307, abs=5e-5
    )


def test_it_covers_the_truth_and_finds_no_difference_where_there_is_none():
    rng, y = np.random.default_rng(0), np.arange(150) % 2
    truth, hits, found = norm.cdf(1 / math.sqrt(2)), 0, 0
    for _ in range(400):
        a, b = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 150).T + y
        interval = delong(y, a)
        hits += interval.low <= truth <= interval.high
        found += delong_difference(y, a, b).p_value < 0.05
    error = 3 * math.sqrt(0.95 * 0.05 / 400)
    assert abs(hits / 400 - 0.95) < error
    assert abs(found / 400 - 0.05) < error


def test_a_difference_is_that_of_the_areas_and_turns_its_sign():
    rng, y = np.random.default_rng(1), np.arange(60) % 2
    a, b = rng.normal(size=(2, 60)) + y * [[1.5], [0.2]]
    forth, back = delong_difference(y, a, b), delong_difference(y, b, a)
    assert forth.estimate == pytest.approx(delong(y, a).estimate - delong(y, b).estimate)
    assert (forth.low, forth.p_value) == pytest.approx((-back.high, back.p_value))
    assert (forth.p_value < 0.05) == (forth.low > 0 or forth.high < 0)


def test_the_same_ranking_has_no_difference():
    y, p = np.array([0, 1, 0, 1]), np.array([0.1, 0.4, 0.5, 0.9])
    same = delong_difference(y, p, np.exp(p))
    assert (same.estimate, same.low, same.high, same.p_value) == (0, 0, 0, 1)


def test_too_few_patients_are_undefined():
    assert math.isnan(delong(np.zeros(3, dtype=int), np.arange(3.0)).estimate)
    one = delong(np.array([1, 0, 0]), np.arange(3.0))
    assert one.estimate == 0
    assert math.isnan(one.low)
    p_value = delong_difference(np.array([1, 0, 0]), np.arange(3.0), np.arange(3.0)[::-1]).p_value
    assert math.isnan(p_value)
