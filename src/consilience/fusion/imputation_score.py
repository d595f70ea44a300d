"""How well what is missing is filled in: hide what is known, impute it, compare."""

from __future__ import annotations

import numbers
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import t as student
from sklearn.base import clone

from consilience.cohort import Cohort, Table
from consilience.cohort.modality import FloatArray
from consilience.cohort.table import Blocks
from consilience.errors import InputError, listing
from consilience.fusion.block_fusion import check_whole

Hide = Callable[[Cohort, float, np.random.Generator], Cohort]

LEVEL = 0.95
MEASURES = ("nrmse", "correlation")


def imputation_scores(
    cohort: Cohort,
    methods: Mapping[str, Any],
    *,
    hide: Hide | None = None,
    share: float = 0.1,
    repeats: int = 5,
    y: Any = None,
    random_state: int | None = 0,
) -> pd.DataFrame:
    """Hide measured values at random, impute them by each method, and compare with the truth.

    Every method is fitted on the cohort without the hidden values, and imputes the same
    cohort. All methods face the same gaps. Errors are in units of each feature's
    standard deviation among the values left visible, so that an error of 1 is about what
    the feature's mean makes. Numeric features of tables are scored.

    Parameters
    ----------
    cohort : Cohort
    methods : mapping of str to estimator
        With ``fit(cohort)`` (or ``fit(cohort, y)``) and ``impute(cohort)``; each is cloned.
        `usual_imputers` gives those to compare with.
    hide : callable, optional
        What to hide: `hide_entries` (default) or `hide_modalities`.
    share : float
        The share of values, or of patients of each modality, to hide.
    repeats : int
        How often, each time with other gaps.
    y : array-like, optional
        The outcome, for methods that cannot do without.
    random_state : int, optional
        Seed of what is hidden.

    Returns
    -------
    DataFrame
        A row a method and modality: `nrmse`, the root of the mean squared error in
        standard deviations, and `correlation`, of imputed and true values in these units,
        over all hidden values of the modality (NaN where all imputed ones are alike); the
        means over repeats with 95% t-intervals (`nrmse_low`, `nrmse_high`, ...), which tell how
        much depends on which values were hidden, not on which patients were studied;
        `values`, how many were scored a repeat; `filled`, the share of them that the
        method filled (one that it left empty counts as the feature's mean); `seconds`, to
        fit and impute, a repeat.

    Raises
    ------
    InputError
        If a share or a number of repeats is out of range, a method cannot impute, or
        nothing can be hidden.
    """
    _check(methods, share, repeats)
    rows: list[dict[str, Any]] = []
    for repeat, seed in enumerate(np.random.SeedSequence(random_state).spawn(repeats)):
        visible = (hide or hide_entries)(cohort, share, np.random.default_rng(seed))
        hidden = list(_hidden(cohort, visible))
        if not hidden:
            raise InputError(f"cohort {cohort.name!r} has no number that can be hidden and scored.")
        for name, method in methods.items():
            start = time.perf_counter()
            given = (visible,) if y is None else (visible, y)
            filled = clone(method).fit(*given).impute(visible)
            seconds = time.perf_counter() - start
            for part in hidden:
                score = part.score(filled)
                rows.append({"method": name, "repeat": repeat, **score, "seconds": seconds})
    return _summary(pd.DataFrame(rows))


def hide_entries(cohort: Cohort, share: float, rng: np.random.Generator) -> Cohort:
    """Return the cohort with a share of each table's numbers missing, drawn one by one."""
    for name, table in _tables(cohort).items():
        values = table.numeric.astype(float)
        values[rng.random(values.shape) < share] = np.nan
        replaced = table.replaced(Blocks(values, table.categorical))
        cohort = cohort.assigned(name, replaced, cohort.positions(name))
    return cohort


def hide_modalities(cohort: Cohort, share: float, rng: np.random.Generator) -> Cohort:
    """Return the cohort with whole tables missing for a share of the patients they measured.

    A patient keeps at least one modality.
    """
    left = cohort.measured.to_numpy().sum(axis=1)
    tables = _tables(cohort)
    for name in [list(tables)[i] for i in rng.permutation(len(tables))]:
        chosen = cohort.has(name) & (left > 1) & (rng.random(len(cohort)) < share)
        if chosen.sum() < cohort.has(name).sum():
            left -= chosen
            positions = np.where(chosen, -1, cohort.positions(name))
            cohort = cohort.assigned(name, cohort.modalities[name], positions)
    return cohort


