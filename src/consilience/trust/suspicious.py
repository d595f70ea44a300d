"""A single feature, or a single gap, that gives the outcome away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from consilience.cohort import Cohort, Table
from consilience.cohort.modality import FloatArray, Positions
from consilience.errors import InputError, listing
from consilience.trust.check import Check
from consilience.trust.univariate import (
    Aspect,
    Association,
    aspects_of,
    association,
    gappy_association,
)

NAME = "features that give the outcome away"
ALMOST = 0.95
SURELY = 0.99
BY_CHANCE = 0.001
MOST_PATIENTS = 20_000
MOST_SHOWN = 50
CHUNK = 2_000


@dataclass(frozen=True)
class _Finding:
    modality: str
    feature: str | None
    what: str
    tells: str
    n_patients: int
    strength: float
    log_p: float

    def details(self, n_tests: int) -> dict[str, Any]:
        return {
            "modality": self.modality,
            "feature": self.feature,
            "what": self.what,
            "tells": self.tells,
            "patients": self.n_patients,
            "score": (1 + self.strength) / 2,
            "p_value": float(min(1.0, np.exp(self.log_p + np.log(n_tests)))),
        }


def suspicious_features(
    cohort: Cohort, y: npt.NDArray[Any], *, almost: float = ALMOST, seed: int = 0
) -> Check:
    """Check that no feature alone, and no gap alone, predicts the outcome almost perfectly.

    A feature that does is seldom biology: more often it was measured after the outcome,
    or is the outcome under another name. Looked at are, in every table, the numbers, the
    categories, which values are missing; and which patients each modality measured.

    A column is reported if its score (AUROC, concordance, or Spearman's correlation
    brought to the same scale, 0.5 being chance) reaches `almost`, *and* chance does not
    explain it: its p-value times the number of columns looked at (Bonferroni) is below
    0.001, so that among any number of features that say nothing, at most one cohort in
    a thousand raises an alarm. Categories are given the outcome's mean of their level
    among one half of the patients and judged on the other half, both ways, the worse
    of the two counting.

    Parameters
    ----------
    cohort : Cohort
    y : ndarray of shape (n_patients,)
        The outcome, as `Outcome.of` gives it.
    almost : float
        From which score a column is reported, between 0.5 and 1.
    seed : int
        Chooses the patients looked at where there are more than 20,000, and the halves.

    Returns
    -------
    Check
        "failed" from a score of 0.99, else "warning".

    Raises
    ------
    InputError
        If y is not one a patient.
    """
    if len(y) != len(cohort):
        raise InputError(f"y has {len(y)} entries for {len(cohort)} patients.")
    rows = _looked_at(y, seed)
    view, outcome = cohort[rows], y[rows]
    rng = np.random.default_rng(seed)
    half = rng.permutation(len(rows)) % 2 == 0
    findings: list[_Finding] = []
    n_tests = 0
    for aspect in aspects_of(outcome):
        for name in view.modalities:
            found, tested = _of_modality(view, name, aspect, half)
            findings += found
            n_tests += tested
    return _verdict(findings, n_tests, almost, len(rows))


def _looked_at(y: npt.NDArray[Any], seed: int) -> Positions:
    """Return all patients, or 20,000 of them with as many as possible of the rarer class."""
    if len(y) <= MOST_PATIENTS:
        return np.arange(len(y), dtype=np.intp)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(y))
    stratum = y["event"] if y.dtype.names else y
    if stratum.dtype.kind == "f":
        return np.sort(order[:MOST_PATIENTS]).astype(np.intp)
    rank = pd.Series(stratum[order]).groupby(stratum[order]).cumcount().to_numpy()
    return np.sort(order[np.argsort(rank, kind="stable")[:MOST_PATIENTS]]).astype(np.intp)


def _of_modality(
    cohort: Cohort, name: str, aspect: Aspect, half: npt.NDArray[np.bool_]
) -> tuple[list[_Finding], int]:
    """Return what stands out in a modality, and how many columns were looked at."""
    has = cohort.has(name)
    known = Association(np.zeros(1), np.zeros(1))
    if has.any() and not has.all():
        known = association(has.astype(float)[:, None], aspect, aspect.y)
    findings = list(_findings(name, [None], "being measured", aspect, len(cohort), known))
    modality = cohort.modalities[name]
    if not isinstance(modality, Table) or not has.any():
        return findings, 1
    places = np.flatnonzero(has)
    table = modality.take(cohort.positions(name)[places])
    part = _Part(name, aspect, aspect.y[places], half[places])
    findings += [*_numbers(part, table), *_categories(part, table)]
    return findings, 1 + 2 * modality.n_features


@dataclass(frozen=True)
class _Part:
    """A modality's patients, and an aspect of their outcome."""

    modality: str
    aspect: Aspect
    y: npt.NDArray[Any]
    half: npt.NDArray[np.bool_]


