import itertools

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.svm import SVC

from consilience.fusion.kernels import LinearKernel, RBFKernel
from consilience.fusion.numerics.kernel_machines import (
    CoxLoss,
    LogisticLoss,
    Loss,
    MultinomialLoss,
    SquaredLoss,
    fit_on_kernel,
)
from consilience.fusion.numerics.kernel_weights import (
    alignment,
    closest_points,
    easy,
    joint_alignment,
    mixture,
    reduced_gradient,
    separate_alignment,
    simple,
)

N = 70


def kernels_and_signal(seed: int = 0, n: int = N) -> tuple[np.ndarray, np.ndarray]:
    """Return three kernels, of which the first two hold the signal and the last is noise."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=n)
    tables = [rng.normal(size=(n, 6)) for _ in range(3)]
    tables[0][:, 0] += 2 * shared
    tables[1][:, :2] += shared[:, None]
    tables = [(X - X.mean(axis=0)) / X.std(axis=0) for X in tables]
    return np.array([LinearKernel().gram(X) for X in tables]), shared


def losses(shared: np.ndarray, seed: int) -> dict[str, Loss]:
    """Return the losses of outcomes that depend on the signal."""
    rng = np.random.default_rng(seed)
    number = shared + 0.5 * rng.normal(size=len(shared))
    time = rng.exponential(np.exp(-number))
    survival = np.empty(len(shared), dtype=[("event", bool), ("time", float)])
    survival["event"], survival["time"] = rng.random(len(shared)) < 0.8, time
    return {
        "squared": SquaredLoss(number),
        "logistic": LogisticLoss(number > 0),
        "multinomial": MultinomialLoss(np.eye(3)[np.digitize(number, [-0.5, 0.5])]),
        "cox": CoxLoss(survival),
    }


KERNELS, SHARED = kernels_and_signal()
LOSSES = losses(SHARED, 1)
NUMBER = LOSSES["squared"].y[:, 0]
CLASS = LOSSES["logistic"].y[:, 0]
every_loss = pytest.mark.parametrize("name", LOSSES)


def null(loss: Loss) -> float:
    """Return the loss of the model without features."""
    return loss.value(np.tile(loss.null(), (loss.n, 1)))


def gained(loss: Loss, objective: float) -> float:
    """Return by what an objective is below the loss of the model without features."""
    return null(loss) - objective


def simplex_grid(steps: int = 40) -> np.ndarray:
    cells = itertools.product(range(steps + 1), repeat=2)
    return np.array([[a, b, steps - a - b] for a, b in cells if a + b <= steps]) / steps


# --- alignment --------------------------------------------------------------------------------


def test_alignment_is_the_cosine_of_kernel_and_outcome():
    y = NUMBER[:, None] - NUMBER.mean()
    target = y @ y.T
    by_hand = (KERNELS[0] * target).sum() / np.sqrt((KERNELS[0] ** 2).sum() * (target**2).sum())
    np.testing.assert_allclose(alignment(KERNELS[0], y), by_hand)
    np.testing.assert_allclose(alignment(target, y), 1.0)
    assert alignment(np.zeros((N, N)), y) == 0.0


@every_loss
def test_joint_alignment_is_the_best_of_all_mixtures(name):
    target = LOSSES[name].residual()
    found = joint_alignment(KERNELS, target)
    best = alignment(mixture(KERNELS, found), target)
    on_grid = [alignment(mixture(KERNELS, d), target) for d in simplex_grid()]
    assert best >= max(on_grid) - 1e-12
    assert best - max(on_grid) < 1e-3  # and the grid comes near
    assert best >= alignment(mixture(KERNELS, separate_alignment(KERNELS, target)), target)


def test_separate_alignment_is_each_kernels_own():
    target = LOSSES["squared"].residual()
    found = separate_alignment(KERNELS, target)
    unit = KERNELS / np.linalg.norm(KERNELS, axis=(1, 2))[:, None, None]
    own = np.array([alignment(kernel, target) for kernel in KERNELS])
    wanted = mixture(unit, own)
    mixed = mixture(KERNELS, found)
    np.testing.assert_allclose(mixed / np.linalg.norm(mixed), wanted / np.linalg.norm(wanted))


def test_alignments_of_an_outcome_of_which_no_kernel_knows_are_equal():
    for weigh in (joint_alignment, separate_alignment):
        np.testing.assert_array_equal(weigh(KERNELS, np.zeros((N, 1))), np.full(3, 1 / 3))


def test_a_kernel_given_twice_shares_its_weight():
    target = LOSSES["squared"].residual()
    twice = joint_alignment(KERNELS[[0, 0, 1, 2]], target)
    once = joint_alignment(KERNELS, target)
    np.testing.assert_allclose(twice[0] + twice[1], once[0], atol=1e-9)
    np.testing.assert_allclose(twice[2:], once[1:], atol=1e-9)


# --- SimpleMKL --------------------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize("penalty", [0.003, 0.03, 0.3])
def test_simple_mkl_meets_its_optimality_conditions(name, penalty):
    """A kernel with a weight has the largest norm of all, one without not more."""
    loss, strength = LOSSES[name], N * penalty
    found = simple(KERNELS, loss, strength, gap=1e-6)
    assert found.gap <= 1e-6 * gained(loss, found.fit.objective) + 1e-9 * abs(null(loss))
    np.testing.assert_allclose(found.weights.sum(), 1.0)
    assert (found.weights >= 0).all()
    a = found.fit.weights
    norms = np.array([float(np.sum(a * (kernel @ a))) for kernel in KERNELS])
    used = found.weights > 0.01
    # A gap of g allows a kernel of weight w to be off by 2 g / (strength w).
    slack = 2 * found.gap / strength
    assert (norms <= norms.max()).all()
    assert (norms.max() - norms[used] <= slack / found.weights[used] * (1 + 1e-9)).all()


@every_loss
def test_simple_mkls_duality_gap_bounds_how_much_is_left(name):
    loss, strength = LOSSES[name], N * 0.01
    rough, fine = (
        simple(KERNELS, loss, strength, gap=0.05),
        simple(KERNELS, loss, strength, gap=1e-8),
    )
    assert rough.gap <= 0.05 * gained(loss, rough.fit.objective)
    assert 0 <= rough.fit.objective - fine.fit.objective <= rough.gap + 1e-9


@every_loss
def test_simple_mkl_is_no_worse_than_any_mixture(name):
    loss, strength = LOSSES[name], N * 0.01
    best = simple(KERNELS, loss, strength, gap=1e-6).fit.objective
    on_grid = min(
        fit_on_kernel(loss, mixture(KERNELS, d), strength).objective for d in simplex_grid(10)
    )
    assert best <= on_grid * (1 + 1e-6)


@every_loss
def test_simple_mkl_with_one_kernel_is_the_plain_machine(name):
    loss = LOSSES[name]
    found = simple(KERNELS[:1], loss, 3.0)
    np.testing.assert_array_equal(found.weights, [1.0])
    assert found.steps == 0
    np.testing.assert_array_equal(found.fit.eta, fit_on_kernel(loss, KERNELS[0], 3.0).eta)


def test_simple_mkl_of_linear_kernels_is_the_group_lasso():
    """min over d is the squared sum of norms: strength / 2 (sum |w_m|)² (Bach 2008)."""
    rng = np.random.default_rng(2)
    tables = [rng.normal(size=(N, 2)) for _ in range(3)]
    tables = [X - X.mean(axis=0) for X in tables]
    y = tables[0][:, 0] + 0.3 * rng.normal(size=N)
    y -= y.mean()
    kernels = np.array([X @ X.T for X in tables])
    found = simple(kernels, SquaredLoss(y), 5.0, gap=1e-9)

    def objective(w: np.ndarray) -> float:
        parts = w.reshape(3, 2)
        fit = sum(X @ part for X, part in zip(tables, parts, strict=True))
        norms = np.sqrt((parts**2).sum(axis=1) + 1e-14)
        return float(((y - fit) ** 2).sum() / 2 + 2.5 * norms.sum() ** 2)

    direct = min(
        (minimize(objective, rng.normal(size=6), method="BFGS", tol=1e-10) for _ in range(3)),
        key=lambda result: result.fun,
    )
    np.testing.assert_allclose(found.fit.objective, direct.fun, rtol=1e-6)


def test_the_reduced_gradient_stays_on_the_simplex_and_goes_down():
    d, slope = np.array([0.7, 0.3, 0.0]), np.array([-1.0, -2.0, -0.5])
    direction = reduced_gradient(d, slope)
    np.testing.assert_allclose(direction, [-1.0, 1.0, 0.0])
    assert slope @ direction < 0


# --- EasyMKL ----------------------------------------------------------------------------------


@pytest.mark.parametrize("balance", [0.1, 0.5, 0.9, 0.99])
def test_the_closest_points_solve_the_quadratic_programme(balance):
    sign = np.where(CLASS > 0, 1.0, -1.0)
    matrix = (1 - balance) * mixture(KERNELS, np.ones(3)) * np.outer(sign, sign)
    matrix += balance * np.eye(N)
    g = closest_points(mixture(KERNELS, np.ones(3)), sign, balance)
    assert (g >= 0).all()
    np.testing.assert_allclose([g[sign > 0].sum(), g[sign < 0].sum()], 1.0)
    sides = [(sign > 0).astype(float), (sign < 0).astype(float)]
    direct = minimize(
        lambda x: x @ matrix @ x,
        np.where(sign > 0, 1 / (sign > 0).sum(), 1 / (sign < 0).sum()),
        jac=lambda x: 2 * matrix @ x,
        bounds=[(0, None)] * N,
        constraints=[
            {"type": "eq", "fun": lambda x, s=s: s @ x - 1, "jac": lambda x, s=s: s} for s in sides
        ],
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    assert g @ matrix @ g <= direct.fun * (1 + 1e-7)
    np.testing.assert_allclose(g, direct.x, atol=1e-4)
    # Karush, Kuhn and Tucker: on each side the slope is least, and equal, where g > 0.
    slope = matrix @ g
    for side in (sign > 0, sign < 0):
        used = side & (g > 1e-6)
        assert np.ptp(slope[used]) < 1e-4 * slope[used].mean()
        assert slope[side].min() > slope[used].mean() * (1 - 1e-4)


def test_the_closest_points_of_separable_classes_are_the_hard_margin():
    """At balance 0 the distance is that of the convex hulls: twice the margin of the SVM."""
    rng = np.random.default_rng(3)
    X = np.vstack([rng.normal(size=(15, 2)) + 3, rng.normal(size=(15, 2)) - 3])
    sign = np.repeat([1.0, -1.0], 15)
    g = closest_points(X @ X.T, sign, 1e-9)
    machine = SVC(C=1e6, kernel="linear", tol=1e-8).fit(X, sign)
    distance = np.linalg.norm((sign * g) @ X)
    np.testing.assert_allclose(distance, 2 / np.linalg.norm(machine.coef_), rtol=1e-3)


def test_easy_mkl_at_balance_1_is_the_distance_of_the_class_means():
    means = [np.where(CLASS > 0, 1 / CLASS.sum(), -1 / (1 - CLASS).sum()) for _ in range(3)]
    distances = np.array([m @ kernel @ m for m, kernel in zip(means, KERNELS, strict=True)])
    np.testing.assert_allclose(easy(KERNELS, CLASS[:, None], 1.0), distances / distances.sum())


def test_easy_mkl_of_two_classes_does_not_depend_on_which_is_which():
    labels = np.column_stack([1 - CLASS, CLASS])
    both, one = easy(KERNELS, labels, 0.9), easy(KERNELS, CLASS[:, None], 0.9)
    np.testing.assert_allclose(both, one, atol=1e-6)


def test_easy_mkl_leaves_out_a_class_of_which_nobody_is():
    labels = np.column_stack([1 - CLASS, CLASS, np.zeros(N)])
    assert np.isfinite(easy(KERNELS, labels, 0.9)).all()


# --- all --------------------------------------------------------------------------------------

WEIGHTINGS = {
    "joint": lambda kernels, loss: joint_alignment(kernels, loss.residual()),
    "separate": lambda kernels, loss: separate_alignment(kernels, loss.residual()),
    "simple": lambda kernels, loss: simple(kernels, loss, 0.1 * loss.n).weights,
    "easy": lambda kernels, loss: easy(kernels, loss.y, 0.99),
}


@pytest.mark.parametrize(
    ("weighting", "name"),
    [(w, n) for w in WEIGHTINGS for n in LOSSES if w != "easy" or n in ("logistic", "multinomial")],
)
def test_a_kernel_of_noise_gets_a_small_weight(weighting, name):
    """The mean over eight cohorts of 200: less than a tenth, and a quarter of any other."""
    found = []
    for seed in range(8):
        kernels, shared = kernels_and_signal(seed, 200)
        found.append(WEIGHTINGS[weighting](kernels, losses(shared, 100 + seed)[name]))
    weights = np.mean(found, axis=0)
    np.testing.assert_allclose(weights.sum(), 1.0)
    assert weights[2] < 0.1
    assert weights[2] < weights[:2].min() / 4


def test_a_kernel_that_sees_the_outcome_outweighs_one_that_does_not():
    """A circle: the Gaussian kernel sees it, the linear one cannot."""
    rng = np.random.default_rng(4)
    X = rng.normal(size=(200, 2))
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    loss = LogisticLoss(((X**2).sum(axis=1) > 1.4).astype(float))
    kernels = np.array([LinearKernel().gram(X), RBFKernel().gram(X)])
    for weigh in WEIGHTINGS.values():
        assert weigh(kernels, loss)[1] > 0.75
