"""Penalised fits on a kernel: squared, logistic, multinomial and Cox losses, one solver.

The fit minimises ``sum of losses(f(x_i) + b) + strength / 2 * |f|²`` over the functions f
of the kernel's space. With K = Z Z' it is exactly the ridge-penalised linear model on
the rows of Z, of which there are as many columns as K has rank.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple, Self

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, lapack
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, softmax

from consilience.cohort.modality import FloatArray
from consilience.errors import InputError
from consilience.fusion.task import Y

MOST_NEWTON = 1500  # unknowns; above it L-BFGS, whose steps need no matrix of second derivatives
STEPS = 100
LEAST_SHARE = 1e-6  # of a class, where a fold has none of it
RANK = 1e-11  # a pivot below this share of the largest diagonal entry is rounding


class Loss(ABC):
    """A convex loss of the training patients as a function of their predictors eta.

    Attributes
    ----------
    n : int
        Number of patients.
    columns : int
        Predictors a patient.
    intercept : bool
        Whether a constant added to the predictors changes the loss.
    """

    n: int
    columns: int = 1
    intercept: bool = True

    @abstractmethod
    def take(self, patients: Any) -> Self:
        """Return the loss of some of the patients."""

    @abstractmethod
    def value(self, eta: FloatArray) -> float:
        """Return the sum over patients; eta is (n_patients, n_columns)."""

    @abstractmethod
    def gradient(self, eta: FloatArray) -> FloatArray:
        """Return the derivative by eta, (n_patients, n_columns)."""

    @abstractmethod
    def hessian(self, eta: FloatArray, design: FloatArray) -> FloatArray:
        """Return second derivatives by the coefficients of a design, column after column."""

    @abstractmethod
    def null(self) -> FloatArray:
        """Return the intercepts of the model without features, (n_columns,)."""

    def residual(self) -> FloatArray:
        """Return minus the gradient at the model without features, (n_patients, n_columns).

        Centred numbers, centred class indicators, or the martingale residuals of
        Therneau, Grambsch and Fleming (1990). The kernel that is best aligned with them
        is the one whose score test against the model without features is strongest
        (Liu, Lin and Ghosh 2007; for survival Cai, Tonini and Lin 2011).
        """
        return -self.gradient(np.tile(self.null(), (self.n, 1)))


class SquaredLoss(Loss):
    """Half the squared error of a number."""

    def __init__(self, y: Y) -> None:
        self.y: FloatArray = np.asarray(y, dtype=float)[:, None]
        self.n = len(y)

    def take(self, patients: Any) -> SquaredLoss:
        return SquaredLoss(self.y[patients, 0])

    def value(self, eta: FloatArray) -> float:
        return float(((self.y - eta) ** 2).sum() / 2)

    def gradient(self, eta: FloatArray) -> FloatArray:
        return np.asarray(eta - self.y)

    def hessian(self, eta: FloatArray, design: FloatArray) -> FloatArray:
        return np.asarray(design.T @ design)

    def null(self) -> FloatArray:
        return np.asarray(self.y.mean(axis=0))


class LogisticLoss(Loss):
    """The log loss of two classes, 0 and 1."""

    def __init__(self, y: Y) -> None:
        self.y: FloatArray = np.asarray(y, dtype=float)[:, None]
        self.n = len(y)

    def take(self, patients: Any) -> LogisticLoss:
        return LogisticLoss(self.y[patients, 0])

    def value(self, eta: FloatArray) -> float:
        return float((np.logaddexp(0, eta) - self.y * eta).sum())

    def gradient(self, eta: FloatArray) -> FloatArray:
        return np.asarray(expit(eta) - self.y)

    def hessian(self, eta: FloatArray, design: FloatArray) -> FloatArray:
        chance = expit(eta)
        half = design * np.sqrt(chance * (1 - chance))
        return np.asarray(half.T @ half)  # half the work of a product of two matrices

    def null(self) -> FloatArray:
        share = np.clip(self.y.mean(axis=0), LEAST_SHARE, 1 - LEAST_SHARE)
        return np.asarray(np.log(share / (1 - share)))


class MultinomialLoss(Loss):
    """The log loss of several classes, given as indicators (n_patients, n_classes).

    A class that none of the patients has counts as `LEAST_SHARE` of each: without that its
    intercept would fall for ever.
    """

    def __init__(self, indicators: FloatArray) -> None:
        absent = ~indicators.any(axis=0) * LEAST_SHARE
        self.y = indicators * (1.0 - absent.sum()) + absent
        self.n, self.columns = indicators.shape

    def take(self, patients: Any) -> MultinomialLoss:
        return MultinomialLoss(self.y[patients])

    def value(self, eta: FloatArray) -> float:
        return float(-(self.y * log_softmax(eta, axis=1)).sum())

    def gradient(self, eta: FloatArray) -> FloatArray:
        return np.asarray(softmax(eta, axis=1) - self.y)

    def hessian(self, eta: FloatArray, design: FloatArray) -> FloatArray:
        chance = softmax(eta, axis=1)
        width = design.shape[1]
        out = np.empty((self.columns * width, self.columns * width))
        for one in range(self.columns):
            for other in range(one + 1):
                weight = chance[:, one] * ((one == other) - chance[:, other])
                part = design.T @ (design * weight[:, None])
                rows = slice(one * width, (one + 1) * width)
                columns = slice(other * width, (other + 1) * width)
                out[rows, columns] = part
                out[columns, rows] = part.T
        return out

    def null(self) -> FloatArray:
        logs = np.log(np.maximum(self.y.mean(axis=0), LEAST_SHARE))
        return np.asarray(logs - logs.mean())


class CoxLoss(Loss):
    """Minus Cox's log partial likelihood, with Breslow's rule for ties; no intercept."""

    intercept = False

    def __init__(self, y: Y) -> None:
        self.y = y
        self.n = len(y)
        self.order = np.argsort(-y["time"], kind="stable")  # the longest followed first
        time = -y["time"][self.order]
        self.event = y["event"][self.order].astype(float)
        # The last place, in this order, of those still at risk at a patient's time.
        self.last = np.searchsorted(time, time, side="right") - 1

    def take(self, patients: Any) -> CoxLoss:
        return CoxLoss(self.y[patients])

    def _log_at_risk(self, eta: FloatArray) -> FloatArray:
        """Return the log of the sums of exp(eta) over those at risk, ordered."""
        return np.asarray(np.logaddexp.accumulate(eta[self.order, 0])[self.last])

    def value(self, eta: FloatArray) -> float:
        return float((self.event * (self._log_at_risk(eta) - eta[self.order, 0])).sum())

    def _expected(self, eta: FloatArray) -> FloatArray:
        """Return the events expected of each patient, ordered: exp(eta) times Breslow's hazard.

        In logarithms: the hazard alone may be beyond all numbers, but nobody at risk is
        more than all at risk.
        """
        jumps = np.where(self.event > 0, -self._log_at_risk(eta), -np.inf)
        total = np.logaddexp.accumulate(jumps[::-1])[::-1]
        first = np.searchsorted(self.last, self.last, side="left")
        return np.asarray(np.exp(eta[self.order, 0] + total[first]))

    def gradient(self, eta: FloatArray) -> FloatArray:
        out = np.empty((self.n, 1))
        out[self.order, 0] = self._expected(eta) - self.event
        return out

    def hessian(self, eta: FloatArray, design: FloatArray) -> FloatArray:
        own = design[self.order]
        happened = np.flatnonzero(self.event > 0)
        at_risk = np.arange(self.n) <= self.last[happened, None]
        logs = eta[self.order, 0] - self._log_at_risk(eta)[happened, None]
        means = np.exp(np.where(at_risk, logs, -np.inf)) @ own
        half = own * np.sqrt(self._expected(eta))[:, None]
        return np.asarray(half.T @ half - means.T @ means)

    def null(self) -> FloatArray:
        return np.zeros(1)


class Fit(NamedTuple):
    """A penalised fit.

    Attributes
    ----------
    eta : ndarray of shape (n_patients, n_columns)
        Predictors of the training patients.
    intercept : ndarray of shape (n_columns,)
    weights : ndarray of shape (n_patients, n_columns)
        The function is the sum of the patients' kernels with these weights (the dual
        variables, minus the loss's gradient over the strength).
    objective : float
        The minimum.
    """

    eta: FloatArray
    intercept: FloatArray
    weights: FloatArray
    objective: float


def root(kernel: FloatArray) -> FloatArray:
    """Return Z with K = Z Z', (n, rank): the Cholesky factor with pivoting (LAPACK's pstrf).

    A kernel that is 0 has one column of zeros.
    """
    largest = float(np.diag(kernel).max())
    factor, pivots, rank, _ = lapack.dpstrf(kernel, tol=RANK * largest)
    if not rank:
        return np.zeros((len(kernel), 1))
    out = np.empty((len(kernel), rank))
    out[pivots - 1] = np.triu(factor)[:rank].T
    return out


def fit_on_kernel(
    loss: Loss, kernel: FloatArray, strength: float, before: Fit | None = None
) -> Fit:
    """Return the penalised fit on a kernel; see `fit_on_root`."""
    return fit_on_root(loss, root(kernel), strength, before)


def fit_on_root(loss: Loss, Z: FloatArray, strength: float, before: Fit | None = None) -> Fit:
    """Minimise ``loss(Z B + b) + strength / 2 * |B|²``.

    By Newton's method with halved steps; by L-BFGS where the unknowns are more than
    `MOST_NEWTON`.

    Parameters
    ----------
    loss : Loss
    Z : ndarray of shape (n_patients, rank)
        With Z Z' the kernel.
    strength : float
        Positive.
    before : Fit, optional
        Of the same patients with a kernel or a strength nearby, to begin with its weights.
    """
    design = np.hstack([Z, np.ones((loss.n, 1))]) if loss.intercept else Z
    ridge = np.full((design.shape[1], 1), strength)
    if loss.intercept:
        ridge[-1] = 0.0
    start = _start(loss, design, ridge, before)
    search = _newton if start.size <= MOST_NEWTON else _lbfgs
    found = search(loss, design, ridge, start)
    eta = design @ found
    return Fit(
        eta=eta,
        intercept=found[-1].copy() if loss.intercept else np.zeros(loss.columns),
        weights=-loss.gradient(eta) / strength,
        objective=_objective(loss, design, ridge, found),
    )


def _start(loss: Loss, design: FloatArray, ridge: FloatArray, before: Fit | None) -> FloatArray:
    """Return the coefficients of the fit before, or of no features where these are better."""
    start = np.zeros((design.shape[1], loss.columns))
    if loss.intercept:
        start[-1] = loss.null()
    if before is None:
        return start
    other = design.T @ before.weights
    if loss.intercept:
        other[-1] = before.intercept
    better = _objective(loss, design, ridge, other) < _objective(loss, design, ridge, start)
    return other if better else start


def _objective(loss: Loss, design: FloatArray, ridge: FloatArray, B: FloatArray) -> float:
    return loss.value(design @ B) + float((ridge * B**2).sum()) / 2


def _gradient(loss: Loss, design: FloatArray, ridge: FloatArray, B: FloatArray) -> FloatArray:
    return np.asarray(design.T @ loss.gradient(design @ B) + ridge * B)


def _newton(loss: Loss, design: FloatArray, ridge: FloatArray, B: FloatArray) -> FloatArray:
    now = _objective(loss, design, ridge, B)
    for _ in range(STEPS):
        gradient = _gradient(loss, design, ridge, B)
        hessian = loss.hessian(design @ B, design)
        hessian[np.diag_indices_from(hessian)] += np.tile(ridge[:, 0], loss.columns)
        _fix_level(hessian, loss, design)
        try:
            factor = cho_factor(hessian, overwrite_a=True, check_finite=False)
        except LinAlgError:
            break
        step = cho_solve(factor, gradient.T.ravel()).reshape(loss.columns, -1).T
        decrement = float((step * gradient).sum())
        if decrement <= 1e-10 * (1 + abs(now)):
            return B - step  # the digits double with a step: what is left is below rounding
        B, now = _halved(loss, design, ridge, (B, now, step, decrement))
    raise InputError(
        f"the penalised fit did not settle at a penalty of {ridge[0, 0] / loss.n:.3g}; use larger "
        "penalties."
    )


def _fix_level(hessian: FloatArray, loss: Loss, design: FloatArray) -> None:
    """Add curvature along the one direction that changes no probability.

    All intercepts up by the same amount: a step has none of it, as the gradient has none.
    """
    if loss.intercept and loss.columns > 1:
        last = np.arange(1, loss.columns + 1) * design.shape[1] - 1
        hessian[np.ix_(last, last)] += loss.n


def _halved(
    loss: Loss,
    design: FloatArray,
    ridge: FloatArray,
    at: tuple[FloatArray, float, FloatArray, float],
) -> tuple[FloatArray, float]:
    """Return the first of the whole step, its half, and so on, that lowers the objective."""
    B, now, step, decrement = at
    size = 1.0
    while size > 1e-10:
        value = _objective(loss, design, ridge, B - size * step)
        if value <= now - 1e-4 * size * decrement + 1e-13 * abs(now):
            break
        size /= 2
    return B - size * step, value


def _lbfgs(loss: Loss, design: FloatArray, ridge: FloatArray, B: FloatArray) -> FloatArray:
    # Its tolerances are absolute: with a number in a unit of its own it would stop early.
    unit = float(np.sqrt(np.mean(loss.residual() ** 2))) or 1.0

    def at(flat: FloatArray) -> tuple[float, FloatArray]:
        own = unit * flat.reshape(B.shape)
        gradient = _gradient(loss, design, ridge, own) / unit
        return _objective(loss, design, ridge, own) / unit**2, gradient.ravel()

    found = minimize(
        at,
        B.ravel() / unit,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 5000, "maxfun": 10_000, "gtol": 1e-7 * loss.n, "ftol": 1e-15},
    )
    return np.asarray(unit * found.x).reshape(B.shape)