def _numbers(part: _Part, table: Table) -> Iterator[_Finding]:
    numeric, names = table.numeric, list(table.numeric_features)
    for start in range(0, len(names), CHUNK):
        columns, those = numeric[:, start : start + CHUNK], names[start : start + CHUNK]
        found = gappy_association(columns, part.aspect, part.y)
        yield from _findings(part.modality, those, "value", part.aspect, len(part.y), found)
        gaps = np.isnan(columns)
        yield from _gaps(part, those, gaps)


def _categories(part: _Part, table: Table) -> Iterator[_Finding]:
    text = table.categorical
    for name in text.columns:
        found = _category(part, pd.factorize(text[name])[0])
        yield from _findings(part.modality, [name], "category", part.aspect, len(part.y), found)
    if text.shape[1]:
        yield from _gaps(part, list(text.columns), text.isna().to_numpy())


def _gaps(part: _Part, names: list[str], gaps: npt.NDArray[np.bool_]) -> Iterator[_Finding]:
    some = np.flatnonzero(gaps.any(axis=0) & ~gaps.all(axis=0))
    found = association(gaps[:, some].astype(float), part.aspect, part.y)
    those = [names[place] for place in some]
    yield from _findings(part.modality, those, "being missing", part.aspect, len(part.y), found)


def _category(part: _Part, codes: npt.NDArray[np.intp]) -> Association:
    """Judge a category's levels on the half of the patients they were not averaged over."""
    found = [_of_half(part, codes, half) for half in (part.half, ~part.half)]
    worse = min(found, key=lambda one: one.strength[0])
    log_p = max(one.log_p[0] for one in found)
    return Association(np.maximum(worse.strength, 0.0), np.array([log_p]))


def _of_half(part: _Part, codes: npt.NDArray[np.intp], half: npt.NDArray[np.bool_]) -> Association:
    known = codes >= 0
    learn, judge = half & known, ~half & known
    if not learn.any() or not part.aspect.usable(part.y[learn]):
        return Association(np.zeros(1), np.zeros(1))
    score = part.aspect.score(part.y[learn])
    counts = np.bincount(codes[learn], minlength=codes.max() + 1)
    sums = np.bincount(codes[learn], weights=score, minlength=codes.max() + 1)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), score.mean())
    column: FloatArray = means[codes[judge]]
    return association(column[:, None], part.aspect, part.y[judge])


def _findings(
    modality: str,
    features: list[Any],
    what: str,
    aspect: Aspect,
    n_patients: int,
    found: Association,
) -> Iterator[_Finding]:
    for place in np.flatnonzero(np.abs(found.strength) > 0.5):
        strength, log_p = float(abs(found.strength[place])), float(found.log_p[place])
        feature = None if features[place] is None else str(features[place])
        yield _Finding(modality, feature, what, aspect.words, n_patients, strength, log_p)


def _verdict(findings: list[_Finding], n_tests: int, almost: float, n_patients: int) -> Check:
    limit = np.log(BY_CHANCE) - np.log(max(n_tests, 1))
    strong = [one for one in findings if (1 + one.strength) / 2 >= almost and one.log_p <= limit]
    covered = {"columns looked at": n_tests, "patients looked at": n_patients}
    if not strong:
        sentence = (
            f"None of {n_tests} features and gaps alone predicts the outcome almost perfectly."
        )
        return Check(NAME, "passed", sentence, [covered])
    strong.sort(key=lambda one: -one.strength)
    best = (1 + strong[0].strength) / 2
    sentence = (
        f"{listing([_called(one) for one in strong], most=3)} alone "
        f"{'predicts' if len(strong) == 1 else 'predict'} the outcome almost perfectly (score "
        f"{best:.3f}, 0.5 being chance): make sure that it was known before the outcome and is not "
        "the outcome under another name."
    )
    details = [one.details(n_tests) for one in strong[:MOST_SHOWN]]
    return Check(NAME, "failed" if best >= SURELY else "warning", sentence, [*details, covered])


def _called(one: _Finding) -> str:
    place = one.modality if one.feature is None else f"{one.modality}: {one.feature}"
    return place if one.what in ("value", "category") else f"{place} {one.what}"
