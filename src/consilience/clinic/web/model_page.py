"""The model's page: what it is for, how good, for whom, what it must not be used for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.responses import Response

from consilience.clinic.monitoring.monitor import reference_of
from consilience.clinic.web.markdown import rendered
from consilience.clinic.web.roles import Permission
from consilience.clinic.web.visit import Page, Visit
from consilience.clinic.web.wording import percent
from consilience.study.bundle import Bundle


@dataclass(frozen=True)
class Fact:
    """One line: what, and how it is."""

    what: str
    value: str


@dataclass(frozen=True)
class DriftShown:
    """What was compared, and what has changed; nothing where nothing has."""

    seen: str
    alerts: tuple[str, ...] = ()
    compared: bool = False


def sections(card: str) -> list[tuple[str, str]]:
    """Return the headings of a model card with the Markdown under each, in order."""
    found = re.split(r"^## +(.+)$", card, flags=re.MULTILINE)
    return [(title.strip(), text) for title, text in zip(found[1::2], found[2::2], strict=True)]


def facts(bundle: Bundle, fingerprint: str) -> list[Fact]:
    """Return what the bundle is."""
    manifest, provenance = bundle.manifest, bundle.provenance
    unit = f", in {manifest.unit}" if manifest.unit else ""
    return [
        Fact("Predicts", f"{manifest.outcome} ({manifest.kind}{unit})"),
        Fact("From", ", ".join(bundle.schema.names)),
        Fact("Candidate", manifest.candidate),
        Fact("Trained on", f"{provenance.patients:,} patients"),
        Fact("Fingerprint", fingerprint),
    ]


def reliability(bundle: Bundle) -> list[Fact]:
    """Return what the bundle knows of its own certainty."""
    known = bundle.reliability
    if not known.patients:
        return []
    found = [Fact("Learned from", f"{known.patients:,} patients whom the model had not seen")]
    if known.cuts is not None:
        low, high = known.cuts
        said = [f"{cut:.3g} {known.unit}".strip() for cut in (low, high)]
        if bundle.manifest.kind != "continuous":
            said = [percent(low), percent(high)]
        found.append(Fact("Low up to", said[0]))
        found.append(Fact("High above", said[1]))
    if known.note:
        found.append(Fact("What this rests on", known.note))
    return found


def model(visit: Visit) -> Response:
    """Show the model that is served now."""
    served = visit.clinic.served()
    bundle = served.bundle
    parts = [(title, rendered(text, below=2)) for title, text in sections(bundle.card)]
    visit.note("model shown", model=served.fingerprint)
    return visit.page(
        "model",
        facts=facts(bundle, served.fingerprint),
        sections=parts,
        measures=bundle.calibration.measures,
        reliability=reliability(bundle),
        drift=drift(visit),
    )


def drift(visit: Visit) -> DriftShown | None:
    """Return what an administrator is told of drift; None for others."""
    if not visit.may(Permission.DRIFT):
        return None
    reference = reference_of(visit.clinic)
    if reference is None:
        return DriftShown("The bundle holds no distributions to compare with.")
    found = visit.clinic.monitor.drift(reference)
    said = [
        sentence
        for advice in visit.clinic.monitor.alerts(reference, visit.now)
        for sentence in (advice.sentence, *advice.reasons)
    ]
    if not found.patients:
        return DriftShown("No patients were counted yet.")
    seen = f"{found.patients:,} patients since {found.since} were compared."
    return DriftShown(seen, tuple(said), compared=True)


PAGES = (Page("GET", "/model", model, Permission.MODEL),)
