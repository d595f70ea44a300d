"""The building blocks of a rule's conditions, as a physician writes and reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from consilience.clinic.fhir.ucum import is_ucum, is_unitless
from consilience.clinic.rules.fhirpath import compiled
from consilience.errors import suggestion


def _is_fhirpath(text: str) -> str:
    compiled(text)
    return text


def _is_unit(text: str) -> str:
    if not (is_unitless(text) or is_ucum(text)):
        raise ValueError(f"{text!r} is not a UCUM unit; see ucum.org")
    return text


FhirPath: TypeAlias = Annotated[str, AfterValidator(_is_fhirpath)]
Unit: TypeAlias = Annotated[str, AfterValidator(_is_unit)]
Days: TypeAlias = Annotated[int, Field(ge=0, le=50_000)]


class Block(BaseModel):
    """One condition.

    Attributes
    ----------
    called : str or None
        The name of what it finds, for the message ("as" in the file).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    called: str | None = Field(None, alias="as", pattern=r"^[a-z][a-z0-9_]*$")

    @property
    def name(self) -> str | None:
        """The name of what it finds."""
        return self.called or (str(of).replace("-", "_") if (of := self.of_set()) else None)

    def of_set(self) -> str | None:
        """Return the value set that it asks for."""
        of = getattr(self, "of", None)
        return of if isinstance(of, str) else None

    def sets(self) -> tuple[str, ...]:
        """Return every value set that it names."""
        of = self.of_set()
        return () if of is None else (of,)

    def parts(self) -> tuple[Block, ...]:
        """Return the conditions inside it."""
        return ()


class HasCondition(Block):
    """An active problem or diagnosis of the value set; `ever`: one that is over counts too."""

    kind: Literal["condition"]
    of: str
    ever: bool = False
    within_days: Days | None = None
    where: FhirPath | None = None


class TakesMedication(Block):
    """An active prescription or statement of a medicine.

    `at_least`: so many different substances of the set. `for_days`: begun at least so
    many days ago.
    """

    kind: Literal["medication"]
    of: str
    at_least: int = Field(1, ge=1)
    for_days: Days | None = None
    where: FhirPath | None = None


class IsAllergic(Block):
    """An active allergy or intolerance."""

    kind: Literal["allergy"]
    of: str
    where: FhirPath | None = None


class LatestValue(Block):
    """The newest value of a test, not older than `within_days`, compared in `unit`.

    `days`: the newest values of so many different days must all compare so.
    """

    kind: Literal["latest"]
    of: str
    within_days: Days
    unit: Unit
    above: float | None = None
    at_least: float | None = None
    below: float | None = None
    at_most: float | None = None
    days: int = Field(1, ge=1, le=10)

    @model_validator(mode="after")
    def _compares(self) -> LatestValue:
        if all(x is None for x in (self.above, self.at_least, self.below, self.at_most)):
            raise ValueError("give one of above, at_least, below, at_most")
        return self


class Observed(Block):
    """A result of a test within so many days, whatever its value."""

    kind: Literal["observed"]
    of: str
    within_days: Days


class Answers(Block):
    """The newest coded answer to a question, such as smoking status, is in a value set."""

    kind: Literal["answer"]
    of: str
    is_in: str
    within_days: Days | None = None

    def sets(self) -> tuple[str, ...]:
        return self.of, self.is_in


class Done(Block):
    """A procedure, examination or test was carried out, within so many days or ever."""

    kind: Literal["done"]
    of: str
    within_days: Days | None = None


class Vaccinated(Block):
    """Doses of a vaccine, since so many days, or since a day of the year ("09-01")."""

    kind: Literal["vaccinated"]
    of: str
    doses: int = Field(1, ge=1)
    within_days: Days | None = None
    since: str | None = Field(None, pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])$")


class AgeIs(Block):
    """Age in whole years, both ends included."""

    kind: Literal["age"]
    low: int = Field(0, alias="from", ge=0, le=150)
    high: int = Field(150, alias="to", ge=0, le=150)

    @property
    def name(self) -> str | None:
        return self.called or "age"

    @model_validator(mode="after")
    def _in_order(self) -> AgeIs:
        if self.low > self.high:
            raise ValueError("'from' is above 'to'")
        return self


