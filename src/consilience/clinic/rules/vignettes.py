"""Vignettes: made-up patients for whom a rule must, or must not, speak."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from consilience.clinic.rules.evaluating import View
from consilience.clinic.rules.loading import SHIPPED, VIGNETTES, files_in, load_rules
from consilience.clinic.rules.rule import Rule
from consilience.clinic.rules.ruleset import RuleSet, Trouble, filled
from consilience.clinic.rules.vignette_patients import Patient, Writer
from consilience.clinic.rules.yaml_files import validated, yaml_of
from consilience.errors import InputError
from consilience.records import Assessment

#: The day on which every vignette happens that names no other.
TODAY = date(2026, 6, 15)

#: Fewest vignettes of a rule in which it speaks, and in which it is silent.
FEWEST_SPEAKING, FEWEST_SILENT = 1, 2


class Vignette(Patient):
    """A made-up patient, and whether the rule speaks for him.

    Attributes
    ----------
    name : str
        What it shows.
    triggers : bool
    says : str or None
        Words that must stand in what is said.
    hook : str or None
        At which it is asked; drafts count as taken at order-select and order-sign.
    today : date
    model : float or None
        The number that the model tells.
    """

    name: str
    triggers: bool
    says: str | None = None
    hook: str | None = None
    today: date = TODAY
    model: float | None = None


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: str
    vignettes: tuple[Vignette, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Outcome:
    """How one vignette went.

    Attributes
    ----------
    rule, vignette : str
    passed : bool
    problem : str
        What is wrong; empty if it passed.
    """

    rule: str
    vignette: str
    passed: bool
    problem: str = ""


def read_vignettes(file: Path) -> tuple[str, tuple[Vignette, ...]]:
    """Return the rule's id and its vignettes.

    Raises
    ------
    InputError
        Naming file and key.
    """
    found = validated(_File, yaml_of(file), file)
    return found.rule, found.vignettes


def vignette_bundle(vignette: Vignette, rules: RuleSet) -> dict[str, object]:
    """Return a vignette's patient as a FHIR Bundle."""
    return Writer(rules.sets, vignette.today).bundle(vignette)


def tried(rule: Rule, vignette: Vignette, rules: RuleSet) -> Outcome:
    """Return whether a rule does for a vignette's patient what it should."""
    now = datetime.combine(vignette.today, time(12), UTC)
    drafts = vignette.hook in {"order-select", "order-sign"}
    bundle = vignette_bundle(vignette, rules)
    chart = rules.chart(bundle, "vignette", now, drafts=drafts)
    said = None if vignette.model is None else _assessment(vignette.model, now)
    met = rules.applied(rule, View(chart, rules.sets, said))
    if isinstance(met, Trouble):
        return Outcome(rule.id, vignette.name, False, f"the rule fails: {met.reason}")
    heard = vignette.hook is None or vignette.hook in rule.hooks
    spoke = met.holds and heard and not chart.is_dead
    problem = ""
    if spoke != vignette.triggers:
        problem = "the rule speaks, and must not" if spoke else "the rule is silent, and must speak"
    elif spoke and vignette.says is not None:
        told = " ".join((filled(rule.message, met), *(one.reason for one in met.found)))
        problem = "" if vignette.says in told else f"{vignette.says!r} is not in {told!r}"
    return Outcome(rule.id, vignette.name, not problem, problem)


def _assessment(number: float, now: datetime) -> Assessment:
    return Assessment(
        patient="vignette",
        bundle="vignette",
        model="vignette",
        at=now.isoformat(),
        outcome="vignette",
        number=number,
        says="what the model tells",
    )


def check_rules(folders: Sequence[Path] = (), *, shipped: bool = True) -> tuple[Outcome, ...]:
    """Try every rule on its vignettes: ``consilience clinic rules check``.

    A rule without vignettes, or with too few, is a failure too.

    Parameters
    ----------
    folders : sequence of Path
        The user's own rules.
    shipped : bool
        Whether those shipped are tried too.

    Raises
    ------
    InputError
        If a rule or a vignette cannot be read, or a vignette is of no rule.

    Examples
    --------
    >>> from consilience.clinic.rules import check_rules
    >>> [outcome for outcome in check_rules() if not outcome.passed]
    []
    """
    rules = load_rules(folders, shipped=shipped)
    roots = ((SHIPPED,) if shipped else ()) + tuple(Path(folder) for folder in folders)
    known: dict[str, tuple[Vignette, ...]] = {}
    for file in (file for root in roots for file in files_in(root, f"*{VIGNETTES}")):
        name, vignettes = read_vignettes(file)
        if name in known:
            raise InputError(f"{file}: rule {name!r} has its vignettes in another file already.")
        known[rules[name].id] = vignettes
    return tuple(one for rule in rules for one in _outcomes(rule, known.get(rule.id, ()), rules))


def _outcomes(rule: Rule, vignettes: tuple[Vignette, ...], rules: RuleSet) -> Iterator[Outcome]:
    for vignette in vignettes:
        yield tried(rule, vignette, rules)
    speaking = sum(one.triggers for one in vignettes)
    silent = len(vignettes) - speaking
    if speaking < FEWEST_SPEAKING or silent < FEWEST_SILENT:
        problem = (
            f"{speaking} vignettes in which it speaks and {silent} in which it is silent; "
            f"give at least {FEWEST_SPEAKING} and {FEWEST_SILENT}"
        )
        yield Outcome(rule.id, "number of vignettes", False, problem)
