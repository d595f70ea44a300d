"""Why a model says what it says of one patient."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from consilience.cohort import Cohort, Table
from consilience.records import Contribution, Explanation
from consilience.trust.additive import additive_effects, trial_of
from consilience.trust.averaged import averaged_game
from consilience.trust.game import Game, ModelGame
from consilience.trust.hybrid import Hybrids, Player, names_of
from consilience.trust.importance import Scorer
from consilience.trust.number import Number
from consilience.trust.shapley import owen_values

BUDGET = 8192  # hybrids a modality that a model is asked about, where effects are sampled
ADDITIVE = "exact Shapley values: the model adds up its features"
NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Reasons:
    """What an engine found: a baseline, and what each player adds to it.

    Attributes
    ----------
    method : str
        How, in words.
    baseline : float
    effects : tuple of (Player, float)
    warnings : tuple of str
    """

    method: str
    baseline: float
    effects: tuple[tuple[Player, float], ...]
    warnings: tuple[str, ...] = field(default=())


def explain(
    model: Scorer,
    patient: Cohort,
    background: Cohort,
    number: Number,
    *,
    seed: int = 0,
    outcome: str = "",
    model_id: str = "",
) -> Explanation:
    """Say what each feature of a patient adds to what a model says of him.

    Parameters
    ----------
    model : fitted model with ``scores(cohort)``
    patient : Cohort
        Of one patient, with any modalities missing.
    background : Cohort
        The patients against whom he is explained.
    number : Number
        What is told of him; effects are on its scale.
    seed : int
        Of the random paths, where there are any.
    outcome, model_id : str
        For the record.

    Raises
    ------
    InputError
        If there is not one patient, or nobody in the background.
    """
    hybrids = Hybrids(patient, background, names_of(model, patient, background))
    game = ModelGame(model, hybrids, number, BUDGET)
    found = _reasons(game, seed)
    return Explanation(
        patient=str(patient.index[0]),
        outcome=outcome,
        model=model_id,
        method=found.method,
        scale=number.scale,
        baseline=found.baseline,
        contributions=_contributions(found.effects, patient),
        warnings=found.warnings,
    )


def _reasons(game: ModelGame, seed: int) -> Reasons:
    """Return what the first engine finds whose premises the model was seen to fulfil."""
    trial = trial_of(game)
    exact = additive_effects(game, trial)
    if exact is not None:
        baseline, effects = exact
        return Reasons(ADDITIVE, baseline, tuple(zip(game.players, effects.tolist(), strict=True)))
    average = averaged_game(game, trial)
    return _sampled(game, seed) if average is None else _sampled(average, seed)


def _sampled(game: Game, seed: int) -> Reasons:
    found = owen_values(game, seed)
    effects = [*zip(game.players, found.effects.tolist(), strict=True)]
    effects += [(Player(name, None), rest) for name, rest in found.unassigned.items()]
    return Reasons(f"Owen values {type(game).__name__}", found.baseline, tuple(effects))


def _contributions(
    effects: Iterable[tuple[Player, float]], patient: Cohort
) -> tuple[Contribution, ...]:
    """Return effects with what was measured, the largest first."""
    ranked = sorted(effects, key=lambda one: (-abs(one[1]), one[0].modality, one[0].feature or ""))
    values = {player.modality: measured_values(patient, player.modality) for player, _ in ranked}
    return tuple(
        Contribution(
            modality=player.modality,
            feature=player.feature,
            value=value_of(values[player.modality], player.feature),
            effect=effect,
        )
        for player, effect in ranked
    )


def measured_values(patient: Cohort, name: str) -> dict[str, str] | None:
    """Return what a modality measured of one patient, as text; None if it did not."""
    if name not in patient.modalities or not patient.has(name)[0]:
        return None
    modality = patient.modalities[name]
    if not isinstance(modality, Table):
        return {}
    own = modality.take(patient.positions(name))
    numbers = zip(own.numeric_features, np.asarray(own.numeric)[0].tolist(), strict=True)
    found = {f: _with_unit(v, own.units.get(f, "")) for f, v in numbers if not np.isnan(v)}
    words = own.categorical.iloc[0]
    return found | {str(f): str(v) for f, v in words.items() if v is not None}


def _with_unit(value: float, unit: str) -> str:
    return f"{value:.4g} {unit}".strip() if abs(value) < 1e4 else f"{value:.0f} {unit}".strip()


def value_of(measured: dict[str, str] | None, feature: str | None) -> str | None:
    """Return a feature's value as text."""
    if measured is None:
        return NOT_MEASURED
    return "measured" if feature is None else measured.get(feature, NOT_MEASURED)
