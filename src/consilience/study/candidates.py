"""What is compared: every single modality, the late mean, and what the user adds."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sklearn.base import BaseEstimator, clone

from consilience.cohort import Cohort, Outcome
from consilience.errors import InputError, listing
from consilience.fusion import EarlyFusion, LateFusion, SingleModality, StackedFusion
from consilience.fusion.base import Fusion
from consilience.fusion.tuned_fusion import TunedFusion
from consilience.study.finding import Role
from consilience.study.learners import ridge
from consilience.study.protocol import Protocol

COMPARATOR = "imputation + early"
"""What robustness is set beside; no candidate of the user's may have its name."""

LONGEST_NAME = 200  # a modality's name, which is at most 100, and what is said of it


@dataclass(frozen=True)
class Candidate:
    """A named estimator on cohorts.

    Parameters
    ----------
    name : str
        Unique within the study; it names files.
    estimator : estimator
        Takes a Cohort as X; never fitted itself, only clones are.
    role : {"fused", "single", "leave one out"}
        What it is compared as.
    """

    name: str
    estimator: Any
    role: Role = "fused"

    @property
    def modalities(self) -> list[str]:
        """The modalities it is restricted to, empty if it uses all."""
        own = self.estimator
        asked = own._asked() if isinstance(own, Fusion) else getattr(own, "modalities", None)
        return list(asked or ())

    @property
    def method(self) -> Any:
        """The estimator, or the one that is tuned in it."""
        tuned = isinstance(self.estimator, TunedFusion)
        return self.estimator.method if tuned else self.estimator


def default_learner(outcome: Outcome, protocol: Protocol) -> BaseEstimator:
    """Return the ridge-penalised linear learner of an outcome, tuned on inner folds."""
    return ridge(outcome.kind).tuned(folds=protocol.inner_folds, seed=protocol.seed)


def baselines(cohort: Cohort, outcome: Outcome, protocol: Protocol) -> list[Candidate]:
    """Return what is always there: each modality alone, and the late mean of all."""
    learner = default_learner(outcome, protocol)
    singles = [
        Candidate(f"{name} alone", SingleModality(learner, modality=name), "single")
        for name in cohort.modalities
    ]
    return [*singles, Candidate("late mean", LateFusion(learner))]


def usual_fusions(outcome: Outcome, protocol: Protocol) -> list[Candidate]:
    """Return early, validated late and stacked fusion with the default learner."""
    learner, folds = default_learner(outcome, protocol), protocol.inner_folds
    return [
        Candidate("early", EarlyFusion(learner)),
        Candidate("late weighted", LateFusion(learner, weights="validated", folds=folds)),
        Candidate("stacked", StackedFusion(learner, folds=folds)),
    ]


def all_candidates(
    cohort: Cohort, outcome: Outcome, protocol: Protocol, own: Iterable[Candidate] | None
) -> list[Candidate]:
    """Return baselines and the user's candidates (the usual fusions if there are none).

    Raises
    ------
    InputError
        If two candidates share a name, or the primary one is not among the fused.
    """
    usual = usual_fusions(outcome, protocol) if len(cohort.modalities) > 1 else []
    found = [*baselines(cohort, outcome, protocol), *(usual if own is None else own)]
    names = [candidate.name for candidate in found]
    if COMPARATOR in names:
        raise InputError(
            f"candidates: {COMPARATOR!r} is the name of what robustness is compared with; choose "
            "another name."
        )
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(f"candidates: {listing(repeated)} is the name of two candidates.")
    for name in names:
        _check_name(name)
    _keep_apart(found, names, list(cohort.modalities))
    fused = [candidate.name for candidate in found if candidate.role == "fused"]
    if protocol.primary is not None and protocol.primary not in fused:
        raise InputError(
            f"primary: {protocol.primary!r} is no fused candidate; "
            f"there are {listing(fused, most=20)}."
        )
    return found


def _check_name(name: str) -> None:
    if not name.strip() or not name.isprintable():
        raise InputError(
            f"candidates: the name {name!r} cannot be read; give it letters, on one line."
        )
    if len(name) > LONGEST_NAME:
        raise InputError(
            f"candidates: the name {name[:40]!r}... has {len(name)} characters; "
            f"at most {LONGEST_NAME} fit a report."
        )


def _keep_apart(found: Sequence[Candidate], names: Sequence[str], modalities: list[str]) -> None:
    """Refuse a name that a candidate without one of its modalities will get."""
    taken = {c.name for candidate in found for c in without_one(candidate, modalities)}
    both = sorted(taken & set(names))
    if both:
        raise InputError(
            f"candidates: {listing(both)} is what another candidate is called when one modality "
            "is left out of it; choose another name."
        )


def without_one(candidate: Candidate, modalities: Sequence[str]) -> list[Candidate]:
    """Return the candidate without each modality in turn, for "what does it add".

    What an option says of the modality left out goes with it.
    """
    if "modalities" not in candidate.method.get_params(deep=False):
        return []  # it cannot be told to leave one out
    used = candidate.modalities or list(modalities)
    variants = []
    for left in used if len(used) > 1 else []:
        rest = [name for name in used if name != left]
        estimator = _without(candidate.estimator, left).set_params(modalities=rest)
        variants.append(Candidate(f"{candidate.name} without {left}", estimator, "leave one out"))
    return variants


def _without(estimator: Any, left: str) -> Any:
    """Return a clone in which no option speaks of a modality any more."""
    own, usual = clone(estimator), inspect.signature(type(estimator)).parameters
    changed: dict[str, Any] = {}
    for name, value in own.get_params(deep=False).items():
        if isinstance(value, Fusion):
            changed[name] = _without(value, left)
        elif isinstance(value, Mapping | list | tuple):
            spared = _spared(value, left)
            changed[name] = spared if spared or not value else usual[name].default
    if isinstance(own, TunedFusion):
        tried = {name: [_spared(one, left) for one in values] for name, values in own.grid.items()}
        changed["grid"] = tried
    return own.set_params(**changed)


def _spared(value: Any, left: str) -> Any:
    """Return a value without what it says of a modality, by itself or paired with another."""
    if isinstance(value, list | tuple):
        return type(value)(one for one in value if not (isinstance(one, str) and one == left))
    if not isinstance(value, Mapping):
        return value
    return {
        key: _spared(inner, left)
        for key, inner in value.items()
        if key != left and not (isinstance(key, tuple) and left in key)
    }


def seeded(estimator: Any, seed: int) -> Any:
    """Return a clone in which every `random_state`, however deep, is set from one seed.

    A seed already set is kept: the user meant it.
    """
    own = clone(estimator)
    params = own.get_params(deep=True)
    free = {key: seed for key, value in params.items() if _is_seed(key) and value is None}
    return own.set_params(**free)


def _is_seed(key: str) -> bool:
    return key.rpartition("__")[2] == "random_state"
