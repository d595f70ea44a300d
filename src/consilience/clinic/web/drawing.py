"""Where things lie in a drawing; the templates turn it into SVG, with words beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from consilience.clinic.web.wording import moment, number
from consilience.records import Assessment, Contribution

WIDTH = 100.0


@dataclass(frozen=True)
class Bar:
    """One bar from the middle of a row 100 wide.

    Attributes
    ----------
    part : Contribution
        What it shows.
    x, width : float
        Where it starts and how far it goes.
    raises : bool
    """

    part: Contribution
    x: float
    width: float
    raises: bool


def bars(contributions: Sequence[Contribution]) -> tuple[Bar, ...]:
    """Return bars around the middle, the longest reaching an edge.

    Parameters
    ----------
    contributions : sequence of Contribution
        In the order in which they are drawn.
    """
    longest = max((abs(part.effect) for part in contributions), default=0.0) or 1.0
    half = WIDTH / 2
    drawn = []
    for part in contributions:
        width = half * abs(part.effect) / longest
        start = half if part.effect >= 0 else half - width
        drawn.append(Bar(part, round(start, 2), round(width, 2), part.effect >= 0))
    return tuple(drawn)


@dataclass(frozen=True)
class Point:
    """One assessment of a trend.

    Attributes
    ----------
    x, y : float
        Where it is drawn.
    at : datetime
    text : str
        The number as it is told.
    low, high : float, optional
        Where its interval starts and ends, upwards.
    """

    x: float
    y: float
    at: datetime
    text: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Trend:
    """Numbers over time, with the lines of a scale.

    Attributes
    ----------
    points : tuple of Point
        The earliest first.
    scale : tuple of (float, str)
        Where each line lies, and what it stands for.
    words : str
        The same in one sentence.
    """

    points: tuple[Point, ...]
    scale: tuple[tuple[float, str], ...]
    words: str

    @property
    def path(self) -> str:
        """The line through the points, as SVG has it."""
        return " ".join(f"{p.x:.1f},{p.y:.1f}" for p in self.points)


LEFT, RIGHT, TOP, BOTTOM = 62.0, 386.0, 14.0, 118.0


def trend(history: Sequence[Assessment]) -> Trend | None:
    """Return how the number went, None where fewer than two assessments tell one.

    Assessments of another model are left out: their numbers are not of one scale.
    """
    told = [a for a in history if a.number is not None and a.model == history[-1].model]
    told.sort(key=lambda one: moment(one.at))
    if len(told) < 2:
        return None
    low, high = _ends(told)
    first, last = moment(told[0].at), moment(told[-1].at)
    span = (last - first).total_seconds() or 1.0

    def height(value: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * (value - low) / (high - low)

    points = []
    for one in told:
        at = moment(one.at)
        x = LEFT + 12 + (RIGHT - LEFT - 24) * (at - first).total_seconds() / span
        value = one.number if one.number is not None else low
        reach = [None if end is None else height(end) for end in _interval(one)]
        points.append(Point(x, height(value), at, number(value, one), *reach))
    middle = (low + high) / 2
    scale = tuple((height(value), number(value, told[-1])) for value in (low, middle, high))
    return Trend(tuple(points), scale, _words(points))


def _interval(one: Assessment) -> tuple[float | None, float | None]:
    """Return the ends of an interval that is of the number."""
    if one.interval is None or not _on_scale(one):
        return None, None
    return one.interval.low, one.interval.high


def _on_scale(assessment: Assessment) -> bool:
    """Return whether its interval is of the number, and not of a time."""
    said = assessment.prediction
    return said is not None and said.kind == "continuous"


def _ends(told: Sequence[Assessment]) -> tuple[float, float]:
    """Return the ends of the scale: 0 to 1 of a probability, else what was told and a margin."""
    if not _on_scale(told[-1]):
        return 0.0, 1.0
    values = [one.number for one in told if one.number is not None]
    values += [end for one in told for end in _interval(one) if end is not None]
    low, high = min(values), max(values)
    margin = 0.1 * (high - low) or 1.0
    return low - margin, high + margin


def _words(points: Sequence[Point]) -> str:
    """Return a trend in a sentence."""
    first, last = points[0], points[-1]
    between = f", {len(points) - 2} in between" if len(points) > 2 else ""
    return (
        f"{first.text} on {first.at.day} {first.at:%b %Y}, "
        f"{last.text} on {last.at.day} {last.at:%b %Y}{between}."
    )
