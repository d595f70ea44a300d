"""Coordinate descent for cooperative learning, compiled.

The smooth part of the objective is, for linear predictors ``f_m`` of the modalities
and their sum ``eta``,

    loss(b0 + eta) + rho / (2 n) * sum over pairs of a patient's modalities (f_m - f_l)²

and the second term is ``rho / (2 n) * sum_i (c_i * sum_m f_im² - eta_i²)``, where c_i
counts the modalities of patient i. So neither the stacked rows of the original
formulation nor a loop over pairs is needed: the gradient by ``f_m`` is
``(loss' + rho * (c f_m - eta)) / n``, and a step of one coefficient costs one product
and one update of n numbers whatever the number of modalities.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from consilience.cohort.modality import FloatArray, Positions
from consilience.fusion.numerics.family_losses import derive, loss

MOST_PASSES = 20_000  # over the active coefficients, for one quadratic model
MOST_ROUNDS = 20_000  # of quadratic models, for one penalty
SHARE = 0.3  # how far the gradient on the support falls before the passes go on
BETWEEN = 3  # passes before the support is solved for as a whole
ARMIJO = 1e-4
SUFFICIENT = 0.1  # of the fall that the slope promises a step over the support
ROUNDING = 1e-13


class Problem(NamedTuple):
    """What is minimised, but for the outcome and the penalty's strength."""

    columns: FloatArray  # (p, n): a feature a row, contiguous; 0 where not measured
    modality: Positions  # (p,): whose feature it is, in blocks
    partners: FloatArray  # (n,): rho times the number of modalities a patient has
    rho: float
    factors: FloatArray  # (p,): penalty factors
    l1_ratio: float
    has_intercept: bool
    tolerance: float  # of the optimality conditions, in units of the gradient
    inexact: float  # how far below its first violation a model is solved; 0: it is exact


class State(NamedTuple):
    """Where the descent stands; all arrays are updated in place."""

    coefficients: FloatArray  # (r, p)
    intercepts: FloatArray  # (r,)
    views: FloatArray  # (r, m, n): each modality's linear predictor
    eta: FloatArray  # (r, n): the intercept and all of them


class Model(NamedTuple):
    """The quadratic model of the loss in one response, and memory to step in."""

    gradient: FloatArray  # (n,)
    weight: FloatArray  # (n,)
    pull: FloatArray  # (n,): gradient of the model by eta, less rho times the sum of views
    slope: FloatArray  # (n,): the same by the modality at hand
    moved: FloatArray  # (n,): how far the modality at hand has moved
    stiffness: FloatArray  # (n,): second derivative by a modality's predictor
    bend: FloatArray  # (p,): curvature of each active coefficient


@njit(cache=True, fastmath={"reassoc", "contract"})
def dot(a, b):  # type: ignore[no-untyped-def]
    """Return a product; the compiler may reorder the sum, which makes it four times faster."""
    total = 0.0
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


@njit(cache=True, fastmath={"reassoc", "contract"})
def _weighted_square(x, weight):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(len(x)):
        total += x[i] * x[i] * weight[i]
    return total


@njit(cache=True)
def _push(x, step, stiffness, moved, slope):  # type: ignore[no-untyped-def]
    """Move a modality along a feature, and its slope with it."""
    for i in range(len(x)):
        by = step * x[i]
        moved[i] += by
        slope[i] += by * stiffness[i]


@njit(cache=True)
def soft(value, threshold):  # type: ignore[no-untyped-def]
    """Return a value drawn towards 0 by a threshold."""
    if value > threshold:
        return value - threshold
    if value < -threshold:
        return value + threshold
    return 0.0


@njit(cache=True)
def _enter(problem, state, model, response, m):  # type: ignore[no-untyped-def]
    view = state.views[response, m]
    for i in range(len(view)):
        model.slope[i] = model.pull[i] + problem.partners[i] * view[i]
        model.moved[i] = 0.0


@njit(cache=True)
def _leave(problem, state, model, response, m):  # type: ignore[no-untyped-def]
    for i in range(len(model.moved)):
        state.views[response, m, i] += model.moved[i]
        state.eta[response, i] += model.moved[i]
        model.pull[i] += model.moved[i] * (model.weight[i] - problem.rho)


@njit(cache=True)
def _move_intercept(state, model, response, rho):  # type: ignore[no-untyped-def]
    """Minimise the model over the intercept; return the gradient it had."""
    n = len(model.weight)
    slope = 0.0
    bend = 0.0
    old = state.intercepts[response]
    for i in range(n):
        slope += model.pull[i] + rho * (state.eta[response, i] - old)
        bend += model.weight[i]
    step = -slope / bend
    state.intercepts[response] += step
    for i in range(n):
        state.eta[response, i] += step
        model.pull[i] += model.weight[i] * step
    return abs(slope) / n


