"""Whether a condition holds for a patient, and what it found: one function a building block."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import singledispatch

from consilience.clinic.fhir.ucum import converter, is_unitless
from consilience.clinic.rules import blocks
from consilience.clinic.rules.chart import Chart
from consilience.clinic.rules.entries import Amount, Entry, is_recent
from consilience.clinic.rules.fhirpath import is_true
from consilience.clinic.rules.valuesets import ValueSet, ValueSets
from consilience.records import Assessment, Unmapped


@dataclass(frozen=True)
class Found:
    """What a condition rests on.

    Attributes
    ----------
    name : str or None
        Under which the message can use it.
    text : str
        As the message shows it: "8.9 % on 2026-03-02".
    reason : str
        The same as a sentence; empty where there is nothing to add.
    entries : tuple of Entry
    """

    name: str | None
    text: str
    reason: str = ""
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Met:
    """Whether a condition holds, and what was found."""

    holds: bool
    found: tuple[Found, ...] = ()


@dataclass
class View:
    """What a condition is asked of.

    Attributes
    ----------
    chart : Chart
    sets : ValueSets
    assessment : Assessment or None
    unread : dict of Unmapped
        Values that a condition asked for and could not compare; filled while evaluating.
    """

    chart: Chart
    sets: ValueSets
    assessment: Assessment | None = None
    unread: dict[Unmapped, None] = field(default_factory=dict)

    def title(self, name: str) -> str:
        """Return what a value set is called, as the beginning of a sentence."""
        title = self.sets[name].title
        return title if title[1:2].isupper() else title[:1].upper() + title[1:]


@singledispatch
def meets(block: blocks.Block, view: View) -> Met:
    """Return whether a condition holds for a patient.

    Raises
    ------
    TypeError
        If there is no such building block.
    """
    raise TypeError(f"no such condition: {type(block).__name__}")


def _where(entry: Entry, path: str | None, view: View) -> bool:
    return path is None or is_true(path, entry.resource, view.chart.variables)


def _on(day: date | None) -> str:
    return "" if day is None else f" on {day.isoformat()}"


def _some(
    block: blocks.Block, entries: Sequence[Entry], view: View, what: str, *, holds: bool = True
) -> Met:
    """Return a result that lists entries."""
    if not entries or not holds:
        return Met(False)
    names = list(dict.fromkeys(_called(entry, view.sets) for entry in entries))
    text = ", ".join(names)
    return Met(True, (Found(block.name, text, f"{what}: {text}.", tuple(entries)),))


def _called(entry: Entry, sets: ValueSets) -> str:
    known = [name for code in entry.codes if (name := sets.concept(code))]
    return known[0] if known else entry.text or entry.codes[0][1]


@meets.register
def _(block: blocks.HasCondition, view: View) -> Met:
    found = [
        entry
        for entry in view.chart.of("condition", block.of)
        if (entry.current or block.ever)
        and is_recent(entry, view.chart.today, block.within_days)
        and _where(entry, block.where, view)
    ]
    return _some(block, found, view, "On record")


def _substances(entries: Iterable[Entry], sets: ValueSets) -> dict[str, Entry]:
    """Return one entry a substance; the same substance in two systems is one."""
    found: dict[str, Entry] = {}
    for entry in entries:
        found.setdefault(_called(entry, sets).lower(), entry)
    return found


@meets.register
def _(block: blocks.TakesMedication, view: View) -> Met:
    found = [
        entry
        for entry in view.chart.of("medication", block.of)
        if entry.current
        and _long_enough(entry, block.for_days, view.chart.today)
        and _where(entry, block.where, view)
    ]
    distinct = _substances(found, view.sets)
    return _some(block, found, view, "Takes", holds=len(distinct) >= block.at_least)


def _long_enough(entry: Entry, days: int | None, today: date) -> bool:
    if days is None:
        return True
    return entry.day is not None and (today - entry.day).days >= days


@meets.register
def _(block: blocks.IsAllergic, view: View) -> Met:
    listed = view.chart.of("allergy", block.of)
    found = [entry for entry in listed if entry.current and _where(entry, block.where, view)]
    return _some(block, found, view, "Allergy on record")


@meets.register
def _(block: blocks.LatestValue, view: View) -> Met:
    listed = view.chart.of("observation", block.of)
    recent = [e for e in listed if is_recent(e, view.chart.today, block.within_days)]
    measured = [e for e in recent if e.amount is not None]
    newest = list({entry.day: entry for entry in reversed(measured)}.values())[::-1][: block.days]
    if len(newest) < block.days:
        return Met(False)
    found = []
    for entry in newest:
        amount = in_unit(entry, view.sets[block.of], block.unit, view)
        if amount is None or not _compares(amount, block):
            return Met(False)
        found.append(Found(block.name, f"{amount.text}{_on(entry.day)}", "", (entry,)))
    text = "; ".join(one.text for one in found)
    entries = tuple(entry for one in found for entry in one.entries)
    reason = f"{view.title(block.of)}: {text}."
    return Met(True, (Found(block.name, text, reason, entries),))


def in_unit(entry: Entry, of: ValueSet, unit: str, view: View) -> Amount | None:
    """Return an entry's amount in a unit; None, and listed as not read, where it has none."""
    amount = entry.amount
    if amount is None:
        return None
    if is_unitless(unit) and is_unitless(amount.unit):
        return amount
    turn = converter(amount.unit, unit, of.substance) if amount.unit else None
    if turn is None:
        reason = f"{of.title} in {amount.unit!r} cannot be turned into {unit}"
        view.unread[Unmapped(resource=entry.where, reason=reason)] = None
        return None
    return Amount(turn(amount.low), turn(amount.high), unit, amount.text)


