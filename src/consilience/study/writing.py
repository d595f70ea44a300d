"""From what a run found to what it leaves behind: finding, report, bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from consilience.study.bundle import Bundle
from consilience.study.candidates import seeded
from consilience.study.comparison import Comparison
from consilience.study.draft import usual_groups
from consilience.study.evaluation import Evaluation
from consilience.study.evidence import Evidence
from consilience.study.finding import CheckFinding, Finding, Provenance, SubgroupFinding
from consilience.study.followup import contributions, importance_findings
from consilience.study.methods import methods_paragraph
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
    checks: Sequence[CheckFinding]