@njit(cache=True)
def _pass(problem, state, model, response, active, penalty):  # type: ignore[no-untyped-def]
    """Step every active coefficient once; return the worst violation met on the way."""
    worst = 0.0
    first = 0
    while first < len(active):
        m = problem.modality[active[first]]
        last = first
        while last < len(active) and problem.modality[active[last]] == m:
            last += 1
        _enter(problem, state, model, response, m)
        beta = state.coefficients[response]
        worst = max(worst, _step_each(problem, model, beta, active[first:last], penalty))
        _leave(problem, state, model, response, m)
        first = last
    if problem.has_intercept:
        worst = max(worst, _move_intercept(state, model, response, problem.rho))
    return worst


@njit(cache=True)
def _step_each(problem, model, beta, active, penalty):  # type: ignore[no-untyped-def]
    """Step the active coefficients of one modality; return the worst violation."""
    columns, factors = problem.columns, problem.factors
    slope, moved, stiffness, bends = model.slope, model.moved, model.stiffness, model.bend
    lasso = penalty * problem.l1_ratio
    ridge = penalty * (1.0 - problem.l1_ratio)
    share = 1.0 / columns.shape[1]
    worst = 0.0
    for j in active:
        bend = bends[j]
        if bend <= 0.0:
            continue
        whole = bend + ridge * factors[j]
        pull = bend * beta[j] - dot(columns[j], slope) * share
        step = soft(pull, lasso * factors[j]) / whole - beta[j]
        if step != 0.0:
            beta[j] += step
            _push(columns[j], step, stiffness, moved, slope)
            worst = max(worst, abs(step) * whole)
    return worst


@njit(cache=True)
def _image(problem, model, support, direction, views, eta):  # type: ignore[no-untyped-def]
    """Fill the predictors of a direction: by modality, and together with the intercept's step."""
    views[:] = 0.0
    eta[:] = direction[-1]
    for k in range(len(support)):
        x = problem.columns[support[k]]
        view = views[problem.modality[support[k]]]
        step = direction[k]
        for i in range(len(x)):
            view[i] += step * x[i]
    for m in range(len(views)):
        for i in range(len(eta)):
            eta[i] += views[m, i]


@njit(cache=True)
def _curve(problem, model, support, ridge, direction, image, out):  # type: ignore[no-untyped-def]
    """Fill the model's second derivative times a direction."""
    views, eta = image
    _image(problem, model, support, direction, views, eta)
    n = len(eta)
    force = np.empty(n)
    m = -1
    for k in range(len(support)):
        j = support[k]
        if problem.modality[j] != m:
            m = problem.modality[j]
            for i in range(n):
                together = eta[i] - direction[-1]
                force[i] = model.weight[i] * eta[i] - problem.rho * together
                force[i] += problem.partners[i] * views[m, i]
        out[k] = dot(problem.columns[j], force) / n + ridge[k] * direction[k]
    out[-1] = dot(model.weight, eta) / n if problem.has_intercept else 0.0


@njit(cache=True)
def _residual(problem, state, model, response, support, penalty):  # type: ignore[no-untyped-def]
    """Return minus the gradient over the support with its signs, the intercept's last."""
    n = len(model.pull)
    beta = state.coefficients[response]
    out = np.zeros(len(support) + 1)
    m = -1
    for k in range(len(support)):
        j = support[k]
        if problem.modality[j] != m:
            m = problem.modality[j]
            _enter(problem, state, model, response, m)
        size = problem.l1_ratio * np.sign(beta[j]) + (1.0 - problem.l1_ratio) * beta[j]
        out[k] = -dot(problem.columns[j], model.slope) / n - penalty * problem.factors[j] * size
    if problem.has_intercept:
        for i in range(n):
            together = state.eta[response, i] - state.intercepts[response]
            out[-1] -= (model.pull[i] + problem.rho * together) / n
    return out


@njit(cache=True)
def _conjugate(problem, model, support, ridge, residual, image, goal):  # type: ignore[no-untyped-def]
    """Return the step that minimises the model over the support, by conjugate gradients."""
    scale = np.empty(len(residual))
    for k in range(len(support)):
        scale[k] = 1.0 / (model.bend[support[k]] + ridge[k])
    scale[-1] = len(model.weight) / model.weight.sum()
    step = np.zeros(len(residual))
    curved = np.empty(len(residual))
    direction = scale * residual
    product = dot(residual, direction)
    goal = max(0.3 * goal, SHARE * np.abs(residual).max())
    for _ in range(len(residual)):
        _curve(problem, model, support, ridge, direction, image, curved)
        bend = dot(direction, curved)
        if bend <= 0.0:
            break
        share = product / bend
        step += share * direction
        residual -= share * curved
        if np.abs(residual).max() <= goal:
            break
        before = product
        product = dot(residual, scale * residual)
        direction = scale * residual + (product / before) * direction
    return step


