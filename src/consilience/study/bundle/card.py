"""The model card: what the model is for, how good it is, what it must not be used for."""

from __future__ import annotations

from typing import Any

from consilience.study.bundle.documents import (
    BundleProvenance,
    Calibration,
    Manifest,
    candidate_in,
)
from consilience.study.bundle.schema import Schema
from consilience.study.finding import Finding

TEMPLATE = "model-card.md.jinja"


def model_card(
    manifest: Manifest,
    schema: Schema,
    calibration: Calibration,
    provenance: BundleProvenance,
    finding: Finding | None,
) -> str:
    """Return the model card as Markdown.

    What the run knows is filled in; where a person has to write, it says so in bold.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("consilience.study.bundle", "."),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown from our own numbers, read by people
    )
    templates.filters["number"] = _number
    templates.filters["interval"] = _interval
    found = None if finding is None else candidate_in(finding, manifest.candidate)
    return templates.get_template(TEMPLATE).render(
        manifest=manifest,
        schema=schema,
        calibration=calibration,
        provenance=provenance,
        finding=finding,
        found=found,
    )


def _number(value: float | None) -> str:
    return "not known" if value is None else f"{value:.3g}"


def _interval(estimate: Any) -> str:
    if estimate.estimate is None:
        return "not known"
    if estimate.low is None or estimate.high is None:
        return _number(estimate.estimate)
    return f"{_number(estimate.estimate)} ({_number(estimate.low)} to {_number(estimate.high)})"
