"""What a method found beside its predictions, as `finding.json` holds it.

The same as `consilience.fusion.discovery`, with the candidate's name, and without the ids
of patients: of subtypes, only what became of each as a whole.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from consilience.study.part import Part


class LoadingFound(Part):
    """How strongly a feature takes part in a component."""

    modality: str
    feature: str
    weight: float | None


class ComponentFound(Part):
    """A canonical pair, a module or a factor, with its strongest features."""

    name: str
    loadings: list[LoadingFound]
    strength: float | None = None
    p_value: float | None = None
    notes: str = ""


class ComponentsFound(Part):
    """Components in order of strength."""

    kind: Literal["components"] = "components"
    candidate: str
    title: str
    strength_label: str
    components: list[ComponentFound]


class WeightsFound(Part):
    """A number a modality, such as the weight of its kernel."""

    kind: Literal["weights"] = "weights"
    candidate: str
    title: str
    label: str
    weights: dict[str, float | None]


class PathFound(Part):
    """A curve along which a setting was chosen."""

    kind: Literal["path"] = "path"
    candidate: str
    title: str
    x_label: str
    y_label: str
    x: list[float]
    y: list[float | None]
    se: list[float | None] | None = Field(None, description="standard errors of y")
    chosen: float | None = Field(None, description="on the x axis")


class Curve(Part):
    """A Kaplan-Meier curve, as steps that fall at the times."""

    time: list[float]
    survival: list[float]
    low: list[float | None]
    high: list[float | None]


class GroupFound(Part):
    """One subtype; which of the three last is there depends on the outcome."""

    name: str
    patients: int
    events: int | None = Field(None, description="survival: how many had the event")
    free: list[float | None] = Field([], description="survival: share free of it at `times`")
    followed: list[int] = Field([], description="survival: patients still followed at `times`")
    curve: Curve | None = None
    shares: dict[str, float] | None = Field(None, description="classes: the share of each")
    mean: float | None = Field(None, description="a number: its mean")
    low: float | None = Field(None, description="of the 95% interval of the mean or the share")
    high: float | None = None


class GroupsFound(Part):
    """Subtypes, and whether the outcome differs between them."""

    kind: Literal["groups"] = "groups"
    candidate: str
    title: str
    groups: list[GroupFound]
    times: list[float] = Field([], description="survival: at which `free` and `followed` are told")
    test: str = Field("", description="of the outcome's difference between the groups")
    p_value: float | None = None
    stability: dict[str, float | None] = Field({}, description="as the method tells it")


class NothingFound(Part):
    """Why a candidate could not be asked what it found."""

    kind: Literal["failed"] = "failed"
    candidate: str
    failed: str


DiscoveryFound: TypeAlias = Annotated[
    ComponentsFound | WeightsFound | PathFound | GroupsFound | NothingFound,
    Field(discriminator="kind"),
]
