"""The whole list of a practice: who is not at target, how many, and who comes first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from consilience.clinic.rules.evaluating import View, in_unit
from consilience.clinic.rules.rule import Ranking, Rule
from consilience.clinic.rules.ruleset import RuleSet, Trouble, filled, in_population
from consilience.errors import InputError
from consilience.records import Citation


@dataclass(frozen=True)
class NotAtTarget:
    """A patient for whom an indicator's condition holds.

    Attributes
    ----------
    patient : str
    reason : str
        What is said of him.
    evidence : tuple of str
        What it rests on.
    """

    patient: str
    reason: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class Indicator:
    """One indicator over a practice's patients.

    Attributes
    ----------
    rule, title : str
    numerator : int
        Patients not at target.
    denominator : int
        Patients whom the rule is for.
    share, low, high : float or None
        Numerator over denominator with Wilson's 95 % interval (JASA 1927); None where
        nobody is in the denominator.
    patients : tuple of NotAtTarget
        Ranked: who should be seen first.
    not_read : tuple of str
        Patients for whom the rule failed; they are in neither number.
    source : Citation
    """

    rule: str
    title: str
    numerator: int
    denominator: int
    share: float | None
    low: float | None
    high: float | None
    patients: tuple[NotAtTarget, ...]
    not_read: tuple[str, ...]
    source: Citation


@dataclass
class _Count:
    rule: Rule
    denominator: int = 0
    found: list[tuple[tuple[float, str], NotAtTarget]] = field(default_factory=list)
    not_read: list[str] = field(default_factory=list)

    def add(self, patient: str, view: View, rules: RuleSet) -> None:
        met = rules.applied(self.rule, view)
        if isinstance(met, Trouble):
            self.not_read.append(patient)
            return
        # a rule is applied to its population alone, so who it speaks for is counted there too
        if not met.holds and not in_population(self.rule, view).holds:
            return
        self.denominator += 1
        if met.holds:
            said = filled(self.rule.message, met)
            evidence = tuple(dict.fromkeys(one.reason for one in met.found if one.reason))
            order = (_order(self.rule.rank, view), patient)
            self.found.append((order, NotAtTarget(patient, said, evidence)))

    def indicator(self) -> Indicator:
        share, low, high = _wilson(len(self.found), self.denominator)
        ranked = tuple(one for _, one in sorted(self.found, key=lambda pair: pair[0]))
        return Indicator(
            self.rule.name,
            self.rule.title,
            len(ranked),
            self.denominator,
            share,
            low,
            high,
            ranked,
            tuple(self.not_read),
            self.rule.source,
        )


def _wilson(count: int, total: int) -> tuple[float | None, float | None, float | None]:
    from scipy.stats import binomtest

    if not total:
        return None, None, None
    interval = binomtest(count, total).proportion_ci(0.95, method="wilson")
    return count / total, float(interval.low), float(interval.high)


def _order(rank: Ranking | None, view: View) -> float:
    """Return a number that is smaller the earlier a patient comes."""
    if rank is None:
        return 0.0
    if rank.by == "eldest":
        known = view.chart.ages
        return -float(known[0]) if known is not None else 0.0
    listed = view.chart.of("observation", str(rank.of))
    if rank.by == "oldest":
        day = listed[0].day if listed else None
        return float((day or date.min).toordinal())
    for entry in listed:
        amount = in_unit(entry, view.sets[str(rank.of)], str(rank.unit), view)
        if amount is not None:
            return -amount.low if rank.by == "highest" else amount.high
    return float("inf")


def indicators(
    rules: RuleSet, bundles: Iterable[tuple[str, dict[str, Any]]], now: datetime
) -> tuple[Indicator, ...]:
    """Return the indicators of the stewardship rules over a practice's patients.

    Patients who have died are left out.

    Parameters
    ----------
    rules : RuleSet
    bundles : iterable of (patient id, FHIR Bundle)
        Read one after the other, so that it can be a generator over many.
    now : datetime
        With its time zone.

    Returns
    -------
    tuple of Indicator
        In the order of the rules.

    Raises
    ------
    InputError
        If a patient comes twice, or a Bundle is none.
    """
    counts = [_Count(rule) for rule in rules if rule.domain == "stewardship"]
    seen: set[str] = set()
    for patient, bundle in bundles:
        if patient in seen:
            raise InputError(f"patient {patient!r} comes twice; give each patient once.")
        seen.add(patient)
        chart = rules.chart(bundle, patient, now)
        if not chart.is_dead:
            for count in counts:
                count.add(patient, View(chart, rules.sets), rules)
    return tuple(count.indicator() for count in counts)
