"""Kernels of one modality: who resembles whom, with missing values and unmeasured patients.

A value that is missing is a draw from the standard normal distribution, the first two
moments of its standardised column, and a patient is the average over all such draws of
his feature vector: the mean embedding of a distribution (Muandet et al. 2012). Inner
products of averages are again a positive semi-definite kernel. In the linear kernel the
rule is mean imputation. A patient whom the modality did not measure is the average of
all: his row of the centred kernel is 0.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from consilience.cohort import Table
from consilience.cohort.modality import FloatArray, Positions
from consilience.errors import InputError, listing
from consilience.fusion.encoding import Encoder

SMALLEST = 1e-8  # of the largest eigenvalue or entry: below it rounding, above it a mistake
MOST_PAIRED = 1000  # patients whose distances the median is taken over


class Kernel(BaseEstimator):  # type: ignore[misc]
    """A kernel of one modality, centred, with a mean of 1 on its diagonal.

    `gram` learns centre and scale from the training patients. `collapse` then turns the
    weights of the training patients into what predicting needs, and `say` predicts.

    Attributes
    ----------
    scale_ : float
        Mean diagonal of the centred kernel before it was divided by it.
    """

    keeps_patients: ClassVar[bool] = True
    """Whether `say` needs the training patients' measurements."""

    scale_: float

    @classmethod
    def of(cls, modality: str) -> Self:
        """Return the kernel for a modality of that name."""
        return cls()

    def gram(self, X: FloatArray) -> FloatArray:
        """Return the training patients' kernel.

        Parameters
        ----------
        X : ndarray of shape (n_patients, n_features)
            Standardised; NaN where a value is missing, a row of NaN where the modality
            did not measure the patient.

        Returns
        -------
        ndarray of shape (n_patients, n_patients)
            Symmetric and positive semi-definite; rows and columns add up to 0 and are 0
            for patients not measured; the diagonal of the others has mean 1.
        """
        has = measured(X)
        centred = centre(self._among(X[has]))
        self.scale_ = mean_diagonal(centred)
        out = np.zeros((len(X), len(X)))
        out[np.ix_(has, has)] = centred / self.scale_
        return out

    def collapse(self, X: FloatArray, weights: FloatArray) -> None:
        """Keep what predicting needs.

        Parameters
        ----------
        X : ndarray of shape (n_patients, n_features)
            As given to `gram`.
        weights : ndarray of shape (n_patients, n_outputs)
            The function to predict is the sum of the patients' centred kernels with
            these weights.
        """
        has = measured(X)
        raw = self._among(X[has])
        own = uncentred(raw, weights[has] / self.scale_)
        self.coef_, self.offset_ = own.coef, own.offset
        self.points_ = self._points(X[has])

    def say(self, X: FloatArray) -> FloatArray:
        """Return the function at new patients, (n_patients, n_outputs); 0 if not measured."""
        has = measured(X)
        out = np.zeros((len(X), self.coef_.shape[1]))
        if has.any():
            out[has] = self._against(X[has]) @ self.coef_ + self.offset_
        return out

    def _points(self, X: FloatArray) -> FloatArray:
        """Return what of the training patients `_against` needs."""
        return X.copy()

    @abstractmethod
    def _among(self, X: FloatArray) -> FloatArray:
        """Return the kernel of training patients, who are all measured, not centred."""

    @abstractmethod
    def _against(self, X: FloatArray) -> FloatArray:
        """Return the kernel of new patients, (n_new, n_training), not centred."""


class LinearKernel(Kernel):
    """The inner product of the features; it predicts by a weight a feature.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features, n_outputs)
    """

    keeps_patients = False

    def _among(self, X: FloatArray) -> FloatArray:
        filled = np.nan_to_num(X)
        return filled @ filled.T

    def collapse(self, X: FloatArray, weights: FloatArray) -> None:
        """Keep a weight a feature: no training patient is needed to predict."""
        has = measured(X)
        filled, own = np.nan_to_num(X[has]), weights[has] / self.scale_
        self.coef_ = filled.T @ (own - own.mean(axis=0))
        self.offset_ = -(filled.mean(axis=0) @ self.coef_)

    def _against(self, X: FloatArray) -> FloatArray:
        return np.nan_to_num(X)


