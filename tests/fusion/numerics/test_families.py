"""Families: derivatives against differences, and likelihoods written out."""

from __future__ import annotations

import numpy as np
import pytest
from tests.fusion.optimality import GRADIENTS

from consilience.cohort.outcome import SURVIVAL_DTYPE
from consilience.errors import InputError
from consilience.fusion.numerics.cooperative_path import loss_at
from consilience.fusion.numerics.families import Binomial, Cox, Gaussian, Multinomial, Poisson
from consilience.fusion.numerics.family_losses import LEAST_CURVATURE


def survival(n, seed=0):
    rng = np.random.default_rng(seed)
    y = np.empty(n, dtype=SURVIVAL_DTYPE)
    y["time"] = rng.integers(1, 8, n)  # many ties
    y["event"] = rng.random(n) < 0.6
    return y


def families(n=30, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "gaussian": Gaussian.of(rng.normal(size=n)),
        "binomial": Binomial.of(rng.integers(0, 2, n)),
        "multinomial": Multinomial.of(np.r_[0, 1, 2, rng.integers(0, 3, n - 3)]),
        "poisson": Poisson.of(rng.poisson(2.0, n)),
        "cox": Cox.of(survival(n, seed)),
    }


NAMES = tuple(families())


def compiled_derivatives(family, eta, response):
    from numba import njit

    from consilience.fusion.numerics.family_losses import derive

    @njit
    def call(family, eta, response, gradient, curvature):
        derive(family, eta, response, gradient, curvature)

    gradient, curvature = np.empty(eta.shape[1]), np.empty(eta.shape[1])
    call(family, eta, response, gradient, curvature)
    return gradient, curvature


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_and_curvature_are_those_of_the_loss(name):
    family = families()[name]
    rng = np.random.default_rng(1)
    eta = rng.normal(size=(len(family.null()), 30))
    for r in range(len(eta)):
        gradient, curvature = compiled_derivatives(family, eta, r)
        assert gradient == pytest.approx(GRADIENTS[type(family)](family, eta)[r], abs=1e-12)
        for i in (0, 7, 29):
            step = np.zeros_like(eta)
            step[r, i] = 1e-4
            up, here, down = (30 * loss_at(family, eta + s * step) for s in (1, 0, -1))
            assert (up - down) / 2e-4 == pytest.approx(gradient[i], abs=1e-6)
            second = (up - 2 * here + down) / 1e-8
            assert max(second, LEAST_CURVATURE) == pytest.approx(curvature[i], abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_fits_better_than_the_least_loss_and_the_null_is_the_best_constant(name):
    family = families()[name]
    rng = np.random.default_rng(2)
    null = family.null()[:, None] + np.zeros((1, 30))
    at_null = loss_at(family, null)
    for _ in range(20):
        assert loss_at(family, 3 * rng.normal(size=null.shape)) >= family.least()
        shifted = loss_at(family, null + 0.1 * rng.normal(size=(len(null), 1)))
        assert at_null <= shifted + 1e-12


def test_the_least_cox_loss_is_reached_where_who_dies_first_is_certain():
    y = survival(20)
    y["event"] = True
    family = Cox.of(y)
    assert loss_at(family, -40.0 * y["time"][None]) == pytest.approx(family.least(), abs=1e-10)


def test_held_out_cox_deviance_is_the_difference_of_two_partial_likelihoods():
    family = families()["cox"]
    eta = np.random.default_rng(3).normal(size=(1, 30))
    held = np.arange(0, 30, 4)
    rest = np.setdiff1d(np.arange(30), held)
    whole = -30 * loss_at(family, eta)
    others = -len(rest) * loss_at(family.part(rest), np.ascontiguousarray(eta[:, rest]))
    expected = -2 * (whole - others) / family.event[held].sum()
    assert family.deviance(eta, held) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["binomial", "multinomial"])
def test_deviance_is_twice_the_log_loss(name):
    family = families()[name]
    eta = np.random.default_rng(4).normal(size=(len(family.null()), 30))
    assert family.deviance(eta, np.arange(30)) == pytest.approx(2 * loss_at(family, eta))
    assert family.values(eta).sum(axis=1) == pytest.approx(np.ones(30))


def test_counts_below_zero_and_no_counts_at_all_are_refused():
    with pytest.raises(InputError, match="entry 1 of y is -2"):
        Poisson.of(np.array([1.0, -2.0]))
    with pytest.raises(InputError, match="all are 0"):
        Poisson.of(np.zeros(3))
