"""The report's figures: labels, curves, words and colours."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.study.report_example import Example, example
from tests.study.report_reading import (
    changed,
    charts,
    crowded,
    hostile,
    overlaps,
)

from consilience.cohort.outcome import SURVIVAL_DTYPE
from consilience.study.evidence import Evidence
from consilience.study.finding import (
    Estimate,
    Finding,
)
from consilience.study.report.by_outcome import _censored_benefit
from consilience.study.report.canvas import SIZE, shorten, width_of
from consilience.study.report.event_free import thirds
from consilience.study.report.page import page_of
from consilience.study.report.render import html as page_text
from consilience.study.report.theme import DARK, LIGHT, SERIES, TEXT
from consilience.study.report.wording import number, signed, with_interval

KINDS = ("binary", "multiclass", "continuous", "survival")


# --- figures -----------------------------------------------------------------------------


def as_it_is(made: Example) -> Example:
    return made


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        *((kind, as_it_is) for kind in KINDS),
        ("binary", crowded),
        ("survival", hostile),
        ("continuous", hostile),
    ],
)
def test_no_two_labels_of_a_figure_overlap(kind: str, change: Callable[[Example], Example]) -> None:
    made = change(example(kind))
    for chart in page_of(made.finding, made.evidence).charts:
        assert overlaps(chart) == [], chart.key


def test_the_test_of_overlap_sees_an_overlap() -> None:
    chart = charts(example("binary"))["candidates"]
    figure = chart.figure
    figure.text(0.5, 0.5, "one label")
    figure.text(0.51, 0.5, "another label")
    assert ("one label", "another label") in overlaps(chart)


def test_a_crowded_report_stays_small() -> None:
    made = crowded(example("binary"))
    assert len(page_text(made.finding, made.evidence).encode()) < 3_000_000


@pytest.mark.parametrize("kind", KINDS)
def test_two_thousand_patients_stay_small(kind: str) -> None:
    made = example(kind)
    rows = np.random.default_rng(0).integers(0, len(made.evidence.target.y), 2000)
    target = replace(made.evidence.target, y=made.evidence.target.y[rows])
    scores = {name: [s.take(rows) for s in told] for name, told in made.evidence.scores.items()}
    text = page_text(made.finding, Evidence(target, scores))
    assert len(text.encode()) < 1_000_000


# --- curves ------------------------------------------------------------------------------


def test_the_listed_roc_points_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import roc_curve

    made = example("binary")
    name = str(made.finding.verdict.best_fused)
    y = made.evidence.target.y
    curves = [roc_curve(y, s.values[:, 1])[:2] for s in made.evidence.scores[name]]
    half = float(np.mean([np.interp(0.5, *curve) for curve in curves]))
    chart = charts(made)["roc"]
    row = next(row for row in chart.rows if row[0] == "50%")
    assert row[1] == number(half)


def test_thirds_of_risk_are_ordered_and_keep_equal_risks_together() -> None:
    y = np.empty(9, dtype=SURVIVAL_DTYPE)
    y["event"], y["time"] = True, np.arange(1, 10)
    groups = thirds(y, np.arange(9)[::-1].astype(float))
    assert [group.y["time"].tolist() for group in groups] == [[7, 8, 9], [4, 5, 6], [1, 2, 3]]
    assert groups[0].at_risk(np.array([0.0, 8.0, 10.0])) == [3, 2, 0]
    same = thirds(y, np.ones(9))
    assert [len(group.y) for group in same] == [9]


def test_net_benefit_without_censoring_is_that_of_the_binary_outcome() -> None:
    from consilience.metrics.curves import net_benefit
    from consilience.study.report.benefit import THRESHOLDS

    rng = np.random.default_rng(1)
    y = np.empty(200, dtype=SURVIVAL_DTYPE)
    y["event"], y["time"] = True, rng.exponential(10, 200)
    risks = rng.uniform(0, 1, 200)
    happened = (y["time"] <= 7).astype(int)
    expected = net_benefit(happened, risks, THRESHOLDS)["model"]
    np.testing.assert_allclose(_censored_benefit(y, risks, 7.0), expected, atol=1e-12)


def test_calibration_of_survival_is_of_the_event_with_ordered_ends() -> None:
    rows = charts(example("survival"))["reliability"].rows
    predicted = [float(row[1]) for row in rows if row[0] == rows[0][0]]
    assert predicted == sorted(predicted)
    for _, _, observed, _ in rows:
        middle, low, high = (float(part) for part in re.findall(r"[\d.]+", observed))
        assert low <= middle <= high


# --- words and colours -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.71249, "0.712"),
        (-0.0499, "−0.050"),
        (0.0, "0.000"),
        (-0.0, "0.000"),
        (12.345, "12.35"),
        (-1234.5, "−1,234"),
        (0.00123, "0.0012"),
        (4.5e-7, "0.00000045"),
        (None, "not defined"),
        (float("nan"), "not defined"),
        (float("inf"), "not defined"),
    ],
)
def test_number(value: float | None, text: str) -> None:
    assert number(value) == text


def test_numbers_beside_each_other_have_as_many_decimals() -> None:
    estimate = Estimate(estimate=0.033, low=-0.00002, high=0.08)
    assert with_interval(estimate, difference=True) == "+0.033 (0.000 to +0.080)"
    assert with_interval(Estimate(estimate=0.5)) == "0.500 (no interval)"
    assert signed(0.004, [0.2]) == "+0.004"


def test_shorten_fits_the_width_and_keeps_what_fits() -> None:
    assert shorten("short", 200) == "short"
    cut = shorten("a name that is far too long for its place", 130)
    head, _, tail = cut.partition("…")
    assert "a name that is far too long".startswith(head)
    assert "for its place".endswith(tail)
    assert len(head) >= len(tail) > 3
    assert width_of(cut) <= 130 < width_of(cut) + 3 * SIZE
    assert shorten("x" * 99, 1) == "…"


def luminance(colour: str) -> float:
    channels = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_text_and_lines_reach_wcag_aa(theme: dict[str, str]) -> None:
    for paper in ("paper", "panel"):
        for name in TEXT:
            assert contrast(theme[name], theme[paper]) >= 4.5, (name, paper)
    for name in SERIES:
        assert contrast(theme[name], theme["paper"]) >= 3, name


# Machado, Oliveira and Fernandes (2009), severity 1.0, on linear RGB.
BLINDNESS = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def lab(colour: str, matrix: Any) -> Any:
    channels = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(matrix) @ linear, 0, 1)
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    x, y, z = np.cbrt(np.maximum(to_xyz @ seen / [0.9505, 1, 1.089], 0.008856))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", BLINDNESS)
@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_colours_side_by_side_differ_for_every_sight(theme: dict[str, str], sight: str) -> None:
    """Beside colour, every series has a dash and a marker of its own."""
    for one, other in itertools.combinations(SERIES, 2):
        distance = np.linalg.norm(
            lab(theme[one], BLINDNESS[sight]) - lab(theme[other], BLINDNESS[sight])
        )
        assert distance > 12, (one, other, distance)


def test_every_status_has_a_sign_of_its_own() -> None:
    made = example("binary")
    found: Finding = made.finding
    statuses = ("passed", "warning", "failed", "not run")
    checks = [found.checks[0].model_copy(update={"status": status}) for status in statuses]
    signs = [c.sign for c in page_of(changed(made, checks=checks).finding, made.evidence).checks]
    assert len(set(signs)) == 4
