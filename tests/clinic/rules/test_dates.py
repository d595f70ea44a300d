"""Days as rules count them."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from consilience.clinic.rules.dates import ages, day_known

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-06-15", date(2026, 6, 15)),
        ("2024-02", date(2024, 2, 29)),
        ("2023", date(2023, 12, 31)),
        ("2026", date(2026, 6, 15)),
        ("2026-06-10T23:30:00-05:00", date(2026, 6, 11)),
        ("2026-06-20", None),
        ("2027", None),
    ],
)
def test_the_last_day_that_a_date_can_mean(text: str, day: date | None) -> None:
    assert day_known(text, NOW) == day


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "2026-02-30", "", 20260101, None])
def test_what_is_no_date_is_said(text: object) -> None:
    with pytest.raises(ValueError, match="is not a date"):
        day_known(text, NOW)


@pytest.mark.parametrize(
    ("born", "known"),
    [
        ("1961-06-15", (65, 65)),
        ("1961-06-16", (64, 64)),
        ("1961", (64, 65)),
        ("1960", (65, 66)),
        ("2000-02-29", (26, 26)),
        ("2026-06-15", (0, 0)),
        ("2026-06-16", None),
        (None, None),
        ("unknown", None),
    ],
)
def test_ages(born: object, known: tuple[int, int] | None) -> None:
    assert ages(born, NOW.date()) == known
