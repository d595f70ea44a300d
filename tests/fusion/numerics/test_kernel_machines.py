import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression, Ridge
from sksurv.linear_model import CoxPHSurvivalAnalysis

from consilience.fusion.numerics import kernel_machines
from consilience.fusion.numerics.kernel_machines import (
    CoxLoss,
    LogisticLoss,
    Loss,
    MultinomialLoss,
    SquaredLoss,
    fit_on_kernel,
    root,
)

N = 60
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 5))
X -= X.mean(axis=0)
SIGNAL = X @ [1.0, -1.0, 0.5, 0.0, 0.0]
NUMBER = 3 + SIGNAL + RNG.normal(size=N)
CLASS = (SIGNAL + RNG.normal(size=N) > 0).astype(int)
LEVEL = np.digitize(SIGNAL + RNG.normal(size=N), [-0.7, 0.7])
SURVIVAL = np.array(
    list(
        zip(RNG.random(N) < 0.7, np.round(RNG.exponential(np.exp(-SIGNAL)) + 0.1, 1), strict=True)
    ),
    dtype=[("event", bool), ("time", float)],
)
LOSSES: dict[str, Loss] = {
    "squared": SquaredLoss(NUMBER),
    "logistic": LogisticLoss(CLASS),
    "multinomial": MultinomialLoss(np.eye(3)[LEVEL]),
    "cox": CoxLoss(SURVIVAL),
}
every_loss = pytest.mark.parametrize("name", LOSSES)


@every_loss
def test_gradient_and_curvature_are_the_derivatives(name):
    loss = LOSSES[name]
    rng = np.random.default_rng(1)
    eta, design = rng.normal(size=(N, loss.columns)), rng.normal(size=(N, 3))
    away = rng.normal(size=eta.shape)
    numeric = (loss.value(eta + 1e-6 * away) - loss.value(eta - 1e-6 * away)) / 2e-6
    np.testing.assert_allclose((loss.gradient(eta) * away).sum(), numeric, rtol=1e-7)
    B = rng.normal(size=(3, loss.columns))
    turn = design @ B * 1e-6
    change = design.T @ (loss.gradient(eta + turn) - loss.gradient(eta - turn)) / 2e-6
    wanted = (loss.hessian(eta, design) @ B.T.ravel()).reshape(loss.columns, 3).T
    np.testing.assert_allclose(wanted, change, rtol=1e-6, atol=1e-6)


@every_loss
@pytest.mark.parametrize("strength", [0.01, 1.0, 100.0])
def test_the_fit_is_the_weighted_sum_of_kernels_and_optimal(name, strength):
    loss, kernel = LOSSES[name], X @ X.T
    fit = fit_on_kernel(loss, kernel, strength)
    np.testing.assert_allclose(kernel @ fit.weights + fit.intercept, fit.eta, atol=1e-7)
    # The dual variables are feasible: with an intercept they add up to 0.
    np.testing.assert_allclose(fit.weights.sum(axis=0) * strength, 0, atol=1e-7)
    penalty = strength / 2 * float(np.sum(fit.weights * (kernel @ fit.weights)))
    np.testing.assert_allclose(fit.objective, loss.value(fit.eta) + penalty, rtol=1e-9)


@every_loss
def test_many_unknowns_are_found_as_few_are(name, monkeypatch):
    loss = LOSSES[name]
    newton = fit_on_kernel(loss, X @ X.T, 1.0)
    monkeypatch.setattr(kernel_machines, "MOST_NEWTON", 0)
    lbfgs = fit_on_kernel(loss, X @ X.T, 1.0)
    np.testing.assert_allclose(lbfgs.eta, newton.eta, atol=2e-4)
    np.testing.assert_allclose(lbfgs.objective, newton.objective, rtol=1e-8)


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_the_search_without_second_derivatives_goes_as_far_in_any_unit(
    unit: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_machines, "MOST_NEWTON", 0)
    fit = fit_on_kernel(SquaredLoss(unit * NUMBER), X @ X.T, 1.0)
    direct = KernelRidge(alpha=1.0, kernel="precomputed").fit(X @ X.T, NUMBER - NUMBER.mean())
    wanted = NUMBER.mean() + direct.predict(X @ X.T)
    np.testing.assert_allclose(fit.eta[:, 0] / unit, wanted, atol=1e-4)


