"""Who was studied: from the files to the analysis."""

from __future__ import annotations

import numpy as np
import pandas as pd

from consilience.cohort import Binary, Cohort, Outcome, Target, fingerprint
from consilience.study.finding import (
    CohortSummary,
    Flow,
    ModalitySummary,
    OutcomeSummary,
    Pattern,
)


def cohort_summary(cohort: Cohort, target: Target) -> CohortSummary:
    """Return who was measured by what, and who was left out why."""
    analysed = target.cohort
    return CohortSummary(
        name=cohort.name,
        fingerprint=fingerprint(analysed),
        patients=len(cohort),
        analysed=len(analysed),
        events=_events(target),
        classes=_classes(target),
        modalities=[
            ModalitySummary(
                name=name,
                kind=type(modality).__name__.lower(),
                patients=int(analysed.has(name).sum()),
                features=modality.n_features,
            )
            for name, modality in analysed.modalities.items()
        ],
        patterns=_patterns(analysed),
        flow=_flow(cohort, target),
    )


def outcome_summary(outcome: Outcome, target: Target, horizon: float | None) -> OutcomeSummary:
    """Return what was predicted."""
    return OutcomeSummary(
        name=outcome.name,
        kind=target.kind,
        columns=list(outcome.columns),
        unit=str(getattr(outcome, "unit", "")),
        horizon=horizon,
        event=_event(outcome, target),
    )


def _event(outcome: Outcome, target: Target) -> str:
    """Return which value of the column counts as the event, where there is one."""
    if target.kind not in ("binary", "survival"):
        return ""
    column = outcome.columns[0]
    known = target.cohort.patients[column]
    if known.nunique() < 2:  # everybody died: the other value is not among them
        return ""
    level = Binary(column, getattr(outcome, "positive", None)).level(target.cohort.patients)
    return f"{column} = {level}"


def default_horizon(target: Target, asked: float | None) -> float | None:
    """Return the time at which survival is judged: the one asked for, or the median event time."""
    if target.kind != "survival":
        return None
    seen = target.y["time"][target.y["event"]]
    return float(np.median(seen)) if asked is None else asked


def _events(target: Target) -> int | None:
    counts = {
        "survival": lambda: int(target.y["event"].sum()),
        "binary": lambda: int((target.y == np.unique(target.y)[-1]).sum()),
    }
    return counts[target.kind]() if target.kind in counts else None


def _classes(target: Target) -> dict[str, int] | None:
    if target.kind not in ("binary", "multiclass"):
        return None
    levels, counts = np.unique(target.y, return_counts=True)
    return {str(level): int(count) for level, count in zip(levels, counts, strict=True)}


def _patterns(cohort: Cohort) -> list[Pattern]:
    measured = cohort.measured
    counts = measured.value_counts(sort=True)
    return [
        Pattern(
            modalities=[n for n, has in zip(measured.columns, _row(key), strict=True) if has],
            patients=int(count),
        )
        for key, count in counts.items()
    ]


def _row(key: object) -> tuple[bool, ...]:
    return key if isinstance(key, tuple) else (bool(key),)


def _flow(cohort: Cohort, target: Target) -> list[Flow]:
    """Return the steps from the files over the known outcome to the analysis."""
    gone = cohort.left_out
    never = gone[~gone["patient"].isin(cohort.index)]
    steps = [Flow(step="in the files", patients=len(cohort) + never["patient"].nunique())]
    if len(never):
        steps += _losses("in the cohort", len(cohort), never.drop_duplicates("patient"))
    steps += _losses("with a known outcome", len(target.cohort), target.left_out)
    nothing = int((~target.cohort.measured.to_numpy().any(axis=1)).sum())
    if nothing:
        steps.append(
            Flow(
                step="with nothing measured (kept; told the prior)",
                patients=nothing,
            )
        )
    return [*steps, Flow(step="analysed", patients=len(target.cohort))]


def _losses(step: str, left: int, gone: pd.DataFrame) -> list[Flow]:
    """Return the step, with how many were left out for each reason."""
    reasons = gone["reason"].value_counts()
    words = "; ".join(f"{reason} ({count})" for reason, count in reasons.items())
    return [Flow(step=step, patients=left, left_out=len(gone), reason=words)]