@njit(cache=True)
def _within_signs(problem, beta, support, step, share, out):  # type: ignore[no-untyped-def]
    """Fill a share of a step; what would change its sign goes to 0. Return how many do."""
    crossings = 0
    for k in range(len(support)):
        j = support[k]
        out[k] = share * step[k]
        free = problem.factors[j] * problem.l1_ratio == 0.0
        if not free and beta[j] * (beta[j] + out[k]) < 0.0:
            out[k] = -beta[j]
            crossings += 1
    out[-1] = share * step[-1]
    return crossings


@njit(cache=True)
def solve_support(problem, state, model, response, active, penalty, goal):  # type: ignore[no-untyped-def]
    """Minimise the model over the coefficients that are not 0, as far as their signs hold.

    Coordinate descent finds the support in a few passes and then needs many more where
    features are correlated; conjugate gradients do that part. Coefficients that would
    change their sign stop at 0, and the step is halved until the model has fallen, which
    it does at the latest where no sign changes.
    """
    beta = state.coefficients[response]
    support = active[(beta[active] != 0.0) & (model.bend[active] > 0.0)]
    if len(support) == 0:
        return
    ridge = penalty * (1.0 - problem.l1_ratio) * problem.factors[support]
    residual = _residual(problem, state, model, response, support, penalty)
    image = (np.empty(state.views.shape[1:]), np.empty(len(model.weight)))
    whole = _conjugate(problem, model, support, ridge, residual.copy(), image, goal)
    step = np.empty(len(whole))
    curved = np.empty(len(whole))
    share = 1.0
    while True:
        crossings = _within_signs(problem, beta, support, whole, share, step)
        _curve(problem, model, support, ridge, step, image, curved)
        fall = dot(residual, step)
        if crossings == 0 or 0.5 * dot(step, curved) <= (1.0 - SUFFICIENT) * fall:
            break
        share *= 0.5
    views, eta = image
    for k in range(len(support)):
        j = support[k]
        beta[j] = 0.0 if step[k] == -beta[j] else beta[j] + step[k]
    state.intercepts[response] += step[-1]
    state.views[response] += views
    state.eta[response] += eta
    for i in range(len(eta)):
        model.pull[i] += model.weight[i] * eta[i] - problem.rho * (eta[i] - step[-1])


@njit(cache=True)
def _model_at(problem, family, state, model, response, active):  # type: ignore[no-untyped-def]
    """Take the quadratic model of the loss where the state is."""
    n = problem.columns.shape[1]
    derive(family, state.eta, response, model.gradient, model.weight)
    for i in range(n):
        together = state.eta[response, i] - state.intercepts[response]
        model.pull[i] = model.gradient[i] - problem.rho * together
        model.stiffness[i] = model.weight[i] - problem.rho + problem.partners[i]
    for j in active:
        model.bend[j] = _weighted_square(problem.columns[j], model.stiffness) / n


@njit(cache=True)
def disagreement(problem, views):  # type: ignore[no-untyped-def]
    """Return the agreement term of the objective, of views (r, m, n)."""
    total = 0.0
    for r in range(views.shape[0]):
        for i in range(views.shape[2]):
            together = 0.0
            squares = 0.0
            for m in range(views.shape[1]):
                together += views[r, m, i]
                squares += views[r, m, i] ** 2
            total += problem.partners[i] * squares - problem.rho * together**2
    return 0.5 * total / views.shape[2]


@njit(cache=True)
def penalty_of(problem, beta, active, penalty):  # type: ignore[no-untyped-def]
    """Return the elastic net penalty of one response's coefficients."""
    total = 0.0
    for j in active:
        size = problem.l1_ratio * abs(beta[j]) + 0.5 * (1.0 - problem.l1_ratio) * beta[j] ** 2
        total += problem.factors[j] * size
    return penalty * total


@njit(cache=True)
def _slope_along(problem, model, before, state, response):  # type: ignore[no-untyped-def]
    """Return the derivative of the smooth part at `before` towards the state."""
    total = 0.0
    for i in range(len(model.gradient)):
        old = before.eta[response, i] - before.intercepts[response]
        total += model.gradient[i] * (state.eta[response, i] - before.eta[response, i])
        for m in range(state.views.shape[1]):
            view = before.views[response, m, i]
            pull = problem.partners[i] * view - problem.rho * old
            total += pull * (state.views[response, m, i] - view)
    return total / len(model.gradient)


