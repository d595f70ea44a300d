"""What every encoder is: a part of a batch in, vectors of one width out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import singledispatch
from typing import Any, ClassVar, get_type_hints

from sklearn.base import BaseEstimator
from torch import Tensor, nn

from consilience.errors import InputError
from consilience.nn.batch import Part
from consilience.nn.encoders.ranges import Range
from consilience.nn.sources import Source


class Encoder(nn.Module):
    """A network that reads one modality.

    Attributes
    ----------
    width : int
        Length of the vectors it returns.
    n_tokens : int
        How many vectors `tokens` returns of each patient.
    """

    width: int
    n_tokens: int = 1

    @abstractmethod
    def forward(self, part: Part) -> Tensor:
        """Return one vector a patient, (m, width); m is at least 1."""

    def tokens(self, part: Part) -> Tensor:
        """Return `n_tokens` vectors a patient, (m, n_tokens, width)."""
        vectors: Tensor = self(part)
        return vectors[:, None, :]

    def attention(self, part: Part) -> Tensor | None:
        """Return how much each instance of a bag counts, (n_instances,), or None."""
        return None


class EncoderSettings(BaseEstimator):  # type: ignore[misc]
    """Which encoder, with which settings: what a user gives in ``encoders``.

    A subclass registers for a kind of modality by the annotation of `build`'s first
    argument.

    Attributes
    ----------
    ranges : mapping of str to Range
        Of a class: what its settings may be.
    """

    ranges: ClassVar[Mapping[str, Range]] = {}

    def check(self) -> None:
        """Refuse settings of which no network can be made.

        Raises
        ------
        InputError
            Naming the setting, what it may be, and what it is.
        """
        for name, allowed in self.ranges.items():
            value = getattr(self, name)
            if not allowed.holds(value):
                shown = repr(value)
                shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
                raise InputError(
                    f"{type(self).__name__}: {name} must be {allowed.words}, not {shown}."
                )

    @abstractmethod
    def build(self, source: Any, width: int) -> Encoder:
        """Return an untrained encoder for a fitted source."""


@singledispatch
def default_encoder(source: Source) -> EncoderSettings:
    """Return the usual encoder of a kind of source; register one to add a kind."""
    raise InputError(f"no encoder is known for a {type(source).__name__}; give one in `encoders`.")


def encoder_for(name: str, source: Source, width: int, given: Any = None) -> Encoder:
    """Return an untrained encoder: of the settings given, or the kind's own.

    Raises
    ------
    InputError
        If what is given is no `EncoderSettings`, one for another kind of modality, or one
        with settings that cannot be.
    """
    settings = default_encoder(source) if given is None else given
    if not isinstance(settings, EncoderSettings):
        raise InputError(
            f"the encoder of {name!r} must be one of consilience.nn.encoders with its settings, "
            f"such as MLP() for a table or GatedAttention() for a bag, not {given!r}."
        )
    reads = get_type_hints(settings.build)["source"]
    if not isinstance(source, reads):
        raise InputError(
            f"the encoder of {name!r}, {type(settings).__name__}, reads a {_kind(reads)}, "
            f"and the modality is a {_kind(type(source))}."
        )
    settings.check()
    return settings.build(source, width)


def _kind(source: type[Source]) -> str:
    return source.__name__.removesuffix("Source").lower()
