"""Indicators over a practice."""

from __future__ import annotations

import math

import pytest

from consilience.clinic.rules import indicators
from consilience.errors import InputError


def by_rule(found):
    return {one.rule.split()[0]: one for one in found}


def practice(bundle):
    """Twelve people with diabetes and three without."""
    for number in range(12):
        seen = (
            []
            if number < 2
            else [{"of": "hba1c", "value": 7, "unit": "%", "days_ago": 90 * number}]
        )
        given = {"patient": {"age": 60}, "conditions": [{"of": "diabetes"}], "observations": seen}
        yield f"d{number:02}", bundle(**given)
    for number in range(3):
        yield f"n{number}", bundle(patient={"age": 60})


def test_counts_interval_and_order(rules, bundle, now) -> None:
    one = by_rule(indicators(rules, practice(bundle), now))["diabetes-without-hba1c"]
    # none for d00 and d01; 450 to 990 days ago for d05 to d11
    assert (one.numerator, one.denominator) == (9, 12)
    wanted = ["d00", "d01", "d11", "d10", "d09", "d08", "d07", "d06", "d05"]
    assert [p.patient for p in one.patients] == wanted
    assert one.patients[0].reason == "No HbA1c in 12 months (none on record)."
    assert "last on 2023-09-29" in one.patients[2].reason
    share, n, z = 9 / 12, 12, 1.959963984540054
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    assert one.share == share
    assert one.low == pytest.approx(middle - half)
    assert one.high == pytest.approx(middle + half)


def test_nobody_concerned_is_no_share(rules, bundle, now) -> None:
    found = by_rule(indicators(rules, [("a", bundle(patient={"age": 60}))], now))
    one = found["heart-failure-without-beta-blocker"]
    assert (one.numerator, one.denominator, one.share, one.low, one.high) == (
        0,
        0,
        None,
        None,
        None,
    )
    assert set(found) == {rule.id for rule in rules if rule.domain == "stewardship"}


def test_the_highest_pressure_first(rules, bundle, now) -> None:
    people = [
        (
            name,
            bundle(
                patient={"age": 60},
                conditions=[{"of": "hypertension"}],
                observations=[{"of": "blood-pressure-systolic", "value": value, "unit": unit}],
            ),
        )
        for name, value, unit in [
            ("a", 150, "mm[Hg]"),
            ("b", 24, "kPa"),
            ("c", 145, "mm[Hg]"),
            ("d", 120, "mm[Hg]"),
        ]
    ]
    one = by_rule(indicators(rules, people, now))["hypertension-not-at-target"]
    assert [p.patient for p in one.patients] == ["b", "a", "c"]
    assert one.denominator == 4


def test_the_dead_are_left_out_and_nobody_comes_twice(rules, bundle, now) -> None:
    dead = bundle(patient={"age": 60, "dead": True}, conditions=[{"of": "diabetes"}])
    found = by_rule(indicators(rules, [("a", dead)], now))
    assert found["diabetes-without-hba1c"].denominator == 0
    with pytest.raises(InputError, match="'a' comes twice"):
        indicators(rules, [("a", dead), ("a", dead)], now)


def test_no_patients(rules, now) -> None:
    assert all(one.denominator == 0 for one in indicators(rules, [], now))
