"""Fitting a deep method with sources, or a head, that it did not make itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from consilience.cohort import Cohort
from consilience.fusion.deep import DeepFusion
from consilience.fusion.deep_head import DeepHead, head_for
from consilience.fusion.task import Y
from consilience.nn.sources import Sources


def fit_network(
    model: DeepFusion,
    cohort: Cohort,
    y: Y,
    sources: Sources,
    taught: Callable[[DeepHead, Cohort], DeepHead] | None = None,
) -> None:
    """Train a method whose `modalities_` and `task_` are set, on fitted sources.

    Parameters
    ----------
    model : DeepFusion
    cohort : Cohort
    y : ndarray of shape (n_patients,)
    sources : Sources
        Fitted.
    taught : callable, optional
        From the outcome's head, and the patients it is fitted on, to the head to be used.
    """
    model.__dict__.pop("_ready", None)
    model.sources_ = sources
    reader = model._reader(cohort)
    known = np.flatnonzero(reader.informed())
    y = y[known]
    model.silent_ = not (len(known) and model.task_.learnable(y))
    model.members_ = []
    if model.silent_:
        return
    head = head_for(model.task_, model.survival)
    if taught is not None:
        head = taught(head, cohort[known])
    head.fit(y, model.task_)
    model._train(reader.of(known, head.targets(y)), model.task_.strata(y), head, y)
