"""Discoveries of every kind, made of the numbers of a really fitted example."""

from __future__ import annotations

import numpy as np
from tests.study.report_example import Example, example
from tests.study.report_reading import changed

from consilience.fusion.discovery import (
    Component,
    Components,
    Discovery,
    Groups,
    Loading,
    Path,
    Weights,
)
from consilience.study.discovering import found

SOURCES = ("rna", "protein", "methylation of the tumour")


def loadings(seed: int, *, each: int = 10, signed: bool = True) -> tuple[Loading, ...]:
    rng = np.random.default_rng(seed)
    return tuple(
        Loading(source, f"{source.upper()[:4]}{k + 1}", float(w if signed else abs(w)))
        for source in SOURCES
        for k, w in enumerate(np.sort(np.abs(rng.normal(0, 0.3, each)))[::-1] * rng.choice([-1, 1]))
    )


def patients_in_groups(made: Example, groups: int = 3) -> dict[str, str]:
    """Return patients in groups by their mean predicted risk, so that outcomes differ."""
    scores = made.evidence.scores["late mean"]
    last = np.mean([s.values[:, -1] for s in scores], axis=0)
    place = np.argsort(np.argsort(last)) * groups // len(last)
    index = made.evidence.target.cohort.index
    return {str(p): f"subtype {k + 1}" for p, k in zip(index, place, strict=True)}


def every_kind(made: Example) -> dict[str, list[Discovery]]:
    """Return by candidate what methods could have found."""
    rho = tuple(float(r) for r in (0, 0.1, 0.25, 0.5, 1, 2.5, 5))
    pairs = (
        Component("pair 1", loadings(1), 0.81, 0.0004),
        Component("pair 2", loadings(2), 0.44, 0.031, "seen in 93 of 100 resamples"),
    )
    modules = tuple(Component(f"module {k + 1}", loadings(10 + k, signed=False)) for k in range(6))
    return {
        "sparse CCA": [Components("Canonical pairs", pairs, "canonical correlation")],
        "joint NMF": [Components("Modules", modules, "share of the variation explained")],
        "kernels": [Weights("Kernel weights", {"rna": 0.62, "protein": 0.38, "mrt": 0.0})],
        "cooperative": [
            Path(
                "The agreement path",
                rho,
                (1.21, 1.18, 1.12, 1.10, 1.11, 1.16, 1.24),
                "agreement penalty (rho)",
                "deviance on inner folds",
                chosen=0.5,
                se=(0.04,) * 7,
            )
        ],
        "subtypes": [
            Groups("Subtypes", patients_in_groups(made), {"2": 0.97, "3": 0.91, "4": 0.62})
        ],
    }


def discovering(kind: str) -> Example:
    """Return an example whose finding holds discoveries of every kind."""
    made = example(kind)
    every = [
        found(each, name, made.evidence.target)
        for name, them in every_kind(made).items()
        for each in them
    ]
    return changed(made, discoveries=every)