class SexIs(Block):
    """Administrative gender."""

    kind: Literal["sex"]
    value: Literal["female", "male"]


class MonthIs(Block):
    """The month of the year, both ends included; it may run over the new year."""

    kind: Literal["months"]
    low: int = Field(alias="from", ge=1, le=12)
    high: int = Field(alias="to", ge=1, le=12)


class Medicines(Block):
    """So many different active medicines."""

    kind: Literal["medicines"]
    at_least: int = Field(ge=1)

    @property
    def name(self) -> str | None:
        return self.called or "medicines"


class ModelSays(Block):
    """The number that the model tells of the patient; not met where the model is silent."""

    kind: Literal["model"]
    at_least: float | None = None
    at_most: float | None = None
    level: Literal["low", "middle", "high"] | None = None
    outcome: str | None = None

    @property
    def name(self) -> str | None:
        return self.called or "model"


class Path(Block):
    """Plain FHIRPath over the patient's Bundle, which must give true."""

    kind: Literal["fhirpath"]
    path: FhirPath


class AllOf(Block):
    """All of them."""

    kind: Literal["all"]
    of: tuple[Node, ...] = Field(min_length=1)

    def parts(self) -> tuple[Block, ...]:
        return self.of


class AnyOf(Block):
    """At least one of them."""

    kind: Literal["any"]
    of: tuple[Node, ...] = Field(min_length=1)

    def parts(self) -> tuple[Block, ...]:
        return self.of


class NoneOf(Block):
    """Not one of them."""

    kind: Literal["none"]
    of: tuple[Node, ...] = Field(min_length=1)

    def parts(self) -> tuple[Block, ...]:
        return self.of


class Item(BaseModel):
    """One line of a score."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    points: int = Field(ge=1)
    when: Node


class Score(Block):
    """A score of points, such as CHA2DS2-VASc, reaches a number."""

    kind: Literal["score"]
    at_least: int = Field(ge=1)
    items: tuple[Item, ...] = Field(min_length=1)

    @property
    def name(self) -> str | None:
        return self.called or "score"

    def parts(self) -> tuple[Block, ...]:
        return tuple(item.when for item in self.items)


# What a bare value after the block's name means: "- condition: diabetes".
_SHORT = {
    "condition": "of",
    "medication": "of",
    "allergy": "of",
    "done": "of",
    "vaccinated": "of",
    "latest": "of",
    "observed": "of",
    "answer": "of",
    "age": "from",
    "sex": "value",
    "months": "from",
    "medicines": "at_least",
    "model": "at_least",
    "fhirpath": "path",
    "all": "of",
    "any": "of",
    "none": "of",
    "score": "at_least",
}


def _tagged(node: Any) -> Any:
    """Turn "condition: diabetes" into {kind: condition, of: diabetes}."""
    if isinstance(node, Block):
        return node
    if not isinstance(node, Mapping) or len(node) != 1:
        raise ValueError("each condition is one name with what it needs, '- condition: diabetes'")
    ((kind, value),) = node.items()
    if kind not in _SHORT:
        raise ValueError(f"unknown condition {str(kind)!r}.{suggestion(kind, _SHORT)}")
    if isinstance(value, Mapping):
        return {"kind": kind, **value}
    return {"kind": kind, _SHORT[kind]: value}


Node: TypeAlias = Annotated[
    HasCondition
    | TakesMedication
    | IsAllergic
    | LatestValue
    | Observed
    | Answers
    | Done
    | Vaccinated
    | AgeIs
    | SexIs
    | MonthIs
    | Medicines
    | ModelSays
    | Path
    | AllOf
    | AnyOf
    | NoneOf
    | Score,
    Field(discriminator="kind"),
    BeforeValidator(_tagged),
]

for _model in (AllOf, AnyOf, NoneOf, Item, Score):
    _model.model_rebuild()


def walk(block: Block) -> Iterator[Block]:
    """Return a condition and every condition inside it."""
    yield block
    for part in block.parts():
        yield from walk(part)
