"""What a study found of when its model knows."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from consilience.study.part import Part


class CoverageFound(Part):
    """How often what was said held the truth, among some patients held out."""

    column: str = Field(description='"": all patients; "outcome": by what came about')
    group: str
    patients: int
    level: float = Field(description="what was promised")
    coverage: float
    low: float | None = Field(None, description="of its 95 % interval; None: too few patients")
    high: float | None = None
    size: float = Field(description="mean number of classes, width, or lower bound")


class AnsweredFound(Part):
    """The error among the patients of whom the model is surest."""

    share: float
    patients: int
    error: float
    low: float
    high: float


class ReliabilityFound(Part):
    """Coverage of sets, intervals or bounds, and what being silent buys.

    Thresholds were learned from the other folds each time, so that none was learned from
    the patients that it is judged by.
    """

    candidate: str
    of: Literal["classes", "values", "times"]
    groups: list[str] = Field(description="columns within which uncertainty is judged")
    coverage: list[CoverageFound]
    error: str = Field("", description="what the curve's error is")
    sureness: str = Field("", description="what patients are ordered by")
    curve: list[AnsweredFound] = Field([], description="the surest patients first")
    silence_level: float = Field(description="level at which a set must rule something out")
    too_uncertain: float | None = Field(None, description="share of patients for whom it does not")
    recalibration: str = ""
    note: str = ""
