"""Cooperative learning along a path of penalties: warm starts, screening, optimality check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from consilience.cohort.modality import FloatArray, Positions
from consilience.fusion.numerics.coordinate_descent import (
    Model,
    Problem,
    State,
    disagreement,
    fresh_model,
    fresh_state,
    marks,
    settle,
    slopes,
)
from consilience.fusion.numerics.families import Cox, Family, Gaussian
from consilience.fusion.numerics.family_losses import loss

TOLERANCE = 1e-4  # of the optimality conditions, as a share of the largest gradient at 0
ENOUGH = 0.999  # share of the deviance explained, beyond which a path ends (glmnet)
TOO_LITTLE = 1e-5  # gain of that share from one penalty to the next (glmnet)
FEWEST = 5  # penalties before either rule
INEXACT = 0.05  # the quadratic model is only a model, save for the gaussian family
TINY_L1 = 1e-3  # ridge has no smallest penalty that empties the model: glmnet's stand-in


class Design(NamedTuple):
    """The features of all modalities in one array, a feature a row.

    Attributes
    ----------
    columns : ndarray of shape (n_features, n_patients)
        0 where not measured.
    modality : ndarray of shape (n_features,)
        The modality's number, ascending.
    present : ndarray of bool, (n_modalities, n_patients)
    """

    columns: FloatArray
    modality: Positions
    present: npt.NDArray[np.bool_]

    def part(self, rows: Positions) -> Design:
        """Return the design of some patients."""
        columns = np.ascontiguousarray(self.columns[:, rows])
        return Design(columns, self.modality, np.ascontiguousarray(self.present[:, rows]))


class Fitted(NamedTuple):
    """Cooperative fits along a path.

    Attributes
    ----------
    lambdas : ndarray of shape (n_lambdas,)
        As many as were fitted: a path of our own ends where it explains no more.
    coefficients : ndarray of shape (n_lambdas, n_responses, n_features)
        Of the columns of the design.
    intercepts : ndarray of shape (n_lambdas, n_responses)
    explained : ndarray of shape (n_lambdas,)
        Share of the deviance.
    converged : ndarray of bool, (n_lambdas,)
    """

    lambdas: FloatArray
    coefficients: FloatArray
    intercepts: FloatArray
    explained: FloatArray
    converged: npt.NDArray[np.bool_]

    def predictors(self, columns: FloatArray) -> FloatArray:
        """Return ``eta`` of patients, (n_lambdas, n_responses, n), of their columns."""
        used = np.flatnonzero(self.coefficients.any(axis=(0, 1)))
        eta = self.coefficients[:, :, used] @ columns[used]
        return np.asarray(eta + self.intercepts[:, :, None])


def joined(parts: Sequence[Fitted]) -> Fitted:
    """Return one path of several that followed each other."""
    return Fitted(*(np.concatenate(values) for values in zip(*parts, strict=True)))


class Penalty(NamedTuple):
    """The elastic net and the agreement.

    Attributes
    ----------
    rho : float
        Weight of the agreement.
    factors : ndarray of shape (n_features,)
        Penalty factors.
    l1_ratio : float
        1 is the lasso, 0 ridge.
    tolerance : float
        Of the optimality conditions, as a share of the largest gradient at 0.
    """

    rho: float
    factors: FloatArray
    l1_ratio: float = 1.0
    tolerance: float = TOLERANCE


def stacked(blocks: Mapping[str, FloatArray]) -> Design:
    """Return the design of standardised matrices: a missing value becomes the mean, 0.

    Parameters
    ----------
    blocks : mapping of str to ndarray of shape (n_patients, n_features)
        NaN where not measured.
    """
    widths = [matrix.shape[1] for matrix in blocks.values()]
    n = len(next(iter(blocks.values())))
    columns = np.empty((sum(widths), n))
    present = np.empty((len(blocks), n), dtype=bool)
    start = 0
    for m, matrix in enumerate(blocks.values()):
        part = columns[start : start + widths[m]]
        part[:] = matrix.T
        missing = np.isnan(part)
        present[m] = ~missing.all(axis=0)
        part[missing] = 0.0
        start += widths[m]
    return Design(columns, np.repeat(np.arange(len(widths)), widths), present)


def restandardised(blocks: Mapping[str, FloatArray], rows: Positions) -> Design:
    """Return the design with mean 0 and variance 1 among some patients, for inner folds."""
    return stacked({name: _scaled(matrix, rows) for name, matrix in blocks.items()})


def _scaled(matrix: FloatArray, rows: Positions) -> FloatArray:
    part = matrix[rows]
    known = np.isfinite(part)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, part, 0.0).sum(axis=0) / count
    spread = np.where(known, part - mean, 0.0)
    scale = np.sqrt(np.einsum("ij,ij->j", spread, spread) / count)
    # The columns have variance 1 among all: what is left of a constant is rounding.
    flat = scale < 1e-9
    out = (matrix - mean) / np.where(flat, 1.0, scale)
    out[:, flat] *= 0.0  # NaN stays NaN: who is measured is read off it
    return np.asarray(out)


def problem_of(design: Design, family: Family, penalty: Penalty) -> Problem:
    """Return what is minimised, in the form of the compiled solver."""
    counts = design.present.sum(axis=0).astype(float)
    return Problem(
        design.columns,
        design.modality,
        penalty.rho * counts,
        float(penalty.rho),
        np.ascontiguousarray(penalty.factors, dtype=float),
        float(penalty.l1_ratio),
        not isinstance(family, Cox),
        float(penalty.tolerance),
        0.0 if isinstance(family, Gaussian) else INEXACT,
    )


def objective(
    design: Design, family: Family, penalty: Penalty, strength: float, state: State
) -> float:
    """Return the objective at a state; for tests and comparisons."""
    problem = problem_of(design, family, penalty)
    size = penalty.l1_ratio * np.abs(state.coefficients)
    size = size + 0.5 * (1 - penalty.l1_ratio) * state.coefficients**2
    smooth = _smooth(problem, family, state.eta, state.views)
    return float(smooth + strength * (penalty.factors * size).sum())


@njit(cache=True)
def _smooth(problem, family, eta, views):  # type: ignore[no-untyped-def]
    return loss(family, eta) + disagreement(problem, views)


class Start(NamedTuple):
    """Where a path begins: the model with unpenalised features only."""

    problem: Problem
    family: Family
    state: State
    before: State
    model: Model
    slopes: FloatArray  # (r, p): minus the gradient
    loss: float
    largest: float  # absolute gradient at 0


def begin(design: Design, family: Family, penalty: Penalty) -> Start:
    """Fit what is not penalised, and take the gradient there."""
    problem = problem_of(design, family, penalty)
    null = family.null()
    (p, n), views = design.columns.shape, len(design.present)
    state, before = (fresh_state(null, p, views, n) for _ in range(2))
    model = fresh_model(p, n)
    gradient = np.zeros((len(null), p))
    everything = ~marks(gradient.shape)
    slopes(problem, family, state, model, everything, gradient)
    largest = max(float(np.abs(gradient).max()), np.finfo(float).tiny)
    problem = problem._replace(tolerance=penalty.tolerance * largest)
    free = everything & (problem.factors == 0)
    unfitted = float(loss_at(family, state.eta))
    settle(problem, family, state, before, model, free, 0.0)
    slopes(problem, family, state, model, everything, gradient)
    return Start(problem, family, state, before, model, gradient, unfitted, largest)


@njit(cache=True)
def loss_at(family, eta):  # type: ignore[no-untyped-def]
    """Return the mean negative log-likelihood; to be called from plain Python."""
    return loss(family, eta)


def tightened(start: Start, tolerance: float) -> Start:
    """Return the same place on the path, to go on from with another tolerance."""
    share = tolerance * start.largest
    return start._replace(problem=start.problem._replace(tolerance=share))


def largest_lambda(start: Start) -> float:
    """Return the smallest penalty at which no penalised feature is in the model."""
    factors = start.problem.factors
    penalised = factors > 0
    if not penalised.any():
        return 1.0
    pull = np.abs(start.slopes[:, penalised]) / factors[penalised]
    return float(pull.max() / max(start.problem.l1_ratio, TINY_L1))


def lambda_path(start: Start, n_lambdas: int, ratio: float | None) -> FloatArray:
    """Return penalties from the largest down, evenly on the log scale, as glmnet does."""
    p, n = start.problem.columns.shape
    lowest = (1e-2 if n < p else 1e-3) if ratio is None else ratio
    top = largest_lambda(start)
    return np.geomspace(top, top * lowest, n_lambdas) if top > 0 else np.array([1.0])


def follow(start: Start, lambdas: Sequence[float] | FloatArray, *, whole: bool) -> Fitted:
    """Fit one model a penalty, each from where the one before ended.

    Parameters
    ----------
    start : Start
        Used up: its state moves along.
    lambdas : array-like
        Descending.
    whole : bool
        Fit all of them; else end where the deviance explained says that no more is to be
        had (glmnet's rule).
    """
    strengths = np.ascontiguousarray(lambdas, dtype=float)
    highest = max([largest_lambda(start), *strengths[:1]])
    r, p = start.slopes.shape
    coefficients = np.zeros((len(strengths), r, p))
    intercepts = np.zeros((len(strengths), r))
    losses = np.zeros(len(strengths))
    converged = marks((1, len(strengths)))[0]
    room = max(start.loss - start.family.least(), np.finfo(float).tiny)
    stop = (start.loss, np.inf if whole else room)
    done = _follow(
        (start.problem, start.family, start.state, start.before, start.model, start.slopes),
        (strengths, highest),
        stop,
        (coefficients, intercepts, losses, converged),
    )
    explained = (start.loss - losses[:done]) / room
    return Fitted(
        strengths[:done], coefficients[:done], intercepts[:done], explained, converged[:done]
    )


@njit(cache=True)
def _screen(problem, gradient, beta, lower, upper, strong):  # type: ignore[no-untyped-def]
    """Mark what the sequential strong rule (Tibshirani et al. 2012) does not discard."""
    threshold = problem.l1_ratio * max(2.0 * lower - upper, 0.0)
    for r in range(gradient.shape[0]):
        for j in range(gradient.shape[1]):
            kept = strong[r, j] or beta[r, j] != 0.0
            strong[r, j] = kept or abs(gradient[r, j]) >= threshold * problem.factors[j]


@njit(cache=True)
def _admit(problem, gradient, looked, active, penalty):  # type: ignore[no-untyped-def]
    """Mark as active what was looked at and violates its condition at 0; return how many."""
    found = 0
    for r in range(gradient.shape[0]):
        for j in range(gradient.shape[1]):
            if looked[r, j] and not active[r, j]:
                bound = penalty * problem.l1_ratio * problem.factors[j]
                if abs(gradient[r, j]) > bound + problem.tolerance:
                    active[r, j] = True
                    found += 1
    return found


@njit(cache=True)
def _solve(parts, strong, active, penalty):  # type: ignore[no-untyped-def]
    """Minimise at one penalty; the optimality conditions are checked for every feature."""
    problem, family, state, before, model, gradient = parts
    while True:
        while True:
            settled = settle(problem, family, state, before, model, active, penalty)
            slopes(problem, family, state, model, strong, gradient)
            if not settled or _admit(problem, gradient, strong, active, penalty) == 0:
                break
        rest = ~strong
        slopes(problem, family, state, model, rest, gradient)
        if not settled or _admit(problem, gradient, rest, active, penalty) == 0:
            return settled
        for r in range(strong.shape[0]):
            for j in range(strong.shape[1]):
                strong[r, j] = strong[r, j] or active[r, j]


@njit(cache=True)
def _follow(parts, strengths, stop, out):  # type: ignore[no-untyped-def]
    """Walk down the penalties; return how many were fitted."""
    problem, family, state, _, _, gradient = parts
    lambdas, upper = strengths
    reached, room = stop
    coefficients, intercepts, losses, converged = out
    active = np.zeros(gradient.shape, dtype=np.bool_)
    for r in range(active.shape[0]):
        active[r] = (problem.factors == 0.0) | (state.coefficients[r] != 0.0)
    first = reached
    for place in range(len(lambdas)):
        strong = active.copy()
        _screen(problem, gradient, state.coefficients, lambdas[place], upper, strong)
        converged[place] = _solve(parts, strong, active, lambdas[place])
        upper = lambdas[place]
        coefficients[place] = state.coefficients
        intercepts[place] = state.intercepts
        losses[place] = loss(family, state.eta)
        gain = (reached - losses[place]) / room
        reached = losses[place]
        over = (first - reached) / room > ENOUGH or gain < TOO_LITTLE
        if place + 1 >= FEWEST and over and room < np.inf:
            return place + 1
    return len(lambdas)
