"""Every fusion method on real patients; tables go to bench/results/.

    python bench/real_cohorts.py [hancock] [breast] [acc] [survival]

HANCOCK: death within five years and recurrence within three, cross-validated as a study.
tcga-acc: overall survival, likewise. breast-tcga: fitted on the 150 training patients,
judged on the 70 test patients, of whom none has the protein measurements. tcga-survival:
overall survival of three cancers on the published folds, mean concordance over the folds.
All four take about half an hour on two cores.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from candidates import statistical
from consilience.cohort import Cohort, EventBy, Multiclass, Outcome, Survival, tcga_acc
from consilience.cohort.outcome import Target
from consilience.fusion import EarlyFusion
from consilience.metrics import bootstrap, metrics_for
from consilience.study import Protocol, Study
from consilience.study.candidates import Candidate, all_candidates, default_learner, seeded
from consilience.study.finding import Finding
from consilience.study.progress import shown
from loaders import breast_tcga, hancock, tcga_survival

RESULTS = Path(__file__).parent / "results"
YEAR = 365.25
PROTOCOL = Protocol(
    folds=5,
    repeats=3,
    seed=0,
    permutations=0,
    leave_one_out=False,
    importance=False,
    discoveries=False,
    robustness=False,
)
ACC = Survival("vital_status", "days", 1, label="death")
HANCOCK_OUTCOMES: dict[str, Outcome] = {
    "hancock-death-5-years": EventBy(
        "death", "days_to_last_information", 5 * YEAR, label="death within 5 years"
    ),
    "hancock-recurrence-3-years": EventBy(
        "recurrence", "days_to_recurrence", 3 * YEAR, label="recurrence within 3 years"
    ),
}
CANCERS = ("blca", "kirc", "lusc")


def bench_hancock() -> None:
    """Compare all candidates on both outcomes."""
    cohort = hancock()
    for name, outcome in HANCOCK_OUTCOMES.items():
        once = replace(PROTOCOL, repeats=1)  # thirteen modalities: a fold takes minutes
        compare(name, cohort, outcome, "5-fold once, seed 0", once)


def bench_acc() -> None:
    """Compare all candidates on the embedded cohort."""
    compare("tcga-acc", tcga_acc(), ACC, "5-fold three times, seed 0", PROTOCOL)


def compare(
    name: str,
    cohort: Cohort,
    outcome: Outcome,
    folds: str,
    protocol: Protocol,
    own: list[Candidate] | None = None,
) -> Finding:
    """Run a study of every method and write its table."""
    study = Study(
        cohort,
        outcome,
        own if own is not None else statistical(outcome, protocol),
        protocol,
        title=name,
    )
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        finding = study.run(Path(folder) / "out", jobs=os.cpu_count() or 1, progress=shown)
    heading = (
        f"{name}: {finding.cohort.analysed} patients, {finding.cohort.events} events, "
        f"{folds}; {time.perf_counter() - start:.0f} s in all"
    )
    remark = [finding.verdict.sentence]
    remark += [f"{c.name}: {c.failed}." for c in finding.candidates if c.failed]
    write(name, heading, _rows(finding), "\n\n".join(remark))
    if finding.robustness:
        removed = "score as shares of the patient-modality pairs are removed at test time"
        write(f"{name}-robustness", f"{name}: {removed}", _robustness(finding), "")
    return finding


def _robustness(finding: Finding) -> pd.DataFrame:
    rows = []
    for found in finding.robustness:
        row = {"candidate": found.candidate}
        for point in found.points:
            score = point.score
            said = f"{score.estimate:.3f} ({score.low:.3f} to {score.high:.3f})"
            row[f"{point.asked:.0%}"] = said
        rows.append(row)
    return pd.DataFrame(rows)


def bench_survival() -> None:
    """Compare all candidates on three cancers."""
    compare_cancers("tcga", CANCERS, statistical)


def compare_cancers(
    prefix: str,
    cancers: Sequence[str],
    fusions: Callable[[Outcome, Protocol], list[Candidate]],
) -> None:
    """Compare candidates on cancers, each patient once in a published test fold."""
    columns = {}
    for cancer in cancers:
        cohort, outcome, protocol = published(cancer)
        molecular = [name for name in cohort.modalities if name != "clinical"]
        learner = default_learner(outcome, protocol)
        own = [
            Candidate("molecular early", EarlyFusion(learner, modalities=molecular)),
            *fusions(outcome, protocol),
        ]
        name = f"{prefix}-{cancer}"
        finding = compare(name, cohort, outcome, "published folds", protocol, own)
        columns[cancer.upper()] = {
            found.name: found.estimate for found in finding.candidates if not found.failed
        }
    table = pd.DataFrame(columns).assign(mean=lambda frame: frame.mean(axis=1, skipna=False))
    table = table.rename_axis("candidate").reset_index()
    heading = "tcga-survival: concordance, mean over the published folds"
    write(f"{prefix}-survival", heading, table, "")


def published(cancer: str) -> tuple[Cohort, Outcome, Protocol]:
    """Return a cancer with a column of its published folds, and a study on them."""
    cohort = tcga_survival(cancer)
    folds = {f"fold{k}": (cohort.patients[f"fold{k}"] == "val") for k in range(5)}
    fold = pd.DataFrame(folds).idxmax(axis=1)
    cohort = Cohort(cohort.patients.assign(published=fold), cohort.modalities, name=cancer)
    outcome = Survival("event", "survival_months", 1, "months", label="overall survival")
    return cohort, outcome, replace(PROTOCOL, leave_out="published")


def _rows(finding: Finding) -> pd.DataFrame:
    rows = []
    for found in finding.candidates:
        difference = found.difference_to_best_single
        rows.append(
            {
                "candidate": found.name,
                "patients informed": found.informed,
                finding.metric_label: found.estimate,
                "low": found.low,
                "high": found.high,
                "to best alone": difference.estimate if difference else None,
                "difference low": difference.low if difference else None,
                "difference high": difference.high if difference else None,
                "p (Holm)": difference.p_adjusted if difference else None,
            }
        )
    return pd.DataFrame(rows)


def bench_breast() -> None:
    """Fit on the training patients, judge on the test patients."""
    train_cohort, test_cohort = breast_tcga()
    outcome = Multiclass("subtype")
    protocol = replace(PROTOCOL, inner_folds=5)
    train, test = outcome.of(train_cohort), outcome.of(test_cohort)
    candidates = all_candidates(train.cohort, outcome, protocol, statistical(outcome, protocol))
    counts = f"{len(train.y)} patients to train, {len(test.y)} to test"
    write(
        "breast-tcga",
        f"breast-tcga: {counts}, none with protein",
        judged(candidates, train, test),
        "",
    )


def judged(candidates: list[Candidate], train: Target, test: Target) -> pd.DataFrame:
    """Return every metric of candidates fitted on some patients and judged on others."""
    rows = []
    for candidate in candidates:
        start = time.perf_counter()
        model = seeded(candidate.estimator, 0).fit(train.cohort, train.y)
        scores = model.scores(test.cohort)
        informed = int(model.informed(test.cohort).sum())
        row = {"candidate": candidate.name, "patients informed": informed}
        for metric in metrics_for("multiclass"):
            found = bootstrap(metric, test.y, [scores], n=2000, level=0.95, seed=0)
            row[metric.label] = f"{found.estimate:.3f} ({found.low:.3f} to {found.high:.3f})"
        rows.append({**row, "seconds": round(time.perf_counter() - start, 1)})
    return pd.DataFrame(rows)


def write(name: str, heading: str, table: pd.DataFrame, remark: str) -> None:
    """Write a table as CSV, and as Markdown to read."""
    RESULTS.mkdir(exist_ok=True)
    table.to_csv(RESULTS / f"{name}.csv", index=False, float_format="%.4f")
    text = table.map(lambda v: "" if pd.isna(v) else f"{v:.3f}" if isinstance(v, float) else str(v))
    lines = [" | ".join(text.columns), " | ".join("---" for _ in text.columns)]
    lines += [" | ".join(row) for row in text.itertuples(index=False)]
    body = "\n".join(f"| {line} |" for line in lines)
    (RESULTS / f"{name}.md").write_text(f"# {heading}\n\n{body}\n\n{remark}\n")
    print(f"{heading}\n{body}\n{remark}\n")


BENCHES: dict[str, Callable[[], None]] = {
    "hancock": bench_hancock,
    "breast": bench_breast,
    "acc": bench_acc,
    "survival": bench_survival,
}

if __name__ == "__main__":
    for wanted in sys.argv[1:] or BENCHES:
        BENCHES[wanted]()
