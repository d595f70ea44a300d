"""How many components, and how many features of each block: chosen on inner folds.

One component after the other, as mixOmics tunes them: each gets the number of features
under which the patients left out are told best, given the components before it. Where
their number is not given, the search ends with the first that does not help.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.base import clone

from consilience.cohort.modality import FloatArray
from consilience.fusion.component_evidence import Evidence, Rows
from consilience.fusion.numerics.block_components import Block, Component, Remainder, Settings
from consilience.fusion.task import Task, Y

Keep = tuple[int, ...]


@dataclass(frozen=True)
class Chain:
    """Components found one after the other.

    Attributes
    ----------
    before : Remainder
        From which the last component was taken.
    had : tuple of ndarray of shape (n,)
        Which patients have anything of each block.
    components : tuple of Component
    """

    before: Remainder
    had: tuple[Rows, ...]
    components: tuple[Component, ...] = ()

    @classmethod
    def of(cls, matrices: Sequence[FloatArray], outcome: FloatArray) -> Chain:
        """Return the chain without a component yet, of standardised matrices."""
        remainder = Remainder.of(matrices, standardised(outcome, outcome)[0])
        return cls(remainder, tuple(block.rows() for block in remainder.blocks))

    @cached_property
    def rest(self) -> Remainder:
        """What the components leave."""
        return self.before.without(self.components[-1]) if self.components else self.before

    def longer(self, keep: Keep, settings: Settings) -> Chain:
        """Return the chain with one component more."""
        component = self.rest.component(keep, settings)
        return Chain(self.rest, self.had, (*self.components, component))

    def loadings(self, place: int) -> FloatArray:
        """Return a block's loadings, (p, h); the outcome's stand last."""
        return np.column_stack([found.loadings[place] for found in self.components])

    def regressions(self, place: int) -> FloatArray:
        """Return the slopes of a block's columns on its variates, (p, h)."""
        return np.column_stack([found.regressions[place] for found in self.components])

    def variates(self) -> list[FloatArray]:
        """Return the variates of each block, (n, h)."""
        return [
            np.column_stack([found.variates[place] for found in self.components])
            for place in range(len(self.had))
        ]

    def agreement(self) -> FloatArray:
        """Return each block's correlation with the outcome's variate, (n_blocks, h)."""
        return np.array(
            [
                [
                    _correlation(c.variates[place][rows], c.variates[-1][rows])
                    for c in self.components
                ]
                for place, rows in enumerate(self.had)
            ]
        )

    def weights(self) -> FloatArray:
        """Return the weight of each block in the vote: its mean agreement, 0 or more."""
        return np.asarray(np.maximum(self.agreement().mean(axis=1), 0.0))


@dataclass(frozen=True)
class Trial:
    """An inner fold: a chain on the patients to learn from, followed on those left out.

    Attributes
    ----------
    chain : Chain
    left : tuple of Block
        The blocks of the patients left out, before the last component.
    variates : tuple of ndarray of shape (n_out, h)
        Theirs.
    train, out : ndarray of int
        Positions of both among all patients.
    """

    chain: Chain
    left: tuple[Block, ...]
    variates: tuple[FloatArray, ...]
    train: Any
    out: Any

    @classmethod
    def of(cls, blocks: Sequence[FloatArray], outcome: FloatArray, train: Any, out: Any) -> Trial:
        """Return the trial without a component yet."""
        pairs = [standardised(matrix[train], matrix[out]) for matrix in blocks]
        chain = Chain.of([own for own, _ in pairs], outcome[train])
        left = tuple(Block.of(other) for _, other in pairs)
        return cls(chain, left, tuple(np.empty((len(out), 0)) for _ in left), train, out)

    @cached_property
    def _rest(self) -> tuple[Block, ...]:
        if not self.chain.components:
            return self.left
        last = self.chain.components[-1]
        return tuple(
            block.without(variates[:, -1], regression)
            for block, variates, regression in zip(
                self.left, self.variates, last.regressions, strict=True
            )
        )

    def longer(self, keep: Keep, settings: Settings) -> Trial:
        """Return the trial with one component more."""
        chain = self.chain.longer(keep, settings)
        loadings = chain.components[-1].loadings
        variates = tuple(
            np.column_stack([known, block.variate(loading)])
            for known, block, loading in zip(self.variates, self._rest, loadings, strict=False)
        )
        return Trial(chain, self._rest, variates, self.train, self.out)

    def evidence(self, of: Evidence, y: Y) -> FloatArray:
        """Return the weighted evidence on those left out, (n_blocks, n_out, n_columns)."""
        fitted = clone(of).fit(self.chain.variates(), self.chain.had, y[self.train])
        weights = self.chain.weights()
        return np.stack(
            [
                weights[place] * fitted.of_block(place, own) * self.left[place].rows()[:, None]
                for place, own in enumerate(self.variates)
            ]
        )


