"""How exactly FHIR dates are known, and what follows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consilience.clinic.fhir.times import span_of

DAY = timedelta(days=1) - timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("text", "start", "length"),
    [
        ("2024", datetime(2024, 1, 1, tzinfo=UTC), timedelta(days=365) + DAY),
        ("2024-02", datetime(2024, 2, 1, tzinfo=UTC), timedelta(days=28) + DAY),
        ("2024-12", datetime(2024, 12, 1, tzinfo=UTC), timedelta(days=30) + DAY),
        ("2024-02-29", datetime(2024, 2, 29, tzinfo=UTC), DAY),
        ("2024-02-29T10:00:00Z", datetime(2024, 2, 29, 10, tzinfo=UTC), timedelta(0)),
        ("2024-02-29T01:00:00+02:00", datetime(2024, 2, 28, 23, tzinfo=UTC), timedelta(0)),
        ("2024-02-29T10:00:00.123Z", datetime(2024, 2, 29, 10, 0, 0, 123000, UTC), timedelta(0)),
        ("2024-02-29T10:00:00", datetime(2024, 2, 29, tzinfo=UTC), DAY),  # no zone: the day only
    ],
)
def test_what_a_date_means(text: str, start: datetime, length: timedelta) -> None:
    span = span_of(text)
    assert span is not None
    assert (span.start, span.end - span.start) == (start, length)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024-13",
        "2023-02-29",
        "0000",
        "9999",
        "24",
        "2024-1-1",
        "2024-01-01T25:00Z",
        None,
        7,
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
        "2024-01-01 10:00",
    ],
)
def test_what_is_no_date_is_none(text: Any) -> None:
    assert span_of(text) is None


@given(st.datetimes(min_value=datetime(1900, 1, 2), max_value=datetime(2100, 1, 1)))
def test_a_moment_lies_within_its_day_month_and_year(moment: datetime) -> None:
    exact = span_of(moment.replace(tzinfo=UTC).isoformat())
    assert exact is not None
    for length in (4, 7, 10):
        wide = span_of(moment.isoformat()[:length])
        assert wide is not None
        assert wide.start <= exact.start <= wide.end
        assert wide.overlaps(exact)
        assert exact.overlaps(wide)


def test_what_is_future() -> None:
    now = datetime(2026, 6, 15, 12, tzinfo=UTC)

    def future(text: str) -> bool:
        span = span_of(text)
        assert span is not None
        return span.is_after(now)

    assert not future("2026-06-15T12:04:00Z")  # clocks differ
    assert future("2026-06-15T12:06:00Z")
    assert not future("2026-06-16")  # it is that day somewhere
    assert future("2026-06-17")
