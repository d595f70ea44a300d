"""Cross-validation: ending a walk early changes no choice, and saves what it is for."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import KFold

from consilience.cohort import Survival, tcga_acc
from consilience.cohort.outcome import SURVIVAL_DTYPE
from consilience.fusion.numerics.cooperative_path import (
    Penalty,
    begin,
    lambda_path,
    restandardised,
    stacked,
)
from consilience.fusion.numerics.cooperative_tuning import Search, chosen, tried
from consilience.fusion.numerics.families import Binomial, Cox, Gaussian, Multinomial

RHOS = (0.0, 0.1, 0.5, 1.0, 3.0)


def planted(seed, n=120):
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, 3))
    blocks = {}
    for name, p in (("a", 60), ("b", 150), ("c", 30)):
        values = rng.normal(size=(n, p))
        values[:, :3] += shared
        values[rng.random(n) < 0.15] = np.nan
        blocks[name] = values
    return blocks, shared.sum(axis=1) + rng.normal(size=n), rng


def binary(seed):
    blocks, signal, _ = planted(seed)
    return blocks, Binomial.of((signal > 0).astype(float))


def number(seed):
    blocks, signal, _ = planted(seed)
    return blocks, Gaussian.of(signal)


def classes(seed):
    blocks, signal, _ = planted(seed)
    return blocks, Multinomial.of(np.digitize(signal, [-1.0, 1.0]))


def noise(seed):
    blocks, _, rng = planted(seed)
    return blocks, Binomial.of(rng.integers(2, size=120).astype(float))


def times(seed):
    blocks, signal, rng = planted(seed)
    y = np.empty(120, dtype=SURVIVAL_DTYPE)
    y["time"], y["event"] = np.ceil(5 * np.exp(-0.5 * signal)), rng.random(120) < 0.6
    return blocks, Cox.of(y)


def acc(_):
    target = Survival("vital_status", "days").of(tcga_acc())
    frames = [target.cohort.modalities[name].frame for name in ("rna", "mirna")]
    known = target.cohort.index.intersection(frames[0].index).intersection(frames[1].index)
    y = target.y[target.cohort.index.get_indexer(known)]
    return {k: f.loc[known].to_numpy(float) for k, f in enumerate(frames)}, Cox.of(y)


def searched(blocks, family, search, seed):
    n = len(next(iter(blocks.values())))
    design = restandardised(blocks, np.arange(n))
    starts, matrices = 0, {}
    for name, values in blocks.items():
        part = design.columns[starts : starts + values.shape[1]].T.copy()
        part[~np.isfinite(values)] = np.nan
        matrices[name] = part
        starts += values.shape[1]
    penalties = [Penalty(rho, np.ones(starts)) for rho in RHOS]
    folds = list(KFold(5, shuffle=True, random_state=seed).split(np.arange(n)))
    if search is None:
        grid = lambda_path(begin(stacked(matrices), family, penalties[0]), 100, None)
        search = Search(lambdas=grid)
    return tried(matrices, family, penalties, search, folds)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("data_set", [binary, number, classes, noise, times, acc])
def test_a_walk_that_ends_early_chooses_what_the_whole_path_would(data_set, seed):
    blocks, family = data_set(seed)
    early = searched(blocks, family, Search(), seed)
    whole = searched(blocks, family, None, seed)
    assert chosen(early) == chosen(whole)
    best, reference = early[chosen(early)], whole[chosen(whole)]
    for choice in ("min", "1se"):
        assert best.place(choice) == reference.place(choice)
    for one, other in zip(early, whole, strict=True):
        shown = len(one.lambdas)
        assert one.lambdas == pytest.approx(other.lambdas[:shown])
        assert one.loss == pytest.approx(other.loss[:shown], rel=1e-9)
    assert sum(len(one.loss) for one in early) < 0.8 * sum(len(one.loss) for one in whole)
