"""All rules together: what they advise for a patient."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from consilience.clinic.rules.chart import Chart, chart_of
from consilience.clinic.rules.evaluating import Met, View, all_of, meets
from consilience.clinic.rules.fhirpath import RuleError
from consilience.clinic.rules.rule import HOOKS, PLACEHOLDER, Rule
from consilience.clinic.rules.valuesets import ValueSets
from consilience.errors import InputError, suggestion
from consilience.records import Advice, Assessment, Unmapped

_ORDERING = frozenset({"order-select", "order-sign"})
_URGENCY = {"critical": 0, "warning": 1, "info": 2}


@dataclass(frozen=True)
class Trouble:
    """A rule that could not be applied to a patient, and why."""

    rule: str
    reason: str


@dataclass(frozen=True)
class Review:
    """What the rules say of a patient, and what they could not do.

    Attributes
    ----------
    advice : tuple of Advice
        The most urgent first.
    troubles : tuple of Trouble
        Rules that failed on this record; the others spoke all the same.
    unread : tuple of Unmapped
        What of the record no rule can read.
    """

    advice: tuple[Advice, ...]
    troubles: tuple[Trouble, ...]
    unread: tuple[Unmapped, ...]


class RuleSet:
    """Rules with their value sets; frozen once loaded.

    Parameters
    ----------
    rules : tuple of Rule
    sets : ValueSets
    """

    def __init__(self, rules: tuple[Rule, ...], sets: ValueSets) -> None:
        self._rules = {rule.id: rule for rule in rules}
        self.sets = sets

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._rules.values())

    def __len__(self) -> int:
        return len(self._rules)

    def __getitem__(self, name: str) -> Rule:
        """Return a rule by its id, or by id and version as advice carries it.

        Raises
        ------
        InputError
            If there is no such rule.
        """
        found = self._rules.get(name.partition(" ")[0])
        if found is None or name not in {found.id, found.name}:
            raise InputError(f"there is no rule {name!r}.{suggestion(name, self._rules)}")
        return found

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all rules and value sets, in an order that files do not change."""
        rules = [rule.model_dump_json() for _, rule in sorted(self._rules.items())]
        sets = [
            (one.name, one.title, sorted(map(list, one.codes.items())), repr(one.substance))
            for _, one in sorted(self.sets.sets.items())
        ]
        return hashlib.sha256(json.dumps([rules, sets]).encode()).hexdigest()

    @property
    def version(self) -> str:
        """How many rules, and the beginning of the fingerprint: what a page shows."""
        return f"{len(self)} rules, {self.fingerprint[:12]}"

    def advise(
        self,
        fhir_bundle: dict[str, Any],
        patient: str,
        *,
        now: datetime,
        hook: str | None = None,
        assessment: Assessment | None = None,
    ) -> tuple[Advice, ...]:
        """Return what the rules advise for a patient.

        A rule that fails on the record is told as advice too (urgency "warning"): silence
        must mean that there is nothing to say.

        Parameters
        ----------
        fhir_bundle : dict
            A FHIR R4 Bundle as parsed JSON.
        patient : str
            The id that the advice carries.
        now : datetime
            With its time zone.
        hook : str, optional
            Only rules that speak at this CDS hook; at order-select and order-sign, draft
            prescriptions count as taken.
        assessment : Assessment, optional
            What the model says, for rules that ask.

        Returns
        -------
        tuple of Advice
            The most urgent first. Nothing for a patient who has died.

        Raises
        ------
        InputError
            If it is not a Bundle, the hook is unknown, or it cannot be told whose it is.
        """
        review = self.review(fhir_bundle, patient, now=now, hook=hook, assessment=assessment)
        failed = tuple(self._told(patient, trouble) for trouble in review.troubles)
        return review.advice + failed

    def review(
        self,
        fhir_bundle: dict[str, Any],
        patient: str,
        *,
        now: datetime,
        hook: str | None = None,
        assessment: Assessment | None = None,
    ) -> Review:
        """Return advice, rules that failed, and what of the record was not read.

        Raises
        ------
        InputError
            As `advise`.
        """
        if hook is not None and hook not in HOOKS:
            raise InputError(f"unknown hook {hook!r}.{suggestion(hook, HOOKS)}")
        if assessment is not None and assessment.patient != patient:
            raise InputError("the assessment is of another patient than the Bundle.")
        chart = self.chart(fhir_bundle, patient, now, drafts=hook in _ORDERING)
        view = View(chart, self.sets, assessment)
        advice, troubles = [], []
        for rule in () if chart.is_dead else self._speaking(hook):
            met = self.applied(rule, view)
            if isinstance(met, Trouble):
                troubles.append(met)
            elif met.holds:
                advice.append(_advice(rule, patient, met, assessment))
        advice.sort(key=lambda one: _URGENCY[one.urgency])
        return Review(tuple(advice), tuple(troubles), (*chart.unread, *view.unread))

    def chart(
        self, fhir_bundle: dict[str, Any], patient: str, now: datetime, *, drafts: bool = False
    ) -> Chart:
        """Return a Bundle indexed for these rules' value sets.

        Raises
        ------
        InputError
            If it is not a Bundle, `now` has no time zone, or it cannot be told whose it is.
        """
        if now.tzinfo is None:
            raise InputError("'now' needs a time zone, such as datetime.now(UTC).")
        return chart_of(fhir_bundle, patient, self.sets, now, drafts=drafts)

    def applied(self, rule: Rule, view: View) -> Met | Trouble:
        """Return whether a rule speaks for a patient; its failure is returned, never raised."""
        try:
            concerned = in_population(rule, view)
            if not concerned.holds:
                return concerned
            met = meets(rule.when, view)
            return Met(met.holds, concerned.found + met.found)
        # the documented boundary: one rule that fails must not silence the others
        except Exception as reason:  # noqa: BLE001
            return Trouble(rule.name, _without_data(reason))

    def _speaking(self, hook: str | None) -> Iterator[Rule]:
        for rule in self:
            if rule.hooks and (hook is None or hook in rule.hooks):
                yield rule

    def _told(self, patient: str, trouble: Trouble) -> Advice:
        rule = self[trouble.rule]
        return Advice(
            patient=patient,
            rule=rule.name,
            domain=rule.domain,
            urgency="warning",
            sentence=f"Not checked: {rule.title}. The rule failed on this record.",
            reasons=(trouble.reason,),
            source=rule.source,
        )


