"""Rules from guidelines, as data: what they advise, and who of a practice is not at target."""

from consilience.clinic.rules.listing import rules_page, rules_table
from consilience.clinic.rules.loading import load_rules
from consilience.clinic.rules.rule import Rule
from consilience.clinic.rules.ruleset import Review, RuleSet, Trouble
from consilience.clinic.rules.stewardship import Indicator, NotAtTarget, indicators
from consilience.clinic.rules.vignettes import Outcome, check_rules

__all__ = [
    "Indicator",
    "NotAtTarget",
    "Outcome",
    "Review",
    "Rule",
    "RuleSet",
    "Trouble",
    "check_rules",
    "indicators",
    "load_rules",
    "rules_page",
    "rules_table",
]
