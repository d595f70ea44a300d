"""Cohorts made up from a known truth, to see whether a method finds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit

from consilience.cohort.bag import Bag
from consilience.cohort.cohort import Cohort
from consilience.cohort.modality import FloatArray, Modality
from consilience.cohort.outcome import (
    Binary,
    Continuous,
    Multiclass,
    Outcome,
    OutcomeKind,
    Survival,
)
from consilience.cohort.table import Table
from consilience.errors import InputError, listing, suggestion

Missingness: TypeAlias = Literal["completely at random", "at random", "by site"]

LOADING = 0.8  # of a carrier on its factor; the noise of every feature has variance 1
AGE_ON_SHARED = 0.5  # correlation of age with the shared factor
CENSORING_WINDOW = 3.0  # in units of the time scale: about a third are censored
CLASSES = ("a", "b", "c")


@dataclass(frozen=True)
class Truth:
    """What a synthetic cohort was made from.

    Attributes
    ----------
    factors : DataFrame of shape (n_patients, 1 + n_informative)
        The latent factors: ``shared``, and one private factor a modality, under its name.
    predictor : ndarray of shape (n_patients,)
        The linear predictor of the outcome: `shared` times the shared factor plus
        `private` times each private factor.
    score : ndarray of shape (n_patients,)
        The mean of `predictor` given everything measured of a patient, site effects
        known: no score of the measurements ranks patients better.
    carriers : dict of str to tuple of str
        The features of each modality that carry signal; none for a noise modality.
    """

    factors: pd.DataFrame
    predictor: FloatArray
    score: FloatArray
    carriers: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Drawn:
    """One synthetic cohort, its outcome, and its truth."""

    cohort: Cohort
    y: npt.NDArray[Any]
    truth: Truth


@dataclass(frozen=True)
class Synthetic:
    """How synthetic cohorts are made.

    A patient has one factor that all modalities see and one private factor a
    modality, all standard normal and independent. A quarter of a modality's features
    carry the shared factor, another quarter the private one, the rest is noise. The
    outcome depends on ``shared * s + private * (p_1 + ... + p_m)``, so that one
    modality alone is informative and all together know more.

    Parameters
    ----------
    kind : {"binary", "multiclass", "continuous", "survival"}
        Of the outcome. Binary: logistic. Multiclass: three ordered classes of equal
        size. Continuous: noise of variance 1. Survival: Weibull times with
        proportional hazards, censored uniformly and independently.
    modalities : int
        Informative ones, called m1, m2, ...
    features : int
        Features a modality, at least 2.
    shared, private : float
        Weights of the shared and of each private factor; 0 and 0 is a null outcome.
    noise_modalities : int
        Modalities without any signal, called n1, n2, ...
    sites : int
        Hospitals; 0 for no column ``site``. Each site shifts each feature.
    site_effect : float
        Standard deviation of those shifts.
    missing : float
        Share of the pairs of patient and modality that were not measured, 0 to below 1.
    missingness : {"completely at random", "at random", "by site"}
        By chance; the more likely the older the patient; or whole modalities that a
        site does not have.
    bags : int
        How many of the informative modalities, the last ones, are `Bag` rather than
        `Table`: instances scattered around the features with exactly those as mean.
    instances : int
        Mean number of instances of a patient in a bag.

    Raises
    ------
    InputError
        If a number is out of its range, or a word is none of those allowed.
    """

    kind: OutcomeKind = "binary"
    modalities: int = 3
    features: int = 20
    shared: float = 1.0
    private: float = 1.5
    noise_modalities: int = 0
    sites: int = 0
    site_effect: float = 1.0
    missing: float = 0.0
    missingness: Missingness = "completely at random"
    bags: int = 0
    instances: int = 20

    def __post_init__(self) -> None:
        _check_word("kind", self.kind, _OUTCOMES)
        _check_word("missingness", self.missingness, _MISSING)
        for name, least in (("modalities", 1), ("features", 2), ("instances", 1)):
            _check_least(name, getattr(self, name), least)
        for name in ("noise_modalities", "sites", "bags"):
            _check_least(name, getattr(self, name), 0)
        if not 0 <= self.missing < 1:
            raise InputError(f"missing is {self.missing:g}; give a share from 0 to below 1.")
        if self.bags > self.modalities:
            raise InputError(f"bags is {self.bags}, more than the {self.modalities} modalities.")
        if self.missingness == "by site" and self.sites < 2:
            raise InputError("missingness 'by site' needs at least 2 sites.")

    @property
    def informative(self) -> list[str]:
        """Names of the modalities with signal."""
        return [f"m{i + 1}" for i in range(self.modalities)]

    @property
    def noise(self) -> list[str]:
        """Names of the modalities without."""
        return [f"n{i + 1}" for i in range(self.noise_modalities)]

    @property
    def outcome(self) -> Outcome:
        """What reads the outcome off the cohort's patients."""
        return _OUTCOMES[self.kind].outcome

    def draw(self, n: int, seed: int = 0) -> Drawn:
        """Return one cohort of n patients; the same seed gives the same cohort.

        Raises
        ------
        InputError
            If n is below 2, or chance left a modality that measured nobody or an
            outcome without its classes or events.
        """
        _check_least("n", n, 2)
        return _draw(self, n, seed)


