"""Small models and cohorts whose explanation is known."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from consilience.cohort import Cohort, Table
from consilience.metrics.scores import Values
from consilience.trust.game import Game, ModelGame
from consilience.trust.hybrid import Hybrids
from consilience.trust.number import PredictedValue

VALUE = PredictedValue("the value")


class Formula:
    """A model that computes a value from the columns of tables; 0 where not measured."""

    def __init__(self, formula: Callable[[np.ndarray], np.ndarray], **names: list[str]) -> None:
        self.formula, self.names = formula, names

    def scores(self, cohort: Cohort) -> Values:
        columns = []
        for name, features in self.names.items():
            frame = cohort.modalities[name].frame[features].to_numpy(dtype=float)
            places = cohort.positions(name)
            columns.append(np.where(places[:, None] >= 0, frame[places], 0.0))
        return Values(self.formula(np.hstack(columns))[:, None])


def cohort_of(**widths: int) -> Cohort:
    """Return 12 patients with tables of random numbers, columns a0, a1, ... of table a."""
    rng = np.random.default_rng(3)
    ids = [f"p{i}" for i in range(12)]
    tables = {
        name: Table(
            pd.DataFrame(
                rng.normal(size=(12, width)),
                index=ids,
                columns=[f"{name}{i}" for i in range(width)],
            ),
            kinds=dict.fromkeys((f"{name}{i}" for i in range(width)), "continuous"),
        )
        for name, width in widths.items()
    }
    return Cohort(pd.DataFrame(index=ids), tables)


def game_of(model: object, cohort: Cohort, budget: int = 8192) -> ModelGame:
    """Return the game of the first patient against the others."""
    hybrids = Hybrids(cohort[[0]], cohort[1:], list(cohort.modalities))
    return ModelGame(model, hybrids, VALUE, budget)  # type: ignore[arg-type]


def worth(game: Game, joined: list[int]) -> float:
    mask = np.zeros((game.n, len(game.players)), dtype=bool)
    mask[:, joined] = True
    return float(game.values(mask, np.arange(game.n)).mean())


def over_orders(game: Game, *, grouped: bool) -> np.ndarray:
    """Return Shapley or Owen values by their definition: the mean over all orders allowed."""
    n = len(game.players)
    group = [player.modality for player in game.players]
    known: dict[frozenset[int], float] = {}
    total, count = np.zeros(n), 0
    for order in itertools.permutations(range(n)):
        runs = [name for name, _ in itertools.groupby(order, key=lambda i: group[i])]
        if grouped and len(runs) > len(set(group)):
            continue
        count += 1
        before = frozenset[int]()
        for i in order:
            after = before | {i}
            for joined in (before, after):
                if joined not in known:
                    known[joined] = worth(game, sorted(joined))
            total[i] += known[after] - known[before]
            before = after
    assert count == (math.factorial(n) if not grouped else count)
    return total / count


def effects_of(explanation: object) -> Mapping[tuple[str, str | None], float]:
    """Return the effects of an explanation by modality and feature."""
    return {(one.modality, one.feature): one.effect for one in explanation.contributions}  # type: ignore[attr-defined]