def test_squared_is_ridge_and_kernel_ridge():
    fit = fit_on_kernel(LOSSES["squared"], X @ X.T, 2.0)
    ridge = Ridge(alpha=2.0).fit(X, NUMBER)
    np.testing.assert_allclose(X.T @ fit.weights[:, 0], ridge.coef_, atol=1e-10)
    np.testing.assert_allclose(fit.intercept, ridge.intercept_)
    dual = KernelRidge(alpha=2.0, kernel="precomputed").fit(X @ X.T, NUMBER - NUMBER.mean())
    np.testing.assert_allclose(fit.weights[:, 0], dual.dual_coef_, atol=1e-10)


def test_logistic_and_multinomial_are_scikit_learns():
    for name, y in (("logistic", CLASS), ("multinomial", LEVEL)):
        fit = fit_on_kernel(LOSSES[name], X @ X.T, 2.0)
        peer = LogisticRegression(C=0.5, tol=1e-10, max_iter=10_000).fit(X, y)
        said = np.atleast_2d(peer.decision_function(X).T).T
        away = fit.eta - said
        np.testing.assert_allclose(away - away.mean(axis=1, keepdims=True), 0, atol=1e-5)
        np.testing.assert_allclose(X.T @ fit.weights, peer.coef_.T, atol=1e-5)


def test_cox_is_scikit_survivals_ridge_with_ties():
    assert len(np.unique(SURVIVAL["time"])) < N
    fit = fit_on_kernel(LOSSES["cox"], X @ X.T, 2.0)
    # Its alpha is that of the sum, as here.
    peer = CoxPHSurvivalAnalysis(alpha=2.0, tol=1e-12).fit(X, SURVIVAL)
    np.testing.assert_allclose(X.T @ fit.weights[:, 0], peer.coef_, atol=1e-5)


def test_residuals_are_centred_and_those_of_survival_are_martingale_residuals():
    for loss in LOSSES.values():
        np.testing.assert_allclose(loss.residual().sum(axis=0), 0, atol=1e-9)
    expected = [
        event
        - sum(
            1 / (SURVIVAL["time"] >= other["time"]).sum()
            for other in SURVIVAL
            if other["event"] and other["time"] <= time
        )
        for event, time in SURVIVAL
    ]
    np.testing.assert_allclose(LOSSES["cox"].residual()[:, 0], expected, atol=1e-12)


def test_the_root_has_as_many_columns_as_the_kernel_has_rank():
    Z = root(X @ X.T)
    assert Z.shape == (N, 5)
    np.testing.assert_allclose(Z @ Z.T, X @ X.T, atol=1e-12)
    np.testing.assert_array_equal(root(np.zeros((4, 4))), np.zeros((4, 1)))


@every_loss
def test_a_start_changes_the_way_and_not_the_end(name):
    loss = LOSSES[name]
    first = fit_on_kernel(loss, X @ X.T, 10.0)
    cold = fit_on_kernel(loss, X @ X.T, 0.1)
    warm = fit_on_kernel(loss, X @ X.T, 0.1, first)
    np.testing.assert_allclose(warm.eta, cold.eta, atol=1e-6)


def test_coxs_loss_is_finite_where_hazards_are_beyond_all_numbers():
    """Patients in the order of their risk, the log hazards 5,000 apart."""
    y = np.array([(True, 1.0 + i) for i in range(5)], dtype=SURVIVAL.dtype)
    loss, eta = CoxLoss(y), np.linspace(1e4, -1e4, 5)[:, None]
    np.testing.assert_allclose(loss.value(eta), 0.0, atol=1e-9)
    np.testing.assert_allclose(loss.gradient(eta), 0.0, atol=1e-9)
    np.testing.assert_allclose(loss.value(-eta), 5000 * (1 + 2 + 3 + 4), rtol=1e-12)
    # The last to die was expected to die at each of the five deaths.
    np.testing.assert_allclose(loss.gradient(-eta)[:, 0], [-1, -1, -1, -1, 4], atol=1e-9)
    assert np.isfinite(loss.hessian(-eta, np.eye(5))).all()


@every_loss
def test_a_bad_start_is_not_taken(name):
    loss = LOSSES[name]
    cold = fit_on_kernel(loss, X @ X.T, 1.0)
    away = cold._replace(weights=1e6 * np.random.default_rng(0).normal(size=cold.weights.shape))
    np.testing.assert_allclose(fit_on_kernel(loss, X @ X.T, 1.0, away).eta, cold.eta, atol=1e-7)
