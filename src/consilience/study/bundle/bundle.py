"""What leaves a study: a model that anyone can load, check patients against, and predict with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.utils import get_tags

from consilience.cohort import Cohort, Outcome
from consilience.errors import InputError, listing
from consilience.fusion.base import Fusion
from consilience.metrics.scores import Scores
from consilience.records import Prediction
from consilience.study.bundle import folder as files
from consilience.study.bundle.background import condensed
from consilience.study.bundle.background_file import background_bytes, read_background
from consilience.study.bundle.card import model_card
from consilience.study.bundle.check import Notice, check_cohort
from consilience.study.bundle.documents import BundleProvenance, Calibration, Manifest
from consilience.study.bundle.reliability import Reliability
from consilience.study.bundle.safe_model import dump_parts, load_model
from consilience.study.bundle.saying import said_of_each
from consilience.study.bundle.schema import Schema
from consilience.study.finding import Finding


@dataclass(frozen=True)
class Bundle:
    """A fitted model with all that it takes to use it.

    On disk it is a folder: ``manifest.json``, ``model.skops``, ``schema.json``,
    ``calibration.json``, ``provenance.json``, ``model-card.md``, and of a model that holds
    networks ``weights.safetensors``; of tables ``background.npz``; and if the study learned
    it ``reliability.json``. Nothing in it is a pickle, and loading one runs no
    code of whoever wrote it.

    Attributes
    ----------
    model : Fusion
        Fitted.
    manifest : Manifest
        What it is: name, outcome, kind, candidate.
    schema : Schema
        What it reads.
    calibration : Calibration
    provenance : BundleProvenance
    card : str
        The model card, Markdown.
    data : bytes
        The model's file.
    weights : bytes or None
        The file of its networks' weights.
    background : Cohort or None
        Condensed training patients, each the mean of several, to explain against.
    reliability : Reliability
        What is needed to state uncertainty and to be silent.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.linear_model import LogisticRegression
    >>> from consilience.cohort import Binary, synthetic_cohort
    >>> from consilience.fusion import EarlyFusion
    >>> from consilience.study.bundle import Bundle
    >>> cohort, y = synthetic_cohort(100, seed=0)
    >>> bundle = Bundle.of(EarlyFusion(LogisticRegression()).fit(cohort, y), cohort, Binary("y"))
    >>> with tempfile.TemporaryDirectory() as place:
    ...     bundle.save(Path(place) / "bundle")
    ...     Bundle.load(Path(place) / "bundle").predict(cohort[:3]) == bundle.predict(cohort[:3])
    True
    """

    model: Any
    manifest: Manifest
    schema: Schema
    calibration: Calibration
    provenance: BundleProvenance
    card: str
    data: bytes
    weights: bytes | None = None
    background: Cohort | None = None
    reliability: Reliability = field(default_factory=Reliability)

    @classmethod
    def of(
        cls,
        model: Any,
        cohort: Cohort,
        outcome: Outcome,
        *,
        candidate: str | None = None,
        finding: Finding | None = None,
        calibration: Calibration | None = None,
        trust: Sequence[str] = (),
    ) -> Self:
        """Make a bundle of a fitted model.

        Parameters
        ----------
        model : Fusion
            Fitted on the cohort.
        cohort : Cohort
            The training patients; only summaries of them are kept.
        outcome : Outcome
            What it predicts.
        candidate : str, optional
            What the study calls the model; its class by default.
        finding : Finding, optional
            What the study found: it fills calibration, provenance and model card.
        calibration : Calibration, optional
            In place of the finding's.
        trust : sequence of str
            Types outside the list of safe ones that may be saved; see `load`.

        Raises
        ------
        InputError
            If the model holds a type that would not be loaded again.
        """
        name = candidate or type(model).__name__
        if isinstance(model, Fusion):
            model = model.without_patients()
        data, weights = dump_parts(model, trust=trust)
        provenance = BundleProvenance.of(cohort, finding)
        manifest = Manifest(
            name=outcome.name if finding is None else finding.title,
            outcome=outcome.name,
            kind=outcome.kind,
            unit=_unit(outcome),
            candidate=name,
            created=provenance.created,
            horizons=_horizons(model, finding),
            horizon=None if finding is None else finding.outcome.horizon,
            beyond_the_list=tuple(trust),
            keeps_patients=bool(getattr(get_tags(model), "keeps_patients", False)),
            files={},
        )
        schema = Schema.of(cohort, model.modalities_)
        known = Calibration() if finding is None else Calibration.of(finding, name)
        used = calibration or known
        card = model_card(manifest, schema, used, provenance, finding)
        return cls(
            model,
            manifest,
            schema,
            used,
            provenance,
            card,
            data,
            weights,
            condensed(cohort, schema.names),
        )

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the model's file and its weights; the same model has the same one."""
        return hashlib.sha256(self.data + (self.weights or b"")).hexdigest()

    def save(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write the bundle into a new folder, whole or not at all.

        Raises
        ------
        InputError
            If something is there; a bundle only goes if `overwrite` is said.
        """
        contents = {
            files.MODEL: self.data,
            files.SCHEMA: _text(self.schema),
            files.CALIBRATION: _text(self.calibration),
            files.PROVENANCE: _text(self.provenance),
            files.CARD: self.card.encode(),
        }
        if self.weights is not None:
            contents[files.WEIGHTS] = self.weights
        if self.background is not None:
            contents[files.BACKGROUND] = background_bytes(self.background)
        if self.reliability != Reliability():
            contents[files.RELIABILITY] = _text(self.reliability)
        sums = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
        manifest = self.manifest.model_copy(update={"files": sums})
        contents[files.MANIFEST] = _text(manifest)
        files.write_folder(Path(folder), contents, overwrite=overwrite)

    @classmethod
    def load(cls, folder: str | Path, *, trust: Sequence[str] = ()) -> Self:
        """Read a bundle; no code in it is run.

        Parameters
        ----------
        folder : path
            The bundle.
        trust : sequence of str
            Types outside the list of safe ones that you vouch for, such as
            ``"my.package.Learner"``: they are imported and rebuilt.

        Raises
        ------
        InputError
            If a file is missing, changed, or holds what is not on the list; the sentence
            names the file.
        """
        place = Path(folder)
        manifest, found = files.read_folder(place)
        schema = files.parsed(Schema, found[files.SCHEMA], place / files.SCHEMA)
        calibration = files.parsed(Calibration, found[files.CALIBRATION], place / files.CALIBRATION)
        provenance = files.parsed(
            BundleProvenance, found[files.PROVENANCE], place / files.PROVENANCE
        )
        card = _decoded(found[files.CARD], place / files.CARD)
        data, weights = found[files.MODEL], found.get(files.WEIGHTS)
        model = load_model(data, str(place / files.MODEL), trust=trust, weights=weights)
        own = (manifest, schema, calibration, provenance, card, data, weights)
        bundle = cls(model, *own, *_optional(found, place))
        bundle._check_model(place / files.MODEL)
        bundle._check_background(place / files.BACKGROUND)
        return bundle

    def check(self, cohort: Cohort) -> list[Notice]:
        """Compare patients with those the model was trained on.

        Returns
        -------
        list of Notice
            Values out of range, unseen categories, modalities not measured.

        Raises
        ------
        InputError
            If a feature is missing, or of another kind or unit.
        """
        return check_cohort(cohort, self.schema)

    def scores(self, cohort: Cohort) -> Scores:
        """Return predictions in the form that metrics read, after `check`."""
        self.check(cohort)
        return self._scores(cohort)

    def predict(self, cohort: Cohort) -> list[Prediction]:
        """Return what the model says of each patient, in their order.

        Raises
        ------
        InputError
            As `check`.
        """
        return self.told(cohort, self.check(cohort))

    def told(self, cohort: Cohort, notices: Sequence[Notice]) -> list[Prediction]:
        """Return predictions that carry notices already collected by `check`."""
        by_patient: dict[str, list[str]] = {}
        for notice in notices:
            for patient in [notice.patient] if notice.patient else map(str, cohort.index):
                by_patient.setdefault(patient, []).append(notice.sentence)
        informed = self.model.informed(cohort)
        measured = {n: cohort.has(n) for n in self.schema.names if n in cohort.modalities}
        said = said_of_each(self._scores(cohort), self.manifest.horizons)
        return [
            Prediction(
                patient=str(patient),
                outcome=self.manifest.outcome,
                kind=self.manifest.kind,
                unit=self.manifest.unit,
                informed=bool(informed[row]),
                sources=tuple(name for name, has in measured.items() if has[row]),
                warnings=tuple(by_patient.get(str(patient), ())),
                model=self.fingerprint,
                **said[row],
            )
            for row, patient in enumerate(cohort.index)
        ]

    def _scores(self, cohort: Cohort) -> Scores:
        scores: Scores = self.model.scores(cohort)
        return scores

    def _check_model(self, path: Path) -> None:
        """Refuse a model that is none, or of other modalities than the schema's."""
        if tuple(getattr(self.model, "modalities_", ())) != self.schema.names:
            raise InputError(f"{path}: the model does not read what {files.SCHEMA} describes.")

    def _check_background(self, path: Path) -> None:
        """Refuse condensed patients who are not measured as the model reads them."""
        if self.background is None:
            return
        strange = sorted(set(self.background.modalities) - set(self.schema.names))
        if strange:
            raise InputError(f"{path}: it holds {listing(strange)}, which the model does not read.")
        try:
            check_cohort(self.background, self.schema)
        except InputError as reason:
            raise InputError(f"{path}: {reason}") from reason


def _optional(found: Mapping[str, bytes], place: Path) -> tuple[Cohort | None, Reliability]:
    """Return what bundles need not have."""
    background = reliability = None
    if files.BACKGROUND in found:
        background = read_background(found[files.BACKGROUND], place / files.BACKGROUND)
    if files.RELIABILITY in found:
        path = place / files.RELIABILITY
        reliability = files.parsed(Reliability, found[files.RELIABILITY], path)
    return background, reliability or Reliability()


def _unit(outcome: Outcome) -> str:
    """Return the unit of the numbers told; a probability has none."""
    classes = outcome.kind in ("binary", "multiclass")
    return "" if classes else str(getattr(outcome, "unit", ""))


def _horizons(model: Any, finding: Finding | None) -> tuple[float, ...]:
    """Return the quartiles of the model's event times, and the study's horizon."""
    times = getattr(model, "unique_times_", None)
    if times is None:
        return ()
    known = {float(t) for t in np.quantile(times, (0.25, 0.5, 0.75), method="inverted_cdf")}
    if finding is not None and finding.outcome.horizon is not None:
        known.add(finding.outcome.horizon)
    return tuple(sorted(known))


def _text(document: Any) -> bytes:
    return (str(document.model_dump_json(indent=2)) + "\n").encode()


def _decoded(data: bytes, path: Path) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as reason:
        raise InputError(f"{path}: it is no text.") from reason
