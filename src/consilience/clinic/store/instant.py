"""Times as they are stored: UTC, to the microsecond, so that text sorts as time does."""

from __future__ import annotations

from datetime import UTC, datetime

from consilience.errors import InputError


def stamp(at: datetime | str) -> str:
    """Return a time as ``2026-01-31T08:15:00.000000Z``.

    Parameters
    ----------
    at : datetime or str
        With its time zone; text in ISO 8601.

    Raises
    ------
    InputError
        If it is no time, or says no time zone.
    """
    time = moment(at) if isinstance(at, str) else at
    if time.tzinfo is None:
        raise InputError(f"the time {time.isoformat()} says no time zone; give it in UTC.")
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def moment(text: str) -> datetime:
    """Return the time that a text in ISO 8601 says.

    Raises
    ------
    InputError
        If it is none.
    """
    try:
        return datetime.fromisoformat(text)
    except ValueError as reason:
        raise InputError(f"{text!r} is no time in ISO 8601.") from reason
