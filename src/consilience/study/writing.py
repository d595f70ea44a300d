"""From what a run found to what it leaves behind: finding, report, bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from consilience.study.bundle import Bundle
from consilience.study.bundle.annotation import annotated
from consilience.study.candidates import seeded
from consilience.study.comparison import Comparison, best_of
from consilience.study.discovered import DiscoveryFound
from consilience.study.draft import usual_groups
from consilience.study.evaluation import Evaluation
from consilience.study.evidence import Evidence
from consilience.study.finding import CheckFinding, Finding, Provenance, RobustnessFinding
from consilience.study.followup import contributions, importance_findings
from consilience.study.methods import methods_paragraph
from consilience.study.reliability import HeldOut
from consilience.study.report import render_report
from consilience.study.store import write_atomically
from consilience.study.subgrouping import subgroup_findings
from consilience.study.summary import cohort_summary, default_horizon, outcome_summary
from consilience.study.tripod import checklist
from consilience.study.verdict import Grounds, verdict

if TYPE_CHECKING:
    from consilience.study.study import Study


@dataclass(frozen=True)
class Run:
    """What a run found, before it is put into words."""

    study: Study
    comparison: Comparison
    evaluations: Sequence[Evaluation]
    chosen: Evaluation
    best_single: Evaluation | None
    variants: Sequence[Evaluation]
    importance: Sequence[tuple[pd.DataFrame, dict[str, Any]]]
    discoveries: Sequence[DiscoveryFound]
    robustness: Sequence[RobustnessFinding]
    checks: Sequence[CheckFinding]


def compose(run: Run, provenance: dict[str, Any]) -> Finding:
    """Put a run into the one document."""
    study, comparison = run.study, run.comparison
    target, metric = study.target, comparison.metric
    horizon = default_horizon(target, study.protocol.horizon)
    summary = cohort_summary(study.cohort, target)
    found = comparison.findings([*run.evaluations, *run.variants])
    added = contributions(run.chosen, run.variants, comparison)
    groups = subgroup_findings(run.chosen, comparison, _group_columns(study), horizon)
    fused = run.chosen.candidate.role == "fused"
    grounds = Grounds(
        metric_label=metric.label,
        outcome=study.outcome.name,
        cohort=summary,
        candidates=found,
        contributions=added,
        checks=run.checks,
        subgroups=groups,
        best_single=run.best_single.candidate.name if run.best_single else None,
        best_fused=run.chosen.candidate.name if fused else None,
        primary=study.protocol.primary,
    )
    finding = Finding(
        title=study.title,
        metric=metric.name,
        metric_label=metric.label,
        higher_is_better=metric.higher_is_better,
        chance=metric.chance,
        outcome=outcome_summary(study.outcome, target, horizon),
        cohort=summary,
        verdict=verdict(grounds),
        candidates=found,
        contributions=added,
        checks=list(run.checks),
        subgroups=groups,
        importance=importance_findings(run.importance, study.folds, study.protocol.level),
        discoveries=list(run.discoveries),
        robustness=list(run.robustness),
        bundle=chosen_model(run).candidate.name,
        methods="",
        checklist=[],
        provenance=Provenance(**provenance),
    )
    finding = finding.model_copy(update={"methods": methods_paragraph(finding, study.protocol)})
    return finding.model_copy(update={"checklist": checklist(finding, study.protocol)})


def deliver(finding: Finding, evidence: Evidence, run: Run, place: Path) -> Finding:
    """Write bundle, report, and last the finding: where it is, all is.

    Returns
    -------
    Finding
        As it was written: with what is known of when the bundle's model knows.
    """
    best = chosen_model(run)
    study = run.study
    model = seeded(best.candidate.estimator, study.protocol.seed)
    model.fit(study.target.cohort, study.target.y)
    bundle = Bundle.of(
        model, study.target.cohort, study.outcome, candidate=best.candidate.name, finding=finding
    )
    bundle = annotated(bundle, study.notes.only(bundle.schema.names))
    if not study.background:
        bundle = replace(bundle, background=None)
    held = HeldOut.of(
        best,
        study.target.cohort.only(bundle.schema.names),
        study.target.y,
        study.folds,
        _group_columns(study),
        bundle.manifest,
    )
    if held is not None:
        reliability = held.learned()
        bundle = replace(bundle, reliability=reliability)
        finding = finding.model_copy(update={"reliability": held.measured(reliability)})
    bundle.save(place / "bundle", overwrite=True)
    render_report(finding, evidence, place / "report.html")
    write_atomically(place / "finding.json", finding.to_json())
    return finding


def chosen_model(run: Run) -> Evaluation:
    """Return what is worth carrying on: the declared candidate, or the best estimate."""
    if run.chosen.candidate.name == run.study.protocol.primary:
        return run.chosen
    found = best_of(run.evaluations, ("single", "fused"), run.comparison)
    assert found is not None  # a study in which all failed has been refused
    return found


def _group_columns(study: Study) -> list[str]:
    if study.protocol.subgroups is not None:
        return list(study.protocol.subgroups)
    return usual_groups(study.cohort.patients, study.outcome)
