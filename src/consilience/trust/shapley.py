"""Shapley and Owen values of a game: exact where that is affordable, else along random paths.

The Shapley value of a player is what he adds when players join in a random order, on
average (Shapley 1953). Owen (1977) lets the players of a group, here a modality, join
together: modalities come in a random order, and features in a random order within theirs.
The effects of all add up to the whole, and one who never adds anything gets 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from consilience.cohort.modality import FloatArray, Positions
from consilience.trust.game import Game
from consilience.trust.hybrid import Mask

MOST_MODALITIES = 6  # of which all coalitions are asked for
MOST_ORDERS = 16  # of modalities, where there are more
FEWEST_PATHS, MOST_PATHS = 4, 256


@dataclass(frozen=True)
class Effects:
    """What each player adds.

    Attributes
    ----------
    baseline : float
        The mean linked number of the background.
    effects : ndarray of shape (n_players,)
    sampled : dict of str to int
        For modalities whose features were not exact: along how many paths.
    unassigned : dict of str to float
        What a modality adds and no path found a feature for.
    error : float
        Largest standard error of an effect over the paths; 0 where all is exact.
    """

    baseline: float
    effects: FloatArray
    sampled: dict[str, int]
    unassigned: dict[str, float]
    error: float


def exact_shapley(worth: Callable[[Mask], FloatArray], n: int) -> FloatArray:
    """Return the Shapley values of a game of a few players.

    Parameters
    ----------
    worth : callable
        From coalitions, (2**n, n) of bool, to what each is worth, (2**n, ...).
    n : int

    Returns
    -------
    ndarray of shape (n, ...)

    References
    ----------
    Shapley L S. A value for n-person games. Contributions to the Theory of Games 2, 1953.
    """
    masks = coalitions(n)
    worths = worth(masks)
    place = 2 ** np.arange(n)
    found = []
    for i in range(n):
        without = np.flatnonzero(~masks[:, i])
        weights = _order_weights(masks[without].sum(axis=1), n)
        found.append(np.tensordot(weights, worths[without + place[i]] - worths[without], axes=1))
    return np.array(found)


def coalitions(n: int) -> Mask:
    """Return all coalitions of n players, (2**n, n); the binary digits of a row's number."""
    return np.asarray((np.arange(2**n)[:, None] >> np.arange(n)) % 2 == 1)


def _order_weights(sizes: Positions, n: int) -> FloatArray:
    """Return in which share of all orders just these stand before a player, by their number."""
    weights = [math.factorial(s) * math.factorial(n - s - 1) / math.factorial(n) for s in range(n)]
    return np.array(weights)[sizes]


def owen_values(game: Game, seed: int) -> Effects:
    """Return the Owen values of a game, modalities being its groups.

    What modalities add is exact over all coalitions of them and the whole background, up
    to six of them; beyond that over 16 orders, each with its reverse. Within a modality
    features are exact where all coalitions are affordable; else they join along random
    paths, each followed by its reverse (antithetic: Mitchell et al., JMLR 2022, 23:43),
    and what the paths' sum leaves of the modality's own effect is spread over its features
    in the measure in which they move the answer, so that one that does not gets 0.

    Parameters
    ----------
    game : Game
    seed : int

    References
    ----------
    Owen G. Values of games with a priori unions. Mathematical Economics and Game Theory, 1977.
    """
    names = list(game.spans)
    everybody = np.arange(game.n)
    nothing = np.zeros((game.n, len(game.players)), dtype=bool)
    baseline = float(game.values(nothing, everybody).mean())
    parts = [
        _Inside(game, name, np.random.default_rng([seed, place])).effects(float(whole))
        for place, (name, whole) in enumerate(zip(names, _of_modalities(game, seed), strict=True))
    ]
    found = dict(zip(names, parts, strict=True))
    return Effects(
        baseline,
        np.concatenate([part.effects for part in parts]) if parts else np.zeros(0),
        {name: part.paths for name, part in found.items() if part.paths},
        {name: part.rest for name, part in found.items() if part.rest},
        max((part.error for part in parts), default=0.0),
    )


class _Found(NamedTuple):
    """What the players of a modality add, and what none of them can be given."""

    effects: FloatArray
    paths: int = 0
    rest: float = 0.0
    error: float = 0.0


