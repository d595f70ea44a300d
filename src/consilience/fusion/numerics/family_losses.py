"""The families' losses and their derivatives, compiled.

`loss` and `derive` find their form by the family's type, as `functools.singledispatch`
does for plain Python, so that one compiled solver serves every family. (numba caches a
caller's code by the caller's file alone: after a change here, remove the old ``.nbi`` files.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import overload

from consilience.fusion.numerics.families import Binomial, Cox, Gaussian, Multinomial, Poisson

LEAST_CURVATURE = 1e-5  # glmnet's floor: a fitted probability of 0 or 1 leaves none


def loss(family: Any, eta: Any) -> Any:
    """Return the mean negative log-likelihood (compiled; the body is chosen by type)."""
    raise NotImplementedError(type(family))


def derive(family: Any, eta: Any, response: Any, gradient: Any, curvature: Any) -> Any:
    """Fill the derivatives of n times the loss by a response's ``eta`` (compiled).

    `gradient` and `curvature` are of shape (n,); the curvature is the diagonal of the
    second derivative.
    """
    raise NotImplementedError(type(family))


def _is_compiled(family: Any, kind: type) -> bool:
    named = isinstance(family, types.BaseNamedTuple)
    return named and getattr(family, "instance_class", None) is kind


def _loss_of(kind: type) -> Callable[[Any], Any]:
    """Register a body of `loss` for a family."""

    def register(body: Any) -> Any:
        @overload(loss, strict=False)
        def choose(family: Any, eta: Any) -> Any:
            return body if _is_compiled(family, kind) else None

        return body

    return register


def _derivatives_of(kind: type) -> Callable[[Any], Any]:
    """Register a body of `derive` for a family."""

    def register(body: Any) -> Any:
        @overload(derive, strict=False)
        def choose(family: Any, eta: Any, response: Any, gradient: Any, curvature: Any) -> Any:
            return body if _is_compiled(family, kind) else None

        return body

    return register


@_loss_of(Gaussian)
def _gaussian_loss(family, eta):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(len(family.y)):
        total += (family.y[i] - eta[0, i]) ** 2
    return 0.5 * total / len(family.y)


@_derivatives_of(Gaussian)
def _gaussian_derivatives(family, eta, response, gradient, curvature):  # type: ignore[no-untyped-def]
    for i in range(len(family.y)):
        gradient[i] = eta[0, i] - family.y[i]
        curvature[i] = 1.0


@_loss_of(Binomial)
def _binomial_loss(family, eta):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(len(family.y)):
        value = eta[0, i]
        total += max(value, 0.0) + np.log1p(np.exp(-abs(value))) - family.y[i] * value
    return total / len(family.y)


@_derivatives_of(Binomial)
def _binomial_derivatives(family, eta, response, gradient, curvature):  # type: ignore[no-untyped-def]
    for i in range(len(family.y)):
        probability = 1.0 / (1.0 + np.exp(-eta[0, i]))
        gradient[i] = probability - family.y[i]
        curvature[i] = max(probability * (1.0 - probability), LEAST_CURVATURE)


@_loss_of(Multinomial)
def _multinomial_loss(family, eta):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(len(family.y)):
        top = eta[0, i]
        for k in range(1, family.classes):
            top = max(top, eta[k, i])
        mass = 0.0
        for k in range(family.classes):
            mass += np.exp(eta[k, i] - top)
        total += top + np.log(mass) - eta[family.y[i], i]
    return total / len(family.y)


@_derivatives_of(Multinomial)
def _multinomial_derivatives(family, eta, response, gradient, curvature):  # type: ignore[no-untyped-def]
    for i in range(len(family.y)):
        mass = 0.0
        for k in range(family.classes):
            mass += np.exp(eta[k, i] - eta[response, i])
        probability = 1.0 / mass
        gradient[i] = probability
        if family.y[i] == response:
            gradient[i] -= 1.0
        curvature[i] = max(probability * (1.0 - probability), LEAST_CURVATURE)


@_loss_of(Poisson)
def _poisson_loss(family, eta):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(len(family.y)):
        total += np.exp(eta[0, i]) - family.y[i] * eta[0, i]
    return total / len(family.y)


@_derivatives_of(Poisson)
def _poisson_derivatives(family, eta, response, gradient, curvature):  # type: ignore[no-untyped-def]
    for i in range(len(family.y)):
        expected = np.exp(eta[0, i])
        gradient[i] = expected - family.y[i]
        curvature[i] = max(expected, LEAST_CURVATURE)


@njit(cache=True)
def _at_risk(family, eta, relative, mass):  # type: ignore[no-untyped-def]
    """Fill hazards relative to the highest, and their sum over each group's risk set."""
    top = eta[0, 0]
    for i in range(1, eta.shape[1]):
        top = max(top, eta[0, i])
    for i in range(eta.shape[1]):
        relative[i] = np.exp(eta[0, i] - top)
    total = 0.0
    for group in range(len(family.bounds) - 1, -1, -1):
        start = 0 if group == 0 else family.bounds[group - 1]
        for place in range(start, family.bounds[group]):
            total += relative[family.order[place]]
        mass[group] = total
    return top


@_loss_of(Cox)
def _cox_loss(family, eta):  # type: ignore[no-untyped-def]
    relative = np.empty(eta.shape[1])
    mass = np.empty(len(family.bounds))
    top = _at_risk(family, eta, relative, mass)
    total = 0.0
    start = 0
    for group in range(len(family.bounds)):
        for place in range(start, family.bounds[group]):
            i = family.order[place]
            if family.event[i] > 0:
                total += np.log(mass[group]) + top - eta[0, i]
        start = family.bounds[group]
    return total / eta.shape[1]


@_derivatives_of(Cox)
def _cox_derivatives(family, eta, response, gradient, curvature):  # type: ignore[no-untyped-def]
    relative = np.empty(eta.shape[1])
    mass = np.empty(len(family.bounds))
    _at_risk(family, eta, relative, mass)
    hazard = 0.0
    squares = 0.0
    start = 0
    for group in range(len(family.bounds)):
        for place in range(start, family.bounds[group]):
            if family.event[family.order[place]] > 0:
                hazard += 1.0 / mass[group]
                squares += 1.0 / mass[group] ** 2
        for place in range(start, family.bounds[group]):
            i = family.order[place]
            gradient[i] = relative[i] * hazard - family.event[i]
            diagonal = relative[i] * hazard - relative[i] ** 2 * squares
            curvature[i] = max(diagonal, LEAST_CURVATURE)
        start = family.bounds[group]
