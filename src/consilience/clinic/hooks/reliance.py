"""What a rule rests on: one whose part of the record was not given must not speak.

That nothing was given is not that nothing is there: "no vaccination on record" would be
said of everybody whose vaccinations the record system does not hand out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from consilience.clinic.hooks.discovery import NECESSARY, TEMPLATES

if TYPE_CHECKING:
    from consilience.clinic.rules import RuleSet
    from consilience.clinic.rules.rule import Rule
    from consilience.records import Advice

_ALL = frozenset(TEMPLATES) - frozenset(NECESSARY)

# The kind of a condition to the keys of what it reads. Medicines count as known from the
# requests alone, which are necessary: many systems keep no statements.
_READ_BY: Mapping[str, frozenset[str]] = {
    "condition": frozenset({"conditions"}),
    "medication": frozenset({"medicationRequests"}),
    "medicines": frozenset({"medicationRequests"}),
    "allergy": frozenset({"allergies"}),
    "latest": frozenset({"observations"}),
    "observed": frozenset({"observations"}),
    "answer": frozenset({"observations"}),
    "done": frozenset({"procedures", "observations"}),
    "vaccinated": frozenset({"immunizations"}),
    "fhirpath": _ALL,
    "age": frozenset({"patient"}),
    "sex": frozenset({"patient"}),
    "months": frozenset(),
    "model": frozenset(),
    "all": frozenset(),
    "any": frozenset(),
    "none": frozenset(),
    "score": frozenset(),
}


def rests_on(rule: Rule) -> frozenset[str]:
    """Return the keys of the templates that a rule reads."""
    return frozenset().union(*(_READ_BY[one.kind] for one in rule.blocks()))  # type: ignore[attr-defined]


def founded(
    advice: tuple[Advice, ...], rules: RuleSet, unread: tuple[str, ...]
) -> tuple[Advice, ...]:
    """Return the advice whose rules rest on nothing that was not given.

    Parameters
    ----------
    advice : tuple of Advice
    rules : RuleSet
    unread : tuple of str
        Keys of templates of which nothing is known.
    """
    if not unread:
        return advice
    unfounded = {rule.name for rule in rules if rests_on(rule) & set(unread)}
    return tuple(one for one in advice if one.rule not in unfounded)
