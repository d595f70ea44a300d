"""Every exported fusion method with a fast learner for every kind of outcome it says it learns."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils import get_tags
from sksurv.linear_model import CoxPHSurvivalAnalysis
from tests.laws.cohorts import NAMES, gappy_cohort

import consilience.fusion
from consilience.cohort import Cohort

LEARNERS = {
    "binary": LogisticRegression(C=0.5, tol=1e-10, max_iter=1000),
    "multiclass": LogisticRegression(C=0.5, tol=1e-10, max_iter=1000),
    "continuous": Ridge(alpha=3.0),
    "survival": CoxPHSurvivalAnalysis(alpha=3.0),
}
KINDS = tuple(LEARNERS)


@dataclass(frozen=True)
class Case:
    """A method with its options, and a kind of outcome."""

    method: str
    kind: str
    options: tuple[tuple[str, Any], ...] = ()

    def model(self) -> Any:
        """Return an unfitted instance."""
        return build(getattr(consilience.fusion, self.method), self.kind, dict(self.options))

    def __str__(self) -> str:
        words = [self.method, *(str(value) for _, value in self.options), self.kind]
        return "-".join(words)


def build(method: type, kind: str, options: dict[str, Any]) -> Any:
    """Return an instance: a learner of the kind, a seed, and one modality if it takes one."""
    usual = {"learner": clone(LEARNERS[kind]), "random_state": 0, "modality": NAMES[0]}
    takes = inspect.signature(method).parameters
    return method(**{name: usual[name] for name in usual if name in takes}, **options)


def methods() -> list[str]:
    """Return the exported estimators; an export that is none is not a method."""
    exported = consilience.fusion.__all__
    return [name for name in exported if hasattr(getattr(consilience.fusion, name), "fit")]


def _variants(method: type) -> list[tuple[tuple[str, Any], ...]]:
    """Return the options to try: the defaults, and every other word a parameter may be."""
    hints = get_type_hints(method.__init__)
    takes = inspect.signature(method).parameters
    words = [
        ((name, word),)
        for name in takes
        if get_origin(hints.get(name)) is Literal
        for word in get_args(hints[name])
        if word != takes[name].default
    ]
    return [(), *words]


def cases() -> list[Case]:
    """Return every method, variant and kind of outcome that its tags allow."""
    every = [
        Case(name, kind, options)
        for name in methods()
        for options in _variants(getattr(consilience.fusion, name))
        for kind in KINDS
    ]
    return [case for case in every if case.kind in get_tags(case.model()).outcomes]


@cache
def data(kind: str) -> tuple[Cohort, np.ndarray]:
    """Return the cohort with gaps that most laws are tried on."""
    return gappy_cohort(kind)


@cache
def fitted(case: Case) -> Any:
    """Return the case's model, fitted on `data`; not to be refitted."""
    cohort, y = data(case.kind)
    return case.model().fit(cohort, y)