class RBFKernel(Kernel):
    """The Gaussian kernel ``exp(-gamma * squared distance)``.

    Missing values: the expectation over independent standard normal draws in their
    place. A feature that one of two patients lacks contributes the factor
    ``exp(-gamma x² / (1 + 2 gamma)) / sqrt(1 + 2 gamma)``, one that both lack
    ``1 / sqrt(1 + 4 gamma)``, also on the diagonal: of a patient about whom less is
    known, less is said.

    Parameters
    ----------
    gamma : float, optional
        By default ``1 / (2 m)`` with m the median squared distance of two training
        patients (the median heuristic: Gretton et al. 2012, section 8).

    Attributes
    ----------
    gamma_ : float
    points_ : ndarray of shape (n_measured, n_features)
        The training patients' standardised measurements.
    """

    def __init__(self, gamma: float | None = None) -> None:
        self.gamma = gamma

    def _among(self, X: FloatArray) -> FloatArray:
        self.gamma_ = median_gamma(X) if self.gamma is None else float(self.gamma)
        kernel = np.exp(log_rbf(X, X, self.gamma_))
        return np.asarray((kernel + kernel.T) / 2)

    def _against(self, X: FloatArray) -> FloatArray:
        return np.asarray(np.exp(log_rbf(X, self.points_, self.gamma_)))


class PrecomputedKernel(Kernel):
    """A kernel the user computed: one row a patient, one column a training patient.

    Parameters
    ----------
    name : str
        The modality, for what is said of it.
    """

    def __init__(self, name: str = "") -> None:
        self.name = name

    @classmethod
    def of(cls, modality: str) -> Self:
        """Return the kernel for a modality of that name."""
        return cls(modality)

    def _among(self, X: FloatArray) -> FloatArray:
        check_kernel(X, self.name)
        return np.asarray((X + X.T) / 2)

    def _points(self, X: FloatArray) -> FloatArray:
        return np.empty((0, 0))

    def _against(self, X: FloatArray) -> FloatArray:
        return X


class KernelColumns(Encoder):
    """The columns of a precomputed kernel that belong to training patients, in their order.

    Parameters
    ----------
    name : str
        The modality, for what is said of it.
    """

    def __init__(self, name: str = "") -> None:
        self.name = name

    def fit(self, modality: Any, y: Any = None) -> Self:
        """Learn who the training patients are.

        Raises
        ------
        InputError
            If one of them has no column.
        """
        _check_table(modality, f"the kernel of modality {self.name!r}")
        ids = [str(patient) for patient in modality.index]
        absent = sorted(set(ids) - set(modality.features))
        if absent:
            raise InputError(
                f"the kernel of modality {self.name!r} needs one column a training patient, "
                f"named by the patient's id; {len(absent)} of {len(ids)} have none: "
                f"{listing(absent, most=3)}."
            )
        self.names_ = ids
        return self

    def encode(self, modality: Any, patients: Positions) -> FloatArray:
        """Return the patients' kernel with the training patients, (n, n_training)."""
        _check_table(modality, "a precomputed kernel")
        place = {name: i for i, name in enumerate(modality.numeric_features)}
        absent = [name for name in self.names_ if name not in place]
        if absent:
            raise InputError(
                "a new patient's row needs one column a training patient; it lacks "
                f"{len(absent)}: {listing(absent, most=3)}."
            )
        rows = modality.numeric_at(patients).astype(float)
        kernel = np.asarray(rows[:, [place[name] for name in self.names_]])
        wrong = np.argwhere(~np.isfinite(kernel))
        if len(wrong):
            row, column = wrong[0]
            raise InputError(
                f"a precomputed kernel must be complete, but patient "
                f"{str(modality.index[patients[row]])!r} has no value with "
                f"{self.names_[column]!r}."
            )
        return kernel


def _check_table(modality: Any, what: str) -> None:
    if not isinstance(modality, Table) or modality.categorical_features:
        raise InputError(f"{what} must be a table of numbers.")


def measured(X: FloatArray) -> npt.NDArray[np.bool_]:
    """Return which patients have at least one value, bool of shape (n_patients,)."""
    return np.asarray(np.isfinite(X).any(axis=1))


def centre(kernel: FloatArray) -> FloatArray:
    """Return the kernel of feature vectors less their mean: H K H with H = I - 11'/n."""
    mean = kernel.mean(axis=0)
    return np.asarray(kernel - (mean + mean[:, None]) + mean.mean())


