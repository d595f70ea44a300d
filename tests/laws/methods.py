"""Every exported fusion method with a fast learner for every kind of outcome it says it learns."""

from __future__ import annotations

import importlib
import inspect
import os
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sksurv.linear_model import CoxPHSurvivalAnalysis
from tests.laws.cohorts import NAMES, gappy_cohort

import consilience.fusion
from consilience.cohort import Cohort
from consilience.fusion import LateFusion
from consilience.fusion.base import Fusion
from consilience.fusion.deep import DeepFusion
from consilience.nn.training import Training

LEARNERS = {
    "binary": LogisticRegression(C=0.5, tol=1e-10, max_iter=1000),
    "multiclass": LogisticRegression(C=0.5, tol=1e-10, max_iter=1000),
    "continuous": Ridge(alpha=3.0),
    "survival": CoxPHSurvivalAnalysis(alpha=3.0),
}
KINDS = tuple(LEARNERS)


# What a parameter of that name is given: a seed, and settings that fit the laws' cohorts.
USUAL: dict[str, Any] = {
    "random_state": 0,
    "modality": NAMES[0],
    "negatives": "split",  # the laws' measurements fall below 0
    "training": Training(40, 10, learning_rate=0.01, batch_size=48),
}
SINGLE = 1e-5  # what single precision leaves of a number about 1, networks of some layers


CHOSEN = bool(os.environ.get("CONSILIENCE_LAWS"))


@dataclass(frozen=True)
class Case:
    """A method with its options, and a kind of outcome."""

    method: str
    kind: str
    options: tuple[tuple[str, Any], ...] = ()

    def model(self) -> Any:
        """Return an unfitted instance."""
        return build(methods()[self.method], self.kind, dict(self.options))

    def __str__(self) -> str:
        words = [self.method, *(str(value) for _, value in self.options), self.kind]
        return "-".join(words)


def build(method: Any, kind: str, options: dict[str, Any]) -> Any:
    """Return an instance: a learner of the kind, and what is usual for its parameters."""
    learner = clone(LEARNERS[kind])
    inner = {
        "method": LateFusion(learner, random_state=0),
        "grid": {"weights": ["equal", "validated"]},
    }
    usual = {"learner": learner, **inner, **USUAL}
    takes = inspect.signature(method).parameters
    own = {name: usual[name] for name in usual if name in takes and name not in options}
    return method.for_outcome(kind, **own, **options)


def tolerance(case: Case, exact: float) -> float:
    """Return how far two predictions may differ that are the same in exact arithmetic.

    Networks compute in single precision, in which sums depend on how many patients are
    asked for at once; numbers are on the outcome's own scale.
    """
    return SINGLE if issubclass(methods()[case.method], DeepFusion) else exact


@cache
def methods() -> dict[str, Any]:
    """Return the exported methods by name, and those named in CONSILIENCE_LAWS.

    The variable holds places such as ``my.module:MyMethod``, comma-separated: the laws
    are then tried on these alone.
    """
    if CHOSEN:
        places = [place.split(":") for place in os.environ["CONSILIENCE_LAWS"].split(",")]
        return {name: getattr(importlib.import_module(module), name) for module, name in places}
    exported = {name: getattr(consilience.fusion, name) for name in consilience.fusion.__all__}
    return {name: thing for name, thing in exported.items() if issubclass(thing, Fusion)}


def _variants(method: type) -> list[tuple[tuple[str, Any], ...]]:
    """Return the options to try beside the defaults: every other word a parameter may be."""
    hints = get_type_hints(method.__init__)
    takes = inspect.signature(method).parameters
    return [
        ((name, word),)
        for name in takes
        if get_origin(hints.get(name)) is Literal and name not in USUAL
        for word in get_args(hints[name])
        if word != takes[name].default
    ]


def cases() -> list[Case]:
    """Return every method and kind of outcome that it learns, and each variant with one kind."""
    found = []
    for name, method in methods().items():
        kinds = [kind for kind in KINDS if kind in method.learns]
        found += [Case(name, kind) for kind in kinds]
        turns = enumerate(_variants(method), start=len(name))  # so that each kind has its turn
        found += [Case(name, kinds[turn % len(kinds)], options) for turn, options in turns]
    return found


@cache
def data(kind: str) -> tuple[Cohort, np.ndarray]:
    """Return the cohort with gaps that most laws are tried on."""
    return gappy_cohort(kind)


@cache
def fitted(case: Case) -> Any:
    """Return the case's model, fitted on `data`; not to be refitted."""
    cohort, y = data(case.kind)
    return case.model().fit(cohort, y)
