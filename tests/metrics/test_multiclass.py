"""Metrics of several classes against scikit-learn and against two classes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from consilience.errors import InputError
from consilience.metrics import calibration, discrimination, multiclass

CLASSES = np.array(["a", "b", "c"])


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    return rng.choice(CLASSES, 80), rng.dirichlet(np.ones(3), 80)


def test_macro_auroc_is_scikit_learns_one_against_the_rest(case):
    y, p = case
    assert multiclass.macro_auroc(y, p, CLASSES) == pytest.approx(
        roc_auc_score(y, p, multi_class="ovr", average="macro")
    )


def test_two_classes_agree_with_the_binary_metrics():
    rng = np.random.default_rng(1)
    y, p1 = rng.integers(0, 2, 60), rng.random(60)
    p, classes = np.column_stack([1 - p1, p1]), np.array([0, 1])
    assert multiclass.macro_auroc(y, p, classes) == pytest.approx(discrimination.auroc(y, p1))
    assert multiclass.multiclass_log_loss(y, p, classes) == pytest.approx(
        calibration.log_loss(y, p1)
    )
    assert multiclass.multiclass_brier(y, p, classes) == pytest.approx(2 * calibration.brier(y, p1))
    assert multiclass.multiclass_balanced_accuracy(y, p, classes) == pytest.approx(
        discrimination.balanced_accuracy(y, p1)
    )


def test_perfect_and_worst(case):
    y, _ = case
    right = np.eye(3)[np.searchsorted(CLASSES, y)]
    assert multiclass.macro_auroc(y, right, CLASSES) == 1
    assert multiclass.macro_f1(y, right, CLASSES) == 1
    assert multiclass.multiclass_brier(y, right, CLASSES) == 0
    assert multiclass.multiclass_brier(y, np.roll(right, 1, axis=1), CLASSES) == 2


def test_a_class_nobody_has_is_left_out_of_the_mean(case):
    y, p = case
    kept = y != "b"
    place = np.searchsorted(CLASSES, y[kept])
    each = [discrimination.auroc((place == k).astype(int), p[kept, k]) for k in (0, 2)]
    assert multiclass.macro_auroc(y[kept], p[kept], CLASSES) == pytest.approx(np.mean(each))


def test_one_class_is_undefined(case):
    y, p = np.repeat("a", 80), case[1]
    for metric in (
        multiclass.macro_auroc,
        multiclass.macro_f1,
        multiclass.multiclass_balanced_accuracy,
    ):
        assert math.isnan(metric(y, p, CLASSES))


def test_a_label_without_a_column_is_named(case):
    y, p = case
    with pytest.raises(
        InputError, match="holds 'd', but there are probabilities only of 'a', 'b', 'c'"
    ):
        multiclass.macro_auroc(np.append(y, "d"), np.vstack([p, p[:1]]), CLASSES)
