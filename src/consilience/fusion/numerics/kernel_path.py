"""Kernel weights and fits along a path of penalties, and the choice among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import expit, softmax

from consilience.cohort.modality import FloatArray
from consilience.errors import InputError
from consilience.fusion.hazard import Hazard
from consilience.fusion.kernels import centre
from consilience.fusion.numerics.kernel_machines import (
    CoxLoss,
    Fit,
    LogisticLoss,
    Loss,
    MultinomialLoss,
    SquaredLoss,
    fit_on_kernel,
    fit_on_root,
    root,
)
from consilience.fusion.numerics.kernel_weights import (
    SIMPLE_GAP,
    Weighted,
    easy,
    joint_alignment,
    mixture,
    separate_alignment,
    simple,
)
from consilience.fusion.task import Classification, SurvivalTask, Task, Y

Weighting: TypeAlias = Literal["alignment", "separate", "simple", "easy"]
BALANCES = (0.5, 0.9, 0.99)  # what EasyMKL's lambda is chosen from, as in its paper


class Setting(NamedTuple):
    """What is chosen on inner folds.

    Attributes
    ----------
    penalty : float
        Times the number of patients, the strength of the penalty on the function.
    balance : float
        EasyMKL's lambda; 0 for the other weightings.
    """

    penalty: float
    balance: float = 0.0


def loss_of(task: Task, y: Y) -> Loss:
    """Return the loss that belongs to a task."""
    if isinstance(task, SurvivalTask):
        return CoxLoss(y)
    if not isinstance(task, Classification):
        return SquaredLoss(y)
    indicators = (np.asarray(y)[:, None] == task.classes).astype(float)
    return LogisticLoss(indicators[:, 1]) if len(task.classes) == 2 else MultinomialLoss(indicators)


def values_of(task: Task, eta: FloatArray, hazard: Hazard | None) -> FloatArray:
    """Return the task's values of predictors; survival needs the baseline hazard."""
    if hazard is not None and isinstance(task, SurvivalTask):
        return hazard.curves(eta[:, 0], task.times)
    if not isinstance(task, Classification):
        return eta
    if eta.shape[1] > 1:
        return np.asarray(softmax(eta, axis=1))
    return np.hstack([expit(-eta), expit(eta)])


def baseline(task: Task, eta: FloatArray, y: Y) -> Hazard | None:
    """Return the baseline hazard of the training patients; None if it is not survival."""
    return Hazard().fit(eta[:, 0], y) if isinstance(task, SurvivalTask) else None


def settings(weighting: Weighting, penalties: Sequence[float]) -> list[Setting]:
    """Return what to choose from, the strongest penalty first."""
    balances = BALANCES if weighting == "easy" else (0.0,)
    return [Setting(p, b) for b in balances for p in sorted(set(penalties), reverse=True)]


def stretch(weights: FloatArray, has: npt.NDArray[np.bool_]) -> FloatArray:
    """Return by what a patient's features are stretched for the kernels he lacks.

    One over the root of the weights of those he has, so that his place in the mixture is
    as far from the middle as it is expected of anyone: D K D with this on D's diagonal is
    positive semi-definite as K is. 0 for one who has no kernel of any weight.

    Parameters
    ----------
    weights : ndarray of shape (n_kernels,)
    has : bool ndarray of shape (n_kernels, n_patients)

    Returns
    -------
    ndarray of shape (n_patients,)
    """
    share = (weights[:, None] * has).sum(axis=0) / weights.sum()
    inverse = np.divide(1.0, share, out=np.zeros(len(share)), where=share > 0)
    return np.asarray(np.sqrt(inverse))


def _stretched(kernels: FloatArray, weights: FloatArray, has: npt.NDArray[np.bool_]) -> FloatArray:
    factor = stretch(weights, has)
    return np.asarray(mixture(kernels, weights) * np.outer(factor, factor))