@dataclass(frozen=True)
class Found:
    """What the search chose.

    Attributes
    ----------
    keep : tuple of tuple of int
        Features of each block, a component.
    evidence : ndarray of shape (n_blocks, n_patients, n_columns)
        On every patient when left out, weighted.
    losses : list of (int, tuple of int, float)
        Component, features of each block, mean loss of the patients left out.
    """

    keep: tuple[Keep, ...]
    evidence: FloatArray
    losses: list[tuple[int, Keep, float]]


@dataclass(frozen=True)
class Search:
    """The search.

    Attributes
    ----------
    task : Task
    of : Evidence
    settings : Settings
    levels : tuple of tuple of Keep
        What to try, a component: as many components as there are entries.
    fixed : bool
        Whether to take that number of components, or the best up to it.
    sparing : bool
        Whether to take less where it does as well, within a standard error.
    """

    task: Task
    of: Evidence
    settings: Settings
    levels: tuple[tuple[Keep, ...], ...]
    fixed: bool
    sparing: bool

    def run(self, blocks: Sequence[FloatArray], y: Y, codes: Y, folds: Any) -> Found:
        """Search.

        Parameters
        ----------
        blocks : sequence of ndarray of shape (n_patients, p_m)
        y : ndarray of shape (n_patients,)
            For the task's loss.
        codes : ndarray of shape (n_patients,)
            As the evidence wants it.
        folds : sequence of (train, out)
        """
        outcome = self.of.outcome(codes)
        trials = [Trial.of(blocks, outcome, train, out) for train, out in folds]
        chosen: list[tuple[Keep, FloatArray, FloatArray]] = []
        losses = []
        for place, levels in enumerate(self.levels):
            if not (self.fixed or all(any(trial.chain.rest.live) for trial in trials)):
                break
            tried = []
            for keep in levels:
                longer = [trial.longer(keep, self.settings) for trial in trials]
                evidence = self._evidence(longer, codes)
                tried.append((keep, self._loss(evidence, y, codes), evidence, longer))
                losses.append((place + 1, keep, float(tried[-1][1].mean())))
            keep, loss, evidence, trials = tried[self._pick([one[1] for one in tried])]
            chosen.append((keep, loss, evidence))
            if not self.fixed and place and loss.mean() >= chosen[-2][1].mean():
                break
        last = len(chosen) - 1 if self.fixed else self._pick([one[1] for one in chosen])
        return Found(tuple(one[0] for one in chosen[: last + 1]), chosen[last][2], losses)

    def _evidence(self, trials: Sequence[Trial], codes: Y) -> FloatArray:
        whole = np.zeros((len(trials[0].left), len(codes), len(self.of.prior)))
        for trial in trials:
            whole[:, trial.out] = trial.evidence(self.of, codes)
        return whole

    def _loss(self, evidence: FloatArray, y: Y, codes: Y) -> FloatArray:
        total = evidence.sum(axis=0)
        return self.task.loss(y, self.of.values(self.of.strength(total, codes) * total))

    def _pick(self, losses: Sequence[FloatArray]) -> int:
        """Return the place of the least loss, or of the first as good within a standard error.

        The error is that of the mean difference from the least, patient by patient.
        """
        least = int(np.argmin([own.mean() for own in losses]))
        if not self.sparing:
            return least
        excess = [own - losses[least] for own in losses]
        errors = [own.std(ddof=1) / np.sqrt(len(own)) for own in excess]
        return next(i for i, own in enumerate(excess) if own.mean() <= errors[i])


def standardised(train: FloatArray, other: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return both with the mean and the variance of the first taken out; constants are 0."""
    observed = ~np.isnan(train)
    count = np.maximum(observed.sum(axis=0), 1)
    mean = np.where(observed, train, 0.0).sum(axis=0) / count
    centred = train - mean
    variance = np.where(observed, centred, 0.0) ** 2
    scale = np.sqrt(variance.sum(axis=0) / count)
    divisor = np.where(scale > 1e-9 * (1.0 + np.abs(mean)), scale, np.inf)
    return centred / divisor, (other - mean) / divisor


def _correlation(one: FloatArray, other: FloatArray) -> float:
    if len(one) < 2:
        return 0.0
    first, second = one - one.mean(), other - other.mean()
    size = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / size if size > 1e-12 else 0.0
