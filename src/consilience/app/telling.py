"""What a study says on the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from consilience.study import Study
    from consilience.study.finding import CandidateFinding, CheckFinding, Finding

STYLES = {"passed": "green", "warning": "yellow", "failed": "red", "not run": "dim"}


def tell_finding(finding: Finding, out: Path) -> None:
    """Print the verdict, the candidates, the checks, and where the report is."""
    console = Console()
    console.print(_candidates(finding))
    for check in finding.checks:
        console.print(_check(check))
    console.print()
    console.print(Text(finding.verdict.sentence, style="bold"))
    console.print(Text(finding.verdict.reliance))
    console.print(Text(finding.verdict.for_whom))
    console.print(Text(f"\nReport: {out / 'report.html'}"), soft_wrap=True)
    console.print(Text(f"Bundle: {out / 'bundle'} ({finding.bundle!r})"), soft_wrap=True)


def tell_plan(study: Study) -> None:
    """Print what a study would run."""
    console = Console()
    target = study.target
    console.print(Text(f"{study.title}: {len(target.y)} patients, outcome {study.outcome.name!r}."))
    for reason, count in target.left_out["reason"].value_counts().items():
        console.print(Text(f"  left out: {count} ({reason})"))
    for name in target.cohort.modalities:
        console.print(Text(f"  {name}: {int(target.cohort.has(name).sum())} patients"))
    unused = _unused_columns(study)
    if unused:
        console.print(Text(f"  columns of the patients that no source holds: {', '.join(unused)}"))
    fits = len(study.candidates) * len(study.folds)
    names = ", ".join(candidate.name for candidate in study.candidates)
    console.print(Text(f"{len(study.candidates)} candidates ({names})"))
    console.print(
        Text(f"x {len(study.folds)} folds = {fits} fits, then the follow-up. Nothing was run.")
    )


def _unused_columns(study: Study) -> list[str]:
    """Return the columns of the patients that nothing is learned from."""
    used = set(study.outcome.columns)
    for modality in study.target.cohort.modalities.values():
        used |= set(getattr(modality, "features", ()))
    return [str(name) for name in study.target.cohort.patients.columns if name not in used]


def _candidates(finding: Finding) -> Table:
    table = Table(title=Text(finding.title), title_justify="left")
    for column in ("candidate", finding.metric_label, "interval", "to best alone"):
        table.add_column(column)
    compared = [c for c in finding.candidates if c.role != "leave one out"]
    for found in sorted(compared, key=lambda c: _order(c, finding)):
        table.add_row(*map(Text, (found.name, *_numbers(found))))  # no [extra] is a style
    return table


def _order(found: CandidateFinding, finding: Finding) -> float:
    if found.estimate is None:
        return float("inf")
    return -found.estimate if finding.higher_is_better else found.estimate


def _numbers(found: CandidateFinding) -> tuple[str, str, str]:
    if found.estimate is None:
        return "failed", "", found.failed or ""
    difference = found.difference_to_best_single
    to_best = "best alone" if difference is None else f"{difference.estimate:+.3f}"
    interval = (
        "" if found.low is None or found.high is None else f"{found.low:.3f} to {found.high:.3f}"
    )
    return f"{found.estimate:.3f}", interval, to_best


def _check(check: CheckFinding) -> Text:
    return Text.assemble((f"{check.status:>8} ", STYLES[check.status]), check.sentence)
