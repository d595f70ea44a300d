"""A rule: who it is for, when it speaks, what it says, and where that is written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from consilience.clinic.rules.blocks import AgeIs, Block, Node, walk
from consilience.errors import suggestion
from consilience.records import Citation

HOOKS = ("patient-view", "order-select", "order-sign", "encounter-start")
PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Population(_Strict):
    """Whom a rule is for: the denominator, where patients are counted.

    Attributes
    ----------
    age : AgeIs or None
    sex : {"female", "male"} or None
    all : tuple of Block
    """

    age: AgeIs | None = None
    sex: Literal["female", "male"] | None = None
    all: tuple[Node, ...] = ()

    @field_validator("age", mode="before")
    @classmethod
    def _as_block(cls, value: object) -> object:
        return {"kind": "age", **value} if isinstance(value, dict) else value


class Order(_Strict):
    """What a clinician may accept with one click.

    Attributes
    ----------
    label : str
        On the button, as CDS Hooks shows it.
    order, stop : str or None
        The value set of what to order, or of the medicines to stop.
    resource : str
        What an order is written as.
    """

    label: str = Field(max_length=80)
    order: str | None = None
    stop: str | None = None
    resource: Literal["ServiceRequest", "MedicationRequest"] = "ServiceRequest"

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.order is None) == (self.stop is None):
            raise ValueError("give either order or stop")
        return self


class Ranking(_Strict):
    """Who comes first among patients not at target: by the newest value or day of a test.

    Attributes
    ----------
    by : {"highest", "lowest", "oldest", "eldest"}
        "oldest": whose newest result is oldest, none at all first; "eldest": age.
    of : str or None
        The value set of the test.
    unit : str or None
        In which values are compared.
    """

    by: Literal["highest", "lowest", "oldest", "eldest"]
    of: str | None = None
    unit: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.by != "eldest" and self.of is None:
            raise ValueError("say of which test ('of')")
        if self.by in {"highest", "lowest"} and self.unit is None:
            raise ValueError("say in which unit ('unit')")
        return self


class Rule(_Strict):
    """A rule from a guideline, as data.

    Attributes
    ----------
    id, title : str
    domain : {"management", "prescribing", "prevention", "stewardship"}
    version : str
        Of the rule, such as "1.0.0".
    reviewed : date
        When its text was last held against its source.
    reviewed_by : str
        The medical professional who did; empty until one has.
    population : Population
    when : Block
    hooks : tuple of str
        The CDS hooks at which it speaks; stewardship rules speak at none.
    urgency : {"info", "warning", "critical"}
    message : str
        What is said; ``{name}`` stands for a value that was found.
    reasons : tuple of str
    suggestion : Order or None
    source : Citation
    rank : Ranking or None
    """

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)
    title: str = Field(min_length=3, max_length=140)
    domain: Literal["management", "prescribing", "prevention", "stewardship"]
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    reviewed: date
    reviewed_by: str
    population: Population = Population()
    when: Node
    hooks: tuple[str, ...] = ()
    urgency: Literal["info", "warning", "critical"] = "info"
    message: str = Field(min_length=10, max_length=500)
    reasons: tuple[str, ...] = ()
    suggestion: Order | None = None
    source: Citation
    rank: Ranking | None = None

    @field_validator("hooks")
    @classmethod
    def _known_hooks(cls, hooks: tuple[str, ...]) -> tuple[str, ...]:
        for hook in hooks:
            if hook not in HOOKS:
                raise ValueError(f"unknown hook {hook!r}.{suggestion(hook, HOOKS)}")
        return hooks

    @field_validator("source")
    @classmethod
    def _real_source(cls, source: Citation) -> Citation:
        if not source.url.startswith("https://"):
            raise ValueError("url must begin with https://")
        if not (1950 <= source.year <= 2100 and source.title and source.organisation):
            raise ValueError("title, organisation and a year between 1950 and 2100 are needed")
        return source

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if (self.domain == "stewardship") != (not self.hooks):
            raise ValueError("hooks are given by every rule but those of stewardship")
        names = {one.name for one in self.blocks()} - {None}
        for text in (self.message, *self.reasons):
            for name in PLACEHOLDER.findall(text):
                if name not in names:
                    hint = suggestion(name, names)
                    raise ValueError(f"no condition finds {{{name}}}, which the text uses.{hint}")
        return self

    @property
    def name(self) -> str:
        """Identifier and version, as advice carries it."""
        return f"{self.id} {self.version}"

    def blocks(self) -> Iterator[Block]:
        """Return every condition of the rule."""
        age = () if self.population.age is None else (self.population.age,)
        for one in (*age, *self.population.all, self.when):
            yield from walk(one)

    def sets(self) -> Iterator[tuple[str, str]]:
        """Return every value set that is named, with the key that names it."""
        for block in self.blocks():
            for name in block.sets():
                yield name, getattr(block, "kind", "when")
        order = self.suggestion
        if order is not None:
            yield str(order.order or order.stop), "suggestion"
        if self.rank is not None and self.rank.of is not None:
            yield self.rank.of, "rank"