def synthetic_cohort(
    n: int = 300, *, seed: int = 0, **design: Any
) -> tuple[Cohort, npt.NDArray[Any]]:
    """Return a synthetic cohort and its outcome.

    Parameters
    ----------
    n : int
        Patients.
    seed : int
        The same seed gives the same cohort.
    **design
        As for `Synthetic`: kind, modalities, features, shared, private,
        noise_modalities, sites, site_effect, missing, missingness, bags, instances.

    Returns
    -------
    cohort : Cohort
        ``patients`` holds age, sex, site if there are sites, and the outcome:
        ``outcome``, or ``event`` and ``time``.
    y : ndarray of shape (n,)
        As `Synthetic.outcome` reads it off the cohort.

    Examples
    --------
    >>> from consilience.cohort import synthetic_cohort
    >>> cohort, y = synthetic_cohort(100, kind="survival", missing=0.2, seed=1)
    >>> list(cohort.modalities), y.dtype.names
    (['m1', 'm2', 'm3'], ('event', 'time'))
    """
    drawn = Synthetic(**design).draw(n, seed)
    return drawn.cohort, drawn.y


def synthetic_truth(n: int = 300, *, seed: int = 0, **design: Any) -> Truth:
    """Return what `synthetic_cohort`, called with the same arguments, is made from."""
    return Synthetic(**design).draw(n, seed).truth


def _draw(design: Synthetic, n: int, seed: int) -> Drawn:
    # Each part has its own stream, so that leaving one out changes no other.
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(5)]
    of_factors, of_patients, of_missing, of_outcome, of_features = streams
    names = [*design.informative, *design.noise]
    ids = pd.Index([f"p{i:0{len(str(n))}d}" for i in range(1, n + 1)], name="patient")
    factors = pd.DataFrame(
        of_factors.standard_normal((n, 1 + design.modalities)),
        index=ids,
        columns=["shared", *design.informative],
    )
    patients = _patients(design, factors["shared"].to_numpy(), of_patients)
    absent = _MISSING[design.missingness](design, patients, len(names), of_missing)
    predictor = design.shared * factors["shared"].to_numpy()
    predictor = predictor + design.private * factors[design.informative].to_numpy().sum(axis=1)
    modalities, carriers, sums = {}, {}, np.zeros((n, 1 + design.modalities))
    for k, (name, stream) in enumerate(zip(names, of_features.spawn(len(names)), strict=True)):
        measured = np.flatnonzero(~absent[:, k])
        part = _Features.drawn(design, name, stream)
        values = part.values(factors, patients, stream)[measured]
        carriers[name] = part.carriers
        if part.carriers:
            evidence = part.evidence(values, patients.iloc[measured])
            sums[measured, 0] += evidence[0]
            sums[measured, k + 1] += evidence[1]
        form = _bag if name in design.informative[design.modalities - design.bags :] else _table
        modalities[name] = form(ids[measured], values, part.names, design.instances, stream)
    score = _posterior_mean(sums, absent, design)
    outcome = _OUTCOMES[design.kind].columns(predictor, of_outcome)
    cohort = Cohort(
        patients.assign(**outcome).set_index(ids), modalities, name=f"synthetic {design.kind}"
    )
    y = design.outcome.of(cohort).y
    return Drawn(cohort, y, Truth(factors, predictor, score, carriers))


