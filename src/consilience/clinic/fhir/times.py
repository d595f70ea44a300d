"""When something was, as exactly as FHIR says it: a moment, a day, a month or a year."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

_MOMENT = timedelta(0)
_FORM = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2})(T\d{2}:\d{2}.*)?)?)?")
_AHEAD = timedelta(minutes=5)  # clocks differ
_DATE_LINE = timedelta(hours=14)  # a day begins there so much before it does in UTC


@dataclass(frozen=True)
class Span:
    """From when to when something may have been, UTC; a moment has no length.

    Attributes
    ----------
    start, end : datetime
    """

    start: datetime
    end: datetime

    @property
    def text(self) -> str:
        """The start, ISO 8601: a moment whole, what is known less exactly as its first day."""
        if self.start == self.end:
            return self.start.isoformat().replace("+00:00", "Z")
        return self.start.date().isoformat()

    def is_after(self, now: datetime) -> bool:
        """Return whether it lies in the future, given how clocks and time zones differ."""
        allowed = _AHEAD if self.start == self.end else _DATE_LINE
        return self.start > now + allowed

    def overlaps(self, other: Span) -> bool:
        """Return whether nothing says which of two was first."""
        return self.start <= other.end and other.start <= self.end


def span_of(text: Any) -> Span | None:
    """Return what a FHIR date or dateTime means; None where it is none.

    A time of day without a time zone, which FHIR forbids, is known to the day only.

    Examples
    --------
    >>> from consilience.clinic.fhir.times import span_of
    >>> span_of("2024-02").end.isoformat()
    '2024-02-29T23:59:59.999999+00:00'
    """
    form = _FORM.fullmatch(text) if isinstance(text, str) else None
    if form is None:
        return None
    try:
        if form[4]:
            moment = datetime.fromisoformat(str(text))
            if moment.tzinfo is not None:
                moment = moment.astimezone(UTC)
                return Span(moment, moment)
        return _period(int(form[1]), form[2], form[3])
    except (ValueError, OverflowError):
        return None


def _period(year: int, month: str | None, day: str | None) -> Span:
    start = datetime(year, int(month or 1), int(day or 1), tzinfo=UTC)
    if day:
        after = start + timedelta(days=1)
    elif month:
        after = (start + timedelta(days=31)).replace(day=1)
    else:
        after = start.replace(year=year + 1)
    return Span(start, after - timedelta(microseconds=1))


def effective(resource: dict[str, Any]) -> Span | None:
    """Return when an Observation was made: effective, else issued."""
    for key in ("effectiveDateTime", "effectiveInstant"):
        span = span_of(resource.get(key))
        if span is not None:
            return span
    span = span_of_period(resource.get("effectivePeriod"))
    return span or span_of(resource.get("issued"))


def span_of_period(period: Any) -> Span | None:
    """Return the last that is known of a FHIR Period: its end, else its start."""
    if not isinstance(period, dict):
        return None
    return span_of(period.get("end")) or span_of(period.get("start"))
