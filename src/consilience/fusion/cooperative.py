"""Cooperative learning: one sparse model of all modalities, drawn towards their agreement."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from consilience.cohort.modality import FloatArray
from consilience.cohort.outcome import SURVIVAL_DTYPE, OutcomeKind
from consilience.errors import InputError, suggestion
from consilience.fusion.block_fusion import BlockFusion, check_whole
from consilience.fusion.discovery import Component, Components, Discovery, Loading, Path
from consilience.fusion.hazard import Hazard
from consilience.fusion.numerics.families import (
    Binomial,
    Cox,
    Family,
    Gaussian,
    Multinomial,
    Poisson,
)
from consilience.fusion.task import Classification, Y, check_folds

if TYPE_CHECKING:
    from consilience.fusion.numerics.cooperative_path import Fitted, Penalty
    from consilience.fusion.numerics.cooperative_tuning import Candidate, Search

RHOS = (0.0, 0.1, 0.5, 1.0, 3.0)
FINAL = 1e-9  # tolerance of the optimality conditions of the model that is kept
SHOWN = 10  # loadings a modality in a discovery

FAMILIES: dict[str, type[Family]] = {
    "gaussian": Gaussian,
    "binomial": Binomial,
    "multinomial": Multinomial,
    "poisson": Poisson,
    "cox": Cox,
}
LEARNS: dict[str, str | None] = {
    "gaussian": "regressor",
    "binomial": "classifier",
    "multinomial": "classifier",
    "poisson": "regressor",
    "cox": None,
}
OF_OUTCOME: dict[OutcomeKind, str] = {
    "binary": "binomial",
    "multiclass": "multinomial",
    "continuous": "gaussian",
    "survival": "cox",
}


class CooperativeLearning(BlockFusion):
    """Sparse regression on all modalities with an agreement penalty (Ding et al. 2022).

    With a linear predictor ``f_m`` a modality it minimises::

        -log-likelihood(y; b0 + sum_m f_m) / n
            + rho / (2 n) * sum over pairs m < l of ||f_m - f_l||²
            + lambda * sum_j factor_j * (l1_ratio |b_j| + (1 - l1_ratio) / 2 * b_j²)

    over standardised features. rho = 0 is the lasso on all features together (early
    fusion); a large rho asks each modality for a model of its own that says the same as
    the others. rho and lambda are chosen together by cross-validation.

    Missing modalities: one that a patient lacks adds nothing to his predictor, in
    training and in prediction, and he takes part in the agreement of the pairs of
    modalities that he has. A value missing within a modality is taken as the mean.
    Since agreeing modalities share the prediction between them, that of a patient who
    lacks one is drawn towards the average.

    Parameters
    ----------
    modalities, encoders
        See `Fusion`.
    family : str
        "gaussian", "binomial", "multinomial", "poisson" (counts) or "cox" (survival, tied
        times by Breslow's formula). `for_outcome` sets it, poisson apart.
    rho : float, sequence of float, or "cv"
        Weight of the agreement; the best of several is chosen. "cv" tries
        0, .1, .5, 1 and 3.
    l1_ratio : float
        1 is the lasso, 0 ridge.
    lambdas : float or sequence of float, optional
        Penalties to try; by default a path from the smallest penalty that empties the
        model down.
    n_lambdas : int
        Length of that path.
    lambda_min_ratio : float, optional
        Its end as a share of its start; by default .01 where features outnumber
        patients, else .001 (glmnet: .0001).
    choice : {"min", "1se"}
        The penalty of least cross-validated loss, or the largest within one standard
        error of it.
    folds : int
        Inner folds.
    penalty_factors : mapping of str to float, optional
        How strongly each modality is penalised, relative to the others; 1 by default,
        0 keeps all its features in.
    adaptive : bool
        Multiply the factors by the penalties that a lasso on each modality alone would
        choose (the first step of adaptive cooperative learning), so that modalities
        without signal are penalised more.
    tolerance : float
        Of the optimality conditions along the path, as a share of the largest gradient
        at 0; ten times that on inner folds. The model that is kept is solved to 1e-9.
    random_state : int, optional
        Seed of the inner folds.

    Attributes
    ----------
    rho_, lambda_ : float
        As chosen.
    coef_ : dict of str to ndarray
        Coefficients of the standardised features: (n_features,), or (n_classes, n_features)
        in the multinomial family; names in ``blocks_.features_``.
    intercept_ : ndarray of shape (n_responses,)
    path_ : dict
        At the chosen rho, as far as the folds went: ``lambdas``, ``explained`` (share of
        the deviance), ``intercepts`` (n_lambdas, n_responses) and ``coefficients``, by modality
        (n_lambdas, n_responses, n_features).
    cv_ : dict of str to ndarray
        ``rho`` (n,) and, (n, n_lambdas) each, ``lambdas``, ``loss`` and ``error``; NaN where
        nothing had to be chosen, and beyond the end of a walk: behind a loss's minimum, or
        where a rho was given up against a better one (see `cooperative_tuning.tried`).
    factors_ : dict of str to float
        Penalty factors used.
    hazard_ : Hazard
        For survival.

    Examples
    --------
    >>> from consilience.cohort import synthetic_cohort
    >>> from consilience.fusion.cooperative import CooperativeLearning
    >>> cohort, y = synthetic_cohort(200, seed=0)
    >>> model = CooperativeLearning.for_outcome("binary", random_state=0).fit(cohort, y)
    >>> model.predict_proba(cohort).shape
    (200, 2)

    References
    ----------
    Ding, D. Y., Li, S., Narasimhan, B., Tibshirani, R. (2022). Cooperative learning for
    multiview analysis. PNAS 119 (38), e2202113119.
    """

    def __init__(
        self,
        *,
        modalities: Sequence[str] | None = None,
        encoders: Mapping[str, Any] | None = None,
        family: str = "gaussian",
        rho: float | str | Sequence[float] = "cv",
        l1_ratio: float = 1.0,
        lambdas: float | Sequence[float] | None = None,
        n_lambdas: int = 100,
        lambda_min_ratio: float | None = None,
        choice: Literal["min", "1se"] = "min",
        folds: int = 5,
        penalty_factors: Mapping[str, float] | None = None,
        adaptive: bool = False,
        tolerance: float = 1e-4,
        random_state: int | None = None,
    ) -> None:
        super().__init__(modalities=modalities, encoders=encoders)
        self.family = family
        self.rho = rho
        self.l1_ratio = l1_ratio
        self.lambdas = lambdas
        self.n_lambdas = n_lambdas
        self.lambda_min_ratio = lambda_min_ratio
        self.choice = choice
        self.folds = folds
        self.penalty_factors = penalty_factors
        self.adaptive = adaptive
        self.tolerance = tolerance
        self.random_state = random_state

    @classmethod
    def _options_for(cls, kind: OutcomeKind) -> dict[str, Any]:
        return {"family": OF_OUTCOME[kind]}

    def _kind(self) -> str | None:
        _check_family(self.family)
        return LEARNS[self.family]

    def check_settings(self) -> None:
        """Refuse settings out of their range."""
        super().check_settings()
        for value in self._rhos():
            _check(value, "rho", "a number of at least 0", lambda v: v >= 0)
        for value in self._lambdas() if self.lambdas is not None else ():
            _check(value, "every lambda", "a number above 0", lambda v: v > 0)
        _check(self.l1_ratio, "l1_ratio", "a number from 0 to 1", lambda v: 0 <= v <= 1)
        _check(self.tolerance, "tolerance", "a number between 0 and 1", lambda v: 0 < v < 1)
        if self.lambda_min_ratio is not None:
            ratio = self.lambda_min_ratio
            _check(ratio, "lambda_min_ratio", "a number between 0 and 1", lambda v: 0 < v < 1)
        for name, factor in (self.penalty_factors or {}).items():
            place = f"the penalty factor of {name!r}"
            _check(factor, place, "a number of at least 0", lambda v: v >= 0)
        check_whole("n_lambdas", self.n_lambdas, 1)
        check_folds(self.folds)
        if self.choice not in ("min", "1se"):
            raise InputError(f"choice must be 'min' or '1se', not {self.choice!r}.")

    def _rhos(self) -> list[float]:
        if isinstance(self.rho, str):
            if self.rho != "cv":
                raise InputError(
                    f"rho must be a number, several of them or 'cv', not {self.rho!r}."
                )
            return list(RHOS)
        return _several(self.rho, "rho")

    def _lambdas(self) -> list[float]:
        return _several(self.lambdas, "lambdas")

    def _search(self) -> Search:
        from consilience.fusion.numerics.cooperative_tuning import Search

        if self.lambdas is None:
            return Search(self.n_lambdas, self.lambda_min_ratio)
        return Search(lambdas=np.array(sorted(self._lambdas(), reverse=True), dtype=float))

    def _learn(self, blocks: dict[str, FloatArray], y: Y) -> None:
        from consilience.fusion.numerics.cooperative_tuning import chosen, tried

        order = self._columns_in_order()
        matrices = {name: blocks[name][:, place] for name, place in order.items()}
        family = self._outcome(y)
        folds = self._inner_folds(y)
        penalties = self._penalties(matrices, family, folds)
        search = self._search()
        to_choose = len(penalties) > 1 or search.lambdas is None or len(search.lambdas) > 1
        candidates = tried(matrices, family, penalties, search, folds if to_choose else ())
        if to_choose and not all(np.isfinite(each.loss).all() for each in candidates):
            raise InputError(
                "the events among these patients are too few to choose rho and lambda on inner "
                "folds; give one value of each."
            )
        best = candidates[chosen(candidates) if to_choose else 0]
        self._note(candidates)
        self._keep(matrices, family, best, best.place(self.choice) if to_choose else 0)

    def _columns_in_order(self) -> dict[str, Any]:
        """Return where each modality's columns lie by name: no result depends on their order."""
        features = self.blocks_.features_
        return {name: np.argsort(features[name], kind="stable") for name in sorted(features)}

    def _outcome(self, y: Y) -> Family:
        if not isinstance(self.task_, Classification):
            return FAMILIES[self.family].of(y)
        classes = len(self.task_.classes)
        if self.family == "binomial" and classes != 2:
            raise InputError(
                f"the binomial family needs two classes, but the outcome has {classes}; "
                "use the multinomial family."
            )
        codes = np.searchsorted(self.task_.classes, y)
        family = FAMILIES[self.family].of(codes)
        return family._replace(classes=classes) if isinstance(family, Multinomial) else family

    def _inner_folds(self, y: Y) -> list[tuple[Any, Any]]:
        if len(y) < self.folds:
            raise InputError(
                f"{self.folds} folds need at least as many patients, but there are {len(y)}; "
                "give fewer folds."
            )
        parts = self.task_.folds(y, self.folds, self.random_state)
        return [(train, held) for train, held in parts if self.task_.learnable(y[train])]

    def _penalties(
        self, matrices: dict[str, FloatArray], family: Family, folds: Any
    ) -> list[Penalty]:
        from consilience.fusion.numerics.cooperative_path import Penalty

        self.factors_ = self._factors(matrices, family, folds)
        widths = [matrix.shape[1] for matrix in matrices.values()]
        factors = np.repeat([self.factors_[name] for name in matrices], widths)
        return [
            Penalty(float(rho), factors, float(self.l1_ratio), float(self.tolerance))
            for rho in self._rhos()
        ]

    def _factors(
        self, matrices: dict[str, FloatArray], family: Family, folds: Any
    ) -> dict[str, float]:
        given = self.penalty_factors or {}
        unknown = sorted(set(given) - set(matrices))
        if unknown:
            raise InputError(
                f"penalty_factors names {unknown[0]!r}, which is none of the modalities used."
                f"{suggestion(unknown[0], matrices)}"
            )
        factors = {name: float(given.get(name, 1.0)) for name in matrices}
        if not any(factors.values()):
            raise InputError("every penalty factor is 0: give at least one modality a penalty.")
        if not self.adaptive:
            return factors
        own = {
            name: self._own_lambda({name: matrix}, family, folds)
            for name, matrix in matrices.items()
        }
        typical = float(np.mean(list(own.values())))
        return {name: factors[name] * own[name] / typical for name in matrices}

    def _own_lambda(self, alone: dict[str, FloatArray], family: Family, folds: Any) -> float:
        """Return the penalty that cross-validation chooses for one modality alone."""
        from consilience.fusion.numerics.cooperative_path import Penalty
        from consilience.fusion.numerics.cooperative_tuning import Search, tried

        (matrix,) = alone.values()
        ones = np.ones(matrix.shape[1])
        penalty = Penalty(0.0, ones, float(self.l1_ratio), float(self.tolerance))
        search = Search(self.n_lambdas, self.lambda_min_ratio)
        (candidate,) = tried(alone, family, [penalty], search, folds)
        return float(candidate.lambdas[candidate.place("min")])

    def _note(self, candidates: Sequence[Candidate]) -> None:
        """Keep the table of cross-validated losses."""
        longest = max(len(candidate.loss) for candidate in candidates)

        def padded(values: Callable[[Candidate], FloatArray]) -> FloatArray:
            rows = [values(candidate) for candidate in candidates]
            return np.array(
                [np.pad(row, (0, longest - len(row)), constant_values=np.nan) for row in rows]
            )

        self.cv_ = {
            "rho": np.array([candidate.penalty.rho for candidate in candidates]),
            "lambdas": padded(lambda candidate: candidate.lambdas),
            "loss": padded(lambda candidate: candidate.loss),
            "error": padded(lambda candidate: candidate.error),
        }

    def _keep(
        self, matrices: dict[str, FloatArray], family: Family, best: Candidate, place: int
    ) -> None:
        """Fit the path of the best rho, and the chosen penalty on the way to the last digits."""
        from consilience.fusion.numerics.cooperative_path import (
            begin,
            follow,
            joined,
            stacked,
            tightened,
        )

        design = stacked(matrices)
        start = begin(design, family, best.penalty)
        strength = best.lambdas[place : place + 1]
        before = follow(start, best.lambdas[:place], whole=True)
        final = follow(tightened(start, FINAL), strength, whole=True)
        after = follow(start, best.lambdas[place + 1 :], whole=True)
        path = joined([before, final, after])
        self.path_ = {
            "lambdas": path.lambdas,
            "explained": path.explained,
            "intercepts": path.intercepts,
            "coefficients": self._by_modality(path.coefficients),
        }
        self.rho_, self.lambda_ = float(best.penalty.rho), float(strength[0])
        self.intercept_ = final.intercepts[0]
        coefficients = self._by_modality(final.coefficients[0])
        single = self.family != "multinomial"
        self.coef_ = {name: c[0] if single else c for name, c in coefficients.items()}
        self._fit_hazard(family, final, design.columns)

    def _fit_hazard(self, family: Family, final: Fitted, columns: FloatArray) -> None:
        if isinstance(family, Cox):
            y = np.empty(len(family.time), dtype=SURVIVAL_DTYPE)
            y["event"], y["time"] = family.event, family.time
            self.hazard_ = Hazard().fit(final.predictors(columns)[0, 0], y)

    def _by_modality(self, coefficients: FloatArray) -> dict[str, FloatArray]:
        """Return coefficients, (..., all features), by modality in the order of its columns."""
        parts: dict[str, FloatArray] = {}
        start = 0
        for name, order in self._columns_in_order().items():
            part = coefficients[..., start : start + len(order)]
            parts[name] = np.empty_like(part)
            parts[name][..., order] = part
            start += len(order)
        return {name: parts[name] for name in self.modalities_}

    def _say(self, blocks: dict[str, FloatArray]) -> FloatArray:
        eta = self._predictor(blocks)
        if self.family == "cox":
            return self.hazard_.curves(eta[0], self.unique_times_)
        return FAMILIES[self.family].values(eta)

    def _predictor(self, blocks: dict[str, FloatArray]) -> FloatArray:
        """Return ``eta``, (n_responses, n): what a patient lacks adds nothing."""
        parts = [
            np.atleast_2d(self.coef_[name]) @ np.nan_to_num(blocks[name], nan=0.0).T
            for name in sorted(self.coef_)
        ]
        return np.asarray(self.intercept_[:, None] + sum(parts))

    def discoveries(self) -> list[Discovery]:
        """Return the agreement path, and the features selected."""
        if getattr(self, "silent_", True):
            return []
        found: list[Discovery] = [self._selected()]
        if len(self.cv_["rho"]) > 1:
            best = np.nanargmin(self.cv_["loss"], axis=1)
            rows = np.arange(len(best))
            found.insert(
                0,
                Path(
                    "Agreement between the modalities",
                    tuple(map(float, self.cv_["rho"])),
                    tuple(map(float, self.cv_["loss"][rows, best])),
                    "weight of the agreement, rho",
                    "cross-validated loss",
                    chosen=self.rho_,
                    se=tuple(map(float, self.cv_["error"][rows, best])),
                ),
            )
        return found

    def _selected(self) -> Components:
        n = len(self.intercept_)
        names = [str(name) for name in self.classes_] if n > 1 else ["selected"]
        components = tuple(self._component(r, name) for r, name in enumerate(names))
        return Components("Features selected by cooperative learning", components)

    def _component(self, response: int, name: str) -> Component:
        loadings: list[Loading] = []
        counts = []
        for modality in self.modalities_:
            weights = np.atleast_2d(self.coef_[modality])[response]
            strongest = np.argsort(-np.abs(weights), kind="stable")[:SHOWN]
            features = self.blocks_.features_[modality]
            loadings += [
                Loading(modality, features[j], float(weights[j])) for j in strongest if weights[j]
            ]
            counts.append(f"{np.count_nonzero(weights)} of {len(weights)} in {modality}")
        return Component(name, tuple(loadings), notes=", ".join(counts))


def _several(value: Any, name: str) -> list[Any]:
    values = [value] if isinstance(value, numbers.Real) else list(value)
    if not values:
        raise InputError(f"{name} is empty: give at least one number.")
    return values


def _check(value: Any, name: str, allowed: str, holds: Callable[[Any], bool]) -> None:
    if not isinstance(value, numbers.Real) or not np.isfinite(float(value)) or not holds(value):
        raise InputError(f"{name} must be {allowed}, not {value!r}.")


def _check_family(family: str) -> None:
    if family not in FAMILIES:
        raise InputError(
            f"family must be one of {', '.join(FAMILIES)}, not {family!r}."
            f"{suggestion(family, FAMILIES)}"
        )
