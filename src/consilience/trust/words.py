"""An explanation in sentences that a clinician reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch

import numpy as np
import pandas as pd

from consilience.cohort import Cohort, Table
from consilience.cohort.modality import FloatArray
from consilience.records import Contribution, Explanation
from consilience.trust.measured import MEASURED, NOT_MEASURED, with_unit
from consilience.trust.number import EventWithin, Number, PredictedValue

OTHERS = "all others"
"""The modality of the contribution in which the small ones are summed up."""

FAR, NEAR = 3.0, 0.5  # standard deviations of a group: beyond is high, within is average
CLEAR = 0.005  # a change of a probability below half a percent is hardly one


@dataclass(frozen=True)
class FeatureNote:
    """What is known of a feature beside the data.

    Attributes
    ----------
    label : str
        What a clinician calls it; its name by default.
    unit : str
    reference : (float or None, float or None), optional
        Its reference range; None on a side that has no end.
    """

    label: str = ""
    unit: str = ""
    reference: tuple[float | None, float | None] | None = None


Notes = Mapping[tuple[str, str], FeatureNote]


def worded(
    explanation: Explanation,
    notes: Notes,
    number: Number,
    group: Cohort | None = None,
    *,
    most: int = 8,
) -> Explanation:
    """Say an explanation in sentences, the largest effect first, the small ones summed up.

    Each sentence leads on from the one before, "from 18 % to 27 %": from the baseline to
    the number that is told. A value is high or low against its reference range; where it
    has none, against the group.

    Parameters
    ----------
    explanation : Explanation
        As `explain` returns it.
    notes : mapping of (modality, feature) to FeatureNote
        Labels, units and reference ranges, where they are known.
    number : Number
        What is told of the patient.
    group : Cohort, optional
        Patients like him, such as the background.
    most : int
        How many are said one by one; what is left of those that are not 0 makes one
        contribution more, of the modality "all others". Contributions of 0 go unsaid.

    Returns
    -------
    Explanation
        Its baseline and effects add up as before.
    """
    moving = [one for one in explanation.contributions if one.effect]
    ranked = sorted(moving, key=lambda one: -abs(one.effect))
    said = ranked if len(ranked) <= most + 1 else ranked[:most]
    chain, at = [], explanation.baseline
    teller, usual = teller_of(number), _Group(group)
    for one in said:
        subject = _subject_of(one, notes, usual)
        chain.append(
            one.model_copy(
                update={
                    "value": subject.value,
                    "usual": subject.usual,
                    "sentence": f"{subject.phrase} {_effect(teller, number, at, one.effect)}.",
                }
            )
        )
        at += one.effect
    rest = ranked[len(said) :]
    if rest:
        chain.append(_summed_up(rest, teller, number, at))
    return explanation.model_copy(update={"contributions": tuple(chain)})


def _summed_up(
    rest: Sequence[Contribution], teller: Teller, number: Number, at: float
) -> Contribution:
    total = float(sum(one.effect for one in rest))
    effect = _effect(teller, number, at, total, plural=True)
    return Contribution(
        modality=OTHERS,
        value=f"{len(rest):,} features",
        effect=total,
        sentence=f"The other {len(rest):,} features together {effect}.",
    )


@dataclass(frozen=True)
class Teller:
    """How a number is called and written.

    Attributes
    ----------
    noun : str
        Such as "the risk".
    percent : bool
    unit : str
    """

    noun: str
    percent: bool
    unit: str = ""

    def written(self, before: float, after: float) -> tuple[str, str]:
        """Return two numbers in as few digits as tell them apart."""
        for digits in range(4):
            pair = self._written(before, digits), self._written(after, digits)
            if pair[0] != pair[1]:
                break
        return pair

    def _written(self, value: float, digits: int) -> str:
        if self.percent:
            return f"{100 * value:.{digits}f} %"
        return with_unit(float(f"{value:.{digits + 2}g}"), self.unit)

    def hardly(self, before: float, after: float) -> bool:
        """Return whether the change is too small to be worth its digits."""
        if self.percent:
            return abs(after - before) < CLEAR
        return abs(after - before) <= CLEAR * max(abs(before), abs(after))


@singledispatch
def teller_of(number: Number) -> Teller:
    """Return how a kind of number is told; register one to add a kind."""
    return Teller("the probability", True)


@teller_of.register
def _(number: EventWithin) -> Teller:
    return Teller("the risk", True)


@teller_of.register
def _(number: PredictedValue) -> Teller:
    return Teller("the prediction", False, number.unit)


def _effect(
    teller: Teller, number: Number, at: float, effect: float, *, plural: bool = False
) -> str:
    """Return "raises the risk from 18 % to 27 %"."""
    before, after = (float(v) for v in number.unlinked(np.array([at, at + effect])))
    s = "" if plural else "s"
    first, last = teller.written(before, after)
    if teller.hardly(before, after):
        return f"hardly change{s} {teller.noun} ({_last(teller, after)})"
    verb = "raise" if after > before else "lower"
    return f"{verb}{s} {teller.noun} from {first} to {last}"


def _last(teller: Teller, value: float) -> str:
    return teller._written(value, 1 if teller.percent and not 0.1 <= value <= 0.9 else 0)


@dataclass(frozen=True)
class _Subject:
    phrase: str
    value: str | None
    usual: str | None = None


def _subject_of(one: Contribution, notes: Notes, group: _Group) -> _Subject:
    """Return what a sentence is about: "LDH 612 U/L, high (usual 135 to 225),"."""
    if one.feature is None:
        state = MEASURED if one.value == MEASURED else NOT_MEASURED
        return _Subject(f"That {one.modality} was {state}", one.value)
    note = notes.get((one.modality, one.feature), FeatureNote())
    label = _begin(note.label or one.feature.replace("_", " "))
    if one.value in (None, NOT_MEASURED):
        return _Subject(f"{label}, not measured,", one.value)
    value, measured = _number_of(str(one.value))
    if value is None:
        return _Subject(f"{label} {one.value}", one.value)
    text = with_unit(value, note.unit) if note.unit else measured
    if note.reference is not None and note.reference != (None, None):
        usual = _range(note.reference)
        return _Subject(
            f"{label} {text}, {_against(value, note.reference)} (usual {usual}),", text, usual
        )
    standing = group.standing(one.modality, one.feature, value)
    if standing is None:
        return _Subject(f"{label} {text}", text)
    return _Subject(f"{label} {text}, {standing[0]},", text, standing[1])


def _begin(name: str) -> str:
    """Return a name as a sentence begins with it; what is no plain word stays."""
    plain = name.islower() and name.replace(" ", "").isalpha()
    return name[:1].upper() + name[1:] if plain else name


def _number_of(value: str) -> tuple[float | None, str]:
    """Return the number at the start of a value, and the text; None if it is a category."""
    try:
        return float(value.split(" ", maxsplit=1)[0]), value
    except ValueError:
        return None, value


def _range(reference: tuple[float | None, float | None]) -> str:
    low, high = reference
    if low is None:
        return f"up to {high:g}"
    return f"{low:g} or more" if high is None else f"{low:g} to {high:g}"


def _against(value: float, reference: tuple[float | None, float | None]) -> str:
    low, high = reference
    if high is not None and value > high:
        return "high"
    return "low" if low is not None and value < low else "normal"


class _Group:
    """Patients against whom values without a reference range are set."""

    def __init__(self, cohort: Cohort | None) -> None:
        self.cohort = cohort

    def standing(self, modality: str, feature: str, value: float) -> tuple[str, str] | None:
        """Return how a value stands in the group, and what is usual there; None if unknown."""
        known = self._known(modality, feature)
        if len(known) < 2:
            return None
        mean = float(known.mean())
        if self._kind(modality, feature) == "binary":
            share, common = _share(mean if value else 1 - mean), int(mean >= 0.5)
            usual = f"{common}, in {_share(max(mean, 1 - mean))}"
            return f"as {share} of comparable patients", usual
        average = f"{mean:.3g} on average"
        away = (value - mean) / max(float(known.std()), 1e-12 * max(abs(mean), 1.0))
        return f"{_how_far(away)} comparable patients ({average})", average

    def _known(self, modality: str, feature: str) -> FloatArray:
        if self.cohort is None or modality not in self.cohort.modalities:
            return np.empty(0)
        table = self.cohort.modalities[modality]
        if not isinstance(table, Table) or feature not in table.numeric_features:
            return np.empty(0)
        column = np.asarray(table.numeric)[:, table.numeric_features.index(feature)]
        return column[~pd.isna(column)].astype(float)

    def _kind(self, modality: str, feature: str) -> str:
        assert self.cohort is not None
        table = self.cohort.modalities[modality]
        assert isinstance(table, Table)
        return table.kinds[feature]


def _share(share: float) -> str:
    """Return a share as a percentage; one that rounds to none or all says so."""
    if 0.005 <= share <= 0.995:
        return f"{100 * share:.0f} %"
    return "under 1 %" if share < 0.005 else "over 99 %"


def _how_far(away: float) -> str:
    """Return how a value stands, by its distance from the mean in standard deviations.

    A group may be of condensed patients, who differ less than patients do: so only what is
    far beyond is called high or low.
    """
    if abs(away) <= NEAR:
        return "usual for"
    if abs(away) <= FAR:
        return "rather high for" if away > 0 else "rather low for"
    return "high for" if away > 0 else "low for"
