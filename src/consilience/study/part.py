"""What every part of a document that a study writes has in common."""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A frozen part of a finding; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


def finite(value: float) -> float | None:
    """Return a number, or None where it is not finite."""
    return float(value) if math.isfinite(value) else None
