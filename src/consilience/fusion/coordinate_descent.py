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
from consilience.fusion.families import derive, loss

MOST_PASSES = 20_000  # over the active coefficients, for one quadratic model
MOST_ROUNDS = 500  # of quadratic models, for one penalty
INEXACT = 0.05  # how far below a model's first violation its solution goes
ARMIJO = 1e-4
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
    bend: FloatArray  # (p,): curvature of each active coefficient


@njit(cache=True)  # type: ignore[untyped-decorator]
def dot(a, b):  # type: ignore[no-untyped-def]
    """Return a product with eight partial sums, which the compiler turns into vectors.

    The order of additions is fixed, so that results are the same on every run.
    """
    n = len(a)
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    whole = n - n % 8
    for i in range(0, whole, 8):
        s0 += a[i] * b[i]
        s1 += a[i + 1] * b[i + 1]
        s2 += a[i + 2] * b[i + 2]
        s3 += a[i + 3] * b[i + 3]
        s4 += a[i + 4] * b[i + 4]
        s5 += a[i + 5] * b[i + 5]
        s6 += a[i + 6] * b[i + 6]
        s7 += a[i + 7] * b[i + 7]
    for i in range(whole, n):
        s0 += a[i] * b[i]
    return ((s0 + s4) + (s1 + s5)) + ((s2 + s6) + (s3 + s7))


@njit(cache=True)  # type: ignore[untyped-decorator]
def soft(value, threshold):  # type: ignore[no-untyped-def]
    """Return a value drawn towards 0 by a threshold."""
    if value > threshold:
        return value - threshold
    if value < -threshold:
        return value + threshold
    return 0.0


@njit(cache=True)  # type: ignore[untyped-decorator]
def _enter(problem, state, model, response, m):  # type: ignore[no-untyped-def]
    view = state.views[response, m]
    for i in range(len(view)):
        model.slope[i] = model.pull[i] + problem.partners[i] * view[i]
        model.moved[i] = 0.0


@njit(cache=True)  # type: ignore[untyped-decorator]
def _leave(problem, state, model, response, m):  # type: ignore[no-untyped-def]
    for i in range(len(model.moved)):
        state.views[response, m, i] += model.moved[i]
        state.eta[response, i] += model.moved[i]
        model.pull[i] += model.moved[i] * (model.weight[i] - problem.rho)


@njit(cache=True)  # type: ignore[untyped-decorator]
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


@njit(cache=True)  # type: ignore[untyped-decorator]
def _pass(problem, state, model, response, active, penalty):  # type: ignore[no-untyped-def]
    """Step every active coefficient once; return the worst violation met on the way."""
    n = problem.columns.shape[1]
    beta = state.coefficients[response]
    worst = 0.0
    m = -1
    for j in active:
        if problem.modality[j] != m:
            if m >= 0:
                _leave(problem, state, model, response, m)
            m = problem.modality[j]
            _enter(problem, state, model, response, m)
        if model.bend[j] <= 0.0:
            continue
        x = problem.columns[j]
        threshold = penalty * problem.l1_ratio * problem.factors[j]
        ridge = penalty * (1.0 - problem.l1_ratio) * problem.factors[j]
        target = soft(model.bend[j] * beta[j] - dot(x, model.slope) / n, threshold)
        step = target / (model.bend[j] + ridge) - beta[j]
        if step != 0.0:
            beta[j] += step
            for i in range(n):
                model.moved[i] += step * x[i]
                model.slope[i] += (
                    step * x[i] * (model.weight[i] - problem.rho + problem.partners[i])
                )
            worst = max(worst, abs(step) * (model.bend[j] + ridge))
    if m >= 0:
        _leave(problem, state, model, response, m)
    if problem.has_intercept:
        worst = max(worst, _move_intercept(state, model, response, problem.rho))
    return worst