@dataclass(frozen=True)
class _Hidden:
    """The hidden values of one modality.

    `truth` is (n_patients, n_features), `mask` says which of them are hidden and can be
    scored, and `mean` and `scale` are those of the values left visible.
    """

    modality: str
    features: list[str]
    patients: pd.Index
    truth: FloatArray
    mask: npt.NDArray[np.bool_]
    mean: FloatArray
    scale: FloatArray

    def score(self, filled: Cohort) -> dict[str, Any]:
        """Return the measures of an imputed cohort."""
        table = filled.modalities[self.modality]
        assert isinstance(table, Table)
        values = table.frame[self.features].reindex(self.patients).to_numpy(dtype=float)
        imputed = ((values - self.mean) / self.scale)[self.mask]
        truth = ((self.truth - self.mean) / self.scale)[self.mask]
        found = np.isfinite(imputed)
        imputed = np.where(found, imputed, 0.0)
        alike = np.ptp(imputed) < 1e-9 or np.ptp(truth) < 1e-9
        return {
            "modality": self.modality,
            "nrmse": float(np.sqrt(np.mean((imputed - truth) ** 2))),
            "correlation": np.nan if alike else float(np.corrcoef(imputed, truth)[0, 1]),
            "values": len(truth),
            "filled": float(found.mean()),
        }


def _hidden(cohort: Cohort, visible: Cohort) -> Iterator[_Hidden]:
    for name, table in _tables(cohort).items():
        truth, left = _numbers(cohort, name), _numbers(visible, name)
        known = np.isfinite(left)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, left, 0.0).sum(axis=0) / count
        scale = np.sqrt((np.where(known, left - mean, 0.0) ** 2).sum(axis=0) / count)
        varies = scale > 1e-9 * (1e-300 + np.abs(mean))
        mask = np.isfinite(truth) & ~known & varies
        if mask.any():
            scale = np.where(varies, scale, 1.0)
            features = list(table.numeric_features)
            yield _Hidden(name, features, cohort.index, truth, mask, mean, scale)


def _numbers(cohort: Cohort, name: str) -> FloatArray:
    """Return a table's numbers, a row a patient, NaN where it did not measure him."""
    table = cohort.modalities[name]
    assert isinstance(table, Table)
    values = np.full((len(cohort), len(table.numeric_features)), np.nan)
    measured = np.flatnonzero(cohort.has(name))
    values[measured] = table.numeric_at(cohort.positions(name)[measured])
    return values


def _tables(cohort: Cohort) -> dict[str, Table]:
    return {name: part for name, part in cohort.modalities.items() if isinstance(part, Table)}


def _summary(rows: pd.DataFrame) -> pd.DataFrame:
    groups = rows.groupby(["method", "modality"], sort=False)
    table = groups[["nrmse", "correlation", "values", "filled", "seconds"]].mean()
    count = groups["repeat"].count()
    for measure in MEASURES:
        half = groups[measure].std() / np.sqrt(count) * student.ppf((1 + LEVEL) / 2, count - 1)
        place = list(table.columns).index(measure) + 1
        table.insert(place, f"{measure}_low", table[measure] - half)
        table.insert(place + 1, f"{measure}_high", table[measure] + half)
    return table.reset_index()


def _check(methods: Any, share: Any, repeats: int) -> None:
    check_whole("repeats", repeats, 2)
    if not (isinstance(share, numbers.Real) and 0 < float(share) < 1):
        raise InputError(f"share must be between 0 and 1, not {share!r}.")
    if not isinstance(methods, Mapping):
        raise InputError(f"methods must be methods by name, not {type(methods).__name__}.")
    if not methods:
        raise InputError("give at least one method to score, by name.")
    silent = [name for name, method in methods.items() if not _imputes(method)]
    if silent:
        raise InputError(
            f"methods must have the verb impute, and these have not: {listing(silent)}."
        )


def _imputes(method: Any) -> bool:
    return hasattr(method, "impute") and not isinstance(method, type)