def _of_modalities(game: Game, seed: int) -> FloatArray:
    """Return what each modality adds as a whole, (n_modalities,)."""
    k = len(game.spans)
    if k <= MOST_MODALITIES:
        return exact_shapley(lambda masks: _worth_of_groups(game, masks), k)
    rng = np.random.default_rng([seed, k])
    orders = np.array([rng.permutation(k) for _ in range(MOST_ORDERS // 2)])
    orders = np.concatenate([orders, orders[:, ::-1]])
    before = np.argsort(orders, axis=1)[:, None, :] < np.arange(k + 1)[None, :, None]
    worths = _worth_of_groups(game, before.reshape(-1, k)).reshape(len(orders), k + 1)
    added = np.zeros((len(orders), k))
    np.put_along_axis(added, orders, np.diff(worths, axis=1), axis=1)
    return np.asarray(added.mean(axis=0))


def _worth_of_groups(game: Game, groups: Mask) -> FloatArray:
    """Return the worth of coalitions of whole modalities, over all the background."""
    masks = _spread(game, groups)
    n = len(masks)
    rows = np.tile(np.arange(game.n), n)
    return np.asarray(game.values(np.repeat(masks, game.n, axis=0), rows).reshape(n, -1).mean(1))


def _spread(game: Game, groups: Mask) -> Mask:
    masks = np.zeros((len(groups), len(game.players)), dtype=bool)
    for i, span in enumerate(game.spans.values()):
        masks[:, span] = groups[:, [i]]
    return masks


class _Inside:
    """The players of one modality, when modalities join in a random order."""

    def __init__(self, game: Game, name: str, rng: np.random.Generator) -> None:
        self.game, self.name, self.rng = game, name, rng
        self.span = game.spans[name]
        self.width = self.span.stop - self.span.start
        self.place = list(game.spans).index(name)
        self.k = len(game.spans)

    def effects(self, whole: float) -> _Found:
        """Return what each player adds."""
        if self.width == 1:
            return _Found(np.array([whole]))
        steps = self.width + self.k - 1
        few = self.k <= MOST_MODALITIES and steps < 24
        if few and 2**steps * self.game.n <= self.game.budget:
            return _Found(self._exactly())
        return self._along_paths(whole)

    def _exactly(self) -> FloatArray:
        others = coalitions(self.k - 1)
        weights = _order_weights(others.sum(axis=1), self.k)
        starts = _spread(self.game, np.insert(others, self.place, False, axis=1))
        return exact_shapley(lambda masks: self._worth(starts, masks) @ weights, self.width)

    def _worth(self, starts: Mask, own: Mask) -> FloatArray:
        """Return the worth of own players beside others, (n_own, n_starts)."""
        masks = np.repeat(starts[None], len(own), axis=0)
        masks[:, :, self.span] = own[:, None, :]
        flat = masks.reshape(-1, starts.shape[1])
        rows = np.tile(np.arange(self.game.n), len(flat))
        values = self.game.values(np.repeat(flat, self.game.n, axis=0), rows)
        return np.asarray(values.reshape(len(own), len(starts), -1).mean(axis=2))

    def _along_paths(self, whole: float) -> _Found:
        pairs = int(np.clip(self.game.budget // self.width, FEWEST_PATHS, MOST_PATHS)) // 2
        turns = np.array([self.rng.permutation(self.k) for _ in range(pairs)])
        orders = np.array([self.rng.permutation(self.width) for _ in range(pairs)])
        rounds = -(-pairs // self.game.n)
        rows = np.concatenate([self.rng.permutation(self.game.n) for _ in range(rounds)])[:pairs]
        turns, orders = (np.concatenate([own, own[:, ::-1]]) for own in (turns, orders))
        turn = np.argsort(turns, axis=1)
        starts = _spread(self.game, turn < turn[:, [self.place]])
        values = self.game.paths(self.name, starts, orders, np.concatenate([rows, rows]))
        added = np.zeros(orders.shape)
        np.put_along_axis(added, orders, np.diff(values, axis=1), axis=1)
        in_pairs = (added[:pairs] + added[pairs:]) / 2
        error = float((in_pairs.std(axis=0, ddof=1) / math.sqrt(pairs)).max())
        effects, rest = _adding_up_to(whole, in_pairs.mean(axis=0))
        return _Found(effects, 2 * pairs, rest, error)


def _adding_up_to(whole: float, effects: FloatArray) -> tuple[FloatArray, float]:
    """Return effects that add up to the whole, one of 0 staying 0, and what none can take."""
    sizes, rest = np.abs(effects), whole - float(effects.sum())
    total = float(sizes.sum())
    if total == 0:
        return effects, rest
    return np.asarray(effects + rest * sizes / total), 0.0