def _compares(amount: Amount, block: blocks.LatestValue) -> bool:
    """Return whether a value surely compares so; "<5" is surely below 5, not below 4."""
    return not (
        (block.above is not None and not amount.low > block.above)
        or (block.at_least is not None and not amount.low >= block.at_least)
        or (block.below is not None and not amount.high < block.below)
        or (block.at_most is not None and not amount.high <= block.at_most)
    )


def _last(block: blocks.Block, listed: Sequence[Entry], view: View, *, holds: bool) -> Met:
    """Return whether something was done, with when it last was: that is told either way."""
    title = view.title(str(block.of_set()))
    dated = [entry for entry in listed if entry.day is not None]
    if not listed:
        return Met(holds, (Found(block.name, "none on record", f"{title}: none on record."),))
    newest = (dated or listed)[0]
    text = f"last{_on(newest.day)}" if newest.day else "on record without a date"
    return Met(holds, (Found(block.name, text, f"{title}: {text}.", (newest,)),))


@meets.register
def _(block: blocks.Observed, view: View) -> Met:
    listed = view.chart.of("observation", block.of)
    recent = any(is_recent(entry, view.chart.today, block.within_days) for entry in listed)
    return _last(block, listed, view, holds=recent)


@meets.register
def _(block: blocks.Done, view: View) -> Met:
    both = (*view.chart.of("done", block.of), *view.chart.of("observation", block.of))
    listed = sorted(both, key=lambda entry: entry.day or date.min, reverse=True)
    recent = any(is_recent(entry, view.chart.today, block.within_days) for entry in listed)
    return _last(block, listed, view, holds=recent)


@meets.register
def _(block: blocks.Answers, view: View) -> Met:
    listed = [e for e in view.chart.of("observation", block.of) if e.answers]
    if not listed or not is_recent(listed[0], view.chart.today, block.within_days):
        return Met(False)
    newest = listed[0]
    for code in newest.answers:
        if block.is_in in view.sets.containing(code):
            answer = view.sets.concept(code) or view.sets[block.is_in].title
            text = f"{answer}{_on(newest.day)}"
            reason = f"{view.title(block.of)}: {text}."
            return Met(True, (Found(block.name, text, reason, (newest,)),))
    return Met(False)


