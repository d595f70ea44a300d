"""Networks: integrated gradients, from the average of training to the patient.

The gradients are the network's own method's (Sundararajan, Taly and Yan, ICML 2017). They
add up to the answer but for what the quadrature leaves over, which is stated, and never
spread over the effects.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd

from consilience.cohort import Cohort
from consilience.trust.game import ModelGame
from consilience.trust.hybrid import Player
from consilience.trust.reasons import Reasons, gathered

METHOD = (
    "integrated gradients, from a patient with the same gaps and average values "
    "(they add up within 0.01)"
)
TOLERANCE = 0.01  # what may be left over, on the link scale
SAME = 1e-4  # between scales that are the same, in single precision
STEPS = 64
COMPARED = 4  # patients of the background in whom the scales are compared


class Attributed(Protocol):
    """What the gradients say; see `consilience.fusion.attributions`."""

    @property
    def outputs(self) -> tuple[str, ...]: ...
    @property
    def features(self) -> pd.DataFrame: ...
    @property
    def output(self) -> pd.DataFrame: ...
    @property
    def base(self) -> pd.DataFrame: ...


@runtime_checkable
class WithGradients(Protocol):
    """A model that tells its own gradients."""

    def attributions(self, cohort: Cohort, *, steps: int = ...) -> Attributed:
        """Return what each feature adds to each patient's output."""


def gradient_reasons(
    model: object, game: ModelGame, patient: Cohort, background: Cohort
) -> Reasons | None:
    """Return the effects by gradients; None where they are not of the number told.

    They explain the network's output. It is taken for the number on its scale where the two
    differ by the same constant in the patient and in patients of the background, as the log
    hazard ratio and the log cumulative hazard do; an ensemble's mean output does not. Where the
    number is recalibrated, the output times its slope is looked at.

    Parameters
    ----------
    model : fitted model
        With ``attributions(cohort, steps=...)``.
    game : ModelGame
    patient, background : Cohort
    """
    if not isinstance(model, WithGradients):
        return None
    scale = next(_scales(model, game, patient, background), None)
    if scale is None:
        return None
    name, slope, shift = scale
    found = model.attributions(patient, steps=STEPS)
    effects = (slope * found.features[name].iloc[0]).items()
    pairs = [(Player(*map(str, owner)), float(value)) for owner, value in effects]
    baseline = slope * float(found.base[name].iloc[0]) + shift
    rest = float(game.linked(patient)[0]) - baseline - sum(value for _, value in pairs)
    if abs(rest) > TOLERANCE:
        return None
    left_over = f"The effects leave {rest:.1g} of the answer's {game.number.scale} unexplained."
    warnings = (left_over,) if abs(rest) > SAME else ()
    return Reasons(METHOD, baseline, gathered(game.players, pairs), warnings)


def _scales(
    model: WithGradients, game: ModelGame, patient: Cohort, background: Cohort
) -> Iterator[tuple[str, float, float]]:
    """Yield outputs that are the number on its scale, as their name, slope and shift."""
    few = background[np.arange(min(COMPARED, len(background)))]
    told = np.concatenate([game.linked(patient), game.linked(few)])
    answers = [model.attributions(cohort, steps=1) for cohort in (patient, few)]
    for name in answers[0].outputs:
        if any(name not in one.outputs for one in answers):
            return
        said = np.concatenate([one.output[name].to_numpy(dtype=float) for one in answers])
        known = np.isfinite(said)
        if not known[0] or known.sum() < 2:
            return
        for slope in (game.number.slope, -game.number.slope):
            apart: Any = told[known] - slope * said[known]
            if np.ptp(apart) <= SAME:
                yield name, slope, float(apart[0])
