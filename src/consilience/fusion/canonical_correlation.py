"""Plain, regularised, kernel and other canonical correlation analyses, from cca-zoo."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from sklearn.base import clone

from consilience.cohort.modality import FloatArray
from consilience.errors import InputError, listing, suggestion
from consilience.extras import require
from consilience.fusion.block_fusion import check_whole
from consilience.fusion.canonical_embedding import CanonicalEmbedding
from consilience.fusion.discovery import Component, Components, Discovery, Loading

SHOWN = 10  # loadings a modality in what is told


def _plain(components: int, shrinkage: float) -> Any:
    return _zoo("linear").MCCA(components, shrinkage=0.0)


def _regularised(components: int, shrinkage: float) -> Any:
    return _zoo("linear").MCCA(components, shrinkage=shrinkage)


def _kernel(components: int, shrinkage: float) -> Any:
    return _zoo("nonparametric").KCCA(components, kernel="rbf", shrinkage=shrinkage)


_BY_WORD: dict[str, Callable[[int, float], Any]] = {
    "plain": _plain,
    "regularised": _regularised,
    "kernel": _kernel,
}


class CanonicalCorrelation(CanonicalEmbedding):
    """Canonical correlation analysis by any model of cca-zoo (extra ``cca``).

    Missing modalities and values: cca-zoo has no missing values, so in fitting they are the
    training mean, which pulls correlations towards 0. Of a new patient a missing
    value is the mean too, and a missing modality's variate is predicted from the others'.
    `SparseCCA` leaves missing values out instead.

    Parameters
    ----------
    learner, modalities, encoders
        See `Embedding`.
    model : str or estimator
        "plain" (for many more patients than features), "regularised" or "kernel" (Gaussian;
        width by scikit-learn's default), each for any number of modalities; or a
        cca-zoo estimator, or any with ``fit(views)`` and ``transform(views)``, views
        being matrices in the alphabetical order of the modalities. It is cloned.
    n_components : int
        How many components; an estimator brings its own number.
    shrinkage : float
        Of "regularised" and "kernel": each modality's covariance is drawn towards the
        identity, from 0 (plain) to 1 (partial least squares).

    Attributes
    ----------
    weights_, centre_of_ : dict of str to ndarray
        Of a linear model: weights, (n_features, n_components), and the means taken off.
    fitted_ : estimator
        Of one that is not linear. A bundle does not hold it.
    correlations_ : ndarray of shape (n_components,)
        Of the training variates, the mean over pairs of modalities.

    References
    ----------
    Chapman and Wang (2021), CCA-Zoo, J. Open Source Softw. 6(68):3823.
    """

    grid: ClassVar[Mapping[str, Sequence[Any]]] = {"shrinkage": (0.1, 0.5, 0.9)}

    def __init__(
        self,
        learner: Any = None,
        *,
        model: Any = "regularised",
        n_components: int = 2,
        shrinkage: float = 0.5,
        modalities: Sequence[str] | None = None,
        encoders: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(learner, modalities=modalities, encoders=encoders)
        self.model = model
        self.n_components = n_components
        self.shrinkage = shrinkage

    def check_settings(self) -> None:
        """Refuse an unknown model and the like; see `Fusion.check_settings`."""
        super().check_settings()
        check_whole("n_components", self.n_components, 1)
        if isinstance(self.shrinkage, bool) or not 0 <= self.shrinkage <= 1:
            raise InputError(f"shrinkage must be between 0 and 1, not {self.shrinkage!r}.")
        if isinstance(self.model, str):
            if self.model not in _BY_WORD:
                raise InputError(
                    f"there is no model {self.model!r}: give {listing(_BY_WORD)}, or a cca-zoo "
                    f"estimator.{suggestion(self.model, _BY_WORD)}"
                )
        elif not (hasattr(self.model, "fit") and hasattr(self.model, "transform")):
            raise InputError(
                f"model must have fit(views) and transform(views), and {type(self.model).__name__} "
                "has not: a deep model needs a wrapper that trains it."
            )

    def _n_components(self) -> int:
        return int(getattr(self.model, "n_components", self.n_components))

    def _find(self, blocks: dict[str, FloatArray]) -> None:
        views = [np.nan_to_num(blocks[name]) for name in self.names_]
        self._check_width(views)
        if isinstance(self.model, str):
            model = _BY_WORD[self.model](self.n_components, self.shrinkage)
        else:
            model = clone(self.model)
        model.fit(views)
        for name in ("fitted_", "weights_", "centre_of_"):
            self.__dict__.pop(name, None)
        self.width_of_ = {n: v.shape[1] for n, v in zip(self.names_, views, strict=True)}
        if not self._keep_linear(model, views):
            self.fitted_ = model

    def _check_width(self, views: list[FloatArray]) -> None:
        widths = {name: view.shape[1] for name, view in zip(self.names_, views, strict=True)}
        narrow = min(widths, key=lambda name: widths[name])
        if self._n_components() > widths[narrow]:
            raise InputError(
                f"{self._n_components()} components are more than modality {narrow!r} has "
                f"features that vary, {widths[narrow]}: ask for fewer, or leave it out."
            )

    def _keep_linear(self, model: Any, views: list[FloatArray]) -> bool:
        """Keep a linear model as plain matrices; return whether that is what it is."""
        weights, means = getattr(model, "weights_", None), getattr(model, "means_", None)
        if weights is None or means is None:
            return False
        arrays = [np.asarray(w, dtype=float) for w in weights]
        if [w.shape[0] for w in arrays] != [view.shape[1] for view in views]:
            return False
        for view, mean, w, said in zip(views, means, arrays, model.transform(views), strict=True):
            if not np.allclose((view - mean) @ w, np.asarray(said), atol=1e-8):
                return False
        self.weights_ = dict(zip(self.names_, arrays, strict=True))
        centres = [np.asarray(mean, dtype=float) for mean in means]
        self.centre_of_ = dict(zip(self.names_, centres, strict=True))
        return True

    def _project(self, name: str, matrix: FloatArray) -> FloatArray:
        measured = np.isfinite(matrix).any(axis=1, keepdims=True)
        filled = np.nan_to_num(matrix)
        if hasattr(self, "fitted_"):
            views = [
                filled if other == name else np.zeros((len(matrix), self.width_of_[other]))
                for other in self.names_
            ]
            scores = np.asarray(self.fitted_.transform(views)[self.names_.index(name)])
        else:
            scores = np.einsum("ij,jk->ik", filled - self.centre_of_[name], self.weights_[name])
        return np.asarray(np.where(measured, scores, np.nan))

    def _keeps_patients(self) -> bool:
        return hasattr(self, "fitted_") or super()._keeps_patients()

    def discoveries(self) -> list[Discovery]:
        """Return the components; of a linear model with the features that count most."""
        components = tuple(self._component(k) for k in range(len(self.correlations_)))
        label = "mean correlation over pairs of modalities"
        return [Components("Canonical components", components, label)]

    def _component(self, k: int) -> Component:
        loadings = []
        for name in self.names_ if hasattr(self, "weights_") else []:
            weights = self.weights_[name][:, k]
            for i in np.argsort(-np.abs(weights), kind="stable")[:SHOWN]:
                feature = self.blocks_.features_[name][i]
                loadings.append(Loading(name, feature, float(weights[i])))
        strength = float(self.correlations_[k])
        return Component(
            name=f"component {k + 1}",
            loadings=tuple(loadings),
            strength=strength if np.isfinite(strength) else None,
        )


def _zoo(part: str) -> Any:
    return require(
        f"cca_zoo.{part}", extra="cca", purpose="plain, regularised or kernel canonical correlation"
    )
