"""The first four fusion methods on real patients; tables go to bench/results/.

    python bench/real_cohorts.py [hancock] [breast]

HANCOCK: death within five years and recurrence within three, cross-validated as a study.
breast-tcga: fitted on the 150 training patients, judged on the 70 test patients, of whom
none has the protein measurements.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from consilience.cohort import EventBy, Multiclass, Outcome
from consilience.metrics import bootstrap, metrics_for
from consilience.study import Protocol, Study
from consilience.study.candidates import all_candidates, seeded
from consilience.study.finding import Finding
from consilience.study.progress import shown
from loaders import breast_tcga, hancock

RESULTS = Path(__file__).parent / "results"
YEAR = 365.25
PROTOCOL = Protocol(
    folds=5, repeats=3, seed=0, permutations=0, leave_one_out=False, importance=False
)


def bench_hancock() -> None:
    """Compare all candidates on both outcomes."""
    cohort = hancock()
    outcomes: dict[str, Outcome] = {
        "hancock-death-5-years": EventBy(
            "death", "days_to_last_information", 5 * YEAR, label="death within 5 years"
        ),
        "hancock-recurrence-3-years": EventBy(
            "recurrence", "days_to_recurrence", 3 * YEAR, label="recurrence within 3 years"
        ),
    }
    for name, outcome in outcomes.items():
        study = Study(cohort, outcome, protocol=PROTOCOL, title=name)
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            finding = study.run(Path(folder) / "out", jobs=os.cpu_count() or 1, progress=shown)
        heading = (
            f"{name}: {finding.cohort.analysed} patients, {finding.cohort.events} events, "
            f"5-fold three times, seed 0; {time.perf_counter() - start:.0f} s in all"
        )
        write(name, heading, _rows(finding), finding.verdict.sentence)


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
    train, test = outcome.of(train_cohort), outcome.of(test_cohort)
    rows = []
    for candidate in all_candidates(train.cohort, outcome, PROTOCOL, None):
        start = time.perf_counter()
        model = seeded(candidate.estimator, 0).fit(train.cohort, train.y)
        scores = model.scores(test.cohort)
        informed = int(model.informed(test.cohort).sum())
        row = {"candidate": candidate.name, "patients informed": informed}
        for metric in metrics_for("multiclass"):
            found = bootstrap(metric, test.y, [scores], n=2000, level=0.95, seed=0)
            row[metric.label] = f"{found.estimate:.3f} ({found.low:.3f} to {found.high:.3f})"
        rows.append({**row, "seconds": round(time.perf_counter() - start, 1)})
    counts = f"{len(train.y)} patients to train, {len(test.y)} to test"
    write("breast-tcga", f"breast-tcga: {counts}, none with protein", pd.DataFrame(rows), "")


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


BENCHES: dict[str, Callable[[], None]] = {"hancock": bench_hancock, "breast": bench_breast}

if __name__ == "__main__":
    for wanted in sys.argv[1:] or BENCHES:
        BENCHES[wanted]()
