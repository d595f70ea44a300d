"""What blocks say, and how far it is believed."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from consilience.fusion.component_evidence import ClassEvidence, NumberEvidence, Pool


def three_classes(n: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    codes = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    centres = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    variates = centres[codes] + rng.normal(size=(n, 2)) @ np.array([[1.0, 0.4], [0.0, 0.8]])
    return variates - variates.mean(axis=0), codes, np.bincount(codes) / n


def test_one_block_at_full_strength_is_linear_discriminant_analysis():
    variates, codes, prior = three_classes(5000)
    rows = np.ones(5000, dtype=bool)
    own = ClassEvidence(prior).fit([variates], [rows], codes)
    theirs = LinearDiscriminantAnalysis(solver="lsqr").fit(variates, codes)
    said = own.values(own.of_block(0, variates))
    np.testing.assert_allclose(said, theirs.predict_proba(variates), atol=5e-3)


def test_the_strength_of_evidence_that_overstates_is_found():
    rng = np.random.default_rng(1)
    logit = rng.normal(size=20_000) * 1.5
    codes = (rng.random(20_000) < expit(logit)).astype(int)
    of = ClassEvidence(np.array([0.5, 0.5]))
    overstated = np.column_stack([-logit, logit]) * 0.5 * 4.0
    assert of.strength(overstated, codes) == pytest.approx(0.25, rel=0.05)


def test_evidence_against_the_truth_is_not_believed():
    codes = np.array([0, 1] * 20)
    of = ClassEvidence(np.array([0.5, 0.5]))
    wrong = np.where(codes[:, None] == [0, 1], -1.0, 1.0)
    assert of.strength(wrong, codes) == 0.0
    assert NumberEvidence(np.zeros(1)).strength(-codes[:, None] + 0.5, codes - 0.5) == 0.0


def test_evidence_that_never_errs_has_a_strength_still():
    codes = np.array([0, 1] * 20)
    of = ClassEvidence(np.array([0.5, 0.5]))
    right = np.where(codes[:, None] == [0, 1], 1.0, -1.0)
    said = of.values(of.strength(right, codes) * right)[np.arange(40), codes]
    np.testing.assert_allclose(said, 21 / 22, rtol=1e-6)  # Platt's target for 20 patients


def test_a_class_that_nobody_with_the_block_has_gets_no_evidence():
    variates, codes, prior = three_classes(300)
    rows = codes != 2
    own = ClassEvidence(prior).fit([variates], [rows], codes)
    said = own.of_block(0, variates)
    assert not said[:, 2].any()
    assert np.abs(said[:, :2]).max() > 1


def test_blocks_that_repeat_each_other_count_once():
    rng = np.random.default_rng(2)
    y = rng.normal(size=500)
    one = (0.6 * y + rng.normal(size=500) * 0.4)[:, None]
    evidence, had = np.stack([one] * 4), np.ones((4, 500), dtype=bool)
    strengths = Pool().fit(evidence, had, y, NumberEvidence(np.zeros(1))).strengths_
    np.testing.assert_allclose(strengths, strengths[0] / np.arange(1, 5))


def test_independent_blocks_count_in_full():
    rng = np.random.default_rng(3)
    parts = rng.normal(size=(3, 20_000, 1))
    y = parts.sum(axis=0)[:, 0]
    had = np.ones((3, 20_000), dtype=bool)
    strengths = Pool().fit(parts, had, y, NumberEvidence(np.zeros(1))).strengths_
    np.testing.assert_allclose(strengths, 1.0, atol=0.05)


def test_a_number_of_blocks_that_nobody_has_takes_the_nearest():
    rng = np.random.default_rng(4)
    y = rng.normal(size=300)
    owner = rng.integers(0, 3, 300)
    had = owner == np.arange(3)[:, None]
    evidence = np.where(had[:, :, None], y[:, None], 0.0)
    strengths = Pool().fit(evidence, had, y, NumberEvidence(np.zeros(1))).strengths_
    np.testing.assert_allclose(strengths, 1.0)


def test_nothing_had_adds_nothing():
    pool = Pool()
    pool.strengths_ = np.array([1.0, 0.5])
    evidence = np.array([[[2.0], [2.0], [0.0]], [[4.0], [0.0], [0.0]]])
    had = np.array([[True, True, False], [True, False, False]])
    np.testing.assert_array_equal(pool.total(evidence, had)[:, 0], [3.0, 2.0, 0.0])
