"""Comparisons find differences that are there, and seldom ones that are not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm, ttest_1samp

from consilience.errors import InputError
from consilience.metrics import (
    Probabilities,
    delong_difference,
    holm,
    metric_named,
    nadeau_bengio,
    paired_bootstrap,
)

AUROC = metric_named("auroc", "binary")


def probabilities(x):
    p = norm.cdf(x)
    return Probabilities(np.column_stack([1 - p, p]), np.array([0, 1]))


def correlated(rng, n, distances):
    y = np.arange(n) % 2
    noise = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], n).T
    return y, noise + np.outer(distances, y)


def test_the_same_scores_do_not_differ():
    y, (a, _) = correlated(np.random.default_rng(0), 60, [1, 1])
    found = paired_bootstrap(AUROC, y, [probabilities(a)], [probabilities(a)], n=200, seed=0)
    assert (found.estimate, found.low, found.high, found.p_value) == (0, 0, 0, 1)


def test_it_agrees_with_delong_and_turns_its_sign():
    y, (a, b) = correlated(np.random.default_rng(1), 400, [1.2, 0.8])
    forth = paired_bootstrap(AUROC, y, [probabilities(a)], [probabilities(b)], n=4000, seed=0)
    back = paired_bootstrap(AUROC, y, [probabilities(b)], [probabilities(a)], n=4000, seed=0)
    delong = delong_difference(y, a, b)
    width = delong.high - delong.low
    assert forth.estimate == pytest.approx(delong.estimate)
    assert forth.low == pytest.approx(delong.low, abs=0.06 * width)
    assert forth.high == pytest.approx(delong.high, abs=0.06 * width)
    assert (forth.low, forth.high) == pytest.approx((-back.high, -back.low))
    assert forth.p_value == back.p_value


def test_pairing_narrows_the_interval():
    y, (a, b) = correlated(np.random.default_rng(2), 200, [1, 1])
    paired = paired_bootstrap(AUROC, y, [probabilities(a)], [probabilities(b)], n=1000, seed=0)
    apart = [
        AUROC.replicates(
            y, probabilities(x), np.random.default_rng(k).multinomial(200, [1 / 200] * 200, 1000)
        )
        for k, x in enumerate((a, b))
    ]
    low, high = np.quantile(apart[0] - apart[1], [0.025, 0.975])
    assert paired.high - paired.low < 0.8 * (high - low)


def test_no_difference_is_seldom_found():
    rng, found, covered = np.random.default_rng(3), 0, 0
    for seed in range(300):
        y, (a, b) = correlated(rng, 120, [0.8, 0.8])
        result = paired_bootstrap(
            AUROC, y, [probabilities(a)], [probabilities(b)], n=400, seed=seed
        )
        found += result.p_value < 0.05
        covered += result.low <= 0 <= result.high
    error = 3 * math.sqrt(0.95 * 0.05 / 300)
    assert abs(found / 300 - 0.05) < error
    assert abs(covered / 300 - 0.95) < error


def folds_under_the_null(rng, n=100, k=5, repeats=5):
    """Differences in accuracy of two nearest-mean rules on equally good, independent features."""
    y = np.arange(n) % 2
    x = 0.7 * y[:, None] + rng.normal(size=(n, 2))
    differences = []
    for _ in range(repeats):
        for test in np.array_split(rng.permutation(n), k):
            train = np.ones(n, dtype=bool)
            train[test] = False
            zero, one = (x[train & (y == label)].mean(axis=0) for label in (0, 1))
            said = (x[test] - (zero + one) / 2) * np.sign(one - zero) > 0
            right = (said == (y[test] == 1)[:, None]).mean(axis=0)
            differences.append(right[0] - right[1])
    return np.array(differences)


def test_nadeau_bengio_holds_its_level_where_the_plain_t_test_does_not():
    rng = np.random.default_rng(4)
    studies = [folds_under_the_null(rng) for _ in range(400)]
    corrected = np.mean([nadeau_bengio(d, 80, 20).p_value < 0.05 for d in studies])
    plain = np.mean([ttest_1samp(d, 0).pvalue < 0.05 for d in studies])
    assert corrected <= 0.07
    assert plain > 0.2


def test_nadeau_bengio_by_hand():
    d = np.array([0.01, 0.03, 0.02, 0.05, -0.01])
    found = nadeau_bengio(d, 80, 20)
    error = math.sqrt(d.var(ddof=1) * (1 / 5 + 20 / 80))
    assert found.estimate == pytest.approx(0.02)
    assert found.high - found.estimate == pytest.approx(2.7764451 * error)  # t with 4 degrees
    # without a test part the correction vanishes
    nearly = nadeau_bengio(d, 1e12, 1)
    assert nearly.p_value == pytest.approx(ttest_1samp(d, 0).pvalue)


def test_undefined_folds_are_counted():
    found = nadeau_bengio([0.1, math.nan, 0.2, 0.15], 80, 20)
    assert found.undefined == 1
    assert found == nadeau_bengio([0.1, 0.2, 0.15, math.nan], 80, 20)
    assert math.isnan(nadeau_bengio([0.1, math.nan], 80, 20).p_value)


def test_folds_that_agree_exactly():
    assert nadeau_bengio([0.0, 0.0, 0.0], 80, 20).p_value == 1
    sure = nadeau_bengio([0.5, 0.5, 0.5], 80, 20)
    assert (sure.low, sure.high, sure.p_value) == (0.5, 0.5, 0)


def test_folds_without_patients_are_refused():
    with pytest.raises(InputError, match="not 80 and 0"):
        nadeau_bengio([0.1, 0.2], 80, 0)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1, 1])
    np.testing.assert_allclose(holm([0.02, math.nan, 0.03]), [0.04, math.nan, 0.04])
    assert len(holm([])) == 0
