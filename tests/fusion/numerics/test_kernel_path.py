import numpy as np
import pytest
from tests.laws.cohorts import outcome_of

from consilience.fusion.kernel_learning import MultipleKernelLearning
from consilience.fusion.kernels import LinearKernel
from consilience.fusion.numerics.kernel_path import (
    BALANCES,
    Setting,
    along,
    baseline,
    loss_of,
    out_of_fold_losses,
    settings,
    stretch,
    values_of,
)
from consilience.fusion.task import task_of

KINDS = ("binary", "multiclass", "continuous", "survival")
N = 80
ALL = np.ones((2, N), dtype=bool)


def problem(kind: str):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 4))
    X -= X.mean(axis=0)
    task, y = task_of(outcome_of(kind, X[:, 0], rng), MultipleKernelLearning.for_outcome(kind))
    kernels = np.array([LinearKernel().gram(X[:, :2]), LinearKernel().gram(X[:, 2:])])
    return task, y, kernels


def test_settings_begin_with_the_strongest_penalty():
    assert settings("alignment", (0.1, 10.0, 1.0, 1.0)) == [(10.0, 0), (1.0, 0), (0.1, 0)]
    assert settings("easy", (0.1,)) == [Setting(0.1, balance) for balance in BALANCES]


@pytest.mark.parametrize("kind", KINDS)
def test_the_values_of_the_model_without_features_are_the_prior(kind):
    task, y, _ = problem(kind)
    loss = loss_of(task, y)
    eta = np.tile(loss.null(), (N, 1))
    said = values_of(task, eta, baseline(task, eta, y))
    # Kaplan and Meier's curve is the prior, Breslow's without features is Nelson and Aalen's.
    np.testing.assert_allclose(said[0], task.prior, atol=0.02 if kind == "survival" else 1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weighting", ["alignment", "simple"])
def test_a_path_ends_where_each_fit_alone_ends(kind, weighting):
    task, y, kernels = problem(kind)
    path = settings(weighting, (0.01, 0.1, 1.0))
    loss = loss_of(task, y)
    for setting, found in zip(path, along(weighting, kernels, ALL, loss, path, 1e-6), strict=True):
        alone = along(weighting, kernels, ALL, loss, [setting], 1e-6)[0]
        np.testing.assert_allclose(found.fit.objective, alone.fit.objective, rtol=1e-6)
        np.testing.assert_allclose(found.weights, alone.weights, atol=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_out_of_fold_losses_are_those_of_fits_on_the_other_folds(kind):
    """By hand: weights and fit from the training part, centred there anew."""
    task, y, kernels = problem(kind)
    path = settings("alignment", (0.01, 1.0))
    folds = task.folds(y, 3, 0)
    found = out_of_fold_losses("alignment", kernels, ALL, y, task, path, folds)
    by_hand = np.zeros((N, len(path)))
    for train, test in folds:
        centre = np.eye(N)
        centre[:, train] -= 1 / len(train)
        local = np.array([centre @ kernel @ centre.T for kernel in kernels])
        within = np.array([kernel[np.ix_(train, train)] for kernel in local])
        for place, setting in enumerate(path):
            fitted = along("alignment", within, ALL[:, train], loss_of(task, y[train]), [setting])[
                0
            ]
            mixed = np.tensordot(fitted.weights, local, axes=1)[np.ix_(test, train)]
            eta = mixed @ fitted.fit.weights + fitted.fit.intercept
            said = values_of(task, eta, baseline(task, fitted.fit.eta, y[train]))
            by_hand[test, place] = task.loss(y[test], said)
    np.testing.assert_allclose(found, by_hand.mean(axis=0), rtol=1e-6)
    assert found[1] < found[0]  # the stronger penalty, first in the path, says too little


def test_who_has_every_kernel_is_not_stretched_and_who_has_none_is_nowhere():
    has = np.array([[True, True, False, False], [True, False, True, False]])
    np.testing.assert_allclose(stretch(np.array([0.75, 0.25]), has), [1, 0.75**-0.5, 2, 0])
    np.testing.assert_array_equal(stretch(np.array([0.0, 1.0]), has), [1, 0, 1, 0])


def test_the_diagonal_of_a_stretched_mixture_is_as_large_for_those_who_lack_a_kernel():
    rng = np.random.default_rng(0)
    tables = [rng.normal(size=(400, 30)) for _ in range(2)]
    tables[1][:200] = np.nan
    tables = [(X - np.nanmean(X, axis=0)) / np.nanstd(X, axis=0) for X in tables]
    kernels = np.array([LinearKernel().gram(X) for X in tables])
    has = np.array([np.isfinite(X[:, 0]) for X in tables])
    weights = np.array([0.3, 0.7])
    factor = stretch(weights, has)
    mixed = np.tensordot(weights, kernels, axes=1) * np.outer(factor, factor)
    assert np.linalg.eigvalsh(mixed)[0] > -1e-10
    np.testing.assert_allclose(np.diag(mixed)[:200].mean(), 1.0, rtol=0.05)
    np.testing.assert_allclose(np.diag(mixed)[200:].mean(), 1.0, rtol=0.05)
