"""The rules as a table: on the command line, and as the page of the documentation."""

from __future__ import annotations

from collections.abc import Iterator

from consilience.clinic.rules.rule import Rule
from consilience.clinic.rules.ruleset import RuleSet

_DOMAINS = {
    "management": "Clinical management",
    "prescribing": "Prescribing",
    "prevention": "Prevention",
    "stewardship": "Stewardship of the whole list",
}
_PENDING = "pending"

_HEAD = """# The shipped rules

These rules come with Consilience. Each is a file under `clinic/rules/shipped`, with its
source, its version, and made-up patients for whom it must and must not speak. This page is
written from those files, and a test keeps it true.

!!! warning "A medical professional must review them"
    "Reviewed by" says who held a rule against its source and found it fit for use. Where it
    says *pending*, nobody with a medical licence has done so yet. Do not use a rule for
    care before that: see [how to add and review a rule](add-a-rule.md).

Rules read codes, never text. A value set holds the codes that are named in
`shipped/valuesets.yaml` and, for ICD and ATC, all below them; a hospital that codes finer
adds its own codes. What could not be read is listed with every answer.
"""


def rules_table(rules: RuleSet) -> tuple[tuple[str, ...], ...]:
    """Return id, title, domain, urgency, source and review of every rule.

    The first row names the columns.
    """
    head = ("rule", "title", "domain", "urgency", "source", "reviewed by")
    return (head, *(_row(rule) for rule in rules))


def _row(rule: Rule) -> tuple[str, ...]:
    source = f"{rule.source.organisation} {rule.source.year}"
    reviewer = rule.reviewed_by or _PENDING
    return (rule.name, rule.title, rule.domain, rule.urgency, source, reviewer)


def rules_page(rules: RuleSet) -> str:
    """Return the rules as the documentation's page, in Markdown."""
    parts = [_HEAD]
    for domain, title in _DOMAINS.items():
        parts.append(f"\n## {title}\n")
        parts.append("| Rule | What it says | Source | Strength | Reviewed by |")
        parts.append("|---|---|---|---|---|")
        parts += _lines(rules, domain)
    return "\n".join(parts) + "\n"


def _lines(rules: RuleSet, domain: str) -> Iterator[str]:
    for rule in rules:
        if rule.domain == domain:
            source = rule.source
            cite = f"[{source.title}]({source.url}), {source.organisation} {source.year}"
            cells = (
                f"`{rule.id}` {rule.version}: {rule.title}",
                rule.message.replace("{", "*").replace("}", "*").replace("_", " "),
                cite,
                source.strength,
                rule.reviewed_by or _PENDING,
            )
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
