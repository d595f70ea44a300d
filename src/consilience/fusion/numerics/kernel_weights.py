"""How much each kernel counts: centred alignment, EasyMKL and SimpleMKL.

All take centred kernels stacked in one array, (n_kernels, n_patients, n_patients), and
return weights that are not negative and add up to 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh
from scipy.optimize import nnls

from consilience.cohort.modality import FloatArray
from consilience.fusion.numerics.kernel_machines import Fit, Loss, fit_on_kernel

SIMPLE_GAP = 0.01  # duality gap, as a share of what is gained, at which SimpleMKL stops
SIMPLE_STEPS = 500
ROUNDING = 1e-9
EASY_STEPS = 20_000
EASY_GAP = 1e-9
LINE_STEPS = 20


def alignment(kernel: FloatArray, target: FloatArray) -> float:
    """Return the centred alignment of a kernel and an outcome.

    Parameters
    ----------
    kernel : ndarray of shape (n_patients, n_patients)
        Centred.
    target : ndarray of shape (n_patients, n_columns)
        Centred; the outcome's kernel is its product with its transpose.

    Returns
    -------
    float
        Between 0 and 1: ``<K, T T'> / (|K| |T T'|)`` in Frobenius norms (Cortes, Mohri
        and Rostamizadeh 2012, definition 4); 0 where either is 0.
    """
    norms = float(np.linalg.norm(kernel) * np.linalg.norm(target.T @ target))
    return float(np.sum(target * (kernel @ target))) / norms if norms > 0 else 0.0


def separate_alignment(kernels: FloatArray, target: FloatArray) -> FloatArray:
    """Return weights proportional to each kernel's own alignment over its norm.

    Cortes, Mohri and Rostamizadeh (2012), section 4.1 (align): the mixture is the sum of
    the kernels brought to norm 1, each times its alignment.
    """
    norms = np.linalg.norm(kernels, axis=(1, 2))
    own = np.array([alignment(kernel, target) for kernel in kernels])
    return _simplex(np.divide(own, norms, out=np.zeros(len(norms)), where=norms > 0))


def joint_alignment(kernels: FloatArray, target: FloatArray) -> FloatArray:
    """Return the weights whose mixture has the largest alignment of all.

    Cortes, Mohri and Rostamizadeh (2012), section 4.2 (alignf): with M the kernels' inner
    products and a those with the outcome, minimise ``v' M v - 2 v' a`` over v >= 0
    (proposition 9). It is solved as non-negative least squares with M = A' A.
    """
    flat = kernels.reshape(len(kernels), -1)
    gram = flat @ flat.T
    wanted = np.array([float(np.sum(target * (kernel @ target))) for kernel in kernels])
    values, vectors = eigh(gram)
    kept = values > 1e-12 * max(float(values[-1]), np.finfo(float).tiny)
    roots = np.sqrt(values[kept])
    factor = roots[:, None] * vectors[:, kept].T
    v, _ = nnls(factor, (vectors[:, kept].T @ wanted) / roots)
    return _simplex(v)


def easy(kernels: FloatArray, labels: FloatArray, balance: float) -> FloatArray:
    """Return EasyMKL's weights (Aiolli and Donini 2015).

    For each class against the others, weights on the patients of either side, adding up
    to 1 there, are sought that bring the sides' mean points closest: they minimise
    ``(1 - balance) g' Y K Y g + balance g' g`` with K the sum of the kernels (their
    equation 5). A kernel counts by the squared distance that remains in it, summed over
    the classes.

    Parameters
    ----------
    kernels : ndarray of shape (n_kernels, n_patients, n_patients)
    labels : ndarray of shape (n_patients, n_classes)
        1 where the patient is of the class, else 0; one column for two classes.
    balance : float
        Their lambda, more than 0 and at most 1. Towards 0 the hard margin, in which with more
        features than patients a kernel of noise counts like any other; at 1 the distance
        of the class means.
    """
    total = kernels.sum(axis=0)
    weights = np.zeros(len(kernels))
    for column in labels.T[_on_both_sides(labels)]:
        sign = np.where(column > 0, 1.0, -1.0)
        closest = sign * closest_points(total, sign, balance)
        weights += [float(closest @ kernel @ closest) for kernel in kernels]
    return _simplex(weights)


def _on_both_sides(labels: FloatArray) -> npt.NDArray[np.bool_]:
    """Return which classes have patients within and without."""
    within = labels.sum(axis=0)
    return np.asarray((within > 0) & (within < len(labels)))


def closest_points(kernel: FloatArray, sign: FloatArray, balance: float) -> FloatArray:
    """Minimise ``(1 - balance) g' Y K Y g + balance g' g``, g >= 0 and adding up to 1 a side.

    Accelerated projected gradient steps (Nesterov, restarted where they overshoot:
    O'Donoghue and Candes 2015) until the duality gap, by which the objective can still
    fall at most, is below a share `EASY_GAP` of it.

    Parameters
    ----------
    kernel : ndarray of shape (n_patients, n_patients)
    sign : ndarray of shape (n_patients,)
        1 or -1, the diagonal of Y.
    balance : float

    Returns
    -------
    ndarray of shape (n_patients,)
    """
    matrix = (1 - balance) * kernel * np.outer(sign, sign)
    matrix[np.diag_indices_from(matrix)] += balance
    sides = [np.flatnonzero(sign > 0), np.flatnonzero(sign < 0)]
    step = 1.0 / float(eigh(matrix, eigvals_only=True, subset_by_index=[len(sign) - 1] * 2)[0])
    g: FloatArray = np.zeros(len(sign))
    for side in sides:
        g[side] = 1.0 / len(side)
    ahead, pace = g, 1.0
    for _ in range(EASY_STEPS):
        slope = matrix @ ahead
        new = _onto_sides(ahead - step * slope, sides)
        if slope @ (new - g) > 0:
            pace = 1.0
        paced = (1 + np.sqrt(1 + 4 * pace**2)) / 2
        ahead = new + (pace - 1) / paced * (new - g)
        g, pace = new, paced
        fitted = matrix @ g
        gap = sum(float(g[s] @ fitted[s] - fitted[s].min()) for s in sides)
        if gap <= EASY_GAP * float(g @ fitted):
            break
    return g


def _onto_sides(g: FloatArray, sides: list[npt.NDArray[np.intp]]) -> FloatArray:
    """Return the nearest point that is not negative and adds up to 1 on either side."""
    out = np.empty_like(g)
    for side in sides:
        down = np.sort(g[side])[::-1]
        over = (np.cumsum(down) - 1) / np.arange(1, len(side) + 1)
        level = over[np.flatnonzero(down > over)[-1]]
        out[side] = np.maximum(g[side] - level, 0.0)
    return out


class Weighted(NamedTuple):
    """Kernel weights, (n_kernels,), and the fit on their mixture."""

    weights: FloatArray
    fit: Fit


class SimpleFit(NamedTuple):
    """What SimpleMKL found.

    Attributes
    ----------
    weights : ndarray of shape (n_kernels,)
    fit : Fit
        On the mixture.
    gap : float
        Duality gap: by which the objective can still fall at most.
    steps : int
    """

    weights: FloatArray
    fit: Fit
    gap: float
    steps: int


def simple(
    kernels: FloatArray,
    loss: Loss,
    strength: float,
    before: Weighted | None = None,
    gap: float = SIMPLE_GAP,
) -> SimpleFit:
    """Minimise the penalised loss over the function and the weights together.

    SimpleMKL (Rakotomamonjy, Bach, Canu and Grandvalet 2008): the minimum over the
    function on the mixture is a convex, smooth function J of the weights, with
    derivative ``-strength / 2 * a' K_m a`` where a are the fit's patient weights
    (their equation 11); J falls along the reduced gradient (12), with a search along it,
    until the duality gap ``strength / 2 * (max_m a' K_m a - sum_m d_m a' K_m a)``
    (section 3.3) is below a share `gap` of what J is below the loss of the model without
    features (their measure is J itself, which says little where that loss is large).
    Their loss is the hinge; nothing in the argument needs it, so here it is any `Loss`: the
    one the final fit minimises.

    Parameters
    ----------
    kernels : ndarray of shape (n_kernels, n_patients, n_patients)
    loss : Loss
    strength : float
    before : Weighted, optional
        What was found for a strength nearby, to begin with; equal weights by default.
    gap : float
    """
    d = before.weights if before else np.full(len(kernels), 1 / len(kernels))
    without = loss.value(np.tile(loss.null(), (loss.n, 1)))
    along = _Along(kernels, loss, strength)
    fit, slope = along.at(d, before.fit if before else None)
    steps = 0
    while True:
        left = float(slope @ d - slope.min())
        gained = max(0.0, without - fit.objective)
        if left <= gap * gained + ROUNDING * abs(without) or steps == SIMPLE_STEPS:
            break
        new = along.search(d, fit, slope)
        if new.fit.objective >= fit.objective:  # no further fall can be told from rounding
            break
        d, fit, slope = new
        steps += 1
    return SimpleFit(d, fit, left, steps)


class _Point(NamedTuple):
    d: FloatArray
    fit: Fit
    slope: FloatArray


class _Along:
    """J and its derivative, and the search along one direction."""

    def __init__(self, kernels: FloatArray, loss: Loss, strength: float) -> None:
        self.kernels, self.loss, self.strength = kernels, loss, strength

    def at(self, d: FloatArray, before: Fit | None) -> tuple[Fit, FloatArray]:
        """Return the fit on the mixture, and J's derivative by each kernel's weight."""
        fit = fit_on_kernel(self.loss, mixture(self.kernels, d), self.strength, before)
        a = fit.weights
        inner = [float(np.sum(a * (kernel @ a))) for kernel in self.kernels]
        return fit, -self.strength / 2 * np.array(inner)

    def search(self, d: FloatArray, fit: Fit, slope: FloatArray) -> _Point:
        """Return the lowest point along the reduced gradient, up to the simplex's edge.

        J is convex, so it is where the derivative along the direction changes its sign:
        the edge if it does not, or else found by the Illinois form of the secant rule, to
        a tenth of the derivative at the start.
        """
        direction = reduced_gradient(d, slope)
        falls = np.flatnonzero(direction < 0)
        ratios = d[falls] / -direction[falls]
        low, high = 0.0, float(ratios.min())
        first = at_low = float(slope @ direction)
        edge = d + high * direction
        edge[falls[ratios <= high]] = 0.0
        point = self._point(edge, fit)
        at_high = float(point.slope @ direction)
        for _ in range(LINE_STEPS):
            if at_high <= 0 or abs(float(point.slope @ direction)) <= 0.1 * abs(first):
                break
            middle = (low * at_high - high * at_low) / (at_high - at_low)
            point = self._point(d + middle * direction, point.fit)
            found = float(point.slope @ direction)
            if found > 0:
                high, at_high, at_low = middle, found, at_low / 2
            else:
                low, at_low, at_high = middle, found, at_high / 2
        return point

    def _point(self, d: FloatArray, before: Fit) -> _Point:
        inside = np.maximum(d, 0.0)
        inside /= inside.sum()
        return _Point(inside, *self.at(inside, before))


def reduced_gradient(d: FloatArray, slope: FloatArray) -> FloatArray:
    """Return the direction of descent on the simplex (Rakotomamonjy et al. 2008, equation 12).

    The largest weight takes up what the others leave; a weight of 0 that would fall stays.
    """
    pivot = int(d.argmax())
    away = slope[pivot] - slope
    away[(d <= 0) & (away < 0)] = 0.0
    away[pivot] = 0.0
    away[pivot] = -away.sum()
    return np.asarray(away)


def mixture(kernels: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the weighted sum of kernels."""
    return np.asarray(np.tensordot(weights, kernels, axes=1))


def _simplex(weights: FloatArray) -> FloatArray:
    """Return the weights brought to a sum of 1; equal ones where all are 0."""
    total = float(weights.sum())
    return weights / total if total > 0 else np.full(len(weights), 1 / len(weights))
