"""A finding made by really fitting small models on a synthetic cohort, for the report's tests."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold
from sksurv.linear_model import CoxPHSurvivalAnalysis

from consilience.cohort import Cohort, Table
from consilience.cohort.synthetic import Synthetic
from consilience.fusion import EarlyFusion, LateFusion, SingleModality, StackedFusion
from consilience.metrics import SurvivalCurves, bootstrap, holm, metrics_for, paired_bootstrap
from consilience.metrics.scores import Scores
from consilience.study.evidence import Evidence
from consilience.study.finding import (
    CandidateFinding,
    CheckFinding,
    CohortSummary,
    Contribution,
    Difference,
    Estimate,
    Finding,
    Flow,
    Importance,
    ModalitySummary,
    OutcomeSummary,
    Pattern,
    Provenance,
    SubgroupFinding,
    Verdict,
)
from consilience.study.methods import methods_paragraph
from consilience.study.protocol import Protocol
from consilience.study.tripod import checklist

LEARNERS = {
    "binary": LogisticRegression(C=0.1),
    "multiclass": LogisticRegression(C=0.1),
    "continuous": Ridge(10.0),
    "survival": CoxPHSurvivalAnalysis(alpha=10.0),
}
RESAMPLES = 40


@dataclass
class Example:
    """A finding with its evidence, and the protocol it was made under."""

    finding: Finding
    evidence: Evidence
    protocol: Protocol


class _Maker:
    """Fits and scores; one instance a study."""

    def __init__(self, kind: str, *, n: int, modalities: int, repeats: int, folds: int) -> None:
        design = Synthetic(
            kind=kind,  # type: ignore[arg-type]
            modalities=modalities,
            noise_modalities=1,
            features=6,
            missing=0.25,
            sites=3,
        )
        self.cohort = design.draw(n, seed=7).cohort
        self.target = design.outcome.of(self.cohort)
        self.outcome, self.y = design.outcome, self.target.y
        self.kind, self.learner = kind, LEARNERS[kind]
        self.metrics = metrics_for(kind)  # type: ignore[arg-type]
        self.metric = self.metrics[0]
        self.protocol = Protocol(folds=folds, repeats=repeats, bootstrap=100, seed=7)
        self.scores: dict[str, list[Scores]] = {}
        self.informed: dict[str, Any] = {}

    def folds(self, repeat: int) -> list[tuple[Any, Any]]:
        y = self.y
        strata = y["event"] if y.dtype.names else y
        split = KFold if y.dtype.kind == "f" else StratifiedKFold
        splitter = split(self.protocol.folds, shuffle=True, random_state=repeat)
        return list(splitter.split(np.zeros(len(y)), strata))

    def cross_fit(self, name: str, model: Any) -> None:
        """Score every patient by a model that never saw him, once a repeat."""
        cohort = self.target.cohort
        grid = None
        if self.y.dtype.names:
            grid = np.unique(np.quantile(self.y["time"][self.y["event"]], np.linspace(0, 1, 40)))
        self.scores[name] = []
        for repeat in range(self.protocol.repeats):
            values: Any = None
            for train, test in self.folds(repeat):
                told = model.fit(cohort[train], self.y[train]).scores(cohort[test])
                if grid is not None:
                    told = SurvivalCurves(told.at(grid), grid)
                if values is None:
                    values = np.full((len(self.y), told.values.shape[1]), np.nan)
                values[test] = told.values
            self.scores[name].append(type(told)(values, *_rest(told)))
        self.informed[name] = model.informed(cohort)

    def estimate(self, name: str, rows: Any = slice(None), metric: Any = None) -> Estimate:
        told = [scores.take(rows) for scores in self.scores[name]]
        found = bootstrap(metric or self.metric, self.y[rows], told, n=RESAMPLES, seed=1)
        return Estimate(
            estimate=_number(found.estimate), low=_number(found.low), high=_number(found.high)
        )

    def difference(self, ours: str, theirs: str) -> Difference:
        found = paired_bootstrap(
            self.metric, self.y, self.scores[ours], self.scores[theirs], n=RESAMPLES, seed=1
        )
        sign = 1 if self.metric.higher_is_better else -1
        low, high = sorted((sign * found.low, sign * found.high))
        return Difference(
            estimate=_number(sign * found.estimate),
            low=_number(low),
            high=_number(high),
            p_value=_number(found.p_value),
        )

    def candidate(self, name: str, role: str, used: list[str], best: str) -> CandidateFinding:
        own, rows = self.estimate(name), np.flatnonzero(self.informed[name])
        return CandidateFinding(
            name=name,
            role=role,  # type: ignore[arg-type]
            modalities=used,
            metric=self.metric.name,
            estimate=own.estimate,
            low=own.low,
            high=own.high,
            difference_to_best_single=None if name == best else self.difference(name, best),
            others={m.name: self.estimate(name, metric=m) for m in self.metrics[1:]},
            informed=len(rows),
            among_informed=self.estimate(name, rows) if len(rows) < len(self.y) else None,
            failed=None,
            settings={"learner": repr(self.learner)},
        )

    def rank(self, names: list[str]) -> str:
        sign = 1 if self.metric.higher_is_better else -1
        return max(names, key=lambda n: sign * (self.estimate(n).estimate or -np.inf))


def _rest(scores: Scores) -> tuple[Any, ...]:
    return tuple(getattr(scores, name) for name in ("classes", "times") if hasattr(scores, name))


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


@lru_cache
def example(
    kind: str, *, n: int = 180, modalities: int = 3, repeats: int = 2, folds: int = 3
) -> Example:
    """Return a study of one kind of outcome; fitted once a session."""
    maker = _Maker(kind, n=n, modalities=modalities, repeats=repeats, folds=folds)
    names = list(maker.cohort.modalities)
    alone = {f"{name} alone": name for name in names}
    for label, name in alone.items():
        maker.cross_fit(label, SingleModality(maker.learner, modality=name))
    maker.cross_fit("late mean", LateFusion(maker.learner))
    maker.cross_fit("early", EarlyFusion(maker.learner))
    maker.cross_fit("stacked", StackedFusion(maker.learner, folds=3, random_state=0))
    best = maker.rank(list(alone))
    chosen = maker.rank(["late mean", "early", "stacked"])
    models = {"late mean": LateFusion, "early": EarlyFusion, "stacked": StackedFusion}
    for name in names:
        rest = [other for other in names if other != name]
        maker.cross_fit(f"{chosen} without {name}", models[chosen](maker.learner, modalities=rest))
    candidates = [maker.candidate(label, "single", [name], best) for label, name in alone.items()]
    candidates += [maker.candidate(m, "fused", names, best) for m in models]
    candidates += [
        maker.candidate(
            f"{chosen} without {n}", "leave one out", [m for m in names if m != n], best
        )
        for n in names
    ]
    finding = _finding(maker, _adjusted(candidates), best, chosen, models[chosen])
    finding = finding.model_copy(update={"methods": methods_paragraph(finding, maker.protocol)})
    finding = finding.model_copy(update={"checklist": checklist(finding, maker.protocol)})
    return Example(finding, Evidence(maker.target, dict(maker.scores)), maker.protocol)


def _adjusted(candidates: list[CandidateFinding]) -> list[CandidateFinding]:
    fused = [c for c in candidates if c.role == "fused" and c.difference_to_best_single]
    corrected = holm([c.difference_to_best_single.p_value or 1.0 for c in fused])  # type: ignore[union-attr]
    by_name = {c.name: float(p) for c, p in zip(fused, corrected, strict=True)}
    return [
        c
        if c.name not in by_name
        else c.model_copy(
            update={
                "difference_to_best_single": c.difference_to_best_single.model_copy(  # type: ignore[union-attr]
                    update={"p_adjusted": by_name[c.name]}
                )
            }
        )
        for c in candidates
    ]


def _finding(
    maker: _Maker, candidates: list[CandidateFinding], best: str, chosen: str, method: Any
) -> Finding:
    names, y = list(maker.cohort.modalities), maker.y
    contributions = []
    for name in names:
        added = maker.difference(chosen, f"{chosen} without {name}")
        hurts = added.high is not None and added.high < 0
        contributions.append(Contribution(modality=name, difference=added, hurts=hurts))
    difference = next(c for c in candidates if c.name == chosen).difference_to_best_single
    unit = "days" if maker.kind == "survival" else ""
    horizon = float(np.median(y["time"][y["event"]])) if maker.kind == "survival" else None
    return Finding(
        title=f"{maker.outcome.name} in {maker.cohort.name}",
        metric=maker.metric.name,
        metric_label=maker.metric.label,
        higher_is_better=maker.metric.higher_is_better,
        chance=maker.metric.chance,
        outcome=OutcomeSummary(
            name=maker.outcome.name,
            kind=maker.kind,  # type: ignore[arg-type]
            columns=list(maker.outcome.columns),
            unit=unit,
            horizon=horizon,
        ),
        cohort=_cohort(maker),
        verdict=_verdict(maker, difference, best, chosen),
        candidates=candidates,
        contributions=contributions,
        checks=[
            CheckFinding(
                name="no patient in two folds",
                status="passed",
                sentence=f"Each of the {len(y)} patients was held out once a repeat.",
            ),
            CheckFinding(
                name="a feature that predicts almost perfectly",
                status="warning",
                sentence="The best features by themselves are listed.",
                details=_single_features(maker),
            ),
        ],
        subgroups=_subgroups(maker, chosen),
        importance=_importance(maker, method(maker.learner)),
        methods="",
        checklist=[],
        provenance=Provenance(
            created="2025-01-01T00:00:00+00:00",
            seconds=83.4,
            seed=7,
            versions={"consilience": "0.1.0", "numpy": np.__version__},
            study={"folds": maker.protocol.folds, "repeats": maker.protocol.repeats},
        ),
    )


def _verdict(maker: _Maker, difference: Difference | None, best: str, chosen: str) -> Verdict:
    assert difference is not None
    clear = difference.low is not None and difference.low > 0
    return Verdict(
        answer="together more" if clear else "no gain shown",
        sentence=(
            f"For {maker.outcome.name} in {len(maker.y)} patients {chosen!r} differs from the best "
            f"source alone, {best!r}, by {difference.estimate:+.3f}."
        ),
        reliance="It holds for patients like these; other hospitals need a test of their own.",
        best_single=best,
        best_fused=chosen,
        difference=difference,
        for_whom="The score was looked at by site and sex.",
    )


def _cohort(maker: _Maker) -> CohortSummary:
    analysed, y = maker.target.cohort, maker.y
    patterns = [
        Pattern(
            modalities=[n for n, has in zip(analysed.modalities, key, strict=True) if has],
            patients=int(count),
        )
        for key, count in analysed.measured.value_counts().items()
    ]
    events = {"survival": lambda: int(y["event"].sum()), "binary": lambda: int(y.sum())}
    labels = np.unique(y, return_counts=True) if maker.kind == "multiclass" else ((), ())
    return CohortSummary(
        name=maker.cohort.name,
        fingerprint="sha256:" + "0123456789abcdef" * 4,
        patients=len(maker.cohort) + 9,
        analysed=len(analysed),
        events=events[maker.kind]() if maker.kind in events else None,
        classes={str(k): int(v) for k, v in zip(*labels, strict=True)} or None,
        modalities=[
            ModalitySummary(
                name=name,
                kind="table",
                patients=int(analysed.has(name).sum()),
                features=modality.n_features,
            )
            for name, modality in analysed.modalities.items()
        ],
        patterns=patterns,
        flow=[
            Flow(step="in the files", patients=len(maker.cohort) + 9),
            Flow(
                step="with a known outcome",
                patients=len(analysed),
                left_out=9,
                reason="'outcome' is missing (9)",
            ),
            Flow(step="analysed", patients=len(analysed)),
        ],
    )


def _subgroups(maker: _Maker, chosen: str) -> list[SubgroupFinding]:
    patients, found = maker.target.cohort.patients, []
    for column in ("sex", "site"):
        for group, members in patients.groupby(column).indices.items():
            found.append(
                SubgroupFinding(
                    column=column,
                    group=str(group),
                    patients=len(members),
                    events=int(maker.y["event"][members].sum()) if maker.y.dtype.names else None,
                    score=maker.estimate(chosen, members),
                    calibration=_observed_over_expected(maker, chosen, members),
                    small=len(members) < 55,
                )
            )
    return found


def _observed_over_expected(maker: _Maker, chosen: str, members: Any) -> Estimate:
    if maker.kind != "binary":
        return Estimate(estimate=None)
    told = np.mean([s.values[:, -1] for s in maker.scores[chosen]], axis=0)
    return Estimate(estimate=float(maker.y[members].mean() / told[members].mean()))


def _importance(maker: _Maker, model: Any) -> list[Importance]:
    """Return the drop on one held-out fold when a modality, then a feature, is shuffled."""
    cohort, (train, test) = maker.target.cohort, maker.folds(0)[0]
    model.fit(cohort[train], maker.y[train])
    held, y, rng = cohort[test], maker.y[test], np.random.default_rng(0)
    sign = 1 if maker.metric.higher_is_better else -1
    before = maker.metric(y, model.scores(held))
    found = []
    for name, modality in held.modalities.items():
        frame = modality.frame  # type: ignore[attr-defined]
        for feature in [None, *frame.columns]:
            drops = []
            for _ in range(4):
                shuffled = _shuffled(held, name, frame, feature, rng)
                drops.append(sign * (before - maker.metric(y, model.scores(shuffled))))
            low, high = np.min(drops), np.max(drops)
            drop = Estimate(estimate=float(np.mean(drops)), low=float(low), high=float(high))
            found.append(Importance(modality=name, feature=feature, drop=drop))
    return found


def _shuffled(
    cohort: Cohort, name: str, frame: pd.DataFrame, feature: str | None, rng: np.random.Generator
) -> Cohort:
    columns = list(frame.columns) if feature is None else [feature]
    changed = frame.copy()
    changed[columns] = frame[columns].to_numpy()[rng.permutation(len(frame))]
    return cohort.with_modality(name, Table(changed))


def _single_features(maker: _Maker) -> list[dict[str, Any]]:
    y = maker.y["time"] if maker.y.dtype.names else pd.factorize(maker.y)[0]
    rows = []
    for name, modality in maker.target.cohort.modalities.items():
        frame = modality.frame  # type: ignore[attr-defined]
        measured = maker.target.cohort.has(name)
        for feature in frame.columns[:2]:
            correlation = float(np.corrcoef(frame[feature], y[measured])[0, 1])
            rows.append({"modality": name, "feature": feature, "correlation": correlation})
    return rows