@njit(cache=True)  # type: ignore[untyped-decorator]
def _model_at(problem, family, state, model, response, active):  # type: ignore[no-untyped-def]
    """Take the quadratic model of the loss where the state is."""
    n = problem.columns.shape[1]
    derive(family, state.eta, response, model.gradient, model.weight)
    for i in range(n):
        together = state.eta[response, i] - state.intercepts[response]
        model.pull[i] = model.gradient[i] - problem.rho * together
        model.moved[i] = model.weight[i] - problem.rho + problem.partners[i]
    for j in active:
        x = problem.columns[j]
        bend = 0.0
        for i in range(n):
            bend += x[i] * x[i] * model.moved[i]
        model.bend[j] = bend / n


@njit(cache=True)  # type: ignore[untyped-decorator]
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


@njit(cache=True)  # type: ignore[untyped-decorator]
def penalty_of(problem, beta, active, penalty):  # type: ignore[no-untyped-def]
    """Return the elastic net penalty of one response's coefficients."""
    total = 0.0
    for j in active:
        size = problem.l1_ratio * abs(beta[j]) + 0.5 * (1.0 - problem.l1_ratio) * beta[j] ** 2
        total += problem.factors[j] * size
    return penalty * total


@njit(cache=True)  # type: ignore[untyped-decorator]
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


@njit(cache=True)  # type: ignore[untyped-decorator]
def _halve(state, before, response, active):  # type: ignore[no-untyped-def]
    """Go half the way back to where the step began."""
    beta = state.coefficients[response]
    for j in active:
        beta[j] = 0.5 * (beta[j] + before.coefficients[response, j])
    state.intercepts[response] = 0.5 * (state.intercepts[response] + before.intercepts[response])
    state.views[response] = 0.5 * (state.views[response] + before.views[response])
    state.eta[response] = 0.5 * (state.eta[response] + before.eta[response])


@njit(cache=True)  # type: ignore[untyped-decorator]
def _remember(state, before, response, active):  # type: ignore[no-untyped-def]
    for j in active:
        before.coefficients[response, j] = state.coefficients[response, j]
    before.intercepts[response] = state.intercepts[response]
    before.views[response] = state.views[response]
    before.eta[response] = state.eta[response]


@njit(cache=True)  # type: ignore[untyped-decorator]
def _objective(problem, family, state, response, active, penalty):  # type: ignore[no-untyped-def]
    """Return the objective, but for the other responses' penalty and disagreement."""
    own = state.views[response : response + 1]
    return (
        loss(family, state.eta)
        + disagreement(problem, own)
        + penalty_of(problem, state.coefficients[response], active, penalty)
    )


@njit(cache=True)  # type: ignore[untyped-decorator]
def _newton_step(problem, family, state, before, model, response, active, penalty):  # type: ignore[no-untyped-def]
    """Minimise the quadratic model, then step back until the objective has fallen enough.

    The line search (Tseng and Yun 2009) is what makes the outer iteration converge for
    every family, the Cox model's diagonal curvature included. Returns the violation of
    the optimality conditions that the step began with.
    """
    _model_at(problem, family, state, model, response, active)
    _remember(state, before, response, active)
    began = _pass(problem, state, model, response, active, penalty)
    if began <= problem.tolerance:
        return began
    goal = max(0.5 * problem.tolerance, INEXACT * began)
    for _ in range(MOST_PASSES):
        if _pass(problem, state, model, response, active, penalty) <= goal:
            break
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


@njit(cache=True)  # type: ignore[untyped-decorator]
def settle(problem, family, state, before, model, active, penalty):  # type: ignore[no-untyped-def]
    """Minimise the objective over the active coefficients of all responses.

    `active` marks them, (r, p). Returns whether the optimality conditions hold.
    """
    chosen = [np.flatnonzero(active[r]) for r in range(len(active))]
    for _ in range(MOST_ROUNDS):
        worst = 0.0
        for r in range(len(active)):
            began = _newton_step(problem, family, state, before, model, r, chosen[r], penalty)
            worst = max(worst, began)
        if worst <= problem.tolerance:
            return True
    return False


@njit(cache=True)  # type: ignore[untyped-decorator]
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
    return Model(*(np.zeros(n) for _ in range(5)), np.zeros(n_columns))


def marks(shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Return an array of False to mark coefficients in."""
    return np.zeros(shape, dtype=np.bool_)