def _patients(design: Synthetic, shared: FloatArray, rng: np.random.Generator) -> pd.DataFrame:
    n = len(shared)
    own = np.sqrt(1 - AGE_ON_SHARED**2) * rng.standard_normal(n)
    age = np.clip(np.round(60 + 12 * (AGE_ON_SHARED * shared + own)), 18, 100)
    frame = pd.DataFrame({"age": age.astype(np.int64), "sex": rng.choice(["female", "male"], n)})
    if design.sites:
        frame["site"] = [f"site {i + 1}" for i in rng.integers(design.sites, size=n)]
    return frame


@dataclass(frozen=True)
class _Features:
    """One modality's features: which carry which factor, and each site's shifts."""

    name: str
    names: tuple[str, ...]
    on_shared: npt.NDArray[np.intp]
    on_private: npt.NDArray[np.intp]
    signs: FloatArray
    shifts: dict[str, FloatArray]

    @classmethod
    def drawn(cls, design: Synthetic, name: str, rng: np.random.Generator) -> _Features:
        p = design.features
        each = carriers_per_factor(p) if name in design.informative else 0
        places = rng.permutation(p)[: 2 * each]
        return cls(
            name=name,
            names=tuple(f"{name}_{i + 1}" for i in range(p)),
            on_shared=np.sort(places[:each]),
            on_private=np.sort(places[each:]),
            signs=rng.choice([-1.0, 1.0], p),
            shifts={
                f"site {i + 1}": design.site_effect * rng.standard_normal(p)
                for i in range(design.sites)
            },
        )

    @property
    def carriers(self) -> tuple[str, ...]:
        return tuple(self.names[i] for i in sorted([*self.on_shared, *self.on_private]))

    def values(
        self, factors: pd.DataFrame, patients: pd.DataFrame, rng: np.random.Generator
    ) -> FloatArray:
        values = rng.standard_normal((len(factors), len(self.names)))
        if len(self.on_shared):
            of_shared = LOADING * factors["shared"].to_numpy()[:, None]
            of_private = LOADING * factors[self.name].to_numpy()[:, None]
            values[:, self.on_shared] += of_shared * self.signs[self.on_shared]
            values[:, self.on_private] += of_private * self.signs[self.on_private]
        for site, shift in self.shifts.items():
            values[(patients["site"] == site).to_numpy()] += shift
        return values

    def evidence(self, values: FloatArray, patients: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
        """Return the sums of the carriers of either factor, site shifts taken away."""
        centred = values
        if self.shifts:
            centred = values - np.stack([self.shifts[site] for site in patients["site"]])
        signed = centred * self.signs
        return signed[:, self.on_shared].sum(axis=1), signed[:, self.on_private].sum(axis=1)


def carriers_per_factor(features: int) -> int:
    """Return how many of a modality's features carry each of its two factors."""
    return max(1, features // 4)


def _posterior_mean(
    sums: FloatArray, absent: npt.NDArray[np.bool_], design: Synthetic
) -> FloatArray:
    """Return the mean of the predictor given the measurements.

    Each feature carries one factor with independent noise of variance 1, so the
    factors stay independent given the data, and the mean of a factor is its
    carriers' signed sum times the loading, over 1 + loading^2 x their number.
    """
    carried = carriers_per_factor(design.features) * ~absent[:, : design.modalities]
    numbers = np.column_stack([carried.sum(axis=1), carried])
    means = LOADING * sums / (1 + LOADING**2 * numbers)
    return np.asarray(design.shared * means[:, 0] + design.private * means[:, 1:].sum(axis=1))


def _table(
    ids: pd.Index,
    values: FloatArray,
    names: tuple[str, ...],
    instances: int,
    rng: np.random.Generator,
) -> Modality:
    frame = pd.DataFrame(values, index=ids, columns=list(names))
    return Table(frame, kinds=dict.fromkeys(names, "continuous"))


def _bag(
    ids: pd.Index,
    values: FloatArray,
    names: tuple[str, ...],
    instances: int,
    rng: np.random.Generator,
) -> Modality:
    counts = 1 + rng.poisson(instances - 1, len(ids))
    owner = np.repeat(np.arange(len(ids)), counts)
    scatter = rng.standard_normal((len(owner), len(names)))
    starts = np.cumsum(counts) - counts
    scatter -= (np.add.reduceat(scatter, starts, axis=0) / counts[:, None])[owner]
    places = rng.uniform(0, 10_000, (len(owner), 2))
    return Bag(ids, values[owner] + scatter, counts, coordinates=places, features=names)


def _at_random(
    design: Synthetic, patients: pd.DataFrame, width: int, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Leave out by a logistic function of age whose mean is the share asked for."""
    if not design.missing:
        return np.zeros((len(patients), width), dtype=bool)
    age = (patients["age"].to_numpy() - 60.0) / 12.0
    level = brentq(lambda at: expit(at + 1.5 * age).mean() - design.missing, -50.0, 50.0)
    return np.asarray(rng.random((len(patients), width)) < expit(level + 1.5 * age)[:, None])


def _completely_at_random(
    design: Synthetic, patients: pd.DataFrame, width: int, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    return rng.random((len(patients), width)) < design.missing


def _by_site(
    design: Synthetic, patients: pd.DataFrame, width: int, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Leave out whole pairs of site and modality; one site keeps each modality."""
    keeper = rng.integers(design.sites, size=width)
    pairs = [(s, k) for s in range(design.sites) for k in range(width) if s != keeper[k]]
    wanted = min(len(pairs), round(design.missing * design.sites * width))
    lacks = np.zeros((design.sites, width), dtype=bool)
    for place in rng.permutation(len(pairs))[:wanted]:
        lacks[pairs[place]] = True
    site = patients["site"].str.removeprefix("site ").astype(int).to_numpy() - 1
    return np.asarray(lacks[site])


_MISSING: dict[str, Callable[..., npt.NDArray[np.bool_]]] = {
    "completely at random": _completely_at_random,
    "at random": _at_random,
    "by site": _by_site,
}


@dataclass(frozen=True)
class _OutcomeForm:
    outcome: Outcome
    columns: Callable[[FloatArray, np.random.Generator], dict[str, Any]]


def _binary(predictor: FloatArray, rng: np.random.Generator) -> dict[str, Any]:
    return {"outcome": (rng.random(len(predictor)) < expit(predictor)).astype(np.int64)}


def _multiclass(predictor: FloatArray, rng: np.random.Generator) -> dict[str, Any]:
    noisy = predictor + rng.logistic(size=len(predictor))
    rank = np.argsort(np.argsort(noisy))
    return {"outcome": np.array(CLASSES, dtype=object)[rank * len(CLASSES) // len(rank)]}


def _continuous(predictor: FloatArray, rng: np.random.Generator) -> dict[str, Any]:
    return {"outcome": predictor + rng.standard_normal(len(predictor))}


def _survival(predictor: FloatArray, rng: np.random.Generator) -> dict[str, Any]:
    """Draw Weibull times (shape 1.5, scale 1,000 days) with hazards times exp(predictor)."""
    death = 1000.0 * (rng.exponential(size=len(predictor)) * np.exp(-predictor)) ** (1 / 1.5)
    censored = 1000.0 * rng.uniform(0.05, CENSORING_WINDOW, len(predictor))
    time = np.maximum(np.minimum(death, censored), 1.0)
    return {"event": death <= censored, "time": time}


_OUTCOMES: dict[str, _OutcomeForm] = {
    "binary": _OutcomeForm(Binary("outcome"), _binary),
    "multiclass": _OutcomeForm(Multiclass("outcome"), _multiclass),
    "continuous": _OutcomeForm(Continuous("outcome"), _continuous),
    "survival": _OutcomeForm(Survival("event", "time"), _survival),
}

assert set(_MISSING) == set(get_args(Missingness)), "every missingness needs its function"


def _check_word(name: str, given: str, known: dict[str, Any]) -> None:
    if given not in known:
        raise InputError(
            f"{name} is {given!r}; it is one of {listing(known)}.{suggestion(given, known)}"
        )


def _check_least(name: str, given: int, least: int) -> None:
    if given < least:
        raise InputError(f"{name} is {given}; it is at least {least}.")
