"""When a patient is looked at, and what became of him after."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from consilience.clinic.fhir.codes import Code
from consilience.clinic.fhir.population_map import FhirOutcome, PopulationMap
from consilience.clinic.fhir.presence import events
from consilience.clinic.fhir.resources import FhirBundle
from consilience.clinic.fhir.times import effective, span_of

_DAY = 86_400.0


def index_time(
    bundle: FhirBundle, plan: PopulationMap, now: datetime
) -> tuple[datetime | None, str]:
    """Return when a patient is looked at, or None and why there is no such time."""
    at = plan.index_date
    if plan.index_codes:
        first, undated = _first(bundle, plan.index_codes)
        if first is None:
            return None, "no index event with a date." if undated else "no index event."
        at = first
    if at is None:
        return now, ""
    died = span_of(bundle.patient.content.get("deceasedDateTime"))
    if died is not None and died.end < at:
        return None, "he had died before the index time."
    return at, ""


def outcome_columns(
    bundle: FhirBundle, plan: PopulationMap, at: datetime
) -> tuple[dict[str, float | None], dict[str, str]]:
    """Return each outcome's columns, None where it is not known, and why it is not.

    Time runs from the index to the event, or to the end of observation: the map's `until`,
    else the last date in the record; and never beyond death.
    """
    columns: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    for outcome in plan.outcomes:
        found = _outcome(bundle, outcome, plan, at)
        known = not isinstance(found, str)
        event, days = found if not isinstance(found, str) else (None, None)
        columns |= {outcome.name: event, f"{outcome.name}_days": days}
        if not known:
            reasons[outcome.name] = str(found)
    return columns, reasons


def _outcome(
    bundle: FhirBundle, outcome: FhirOutcome, plan: PopulationMap, at: datetime
) -> tuple[float, float] | str:
    person = bundle.patient.content
    died = span_of(person.get("deceasedDateTime"))
    if died is None and person.get("deceasedBoolean") is True:
        return "he has died, and nothing says when."
    if outcome.death:
        when, undated = (died.start if died else None), False
    else:
        when, undated = _first(bundle, outcome.codes)
    if undated:
        return "the event has no date."
    end = _end(bundle, plan, died.start if died else None)
    if when is not None and (plan.until is None or when <= plan.until):
        if when < at and not outcome.death:
            return "the event was before the index time."
        return 1.0, max(0.0, (when - at).total_seconds() / _DAY)
    if end < at:
        return "nothing is known of him after the index time."
    return 0.0, (end - at).total_seconds() / _DAY


def _first(bundle: FhirBundle, codes: Sequence[Code]) -> tuple[datetime | None, bool]:
    """Return when a code was first there, and whether it was there without a date."""
    wanted, times, undated = frozenset(codes), [], False
    for one in events(bundle):
        if wanted & {wide for code in one.codes for wide in code.above}:
            undated |= one.at is None
            times += [] if one.at is None else [one.at.start]
    return min(times, default=None), undated


def _end(bundle: FhirBundle, plan: PopulationMap, died: datetime | None) -> datetime:
    """Return when observation of a patient ended."""
    last = plan.until or max(_dates(bundle), default=datetime.min.replace(tzinfo=UTC))
    return min(last, died) if died is not None else last


def _dates(bundle: FhirBundle) -> list[datetime]:
    spans = [effective(one.content) for one in bundle.of_type("Observation")]
    spans += [one.at for one in events(bundle)]
    return [span.start for span in spans if span is not None]