@njit(cache=True)
def _halve(state, before, response, active):  # type: ignore[no-untyped-def]
    """Go half the way back to where the step began."""
    beta = state.coefficients[response]
    for j in active:
        beta[j] = 0.5 * (beta[j] + before.coefficients[response, j])
    state.intercepts[response] = 0.5 * (state.intercepts[response] + before.intercepts[response])
    state.views[response] = 0.5 * (state.views[response] + before.views[response])
    state.eta[response] = 0.5 * (state.eta[response] + before.eta[response])


@njit(cache=True)
def _remember(state, before, response, active):  # type: ignore[no-untyped-def]
    for j in active:
        before.coefficients[response, j] = state.coefficients[response, j]
    before.intercepts[response] = state.intercepts[response]
    before.views[response] = state.views[response]
    before.eta[:] = state.eta  # the loss is of all responses


@njit(cache=True)
def _objective(problem, family, state, response, active, penalty):  # type: ignore[no-untyped-def]
    """Return the objective, but for the other responses' penalty and disagreement."""
    own = state.views[response : response + 1]
    return (
        loss(family, state.eta)
        + disagreement(problem, own)
        + penalty_of(problem, state.coefficients[response], active, penalty)
    )


@njit(cache=True)
def _newton_step(problem, family, states, model, response, active, penalty):  # type: ignore[no-untyped-def]
    """Minimise the quadratic model, then step back until the objective has fallen enough.

    The line search (Tseng and Yun 2009) is what makes the outer iteration converge for
    every family, the Cox model's diagonal curvature included. Returns the violation of
    the optimality conditions that the step began with.
    """
    state, before = states
    _model_at(problem, family, state, model, response, active)
    _remember(state, before, response, active)
    began = _pass(problem, state, model, response, active, penalty)
    if began <= problem.tolerance:
        return began
    goal = max(0.5 * problem.tolerance, problem.inexact * began)
    for count in range(1, MOST_PASSES):
        if count % BETWEEN == 0:
            solve_support(problem, state, model, response, active, penalty, goal)
        if _pass(problem, state, model, response, active, penalty) <= goal:
            break
    if problem.inexact == 0.0:
        return 0.0
    start = _objective(problem, family, before, response, active, penalty)
    fall = _slope_along(problem, model, before, state, response)
    fall += penalty_of(problem, state.coefficients[response], active, penalty)
    fall -= penalty_of(problem, before.coefficients[response], active, penalty)
    share = 1.0
    while share > 1e-8:
        now = _objective(problem, family, state, response, active, penalty)
        if now <= start + ARMIJO * share * fall + ROUNDING * (1.0 + abs(start)):
            break
        _halve(state, before, response, active)
        share *= 0.5
    return began


@njit(cache=True)
def settle(problem, family, state, before, model, active, penalty):  # type: ignore[no-untyped-def]
    """Minimise the objective over the active coefficients of all responses.

    `active` marks them, (r, p). Returns whether the optimality conditions hold.
    """
    chosen = [np.flatnonzero(active[r]) for r in range(len(active))]
    for _ in range(MOST_ROUNDS):
        worst = 0.0
        for r in range(len(active)):
            began = _newton_step(problem, family, (state, before), model, r, chosen[r], penalty)
            worst = max(worst, began)
        if worst <= problem.tolerance:
            return True
    return False


@njit(cache=True)
def slopes(problem, family, state, model, wanted, out):  # type: ignore[no-untyped-def]
    """Fill minus the gradient of the loss and the agreement, (r, p), where `wanted`."""
    n = problem.columns.shape[1]
    for r in range(len(wanted)):
        derive(family, state.eta, r, model.gradient, model.weight)
        for i in range(n):
            together = state.eta[r, i] - state.intercepts[r]
            model.pull[i] = model.gradient[i] - problem.rho * together
        m = -1
        for j in range(len(problem.modality)):
            if problem.modality[j] != m:
                m = problem.modality[j]
                _enter(problem, state, model, r, m)
            if wanted[r, j]:
                out[r, j] = -dot(problem.columns[j], model.slope) / n


def fresh_state(intercepts: FloatArray, n_columns: int, n_views: int, n: int) -> State:
    """Return the state of the model without features."""
    r = len(intercepts)
    eta = np.repeat(intercepts[:, None], n, axis=1)
    return State(np.zeros((r, n_columns)), intercepts.copy(), np.zeros((r, n_views, n)), eta)


def fresh_model(n_columns: int, n: int) -> Model:
    """Return the memory of a quadratic model."""
    a, b, c, d, e, f = np.zeros((6, n))
    return Model(a, b, c, d, e, f, np.zeros(n_columns))


def marks(shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Return an array of False to mark coefficients in."""
    return np.zeros(shape, dtype=np.bool_)
