"""Rules from guidelines, as data: what they advise, and who of a practice is not at target."""

from consilience.clinic.rules.loading import load_rules
from consilience.clinic.rules.rule import Rule
from consilience.clinic.rules.ruleset import Review, RuleSet, Trouble

__all__ = ["Review", "Rule", "RuleSet", "Trouble", "load_rules"]
