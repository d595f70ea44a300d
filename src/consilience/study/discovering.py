"""What each fused candidate finds in all patients, beside its predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import TypeAdapter
from sklearn.base import clone

from consilience.cohort import Target
from consilience.fusion.base import Fusion
from consilience.fusion.discovery import Components, Discovery, Groups, Path, Weights
from consilience.fusion.tuned_fusion import TunedFusion
from consilience.study.candidates import Candidate
from consilience.study.discovered import (
    ComponentFound,
    ComponentsFound,
    DiscoveryFound,
    GroupsFound,
    LoadingFound,
    NothingFound,
    PathFound,
    WeightsFound,
)
from consilience.study.evaluation import Evaluation
from consilience.study.grouping import groups_of
from consilience.study.jobs import Job
from consilience.study.part import finite
from consilience.study.protocol import Fold
from consilience.study.store import Store

PERMUTATIONS = 199
"""Of a method that can test its components by permutation, and was not told how often."""

_FOUND: TypeAdapter[list[DiscoveryFound]] = TypeAdapter(list[DiscoveryFound])


@dataclass(frozen=True)
class DiscoveryJob(Job):
    """What a candidate finds when it is fitted on all patients; see `discovery_job`."""

    @property
    def key(self) -> str:
        """The candidate: it is done once."""
        return f"{self.candidate.name} discoveries"

    def _result(self, target: Target) -> tuple[pd.DataFrame, dict[str, Any]]:
        model = _tested(self._fitted(target, target.y), target)
        every = [found(each, self.candidate.name, target) for each in model.discoveries()]
        return pd.DataFrame(), {"discoveries": _FOUND.dump_python(every, mode="json")}


def discovery_jobs(
    evaluations: Sequence[Evaluation], target: Target, seed: int
) -> list[DiscoveryJob]:
    """Return a job for each fused candidate that has something to show and did not fail."""
    whole = Fold(0, 0, np.arange(len(target.y)), np.empty(0, dtype=np.intp), name="all patients")
    return [
        DiscoveryJob(evaluation.candidate, whole, seed, None)
        for evaluation in evaluations
        if evaluation.failed is None and discovers(evaluation.candidate)
    ]


def discovers(candidate: Candidate) -> bool:
    """Return whether a candidate's method says what it found."""
    own = getattr(type(candidate.method), "discoveries", Fusion.discoveries)
    return candidate.role == "fused" and own is not Fusion.discoveries


def _tested(model: Any, target: Target) -> Any:
    """Return the model with p-values of its components, where it can make them and did not yet."""
    method = model.best_ if isinstance(model, TunedFusion) else model
    if method.get_params(deep=False).get("permutations") != 0:
        return model
    asked = clone(method).set_params(permutations=PERMUTATIONS)
    return asked.fit(target.cohort, target.y)


def discovery_findings(jobs: Sequence[DiscoveryJob], store: Store) -> list[DiscoveryFound]:
    """Return what jobs found, and of those that failed, why."""
    every: list[DiscoveryFound] = []
    for job in jobs:
        _, notes = store.read(job.key)
        if "failed" in notes:
            every.append(NothingFound(candidate=job.candidate.name, failed=notes["failed"]))
        every += _FOUND.validate_python(notes.get("discoveries", []))
    return every


@singledispatch
def found(discovery: Discovery, candidate: str, target: Target) -> DiscoveryFound:
    """Return a discovery as the finding holds it.

    Parameters
    ----------
    discovery : Discovery
    candidate : str
        The name of who found it.
    target : Target
        The patients it was found in, and their outcome.
    """
    raise TypeError(f"nothing is known of a discovery that is a {type(discovery).__name__}")


@found.register
def _components(discovery: Components, candidate: str, target: Target) -> ComponentsFound:
    return ComponentsFound(
        candidate=candidate,
        title=discovery.title,
        strength_label=discovery.strength_label,
        components=[
            ComponentFound(
                name=each.name,
                loadings=[
                    LoadingFound(
                        modality=one.modality, feature=one.feature, weight=finite(one.weight)
                    )
                    for one in each.loadings
                ],
                strength=_known(each.strength),
                p_value=_known(each.p_value),
                notes=each.notes,
            )
            for each in discovery.components
        ],
    )


@found.register
def _weights(discovery: Weights, candidate: str, target: Target) -> WeightsFound:
    return WeightsFound(
        candidate=candidate,
        title=discovery.title,
        label=discovery.label,
        weights={name: finite(weight) for name, weight in discovery.weights.items()},
    )


@found.register
def _path(discovery: Path, candidate: str, target: Target) -> PathFound:
    return PathFound(
        candidate=candidate,
        title=discovery.title,
        x_label=discovery.x_label,
        y_label=discovery.y_label,
        x=[float(x) for x in discovery.x],
        y=[finite(y) for y in discovery.y],
        se=None if discovery.se is None else [finite(se) for se in discovery.se],
        chosen=_known(discovery.chosen),
    )


@found.register
def _groups(discovery: Groups, candidate: str, target: Target) -> GroupsFound:
    """Return sizes and outcomes of the groups: who is in which stays behind."""
    label_of = [discovery.labels.get(str(patient), "") for patient in target.cohort.index]
    labels: npt.NDArray[np.str_] = np.array(label_of, dtype=str)
    told = groups_of(labels[labels != ""], target.y[labels != ""], target.kind)
    return GroupsFound(
        candidate=candidate,
        title=discovery.title,
        groups=list(told.groups),
        times=list(told.times),
        test=told.test,
        p_value=_known(told.p_value),
        stability={str(name): finite(value) for name, value in discovery.stability.items()},
    )


def _known(value: float | None) -> float | None:
    return None if value is None else finite(value)
