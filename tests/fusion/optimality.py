"""The optimality conditions of cooperative learning, written out without the solver."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy.special import expit, softmax

from consilience.fusion.numerics.families import Binomial, Cox, Gaussian, Multinomial, Poisson


def cox_gradient(family, eta):
    """Breslow's, patient by patient and event by event."""
    hazard = np.exp(eta[0])
    out = -family.event.copy()
    for i in np.flatnonzero(family.event):
        at_risk = family.time >= family.time[i]
        out += at_risk * hazard / hazard[at_risk].sum()
    return out[None]


GRADIENTS = {
    Gaussian: lambda f, eta: eta - f.y,
    Binomial: lambda f, eta: expit(eta) - f.y,
    Multinomial: lambda f, eta: softmax(eta, axis=0) - (f.y == np.arange(f.classes)[:, None]),
    Poisson: lambda f, eta: np.exp(eta) - f.y,
    Cox: cox_gradient,
}


def violation(design, family, penalty, strength, coefficients, intercepts):
    """Return how far the worst condition is missed, in units of the gradient.

    The agreement term is summed over pairs of modalities, for the patients who have both.
    """
    n = design.columns.shape[1]
    members = [design.modality == m for m in range(len(design.present))]
    views = [coefficients[:, own] @ design.columns[own] for own in members]
    eta = intercepts[:, None] + sum(views)
    gradient = GRADIENTS[type(family)](family, eta)
    pulls = [gradient.copy() for _ in views]
    for a, b in combinations(range(len(views)), 2):
        both = design.present[a] & design.present[b]
        pulls[a] += penalty.rho * both * (views[a] - views[b])
        pulls[b] += penalty.rho * both * (views[b] - views[a])
    worst = 0.0 if isinstance(family, Cox) else float(np.abs(gradient.mean(axis=1)).max())
    for own, pull in zip(members, pulls, strict=True):
        beta = coefficients[:, own]
        slope = -pull @ design.columns[own].T / n
        slope -= strength * (1 - penalty.l1_ratio) * penalty.factors[own] * beta
        bound = strength * penalty.l1_ratio * penalty.factors[own]
        at_zero = np.maximum(np.abs(slope) - bound, 0)
        missed = np.where(beta != 0, np.abs(slope - bound * np.sign(beta)), at_zero)
        worst = max(worst, float(missed.max()))
    return worst
