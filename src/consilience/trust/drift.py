"""Whether patients, and what is told of them, are still those of the study.

The population stability index compares two distributions over the same bins,

    PSI = sum_b (p_b - q_b) ln(p_b / q_b),

with p the reference and q what came since (Siddiqi, "Credit risk scorecards", 2006). The
usual reading, 0.1 "some change" and 0.25 "large change", forgets how many patients there
are: where nothing has changed, PSI of n recent patients and m of the study is about (1/n + 1/m)
times a chi-squared variable with bins - 1 degrees of freedom, so that its mean is
(bins - 1)(1/n + 1/m) (Yurdakul, "Statistical properties of population stability index", PhD
thesis, Western Michigan University, 2018). With 20 patients in ten bins that is 0.45 by
chance alone. Something is called changed here only where PSI is both large and beyond what
chance makes of so few patients, corrected for the number of distributions looked at
(Bonferroni). The rate of false alarms is that of one look: who looks every day looks often.

A server keeps counts of bins alone, no patient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator
from scipy import stats

from consilience.cohort import Cohort, Table
from consilience.cohort.modality import FloatArray
from consilience.errors import InputError
from consilience.trust.plausible import Bounds, Key, name_of, plausible_each

BINS = 10
PATIENTS_A_BIN = 20  # at least, so that an edge is no single patient's value
MOST_FEATURES = 200  # of a table; of a wider one the first are watched
MOST_LEVELS = 20  # of a category; the rarer ones are counted together
CHANGED, LARGE = 0.1, 0.25
LEVEL = 0.05  # of all distributions together
SMOOTHING = 0.5  # patients added to each bin (Jeffreys), so that an empty one has a logarithm

Column: TypeAlias = npt.NDArray[Any]  # numbers, text, or whether measured
_NOTHING = np.zeros(0)
Status: TypeAlias = Literal["stable", "changed", "large change", "too few"]


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Distribution(_Kept):
    """How patients are spread over the bins of one thing.

    Parameters
    ----------
    modality, feature : str
        Feature "": whether the modality was measured. Both "": the number told.
    edges : tuple of float, optional
        Between the bins of a number, the bins below and above included.
    levels : tuple of str, optional
        Of a category; another bin is for all others.
    shares : tuple of float
        Of the patients, in each bin; the last is for what is missing.
    patients : int
        How many were counted.
    """

    modality: str
    feature: str
    edges: tuple[float, ...] | None = None
    levels: tuple[str, ...] | None = None
    shares: tuple[float, ...]
    patients: int = Field(ge=0)

    @model_validator(mode="after")
    def _shares_of_all(self) -> Self:
        bins = 2 if self.edges is None else len(self.edges) + 2
        bins = bins if self.levels is None else len(self.levels) + 2
        shares = np.array(self.shares)
        if self.edges is not None and self.levels is not None:
            raise ValueError("a distribution has edges or levels, not both")
        if len(shares) != bins or (shares < 0).any() or abs(shares.sum() - 1) > 1e-6:
            raise ValueError(f"{bins} shares are needed, which add up to 1")
        if self.edges is not None and (np.diff(self.edges) <= 0).any():
            raise ValueError("the edges must rise")
        return self


class Counts(_Kept):
    """How many recent patients were in each bin; they add up.

    Parameters
    ----------
    patients : int
    bins : tuple of tuple of int
        For each distribution of the reference, in its order.
    """

    patients: int = Field(0, ge=0)
    bins: tuple[tuple[int, ...], ...] = ()

    def __add__(self, other: Counts) -> Counts:
        """Return the counts of both.

        Raises
        ------
        InputError
            If they were counted against different references.
        """
        if not self.bins or not other.bins:
            return self if self.bins else other
        if [len(one) for one in self.bins] != [len(one) for one in other.bins]:
            raise InputError("the counts are of different distributions; start counting anew.")
        added = (
            tuple(a + b for a, b in zip(mine, others, strict=True))
            for mine, others in zip(self.bins, other.bins, strict=True)
        )
        return Counts(patients=self.patients + other.patients, bins=tuple(added))


class Distributions(_Kept):
    """How the patients of a study were spread, feature by feature, and what was told of them.

    Parameters
    ----------
    each : tuple of Distribution
        The number told first, then for each modality whether it was measured, then features.
    unwatched : int
        Features that are in none of them.

    Examples
    --------
    >>> import numpy as np
    >>> from consilience.cohort import synthetic_cohort
    >>> from consilience.trust.drift import Distributions, population_stability
    >>> cohort, _ = synthetic_cohort(400, modalities=1, features=2, seed=0)
    >>> reference = Distributions.of(cohort[:300], np.linspace(0, 1, 300))
    >>> recent = reference.counts(cohort[300:], np.linspace(0, 1, 100))
    >>> any(one.alert for one in population_stability(reference, recent))
    False
    """

    each: tuple[Distribution, ...] = ()
    unwatched: int = Field(0, ge=0)

    @classmethod
    def of(cls, cohort: Cohort, numbers: FloatArray) -> Self:
        """Describe training patients and what was told of them.

        Parameters
        ----------
        cohort : Cohort
        numbers : ndarray of shape (n_patients,)
            The number told of each, of patients whom the model had not seen where there
            are such; NaN where it was silent.

        Returns
        -------
        Distributions
            Cut at quantiles, with at least 20 patients a bin; numbers with few values
            at those.

        Raises
        ------
        InputError
            If there is not one number a patient.
        """
        found = [_cut("", "", _numbers(cohort, numbers), text=False)]
        unwatched = 0
        for name, modality in cohort.modalities.items():
            form = Distribution(modality=name, feature="", shares=(0.0, 1.0), patients=0)
            found.append(_filled(form, cohort.has(name)))
            if isinstance(modality, Table):
                columns = _columns(cohort, name)
                watched = modality.features[:MOST_FEATURES]
                unwatched += modality.n_features - len(watched)
                text = set(modality.categorical_features)
                found += [_cut(name, f, columns[f], text=f in text) for f in watched]
        return cls(each=tuple(found), unwatched=unwatched)

    def counts(self, cohort: Cohort, numbers: FloatArray) -> Counts:
        """Return how many of some patients are in each bin.

        Parameters
        ----------
        cohort : Cohort
            A modality or feature that it does not have counts as missing.
        numbers : ndarray of shape (n_patients,)
            The number told of each; NaN where the model was silent.
        """
        told = _numbers(cohort, numbers)
        names = list(dict.fromkeys(one.modality for one in self.each if one.modality))
        columns = {name: _columns(cohort, name) for name in names}
        bins = []
        for one in self.each:
            column = told if not one.modality else columns[one.modality].get(one.feature, _NOTHING)
            bins.append(tuple(_binned(one, column).tolist()))
        return Counts(patients=len(cohort), bins=tuple(bins))


class Stability(_Kept):
    """Whether one thing is still spread as in the study.

    Parameters
    ----------
    modality, feature : str
        As in `Distribution`.
    psi : float
        Population stability index.
    by_chance : float
        What it is on average if nothing has changed.
    limit : float
        What chance alone does not exceed, at the level chosen for all together.
    patients : int
        How many recent ones.
    status : {"stable", "changed", "large change", "too few"}
        Changed: 0.1 or more, and beyond chance. Too few: chance alone explains 0.25.
    sentence : str
    """

    modality: str
    feature: str
    psi: float
    by_chance: float
    limit: float
    patients: int
    status: Status
    sentence: str

    @property
    def alert(self) -> bool:
        """Whether somebody should look."""
        return self.status in ("changed", "large change")


def population_stability(
    reference: Distributions,
    recent: Counts,
    *,
    level: float = LEVEL,
    known: Mapping[Key, Bounds] | None = None,
) -> tuple[Stability, ...]:
    """Compare recent patients with those of the study.

    Parameters
    ----------
    reference : Distributions
    recent : Counts
        Counted by `reference.counts`, and added up.
    level : float
        How often anything at all is called changed where nothing has.
    known : mapping of (modality, feature) to Plausible, optional
        What features are called.

    Returns
    -------
    tuple of Stability
        The largest index first. Features of a modality that measured nobody are not in
        it: the modality itself is.

    Raises
    ------
    InputError
        If the counts are of another reference.
    """
    if not recent.patients:
        return ()
    if [len(one) for one in recent.bins] != [len(one.shares) for one in reference.each]:
        raise InputError("the counts are of other distributions than the bundle's; count anew.")
    names = plausible_each(known)
    found = []
    for one, counted in zip(reference.each, recent.bins, strict=True):
        if not (one.patients and sum(counted)):  # nobody to compare: his modality says it
            continue
        key = (one.modality, one.feature)
        called = _called(one, name_of(key, names.get(key)))
        found.append(_stability(one, np.array(counted), level / len(reference.each), called))
    return tuple(sorted(found, key=lambda one: -one.psi))


def stability_index(expected: Sequence[float], counted: Sequence[float]) -> float:
    """Return the population stability index of two counts over the same bins.

    Half a patient is added to every bin.

    Parameters
    ----------
    expected, counted : sequence of float
        Patients in each bin.
    """
    shares = []
    for counts in (expected, counted):
        smooth = np.asarray(counts, dtype=float) + SMOOTHING
        shares.append(smooth / smooth.sum())
    p, q = shares
    return float(((p - q) * np.log(p / q)).sum())


def _stability(
    one: Distribution, counted: npt.NDArray[np.intp], level: float, called: str
) -> Stability:
    n, m = int(counted.sum()), one.patients
    expected = np.array(one.shares) * m
    # Bins that are empty on both sides can hold nobody by chance either.
    used = (expected > 0) | (counted > 0)
    psi = stability_index(expected[used].tolist(), counted[used].tolist())
    free, scatter = max(int(used.sum()) - 1, 0), 1 / n + 1 / m
    limit = float(scatter * stats.chi2.isf(level, free)) if free else 0.0
    status = _status(psi, limit, free)
    sentence = (
        f"{called} {_WORDS[status]}: index {psi:.2f} over {n} patients, of which chance explains "
        f"up to {limit:.2f}."
    )
    return Stability(
        modality=one.modality,
        feature=one.feature,
        psi=psi,
        by_chance=free * scatter,
        limit=limit,
        patients=n,
        status=status,
        sentence=sentence,
    )


def _status(psi: float, limit: float, free: int) -> Status:
    if psi > limit and psi >= CHANGED and free:
        return "large change" if psi >= LARGE else "changed"
    return "too few" if limit > LARGE else "stable"


_WORDS: dict[Status, str] = {
    "stable": "is spread as in the study",
    "changed": "is spread otherwise than in the study",
    "large change": "is spread quite otherwise than in the study",
    "too few": "cannot be compared with the study yet",
}


def _called(one: Distribution, name: str) -> str:
    if not one.modality:
        return "what is told of patients"
    return f"{one.modality}: {name}" if one.feature else f"whether {one.modality!r} is measured"


def _numbers(cohort: Cohort, numbers: FloatArray) -> FloatArray:
    told = np.asarray(numbers, dtype=float)
    if told.shape != (len(cohort),):
        raise InputError(f"{told.size} numbers were given for {len(cohort)} patients.")
    return told


def _columns(cohort: Cohort, name: str) -> dict[str, Column]:
    """Return a table's columns of those whom it measured, and under "" who was measured."""
    modality = cohort.modalities.get(name)
    if modality is None:
        return {"": np.zeros(len(cohort), dtype=bool)}
    found: dict[str, Column] = {"": cohort.has(name)}
    if isinstance(modality, Table):
        rows = modality.take(cohort.positions(name)[cohort.has(name)])
        found |= dict(zip(rows.numeric_features, rows.numeric.T, strict=True))
        text = rows.categorical
        found |= {str(feature): text[feature].to_numpy(dtype=object) for feature in text}
    return found