def along(
    weighting: Weighting,
    kernels: FloatArray,
    has: npt.NDArray[np.bool_],
    loss: Loss,
    path: Sequence[Setting],
    gap: float = SIMPLE_GAP,
) -> list[Weighted]:
    """Return weights and fit at every setting, each begun from the one before.

    Parameters
    ----------
    weighting : {"alignment", "separate", "simple", "easy"}
    kernels : ndarray of shape (n_kernels, n_patients, n_patients)
    has : bool ndarray of shape (n_kernels, n_patients)
        Whom the kernels' modalities measured. Weights are found on the kernels as they
        are, with rows of 0; the fit is on the mixture with those rows made up for, see
        `stretch`.
    loss : Loss
    path : sequence of Setting
    gap : float
        For "simple": the duality gap at which it stops; see `simple`.
    """
    if weighting == "simple":
        return _along_simple(kernels, has, loss, path, gap)
    return _along_fixed(weighting, kernels, has, loss, path)


def _along_simple(
    kernels: FloatArray,
    has: npt.NDArray[np.bool_],
    loss: Loss,
    path: Sequence[Setting],
    gap: float,
) -> list[Weighted]:
    """Return SimpleMKL's weights, which depend on the penalty."""
    found: list[Weighted] = []
    before: Weighted | None = None
    for setting in path:
        strength = loss.n * setting.penalty
        weights, fit, _, _ = simple(kernels, loss, strength, before, gap)
        before = Weighted(weights, fit)
        if not has.all():
            fit = fit_on_kernel(loss, _stretched(kernels, weights, has), strength, fit)
        found.append(Weighted(weights, fit))
    return found


def _along_fixed(
    weighting: Weighting,
    kernels: FloatArray,
    has: npt.NDArray[np.bool_],
    loss: Loss,
    path: Sequence[Setting],
) -> list[Weighted]:
    """Return weights found before the fit; the mixture's factor serves every penalty."""
    centred = np.array([centre(kernel) for kernel in kernels])
    found: list[Weighted] = []
    known: float | None = None
    fit: Fit | None = None
    for setting in path:
        if setting.balance != known:
            known, fit = setting.balance, None
            weights = _fixed_weights(weighting, centred, loss, known)
            factor = root(_stretched(kernels, weights, has))
        fit = fit_on_root(loss, factor, loss.n * setting.penalty, fit)
        found.append(Weighted(weights, fit))
    return found


def _fixed_weights(
    weighting: Weighting, kernels: FloatArray, loss: Loss, balance: float
) -> FloatArray:
    if weighting == "alignment":
        return joint_alignment(kernels, loss.residual())
    if weighting == "separate":
        return separate_alignment(kernels, loss.residual())
    if isinstance(loss, LogisticLoss | MultinomialLoss):
        return easy(kernels, np.round(loss.y), balance)  # a class nobody has is none here
    raise InputError(
        "weighting 'easy' is a margin between classes and needs an outcome of classes; use "
        "'alignment' or 'simple'."
    )


def out_of_fold_losses(
    weighting: Weighting,
    kernels: FloatArray,
    has: npt.NDArray[np.bool_],
    y: Y,
    task: Task,
    path: Sequence[Setting],
    folds: Sequence[tuple[Any, Any]],
) -> FloatArray:
    """Return the mean loss at every setting, (n_settings,), of patients held out.

    The weights are found anew in every fold, from its training patients.
    """
    total = np.zeros(len(path))
    for train, test in folds:
        within = np.array([kernel[np.ix_(train, train)] for kernel in kernels])
        across = np.array([kernel[np.ix_(test, train)] for kernel in kernels])
        found = along(weighting, within, has[:, train], loss_of(task, y[train]), path)
        for place, (weights, fit) in enumerate(found):
            own = stretch(weights, has[:, train])[:, None] * fit.weights
            said = stretch(weights, has[:, test])[:, None] * (mixture(across, weights) @ own)
            eta = said + fit.intercept
            values = values_of(task, eta, baseline(task, fit.eta, y[train]))
            total[place] += float(task.loss(y[test], values).sum())
    return total / sum(len(test) for _, test in folds)
