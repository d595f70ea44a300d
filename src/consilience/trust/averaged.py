"""Averages of models, one a modality, that are each additive on the link scale.

Late fusion averages probabilities or curves, and an average is not additive where the
probabilities' log odds are. What each modality says alone is, though: once its curves are
known, every hybrid's answer is arithmetic, and Owen values need the model no more. That a
model is such an average is found out by asking it, and believed where its answers are it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from consilience.cohort.modality import FloatArray, Positions
from consilience.trust.additive import HALVES, TOLERANCE, Trial, curves_of, probes_of
from consilience.trust.game import Game, ModelGame
from consilience.trust.hybrid import Mask, assembled
from consilience.trust.number import Number
from consilience.trust.probing import Curve

BUDGET = 16_384  # values of hybrids that are computed, not asked for, for each modality


@dataclass(frozen=True)
class _Own:
    """What the model itself says, where the number told is that moved by a line.

    It is the model's own numbers that are averaged.
    """

    number: Number

    def linked(self, numbers: FloatArray) -> FloatArray:
        """Return the linked number told from the model's own."""
        return self.number.intercept + self.number.slope * self.number.linked(numbers)

    def unlinked(self, values: FloatArray) -> FloatArray:
        """Return the model's own number from the linked number told."""
        return self.number.unlinked((values - self.number.intercept) / self.number.slope)


@dataclass(frozen=True)
class _Voices:
    """What each modality of some hybrids says alone.

    Attributes
    ----------
    numbers : ndarray of shape (n, n_modalities)
        Not linked.
    measured : ndarray of bool, (n, n_modalities)
    """

    numbers: FloatArray
    measured: Mask

    def averaged(self, weights: FloatArray, prior: float) -> FloatArray:
        """Return the average over the modalities measured; the prior where none counts."""
        share = np.where(self.measured, weights, 0.0)
        total = share.sum(axis=1)
        heard = total > 0
        mean = (share * self.numbers).sum(axis=1) / np.where(heard, total, 1.0)
        return np.where(heard, mean, prior)


class AveragedGame(Game):
    """The game of an average, computed from the curves of its modalities.

    Parameters
    ----------
    game : ModelGame
        The game of the model itself.
    curves : dict of str to Curve
        Of each modality where it alone is measured.
    weights : ndarray of shape (n_modalities,)
    prior : float
        The number where nothing that counts is measured.
    """

    def __init__(
        self, game: ModelGame, curves: dict[str, Curve], weights: FloatArray, prior: float
    ) -> None:
        self.hybrids, self.number, self.own = game.hybrids, game.number, _Own(game.number)
        self.players, self.spans, self.n = game.players, game.spans, game.n
        self.curves, self.weights, self.prior, self.budget = curves, weights, prior, BUDGET

    def values(self, masks: Mask, rows: Positions) -> FloatArray:
        return self._linked(self._voices(masks, rows))

    def _voices(self, masks: Mask, rows: Positions) -> _Voices:
        said, measured = [], []
        for name, curve in self.curves.items():
            own = masks[:, self.spans[name]]
            said.append(self.own.unlinked(curve.at(own, rows)))
            measured.append(self.hybrids.blocks[name].measured(own, rows))
        return _Voices(np.column_stack(said), np.column_stack(measured))

    def _linked(self, voices: _Voices) -> FloatArray:
        return self.own.linked(voices.averaged(self.weights, self.prior))

    def paths(self, name: str, starts: Mask, orders: Positions, rows: Positions) -> FloatArray:
        voices, curve = self._voices(starts, rows), self.curves[name]
        place, steps = list(self.curves).index(name), orders.shape[1] + 1
        moved = np.zeros((len(rows), orders.shape[1]))
        moved[:, curve.features] = curve.own - curve.others[rows]
        index = np.zeros((len(rows), steps))
        index[:, 1:] = np.cumsum(np.take_along_axis(moved, orders, axis=1), axis=1)
        index += (curve.level + curve.others[rows].sum(axis=1))[:, None]
        first = np.argsort(orders, axis=1)[:, [0]] < np.arange(steps)
        everything = np.ones((len(rows), orders.shape[1]), dtype=bool)
        after = self.hybrids.blocks[name].measured(everything, rows)[:, None]
        numbers = np.repeat(voices.numbers, steps, axis=0)
        numbers[:, place] = self.own.unlinked(index).ravel()
        measured = np.repeat(voices.measured, steps, axis=0)
        measured[:, place] = np.where(first, after, voices.measured[:, [place]]).ravel()
        return self._linked(_Voices(numbers, measured)).reshape(len(rows), steps)