def _cut(modality: str, feature: str, column: Column, *, text: bool) -> Distribution:
    """Return a distribution cut where its own values are, with its shares."""
    form: dict[str, object] = {"modality": modality, "feature": feature, "patients": 0}
    if text:
        common = pd.Series(column, dtype=object).value_counts().index[:MOST_LEVELS]
        form["levels"] = tuple(sorted(str(level) for level in common))
        form["shares"] = (*([0.0] * (len(common) + 1)), 1.0)
    else:
        edges = _edges(column[~np.isnan(column)])
        form |= {"edges": edges, "shares": (*([0.0] * (len(edges) + 1)), 1.0)}
    return _filled(Distribution.model_validate(form), column)


def _edges(values: FloatArray) -> tuple[float, ...]:
    """Return quantiles; of numbers with few values the middles between them."""
    single = np.unique(values)
    if len(single) == 0:
        return ()
    if len(single) <= BINS:
        gaps = np.diff(single)
        beside = gaps.min() / 2 if len(gaps) else max(abs(single[0]) * 1e-6, 1e-9)
        inner = (single[:-1] + single[1:]) / 2
        return tuple(np.unique([single[0] - beside, *inner, single[-1] + beside]).tolist())
    bins = int(np.clip(len(values) // PATIENTS_A_BIN, 2, BINS))
    cuts = np.quantile(values, np.arange(1, bins) / bins)
    return tuple(np.unique(cuts).tolist())


def _filled(form: Distribution, column: Column) -> Distribution:
    counted = _binned(form, column)
    total = int(counted.sum())
    if not total:
        return form
    shares = tuple((counted / total).tolist())
    return form.model_copy(update={"shares": shares, "patients": total})


def _binned(one: Distribution, column: Column) -> npt.NDArray[np.intp]:
    """Return how many values are in each bin, what is missing in the last."""
    bins = len(one.shares)
    if one.levels is not None:
        levels = {level: place for place, level in enumerate(one.levels)}
        places = [bins - 1 if pd.isna(v) else levels.get(str(v), bins - 2) for v in column]
    elif one.edges is None:
        places = np.where(column.astype(bool), 0, 1).tolist()
    else:
        found = np.searchsorted(np.array(one.edges), column, side="right")
        places = np.where(np.isnan(column), bins - 1, found).tolist()
    return np.bincount(np.array(places, dtype=np.intp), minlength=bins)
