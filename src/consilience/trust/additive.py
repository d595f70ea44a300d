"""Models that add up their features on the link scale: what each feature adds, exactly.

Of such a model (linear, logistic or Cox regression of anything that is itself a sum over
features) the Shapley value of a feature is what his value adds less what the background's
add on average: w (x - mean) where it is linear (Strumbelj and Kononenko, KAIS 2014,
41:647). Nobody says of a model that it is additive: it is asked, and believed where
hybrids of the patient and the background answer as the sums do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from consilience.cohort.modality import FloatArray, Positions
from consilience.trust.game import ModelGame
from consilience.trust.hybrid import Mask, TableBlock
from consilience.trust.probing import Curve, Probe, laid_out, probe_of

HALVES = 16  # random halves of the players, each asked with its complement
TOLERANCE = 1e-7  # between an answer and the sum, on the link scale
MOST_PROBES = 8192  # values that are tried one by one where lines do not do


@dataclass(frozen=True)
class Trial:
    """Hybrids that were asked: random halves and their complements, then both ends.

    Attributes
    ----------
    masks : ndarray of bool, (n, n_players)
    rows : ndarray of int, (n,)
    values : ndarray of shape (n,)
        The linked number of each.
    """

    masks: Mask
    rows: Positions
    values: FloatArray

    @property
    def of_halves(self) -> FloatArray:
        """What each half and its complement say together, less both ends, (n_halves,)."""
        one, other, first, last = (self.values[i * HALVES : (i + 1) * HALVES] for i in range(4))
        return one + other - first - last


def trial_of(game: ModelGame) -> Trial:
    """Ask a model about a fixed choice of hybrids, and all the background.

    Whether a modality measured him goes with the patient throughout, for a value counts
    only where it was measured.
    """
    rng = np.random.default_rng(0)
    whole = np.array([player.feature is None for player in game.players], dtype=bool)
    half = rng.random((HALVES, len(game.players))) < 0.5
    rows = np.arange(HALVES) % game.n
    ends = np.ones_like(half), np.zeros_like(half)
    masks = np.concatenate([own | whole for own in (half, ~half, *ends)])
    masks = np.concatenate([masks, np.zeros((game.n, len(game.players)), dtype=bool)])
    asked = np.concatenate([np.tile(rows, 4), np.arange(game.n)])
    return Trial(masks, asked, game.values(masks, asked))


def additive_effects(game: ModelGame, trial: Trial) -> tuple[float, FloatArray] | None:
    """Return baseline and Shapley values of an additive model; None if it is not.

    Parameters
    ----------
    game : ModelGame
    trial : Trial
        Its hybrids must answer as the sums do within `TOLERANCE`.
    """
    if not len(game.players) or np.abs(trial.of_halves).max() > TOLERANCE:
        return None
    for pointwise in (False, True):
        sums = _Sums.of(game, pointwise=pointwise)
        if sums is not None and np.abs(sums.at(trial) - trial.values).max() <= TOLERANCE:
            return float(trial.values[-game.n :].mean()), sums.effects()
    return None


def probes_of(game: ModelGame, *, pointwise: bool) -> dict[str, Probe] | None:
    """Return the probes of all blocks; None where one has none, or they are too many."""
    blocks = game.hybrids.blocks
    if pointwise and sum(len(block.players) for block in blocks.values()) * game.n > MOST_PROBES:
        return None
    found = {n: probe_of(block, game.n, pointwise=pointwise) for n, block in blocks.items()}
    known = {name: probe for name, probe in found.items() if probe is not None}
    return known if len(known) == len(found) else None


def curves_of(game: ModelGame, probes: dict[str, Probe], *, alone: bool) -> dict[str, Curve]:
    """Ask the model about all variants of all blocks."""
    cohorts = laid_out(probes, alone=alone, at_once=game.at_once)
    answers = np.concatenate([game.linked(cohort) for cohort in cohorts])
    stops = np.cumsum([probe.size for probe in probes.values()])
    each = np.split(answers, stops[:-1])
    return {n: probe.curve(own) for (n, probe), own in zip(probes.items(), each, strict=True)}


@dataclass(frozen=True)
class _Sums:
    """What every value adds to the answer for a patient in the middle."""

    game: ModelGame
    curves: dict[str, Curve]

    @classmethod
    def of(cls, game: ModelGame, *, pointwise: bool) -> _Sums | None:
        probes = probes_of(game, pointwise=pointwise)
        return None if probes is None else cls(game, curves_of(game, probes, alone=False))

    def at(self, trial: Trial) -> FloatArray:
        """Return the sums for hybrids, (n,)."""
        level = next(iter(self.curves.values())).level
        total = np.full(len(trial.rows), level)
        for name, curve in self.curves.items():
            masks = trial.masks[:, self.game.spans[name]]
            block = self.game.hybrids.blocks[name]
            added = curve.at(masks, trial.rows) - curve.level
            if isinstance(block, TableBlock):
                added = np.where(block.measured(masks, trial.rows), added, curve.absent)
            total += added
        return total

    def effects(self) -> FloatArray:
        """Return the Shapley value of every player.

        Where a modality measured the patient and not another, his value of a feature
        counts only once the modality has joined: the two share what it adds.
        """
        found = np.zeros(len(self.game.players))
        for name, curve in self.curves.items():
            own = found[self.game.spans[name]]
            moved = curve.own - curve.others
            block = self.game.hybrids.blocks[name]
            if isinstance(block, TableBlock) and block.partial:
                lacking = ~block.has
                own[0] = (curve.others.sum(axis=1) + moved.sum(axis=1) / 2 - curve.absent) @ (
                    lacking / self.game.n
                )
                moved = moved * np.where(lacking, 0.5, 1.0)[:, None]
            own[curve.features] = moved.mean(axis=0)
        return found
