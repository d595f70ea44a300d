"""What a method finds beside its predictions, as plain data that a report can draw."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True)
class Loading:
    """How strongly a feature takes part.

    Attributes
    ----------
    modality, feature : str
    weight : float
        On the method's own scale; its sign tells which features go together.
    """

    modality: str
    feature: str
    weight: float


@dataclass(frozen=True)
class Component:
    """A canonical pair, a module or a factor: features of several modalities that go together.

    Attributes
    ----------
    name : str
        Such as "pair 1".
    loadings : tuple of Loading
        The strongest ones, at most about ten a modality.
    strength : float, optional
        On the scale that `Components.strength_label` names.
    p_value : float, optional
    notes : str
        What else is to be said, in a few words.
    """

    name: str
    loadings: tuple[Loading, ...]
    strength: float | None = None
    p_value: float | None = None
    notes: str = ""


@dataclass(frozen=True)
class Components:
    """Components in order of strength.

    Attributes
    ----------
    title : str
    components : tuple of Component
    strength_label : str
        Such as "canonical correlation".
    """

    title: str
    components: tuple[Component, ...]
    strength_label: str = "strength"


@dataclass(frozen=True)
class Weights:
    """A number a modality: kernel weights, weights of a vote.

    Attributes
    ----------
    title : str
    weights : dict of str to float
    label : str
        What the numbers are.
    """

    title: str
    weights: dict[str, float]
    label: str = "weight"


@dataclass(frozen=True)
class Path:
    """A curve along which a setting was chosen: the agreement path.

    Attributes
    ----------
    title : str
    x, y : tuple of float
    x_label, y_label : str
    chosen : float, optional
        Where on the x axis.
    se : tuple of float, optional
        Standard errors of y.
    """

    title: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    x_label: str
    y_label: str
    chosen: float | None = None
    se: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Groups:
    """Subtypes of the training patients.

    Attributes
    ----------
    title : str
    labels : dict of str to str
        Patient id to the name of his group.
    stability : dict of str to float
        How stable the grouping is, by number of groups or by group.
    """

    title: str
    labels: dict[str, str]
    stability: dict[str, float] = field(default_factory=dict)


Discovery: TypeAlias = Components | Weights | Path | Groups
