"""Every deep method on real patients beside the linear ones, on the same folds.

    python bench/deep_cohorts.py [hancock] [breast] [acc] [survival]

Folds, outcomes and judges are those of `real_cohorts`; each deep method is an ensemble of
three networks with its settings as they are. Tables go to bench/results/deep-*. Without an
argument the short form is run: single networks on one cancer of tcga-survival. All four
long ones take about an hour on two cores.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from candidates import deep
from consilience import fusion
from consilience.cohort import Multiclass, Outcome, tcga_acc
from consilience.study import Protocol
from consilience.study.candidates import Candidate, all_candidates, usual_fusions
from loaders import breast_tcga, hancock
from real_cohorts import (
    ACC,
    CANCERS,
    HANCOCK_OUTCOMES,
    PROTOCOL,
    compare,
    compare_cancers,
    judged,
    write,
)

MEMBERS = 3


def beside_linear(outcome: Outcome, protocol: Protocol, members: int) -> list[Candidate]:
    """Return the linear fusions and multiple kernels, and every deep method."""
    kernels = fusion.MultipleKernelLearning.for_outcome(outcome.kind, folds=protocol.inner_folds)
    return [
        *usual_fusions(outcome, protocol),
        Candidate("multiple kernels", kernels),
        *deep(outcome, members),
    ]


def bench_hancock(members: int = MEMBERS) -> None:
    """Compare on both outcomes; eight of the thirteen modalities are embeddings of stains."""
    once = replace(PROTOCOL, repeats=1, robustness=True)
    for name, outcome in HANCOCK_OUTCOMES.items():
        own = beside_linear(outcome, once, members)
        compare(f"deep-{name}", hancock(), outcome, "5-fold once, seed 0", once, own)


def bench_acc(members: int = MEMBERS) -> None:
    """Compare on the embedded cohort."""
    protocol = replace(PROTOCOL, robustness=True)
    own = beside_linear(ACC, protocol, members)
    compare("deep-tcga-acc", tcga_acc(), ACC, "5-fold three times, seed 0", protocol, own)


def bench_breast(members: int = MEMBERS) -> None:
    """Fit on the training patients, judge on the test patients, of whom none has protein."""
    train_cohort, test_cohort = breast_tcga()
    outcome, protocol = Multiclass("subtype"), replace(PROTOCOL, inner_folds=5)
    train, test = outcome.of(train_cohort), outcome.of(test_cohort)
    own = beside_linear(outcome, protocol, members)
    candidates = all_candidates(train.cohort, outcome, protocol, own)
    counts = f"{len(train.y)} patients to train, {len(test.y)} to test"
    heading = f"breast-tcga: {counts}, none with protein"
    write("deep-breast-tcga", heading, judged(candidates, train, test), "")


def bench_survival(members: int = MEMBERS) -> None:
    """Compare on three cancers, each patient once in a published test fold."""
    compare_cancers("deep-tcga", CANCERS, partial(beside_linear, members=members))


def short() -> None:
    """Compare single networks on the smallest of the cancers."""
    compare_cancers("deep-short", ("kirc",), partial(beside_linear, members=1))


BENCHES: dict[str, Callable[[], None]] = {
    "hancock": bench_hancock,
    "breast": bench_breast,
    "acc": bench_acc,
    "survival": bench_survival,
}

if __name__ == "__main__":
    for wanted in sys.argv[1:]:
        BENCHES[wanted]()
    if not sys.argv[1:]:
        short()
