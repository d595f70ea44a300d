"""A study: candidates compared on a cohort under a protocol."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from consilience.cohort import Cohort, Outcome, Target, fingerprint
from consilience.errors import InputError, listing
from consilience.metrics import metrics_for
from consilience.study.bundle.annotation import Notes, check_notes
from consilience.study.candidates import Candidate, all_candidates, without_one
from consilience.study.checks import run_checks
from consilience.study.comparison import Comparison, best_of
from consilience.study.discovering import discovery_findings, discovery_jobs
from consilience.study.engine import Engine, check_engine, run_jobs
from consilience.study.evaluation import Evaluation, evaluate, score_rows, time_grid
from consilience.study.evidence import Evidence
from consilience.study.finding import Finding
from consilience.study.followup import ImportanceJob
from consilience.study.holding import held
from consilience.study.jobs import Job, PermutedJob, ScoreJob
from consilience.study.progress import Progress, silent
from consilience.study.protocol import Fold, Protocol
from consilience.study.robustness import comparator, robustness_findings
from consilience.study.store import Store, write_atomically
from consilience.study.threads import one_thread
from consilience.study.versions import versions
from consilience.study.writing import Run, compose, deliver


@dataclass(frozen=True)
class Setting:
    """What every step of a run needs."""

    target: Target
    folds: Sequence[Fold]
    times: Any
    store: Store
    run: Callable[[Sequence[Job], str], None]  # told the jobs, and what they are for


class Study:
    """Cohort, outcome, candidates and protocol; `run` returns the finding.

    Every single modality and the late mean are always among the candidates.

    Parameters
    ----------
    cohort : Cohort
        Who was measured, how.
    outcome : Outcome
        What is to be predicted; its columns must not be features.
    candidates : iterable of Candidate, optional
        What to compare beyond the baselines; early, validated late and stacked fusion
        by default.
    protocol : Protocol, optional
        Folds, repeats, seed and what is reported.
    title : str
        Of the report.
    settings : dict, optional
        What `study.toml` said, kept with the finding.
    notes : Notes, optional
        On features, for the bundle: names, codes, units, usual ranges.
    background : bool
        Whether the bundle holds condensed training patients, to explain against.

    Raises
    ------
    InputError
        If the outcome, a column or a candidate cannot be used.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from consilience.cohort import Binary, synthetic_cohort
    >>> from consilience.study import Protocol, Study
    >>> cohort, _ = synthetic_cohort(80, modalities=2, features=4, seed=0)
    >>> quick = Protocol(folds=3, repeats=1, bootstrap=100, permutations=0, importance=False)
    >>> finding = Study(cohort, Binary("outcome"), protocol=quick).run(mkdtemp() + "/out")
    >>> [candidate.name for candidate in finding.candidates][:3]
    ['m1 alone', 'm2 alone', 'late mean']
    """

    def __init__(
        self,
        cohort: Cohort,
        outcome: Outcome,
        candidates: Iterable[Candidate] | None = None,
        protocol: Protocol | None = None,
        *,
        title: str = "",
        settings: dict[str, Any] | None = None,
        notes: Notes | None = None,
        background: bool = True,
    ) -> None:
        if not cohort.modalities:
            raise InputError(f"cohort {cohort.name!r} has no modality to learn from.")
        _refuse_outcome_features(cohort, outcome)
        self.cohort = cohort[np.argsort(cohort.index.to_numpy(dtype=str), kind="stable")]
        self.outcome = outcome
        self.protocol = protocol or Protocol()
        self.target = _measured(outcome.of(self.cohort))
        self.protocol.check_columns(self.cohort.patients, outcome)
        self.candidates = all_candidates(self.target.cohort, outcome, self.protocol, candidates)
        self.folds = self.protocol.splits(self.target)
        self.title = title or f"{outcome.name} in {cohort.name}"
        self.settings = settings or {}
        self.notes = notes or Notes()
        self.background = background
        check_notes(self.target.cohort, self.notes)

    def run(
        self,
        folder: str | Path,
        *,
        jobs: int = 1,
        engine: Engine = "local",
        resume: bool = False,
        progress: Progress = silent,
    ) -> Finding:
        """Compare the candidates and write the finding, the report and the bundle.

        Parameters
        ----------
        folder : path
            Where to write `finding.json`, `report.html`, `scores.parquet` and `bundle/`.
        jobs : int
            Workers; the numbers do not depend on it.
        engine : {"local", "ray", "dask"}
            Where they run.
        resume : bool
            Go on with what an interrupted run left in the folder.
        progress : callable
            Told the number of fits and each one done; see `progress`.

        Returns
        -------
        Finding

        Raises
        ------
        InputError
            If the folder holds another study or is in use, or the engine is not installed.
        """
        check_engine(engine, jobs)
        place = Path(folder)
        methods = [candidate.method for candidate in self.candidates]
        with held(place), one_thread(methods):  # as in the workers: the same numbers
            setting = self.prepare(
                place, jobs=jobs, engine=engine, resume=resume, progress=progress
            )
            return self._run(setting)

    def _run(self, setting: Setting) -> Finding:
        start = time.perf_counter()
        evaluations = self.evaluate(setting)
        comparison = Comparison(
            self.target, self.folds, self.protocol, metrics_for(self.target.kind)[0]
        )
        run = self._follow_up(setting, comparison, evaluations)
        taken = {e.candidate.name: e.seconds for e in evaluations if e.seconds is not None}
        seconds = time.perf_counter() - start
        finding = compose(run, {**self._provenance(seconds), "fit_seconds": taken})
        scores = {e.candidate.name: e.scores for e in evaluations if e.failed is None}
        return deliver(finding, Evidence(self.target, dict(scores)), run, setting.store.folder)

    def evaluate(self, setting: Setting) -> list[Evaluation]:
        """Run every candidate on every fold and write `scores.parquet`."""
        jobs = {c.name: self._score_jobs(c, setting) for c in self.candidates}
        setting.run([job for members in jobs.values() for job in members], "comparing")
        found = [evaluate(members, self.target, setting.store) for members in jobs.values()]
        if all(e.failed is not None for e in found):
            raise InputError(f"every candidate failed; the first: {found[0].failed}.")
        rows = [score_rows(e, self.target, self.folds) for e in found]
        table = pd.concat([part for part in rows if len(part)], ignore_index=True)
        write_atomically(setting.store.folder / "scores.parquet", table.to_parquet(index=False))
        return found

    def prepare(
        self,
        place: Path,
        *,
        jobs: int = 1,
        engine: Engine = "local",
        resume: bool = False,
        progress: Progress = silent,
    ) -> Setting:
        """Make the folder ready and return what `evaluate` needs; see `run`."""
        store = Store(place)
        store.begin(self.identity(), resume=resume)

        def run(pieces: Sequence[Job], what: str) -> None:
            done = run_jobs(pieces, self.target, store, workers=jobs, engine=engine)
            if pieces:
                progress(what, len(pieces), done)

        return Setting(self.target, self.folds, time_grid(self.target.y), store, run)

    def _score_jobs(self, candidate: Candidate, setting: Setting) -> list[ScoreJob]:
        many = len(self.target.cohort.modalities) > 1  # of one alone nothing can be removed
        removals = self.protocol.removals if many and candidate.role == "fused" else ()
        return [
            ScoreJob(candidate, f, self._seed(f), setting.times, removals=removals)
            for f in self.folds
        ]

    def _robust_jobs(
        self, setting: Setting, evaluations: Sequence[Evaluation]
    ) -> list[list[ScoreJob]]:
        """Return the comparator's jobs, and those of the fused candidates that did not fail."""
        wanted = [e.candidate for e in evaluations if e.failed is None]
        beside = [comparator(self.outcome, self.protocol)]
        every = [self._score_jobs(candidate, setting) for candidate in [*beside, *wanted]]
        return [members for members in every if members[0].removals]

    def _follow_up(
        self, setting: Setting, comparison: Comparison, evaluations: list[Evaluation]
    ) -> Run:
        """Leave each modality out of the candidate the verdict is about, and look into it."""
        chosen = self._subject(evaluations, comparison)
        names = list(self.target.cohort.modalities)
        left = without_one(chosen.candidate, names) if self.protocol.leave_one_out else []
        variants = {c.name: self._score_jobs(c, setting) for c in left}
        permuted = [
            PermutedJob(
                chosen.candidate,
                fold,
                self._seed(fold),
                setting.times,
                permutation=number,
                shuffle_seed=self.protocol.seed,
            )
            for number in range(self.protocol.permutations)
            for fold in self._first_folds()
        ]
        important = [
            ImportanceJob(
                chosen.candidate,
                fold,
                self._seed(fold),
                setting.times,
                metric=comparison.metric.name,
            )
            for fold in (self._first_folds() if self.protocol.importance else [])
        ]
        wanted = evaluations if self.protocol.discoveries else []
        discovering = discovery_jobs(wanted, self.target, self.protocol.seed)
        robust = self._robust_jobs(setting, evaluations)
        scoring = [job for members in [*variants.values(), *robust[:1]] for job in members]
        setting.run([*scoring, *permuted, *important, *discovering], "looking into it")
        return Run(
            study=self,
            comparison=comparison,
            evaluations=evaluations,
            chosen=chosen,
            best_single=best_of(evaluations, ["single"], comparison),
            variants=[
                evaluate(members, self.target, setting.store) for members in variants.values()
            ],
            importance=[setting.store.read(job.key) for job in important],
            discoveries=discovery_findings(discovering, setting.store),
            robustness=robustness_findings(robust, comparison, setting.store),
            checks=run_checks(self, comparison, setting.store, permuted),
        )

    def _subject(self, evaluations: Sequence[Evaluation], comparison: Comparison) -> Evaluation:
        """Return what the verdict is about: the primary candidate, or the best fused one."""
        declared = [
            e for e in evaluations if e.candidate.name == self.protocol.primary and e.failed is None
        ]
        fused = best_of(evaluations, ["fused"], comparison)
        found = declared[0] if declared else fused or best_of(evaluations, ["single"], comparison)
        assert found is not None  # evaluate() has refused a study in which all failed
        return found

    def _first_folds(self) -> list[Fold]:
        return [fold for fold in self.folds if fold.repeat == 0]

    def _seed(self, fold: Fold) -> int:
        parts = [self.protocol.seed, fold.repeat, fold.number]
        return int(np.random.SeedSequence(parts).generate_state(1)[0] // 2)

    def identity(self) -> dict[str, Any]:
        """Return what makes two runs the same study, the versions included."""
        return {
            "data": fingerprint(self.target.cohort),
            "outcome": repr(self.outcome),
            "outcome values": pd.util.hash_array(_flat(self.target.y)).sum().item(),
            "candidates": {c.name: repr_in_full(c.estimator) for c in self.candidates},
            "protocol": asdict(self.protocol),
            "versions": versions(c.method for c in self.candidates),
        }

    def _provenance(self, seconds: float) -> dict[str, Any]:
        return {
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": seconds,
            "seed": self.protocol.seed,
            "versions": versions(c.method for c in self.candidates),
            "study": self.settings or {"outcome": repr(self.outcome), **asdict(self.protocol)},
        }


def repr_in_full(estimator: Any) -> str:
    """Return every parameter of an estimator as text, however deep."""
    params = estimator.get_params(deep=True)
    plain = {key: value for key, value in params.items() if not hasattr(value, "get_params")}
    return f"{type(estimator).__name__}({sorted((k, repr(v)) for k, v in plain.items())})"


def _refuse_outcome_features(cohort: Cohort, outcome: Outcome) -> None:
    for name, modality in cohort.modalities.items():
        leaked = set(outcome.columns) & set(getattr(modality, "features", ()))
        if leaked:
            raise InputError(
                f"modality {name!r} holds {listing(sorted(leaked))}, which the outcome is read "
                "from; take it out of the features."
            )


def _measured(target: Target) -> Target:
    """Return the target, refusing a modality that measured nobody whose outcome is known."""
    nobody = [n for n in target.cohort.modalities if not target.cohort.has(n).any()]
    if nobody:
        raise InputError(
            f"modality {listing(nobody)} measured nobody whose outcome is known; leave it out."
        )
    return target


def _flat(y: Any) -> Any:
    return y["time"] + np.where(y["event"], 0.5, 0.0) if y.dtype.names else np.asarray(y)