def in_population(rule: Rule, view: View) -> Met:
    """Return whether a patient is one of those whom a rule is for."""
    whom = rule.population
    if whom.sex is not None and view.chart.patient.get("gender") != whom.sex:
        return Met(False)
    return all_of((*(() if whom.age is None else (whom.age,)), *whom.all), view)


def _without_data(reason: Exception) -> str:
    """Return why a rule failed; libraries' messages can quote the record, so only ours is told."""
    if isinstance(reason, RuleError):
        return str(reason)
    return f"the record holds something that the rule cannot read ({type(reason).__name__})"


def filled(text: str, met: Met) -> str:
    """Return a text with what was found in its places."""
    values = {one.name: one.text for one in reversed(met.found) if one.name}
    return PLACEHOLDER.sub(lambda place: values.get(place[1], "not on record"), text)


def _advice(rule: Rule, patient: str, met: Met, assessment: Assessment | None) -> Advice:
    asks_model = any(getattr(block, "kind", "") == "model" for block in rule.blocks())
    found = dict.fromkeys(one.reason for one in met.found if one.reason)
    return Advice(
        patient=patient,
        rule=rule.name,
        domain=rule.domain,
        urgency=rule.urgency,
        sentence=filled(rule.message, met),
        reasons=(*(filled(text, met) for text in rule.reasons), *found),
        source=rule.source,
        prediction=assessment.prediction if asks_model and assessment else None,
        explanation=assessment.explanation if asks_model and assessment else None,
    )
