"""Why a model says what it says of one patient.

Engines are tried in turn, and the first is used whose premises the model is seen to fulfil:
sums over features (`additive`), trees (`trees`), gradients (`gradients`), averages of sums
(`averaged`), and for every other model Owen values of what it says of hybrids (`shapley`).
"""

from __future__ import annotations

from consilience.cohort import Cohort
from consilience.records import Contribution, Explanation
from consilience.trust.additive import additive_effects, trial_of
from consilience.trust.averaged import averaged_game
from consilience.trust.game import Game, ModelGame
from consilience.trust.gradients import gradient_reasons
from consilience.trust.hybrid import Hybrids, Player, names_of
from consilience.trust.importance import Scorer
from consilience.trust.measured import Measured
from consilience.trust.number import Number
from consilience.trust.reasons import Reasons, gathered
from consilience.trust.shapley import owen_values
from consilience.trust.trees import tree_reasons

BUDGET = 8192  # hybrids a modality that a model is asked about, where effects are sampled
ADDITIVE = "exact Shapley values: on this scale the model is a sum over its features"
AVERAGE = "Owen values of an average over modalities, each a sum over its features"
ASKED = "Owen values, by asking the model about mixtures of the patient and the background"
NOTABLE = 0.05  # standard error of an effect, beyond which it is told


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

    Returns
    -------
    Explanation
        The baseline is the mean linked number of the background, in which each patient
        counts the same (by gradients: that of an average patient). Baseline and effects
        add up to the patient's number on its scale, to 1e-6; of networks, which compute in
        single precision, to 1e-5, by gradients to 0.01. One contribution a feature, also
        those of 0; a modality that the patient, or some of the background, lack contributes
        by having been measured or not (`feature` is None). The largest stand first.

    Raises
    ------
    InputError
        If there is not one patient, or nobody in the background.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from consilience.cohort import synthetic_cohort
    >>> from consilience.fusion import EarlyFusion
    >>> from consilience.trust.number import ProbabilityOf
    >>> cohort, y = synthetic_cohort(200, seed=0)
    >>> model = EarlyFusion(LogisticRegression()).fit(cohort, y)
    >>> told = ProbabilityOf("probability of the event", "1")
    >>> why = explain(model, cohort[[0]], cohort[100:], told)
    >>> why.method
    'exact Shapley values: on this scale the model is a sum over its features'
    """
    hybrids = Hybrids(patient, background, names_of(model, patient, background))
    game = ModelGame(model, hybrids, number, BUDGET)
    found = _reasons(game, patient, background, seed)
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


def _reasons(game: ModelGame, patient: Cohort, background: Cohort, seed: int) -> Reasons:
    """Return what the first engine finds whose premises the model was seen to fulfil."""
    trial = trial_of(game)
    exact = additive_effects(game, trial)
    if exact is not None:
        return Reasons.of(ADDITIVE, exact[0], game.players, exact[1])
    for engine in (tree_reasons, gradient_reasons):
        found = engine(game.model, game, patient, background)
        if found is not None:
            return found
    average = averaged_game(game, trial)
    return _owen(game, ASKED, seed) if average is None else _owen(average, AVERAGE, seed)


def _owen(game: Game, method: str, seed: int) -> Reasons:
    found = owen_values(game, seed)
    paths = [f"{name} along {n} paths" for name, n in found.sampled.items()]
    how = f"{method}; modalities exactly, features of {', '.join(paths)}" if paths else method
    named = zip(game.players, found.effects.tolist(), strict=True)
    rest = [(Player(name, None), effect) for name, effect in found.unassigned.items()]
    warning = (
        f"Effects of single features are known to about {found.error:.1g} only "
        f"({game.number.scale}); their sum is exact."
    )
    warnings = (warning,) if found.error > NOTABLE else ()
    return Reasons(how, found.baseline, gathered(game.players, [*named, *rest]), warnings)


def _contributions(effects: dict[Player, float], patient: Cohort) -> tuple[Contribution, ...]:
    """Return effects with what was measured, the largest first."""
    measured = Measured(patient)
    order = sorted(effects, key=lambda p: (-abs(effects[p]), p.modality, p.feature or ""))
    return tuple(
        Contribution(
            modality=player.modality,
            feature=player.feature,
            value=measured.of(player.modality, player.feature),
            effect=effects[player],
        )
        for player in order
    )