@meets.register
def _(block: blocks.Vaccinated, view: View) -> Met:
    listed = view.chart.of("vaccine", block.of)
    today = view.chart.today
    recent = [e for e in listed if is_recent(e, today, block.within_days)]
    if block.since is not None:
        month, day = (int(part) for part in block.since.split("-"))
        begins = date(today.year, month, day)
        begins = begins if begins <= today else begins.replace(year=today.year - 1)
        recent = [e for e in recent if e.day is not None and e.day >= begins]
    doses = len({entry.day or entry.where for entry in recent})
    return _last(block, listed, view, holds=doses >= block.doses)


@meets.register
def _(block: blocks.AgeIs, view: View) -> Met:
    known = view.chart.ages
    if known is None or not (block.low <= known[0] and known[1] <= block.high):
        return Met(False)
    text = str(known[0]) if known[0] == known[1] else f"{known[0]} or {known[1]}"
    return Met(True, (Found(block.name, text),))


@meets.register
def _(block: blocks.SexIs, view: View) -> Met:
    return Met(view.chart.patient.get("gender") == block.value)


@meets.register
def _(block: blocks.MonthIs, view: View) -> Met:
    month = view.chart.today.month
    if block.low <= block.high:
        return Met(block.low <= month <= block.high)
    return Met(month >= block.low or month <= block.high)


@meets.register
def _(block: blocks.Medicines, view: View) -> Met:
    taken = [e for e in view.chart.entries.get("medication", ()) if e.current]
    count = len(_substances((e for e in taken if e.codes or e.text), view.sets))
    text = f"{count} medicines"
    return Met(count >= block.at_least, (Found(block.name, text, f"Takes {text}.", tuple(taken)),))


@meets.register
def _(block: blocks.ModelSays, view: View) -> Met:
    said = view.assessment
    if said is None or said.number is None:
        return Met(False)
    wrong = (
        (block.outcome is not None and said.outcome != block.outcome)
        or (block.level is not None and said.level != block.level)
        or (block.at_least is not None and not said.number >= block.at_least)
        or (block.at_most is not None and not said.number <= block.at_most)
    )
    text = f"{said.number:.3g}"
    return Met(not wrong, (Found(block.name, text, f"The model: {said.says} {text}."),))


@meets.register
def _(block: blocks.Path, view: View) -> Met:
    return Met(is_true(block.path, view.chart.bundle, view.chart.variables))


@meets.register
def _(block: blocks.AllOf, view: View) -> Met:
    return all_of(block.of, view)


def all_of(parts: Iterable[blocks.Block], view: View) -> Met:
    """Return whether all conditions hold; the first that does not ends it."""
    found: tuple[Found, ...] = ()
    for part in parts:
        met = meets(part, view)
        if not met.holds:
            return Met(False)
        found += met.found
    return Met(True, found)


@meets.register
def _(block: blocks.AnyOf, view: View) -> Met:
    met = [one for part in block.of if (one := meets(part, view)).holds]
    return Met(bool(met), tuple(found for one in met for found in one.found))


@meets.register
def _(block: blocks.NoneOf, view: View) -> Met:
    met = [meets(part, view) for part in block.of]
    # what was looked for and is missing, or too old, is what the advice rests on
    return Met(
        not any(one.holds for one in met), tuple(found for one in met for found in one.found)
    )


@meets.register
def _(block: blocks.Score, view: View) -> Met:
    met = [(item.points, meets(item.when, view)) for item in block.items]
    total = sum(points for points, one in met if one.holds)
    found = Found(block.name, str(total), f"Score: {total}.")
    inside = tuple(found for _, one in met if one.holds for found in one.found)
    return Met(total >= block.at_least, (found, *inside))