def mean_diagonal(kernel: FloatArray) -> float:
    """Return the mean of the diagonal, or 1 where the kernel is 0 all over."""
    mean = float(np.trace(kernel)) / len(kernel)
    return mean if mean > 0 else 1.0


class Uncentred(NamedTuple):
    """A function of centred kernels as one of raw kernels: ``rows @ coef + offset``."""

    coef: FloatArray
    offset: FloatArray


def uncentred(raw: FloatArray, weights: FloatArray) -> Uncentred:
    """Return weights of the raw kernel that give the same function as these of the centred one.

    With a' = a minus its mean, the sum of a_i <phi(x) - m, phi(x_i) - m> is the sum of
    a'_i k(x, x_i), less that sum's mean over the training patients.
    """
    coef = weights - weights.mean(axis=0)
    return Uncentred(coef, -(raw.mean(axis=0) @ coef))


def check_kernel(kernel: FloatArray, name: str) -> None:
    """Refuse a kernel that is not symmetric and positive semi-definite.

    Raises
    ------
    InputError
        Naming the entry or the eigenvalue, with the modality.
    """
    away = np.abs(kernel - kernel.T)
    worst = np.unravel_index(int(away.argmax()), away.shape)
    if away[worst] > SMALLEST * np.abs(kernel).max():
        raise InputError(
            f"the kernel of modality {name!r} is not symmetric: one entry is "
            f"{kernel[worst]:.6g} and its mirror image {kernel.T[worst]:.6g}."
        )
    values = np.linalg.eigvalsh((kernel + kernel.T) / 2)
    if values[0] < -SMALLEST * np.abs(values).max():
        raise InputError(
            f"the kernel of modality {name!r} is not positive semi-definite: its smallest "
            f"eigenvalue is {values[0]:.3g}, beside a largest of {values[-1]:.3g}."
        )


def median_gamma(X: FloatArray) -> float:
    """Return 1 / (2 m), m the median squared distance of two patients.

    Distances are over the features both have, brought to the number of all; the mean
    stands in where more than half the pairs are alike.
    """
    part = X[np.linspace(0, len(X) - 1, min(len(X), MOST_PAIRED)).astype(int)]
    known = np.isfinite(part).astype(float)
    shared = known @ known.T
    squared = _squared_distances(part, part) * (X.shape[1] / np.maximum(shared, 1))
    pairs = squared[np.triu(shared > 0, k=1)]
    if not len(pairs):
        return float(1 / (4 * X.shape[1]))  # two standardised patients: 2 a feature
    # What rounding leaves of the distance of two equal patients is no distance.
    middle = float(np.median(pairs))
    typical = middle if middle > 1e-10 * pairs.max() else float(pairs.mean())
    return 1.0 / (2 * typical) if typical > 0 else 1.0


def log_rbf(one: FloatArray, other: FloatArray, gamma: float) -> FloatArray:
    """Return the logarithm of the expected Gaussian kernel, (n_one, n_other); see `RBFKernel`."""
    log = -gamma * _squared_distances(one, other)
    lacks, lacked = ~np.isfinite(one), ~np.isfinite(other)
    if not (lacks.any() or lacked.any()):
        return np.asarray(log)
    log += _one_lacks(one, lacked, gamma) + _one_lacks(other, lacks, gamma).T
    return np.asarray(log - 0.5 * np.log1p(4 * gamma) * (lacks.astype(float) @ lacked.T))


def _one_lacks(known: FloatArray, lacked: npt.NDArray[np.bool_], gamma: float) -> FloatArray:
    """Return the log factors of features that the row's patient has and the column's lacks."""
    has = np.isfinite(known).astype(float)
    each = -0.5 * np.log1p(2 * gamma) * has - gamma / (1 + 2 * gamma) * np.nan_to_num(known) ** 2
    return np.asarray(each @ lacked.T.astype(float))


def _squared_distances(one: FloatArray, other: FloatArray) -> FloatArray:
    """Return squared distances over the features that both patients have."""
    a, b = np.nan_to_num(one), np.nan_to_num(other)
    has_a, has_b = np.isfinite(one), np.isfinite(other)
    inner = a @ b.T
    if has_a.all() and has_b.all():
        squared = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * inner
    else:
        squared = (a**2) @ has_b.T.astype(float) + has_a.astype(float) @ (b**2).T - 2 * inner
    return np.asarray(np.maximum(squared, 0.0))
