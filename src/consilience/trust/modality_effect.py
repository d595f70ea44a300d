"""What each modality adds as a whole, the rest of the patient being given.

A modality is left out by putting in its place what similar patients of the background have:
similar in the modalities that remain. So one that says what another says already is not
taken away by impossible mixtures of two patients (the conditional Shapley value of Aas,
Jullum and Loeland, Artificial Intelligence 2021, 298:103502, section 3.3, equation 14).
"""

from __future__ import annotations

import numpy as np

from consilience.cohort import Cohort
from consilience.cohort.modality import FloatArray
from consilience.errors import InputError
from consilience.records import Contribution
from consilience.trust.game import ModelGame
from consilience.trust.hybrid import Hybrids, Mask, TableBlock, names_of
from consilience.trust.importance import Scorer
from consilience.trust.measured import Measured
from consilience.trust.number import Number
from consilience.trust.shapley import coalitions, exact_shapley

MOST = 10  # modalities; all coalitions of them are asked for


def modality_effects(
    model: Scorer, patient: Cohort, background: Cohort, number: Number, *, similar: int = 5
) -> tuple[Contribution, ...]:
    """Return what each modality adds to the number of a patient, on its scale.

    The worth of some modalities S is the weighted mean, over the background, of the linked
    number of the patient with all else replaced by that of background patient b. The weight
    is ``exp(-d² / (2 h²))``. In one modality d² is the mean squared difference of patient and b
    over the features known of both, each in units of its spread among them all; over S it
    is the mean of its tables that measured both, and one of whom there is none counts
    nothing. h is the distance of the patient's `similar`-th nearest (Zelnik-Manor and Perona,
    NIPS 2004). With nothing to compare all count the same. Effects are Shapley values over
    modalities: they add up to the patient's number less the mean of the background's.

    Parameters
    ----------
    model : fitted model with ``scores(cohort)``
    patient : Cohort
        Of one patient.
    background : Cohort
    number : Number
    similar : int
        How near is near: fewer follow the patient more closely, and rest on fewer.

    Returns
    -------
    tuple of Contribution
        One a modality, the largest first; `feature` is None.

    Raises
    ------
    InputError
        If there is not one patient, nobody in the background, more than ten modalities, or
        `similar` is below 1.
    """
    if similar < 1:
        raise InputError(f"similar must be at least 1, not {similar}.")
    hybrids = Hybrids(patient, background, names_of(model, patient, background))
    if len(hybrids.blocks) > MOST:
        raise InputError(
            f"effects of whole modalities are for {MOST} at most, not {len(hybrids.blocks)}."
        )
    game = ModelGame(model, hybrids, number, 0)
    groups = coalitions(len(hybrids.blocks))
    values = _whole_hybrids(game, groups)
    apart = _distances(hybrids)
    weights = np.array([_weights(apart[:, own], similar) for own in groups])
    worth = (weights * values).sum(axis=1)
    effects = exact_shapley(lambda _: worth, len(hybrids.blocks))
    measured = Measured(patient)
    found = [
        Contribution(modality=name, value=measured.of(name, None), effect=float(effect))
        for name, effect in zip(hybrids.blocks, effects, strict=True)
    ]
    return tuple(sorted(found, key=lambda one: (-abs(one.effect), one.modality)))


def _whole_hybrids(game: ModelGame, groups: Mask) -> FloatArray:
    """Return the linked number of hybrids of whole modalities, (n_coalitions, n_background)."""
    masks = np.zeros((len(groups), len(game.players)), dtype=bool)
    for i, span in enumerate(game.spans.values()):
        masks[:, span] = groups[:, [i]]
    rows = np.tile(np.arange(game.n), len(groups))
    return game.values(np.repeat(masks, game.n, axis=0), rows).reshape(len(groups), -1)


def _distances(hybrids: Hybrids) -> FloatArray:
    """Return the squared distance of the patient in each modality, (n_background, n_modalities).

    NaN where it did not measure both, or is no table.
    """
    found = np.full((hybrids.n, len(hybrids.blocks)), np.nan)
    for i, block in enumerate(hybrids.blocks.values()):
        if isinstance(block, TableBlock):
            found[:, i] = np.where(block.has, _within(block), np.nan)
    return found


def _within(block: TableBlock) -> FloatArray:
    """Return the mean squared difference over features; a category differs by one spread."""
    numbers = np.vstack([block.own.numeric, block.numeric]).astype(float)
    known = ~np.isnan(numbers)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, numbers, 0.0).sum(axis=0) / count
    # With the patient's own value among them: where nobody else varies, he is not far off.
    spread = np.sqrt((np.where(known, numbers - mean, 0.0) ** 2).sum(axis=0) / count)
    varies = spread > 1e-12 * np.abs(mean)
    away = (numbers[1:] - numbers[0]) / np.where(varies, spread, 1.0)
    both = known[1:] & known[0] & varies
    other = np.asarray(block.text != block.own.text, dtype=float)
    compared = both.sum(axis=1) + other.shape[1]
    summed = (np.where(both, away, 0.0) ** 2).sum(axis=1) + other.sum(axis=1)
    return np.where(compared > 0, summed / np.maximum(compared, 1), np.nan)


def _weights(squared: FloatArray, similar: int) -> FloatArray:
    """Return the weight of each patient of the background, adding up to 1.

    Parameters
    ----------
    squared : ndarray of shape (n_background, n_modalities)
        Of the modalities that are given; NaN where the two cannot be compared.
    similar : int
    """
    known = ~np.isnan(squared)
    compared = known.any(axis=1)
    if not compared.any():  # nothing is given, or nothing that anybody else has
        return np.full(len(squared), 1 / len(squared))
    distance = np.where(known, squared, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    nearest = np.sort(distance[compared])
    width = nearest[min(similar, len(nearest)) - 1]
    scaled = (distance - nearest[0]) / (2 * width if width > 0 else 1.0)
    weights = np.where(compared, np.exp(-scaled), 0.0)
    return np.asarray(weights / weights.sum())
