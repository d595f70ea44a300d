"""The day of something in a record, as rules count days."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from consilience.clinic.fhir.times import span_of


def day_known(text: Any, now: datetime) -> date | None:
    """Return the day of something that has happened; None if it lies in the future.

    A date without a day counts as the last day it can mean, so that nothing is called
    overdue that may have been done.

    Raises
    ------
    ValueError
        If it is no date.
    """
    span = span_of(text)
    if span is None:
        raise ValueError(f"{text!r} is not a date")
    if span.is_after(now):
        return None
    return min(span.end.date(), now.astimezone(UTC).date())


def ages(birth_date: Any, today: date) -> tuple[int, int] | None:
    """Return the lowest and the highest age in whole years; None if nothing is known.

    They differ where only the year, or the month, of birth is known.
    """
    span = span_of(birth_date)
    if span is None or span.start.date() > today:
        return None
    low = _years(span.end.date(), today)
    return max(low, 0), _years(span.start.date(), today)


def _years(first: date, second: date) -> int:
    return second.year - first.year - ((second.month, second.day) < (first.month, first.day))