def averaged_game(game: ModelGame, trial: Trial) -> AveragedGame | None:
    """Return the game of a model that averages what additive models say; None if it does not.

    Parameters
    ----------
    game : ModelGame
    trial : Trial
        Its hybrids must answer as the average does, within the tolerance of additive models.
    """
    if (
        len(game.spans) < 2
        or not game.number.slope
        or any(block.forks for block in game.hybrids.blocks.values())
    ):
        return None
    voices = _asked_alone(game, trial)
    own = _Own(game.number)
    weights = _weights(voices, own.unlinked(trial.values))
    prior = _prior(game)
    if _apart(own, voices.averaged(weights, prior), trial) > TOLERANCE:
        return None
    if not _adds_up(own, voices):
        return None
    for pointwise in (False, True):
        probes = probes_of(game, pointwise=pointwise)
        if probes is None:
            return None
        found = AveragedGame(game, curves_of(game, probes, alone=True), weights, prior)
        if np.abs(found.values(trial.masks, trial.rows) - trial.values).max() <= TOLERANCE:
            return found
    return None


def _asked_alone(game: ModelGame, trial: Trial) -> _Voices:
    """Ask the model what each modality of the trial's hybrids says alone."""
    hybrids, n, k = game.hybrids, len(trial.rows), len(game.spans)
    parts, measured = {}, []
    for i, (name, block) in enumerate(hybrids.blocks.items()):
        modality, positions = block.part(trial.masks[:, game.spans[name]], trial.rows)
        apart = np.full((k, n), -1, dtype=np.intp)
        apart[i] = positions
        parts[name] = (modality, apart.ravel())
        measured.append(positions >= 0)
    linked = game.linked(assembled(n * k, parts)).reshape(k, n).T
    return _Voices(_Own(game.number).unlinked(linked), np.column_stack(measured))


def _weights(voices: _Voices, numbers: FloatArray) -> FloatArray:
    """Return weights of which the numbers are the averages, as nearly as there are any.

    An average says sum of w (own - average) = 0 over those measured: the weights are the
    right singular vector of the smallest singular value.
    """
    away = np.where(voices.measured, voices.numbers - numbers[:, None], 0.0)
    least = np.linalg.svd(away, full_matrices=True)[2][-1]
    total = least.sum()
    return np.asarray(least / total if abs(total) > 1e-9 else np.ones(len(least)) / len(least))


def _prior(game: ModelGame) -> float:
    nobody = {
        n: (b.part(np.ones((1, len(b.players)), bool), np.array([0]))[0], np.array([-1]))
        for n, b in game.hybrids.blocks.items()
    }
    return float(_Own(game.number).unlinked(game.linked(assembled(1, nobody)))[0])


def _apart(own: _Own, numbers: FloatArray, trial: Trial) -> float:
    return float(np.abs(own.linked(numbers) - trial.values).max())


def _adds_up(own: _Own, voices: _Voices) -> bool:
    """Return whether what every modality says alone may be additive on the link scale."""
    linked = own.linked(voices.numbers[: 4 * HALVES]).reshape(4, HALVES, -1)
    return bool(np.abs(linked[0] + linked[1] - linked[2] - linked[3]).max() <= TOLERANCE)
