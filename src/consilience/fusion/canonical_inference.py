"""Whether a canonical component is chance, how sparse it should be, how stable it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
from joblib import Parallel, cpu_count, delayed
from scipy.optimize import linear_sum_assignment
from sklearn.base import clone
from sklearn.model_selection import KFold
from threadpoolctl import threadpool_limits

from consilience.cohort import Cohort
from consilience.cohort.modality import FloatArray
from consilience.errors import InputError
from consilience.fusion.block_fusion import check_between, check_whole
from consilience.fusion.canonical_embedding import correlation
from consilience.fusion.numerics.penalised_decomposition import Penalty, decompose

if TYPE_CHECKING:
    from consilience.fusion.sparse_cca import SparseCCA

AMOUNT = 0.05  # added to the standard deviation under the null, as PMA does
NEAR, SWEEPS = 1e-4, 50  # a shuffled data set's component need not be known to the last digit

PenaltySetting: TypeAlias = float | Mapping[str, float]


@dataclass(frozen=True)
class PenaltyChoice:
    """How sparse the components should be.

    Attributes
    ----------
    penalty : float or mapping of str to float
        The best one.
    table : DataFrame
        A row a penalty tried, with what it was judged by.
    """

    penalty: PenaltySetting
    table: pd.DataFrame


def permutation_test(
    model: SparseCCA,
    cohort: Cohort,
    *,
    n: int = 1000,
    random_state: int = 0,
    jobs: int = -1,
) -> pd.DataFrame:
    """Test each component against patients shuffled between modalities.

    See `component_test`, which works on the model's matrices of this cohort.

    Parameters
    ----------
    model : SparseCCA
        Its settings; fitted or not, it is fitted afresh.
    cohort : Cohort
        The patients to test with: those it is trained on.
    n : int
        Permutations.
    random_state : int
    jobs : int
        Processes; -1 for one a core. The result does not depend on it.

    Returns
    -------
    DataFrame
        A row a component; see `component_test`.
    """
    fitted, blocks = _prepared(model, cohort)
    penalties = fitted.penalties(blocks)
    ordered = [blocks[name] for name in fitted.names_]
    return component_test(ordered, penalties, model.n_components, n=n, seed=random_state, jobs=jobs)


def component_test(
    blocks: Sequence[FloatArray],
    penalties: Sequence[Penalty],
    n_components: int,
    *,
    n: int,
    seed: int,
    jobs: int = 1,
) -> pd.DataFrame:
    """Test components one after the other by permutation.

    The statistic is the correlation of the two variates, or its sum over pairs of blocks.
    Under the null the rows of every block but the first are shuffled among the patients whom
    the block measured, and the component is sought again. A later component is tested in
    what is left of each block once its variates of the earlier components are
    regressed out, and its p-value is at least theirs: else what the first ones
    leave over would be compared with nulls that still hold it (Winkler et al. 2020,
    NeuroImage 220:117065).

    Parameters
    ----------
    blocks, penalties, n_components
        See `decompose`.
    n : int
        Permutations.
    seed : int
    jobs : int
        Processes; -1 for one a core.

    Returns
    -------
    DataFrame
        Index ``component`` from 1; ``statistic``, ``null_mean``, ``null_sd``, ``z`` (with two
        blocks after Fisher's transformation, and PMA's 0.05 added to the standard
        deviation) and ``p_value``, (1 + nulls as high) / (1 + n).
    """
    check_whole("n", n, 1)
    weights = decompose(blocks, penalties, n_components).weights
    seeds = _seeds(seed, n)
    rows = []
    for k in range(n_components):
        left = [_without(block, w[:, :k]) for block, w in zip(blocks, weights, strict=True)]
        found = _statistic(left, penalties)
        nulls = np.array(_in_parallel(_Shuffled(left, [list(penalties)]), seeds, jobs))[:, 0]
        rows.append(_judged(found, nulls, len(blocks)))
    table = pd.DataFrame(rows, index=pd.RangeIndex(1, n_components + 1, name="component"))
    table["p_value"] = np.maximum.accumulate(table["p_value"].to_numpy())
    return table


def choose_penalty_by_permutation(
    model: SparseCCA,
    cohort: Cohort,
    penalties: Sequence[PenaltySetting] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7),
    *,
    n: int = 100,
    random_state: int = 0,
    jobs: int = -1,
) -> PenaltyChoice:
    """Return the penalty whose first component stands out most from shuffled patients.

    The z-statistic of Witten, Tibshirani and Hastie (2009) and of PMA's `CCA.permute`, with
    the same permutations for every penalty.

    Parameters
    ----------
    model, cohort, n, random_state, jobs
        See `permutation_test`.
    penalties : sequence of float or mapping of str to float
        What to try; the first component alone is looked at.

    Returns
    -------
    PenaltyChoice
        Its table: ``penalty``, ``statistic``, ``null_mean``, ``null_sd``, ``z``,
        ``p_value`` and ``features``, how many have a weight.
    """
    check_whole("n", n, 1)
    settings = _checked(model, penalties)
    fitted, blocks = _prepared(settings[0], cohort)
    ordered = [blocks[name] for name in fitted.names_]
    asked = [setting.penalties(blocks) for setting in _named(settings, fitted)]
    seeds = _seeds(random_state, n)
    nulls = np.array(_in_parallel(_Shuffled(ordered, asked), seeds, jobs))
    rows = []
    for place, (penalty, own) in enumerate(zip(penalties, asked, strict=True)):
        found = decompose(ordered, own, 1, tolerance=NEAR, most=SWEEPS).weights
        judged = _judged(_agreement(ordered, found), nulls[:, place], len(ordered))
        features = sum(int(np.count_nonzero(w)) for w in found)
        rows.append({"penalty": penalty, **judged, "features": features})
    table = pd.DataFrame(rows)
    return PenaltyChoice(penalties[int(table["z"].argmax())], table)


def choose_penalty_by_cross_validation(
    model: SparseCCA,
    cohort: Cohort,
    penalties: Sequence[PenaltySetting] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7),
    *,
    folds: int = 5,
    random_state: int = 0,
    jobs: int = -1,
) -> PenaltyChoice:
    """Return the penalty whose components correlate best in patients left out.

    Parameters
    ----------
    model, cohort, random_state, jobs
        See `permutation_test`.
    penalties : sequence of float or mapping of str to float
        What to try. Of equally good ones the first is taken.
    folds : int

    Returns
    -------
    PenaltyChoice
        Its table: ``penalty``, ``correlation`` (held out; mean over folds, of the mean over
        components and pairs of modalities, a variate that does not vary counting as 0),
        ``se`` over the folds, and ``features`` of the first component, mean over folds.

    Raises
    ------
    InputError
        If there are fewer patients than three a fold.
    """
    check_whole("folds", folds, 2)
    if len(cohort) < 3 * folds:
        raise InputError(
            f"{len(cohort)} patients are too few for {folds} folds: a correlation needs three each."
        )
    settings = _checked(model, penalties)
    parts = list(
        KFold(folds, shuffle=True, random_state=random_state).split(np.arange(len(cohort)))
    )
    tasks = [(setting, train, test) for setting in settings for train, test in parts]
    found = np.array(_in_parallel(_HeldOut(cohort), tasks, jobs)).reshape(len(settings), folds, 2)
    table = pd.DataFrame(
        {
            "penalty": list(penalties),
            "correlation": found[:, :, 0].mean(axis=1),
            "se": found[:, :, 0].std(axis=1, ddof=1) / np.sqrt(folds),
            "features": found[:, :, 1].mean(axis=1),
        }
    )
    return PenaltyChoice(penalties[int(table["correlation"].argmax())], table)


def selection_stability(
    model: SparseCCA,
    cohort: Cohort,
    *,
    n: int = 100,
    share: float = 0.5,
    random_state: int = 0,
    jobs: int = -1,
) -> pd.DataFrame:
    """Return how often each feature is selected when part of the patients are drawn.

    Patients are drawn without replacement (Meinshausen and Buehlmann 2010, J. R. Stat.
    Soc. B 72:417) and their columns standardised anew. A draw's components are matched with
    those of all patients by their weights, signs included.

    Parameters
    ----------
    model, cohort, random_state, jobs
        See `permutation_test`.
    n : int
        Draws.
    share : float
        Of the patients, in (0, 1).

    Returns
    -------
    DataFrame
        A row a component and feature, those selected most often first: ``component``,
        ``modality``, ``feature``, ``weight`` with all patients, ``selected`` and
        ``same_sign``, shares of the draws in which it has a weight, and one of
        the sign it has with all patients.
    """
    check_whole("n", n, 1)
    check_between("share", share, 0, 1)
    fitted, blocks = _prepared(model, cohort)
    ordered = [blocks[name] for name in fitted.names_]
    whole = np.vstack([fitted.weights_[name] for name in fitted.names_])
    drawing = _Drawn(ordered, fitted.penalties(blocks), whole, share)
    signs = np.array(_in_parallel(drawing, _seeds(random_state, n), jobs))
    selected, agreeing = (signs != 0).mean(axis=0), (signs * np.sign(whole) > 0).mean(axis=0)
    names = [(name, f) for name in fitted.names_ for f in fitted.blocks_.features_[name]]
    rows = [
        (k + 1, *names[i], whole[i, k], selected[i, k], agreeing[i, k])
        for k in range(whole.shape[1])
        for i in np.argsort(-selected[:, k], kind="stable")
    ]
    columns = ["component", "modality", "feature", "weight", "selected", "same_sign"]
    return pd.DataFrame(rows, columns=columns)


class _Shuffled:
    """The statistic, for several penalties, once patients are shuffled."""

    def __init__(self, blocks: list[FloatArray], penalties: list[list[Penalty]]) -> None:
        self.blocks, self.penalties = blocks, penalties

    def __call__(self, seed: Any) -> list[float]:
        rng = np.random.default_rng(seed)
        blocks = [self.blocks[0], *(shuffled(block, rng) for block in self.blocks[1:])]
        return [_statistic(blocks, penalties) for penalties in self.penalties]


class _HeldOut:
    """The correlation of patients left out, and how many features it took."""

    def __init__(self, cohort: Cohort) -> None:
        self.cohort = cohort

    def __call__(self, task: Any) -> tuple[float, int]:
        setting, train, test = task
        fitted = setting.fit(self.cohort[train])
        held_out = fitted.correlations(self.cohort[test])["correlation"]
        features = sum(int(np.count_nonzero(w[:, 0])) for w in fitted.weights_.values())
        return float(held_out.fillna(0.0).mean()), features


class _Drawn:
    """The signs of the weights, (n_features, n_components), in a part of the patients."""

    def __init__(
        self, blocks: list[FloatArray], penalties: list[Penalty], whole: FloatArray, share: float
    ) -> None:
        self.blocks, self.penalties, self.whole, self.share = blocks, penalties, whole, share

    def __call__(self, seed: Any) -> FloatArray:
        n = len(self.blocks[0])
        drawn = np.random.default_rng(seed).choice(n, max(2, round(self.share * n)), replace=False)
        blocks = [_standardised(block[np.sort(drawn)]) for block in self.blocks]
        found = decompose(blocks, self.penalties, self.whole.shape[1])
        weights = np.vstack(found.weights)
        alike = self.whole.T @ weights
        own, other = linear_sum_assignment(-np.abs(alike))
        signs = np.zeros_like(weights)
        signs[:, own] = np.sign(weights[:, other]) * np.where(alike[own, other] < 0, -1.0, 1.0)
        return signs


def shuffled(block: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return a block with its rows shuffled among the patients whom it measured."""
    measured = np.flatnonzero(np.isfinite(block).any(axis=1))
    out = block.copy()
    out[measured] = block[rng.permutation(measured)]
    return out


def _statistic(blocks: Sequence[FloatArray], penalties: Sequence[Penalty]) -> float:
    found = decompose(blocks, penalties, 1, tolerance=NEAR, most=SWEEPS)
    return _agreement(blocks, found.weights)


def _agreement(blocks: Sequence[FloatArray], weights: Sequence[FloatArray]) -> float:
    """Return the correlation of the first component's variates, summed over pairs of blocks."""
    scores = [_scores(block, w[:, :1])[:, 0] for block, w in zip(blocks, weights, strict=True)]
    found = [correlation(one, other)[1] for one, other in combinations(scores, 2)]
    return float(np.nansum(found))


def _scores(block: FloatArray, weights: FloatArray) -> FloatArray:
    """Return variates, NaN where a block did not measure; a missing value adds nothing."""
    scores = np.nan_to_num(block) @ weights
    scores[~np.isfinite(block).any(axis=1)] = np.nan
    return scores


def _without(block: FloatArray, weights: FloatArray) -> FloatArray:
    """Return what is left of a block once the variates with these weights are regressed out."""
    if not weights.shape[1]:
        return block
    filled = np.nan_to_num(block)
    scores = filled @ weights
    slopes = np.linalg.lstsq(scores, filled, rcond=None)[0]
    return np.asarray(block - scores @ slopes)


def _judged(found: float, nulls: FloatArray, blocks: int) -> dict[str, float]:
    """Return a row: the statistic beside its null distribution."""
    scale: Callable[[Any], Any] = _fisher if blocks == 2 else np.asarray
    spread = float(np.std(scale(nulls), ddof=1)) if len(nulls) > 1 else 0.0
    return {
        "statistic": found,
        "null_mean": float(nulls.mean()),
        "null_sd": float(nulls.std(ddof=1)) if len(nulls) > 1 else float("nan"),
        "z": float((scale(found) - scale(nulls).mean()) / (spread + AMOUNT)),
        "p_value": float((1 + np.count_nonzero(nulls >= found)) / (1 + len(nulls))),
    }


def _fisher(value: Any) -> Any:
    return np.arctanh(np.clip(value, -1 + 1e-12, 1 - 1e-12))


def _standardised(block: FloatArray) -> FloatArray:
    """Return columns of mean 0 and variance 1 over what is known; constant ones are 0."""
    known = np.isfinite(block)
    count = np.maximum(known.sum(axis=0), 1)
    centred = block - np.where(known, block, 0.0).sum(axis=0) / count
    scale = np.sqrt(np.where(known, centred**2, 0.0).sum(axis=0) / count)
    flat = scale < 1e-10  # columns come with variance 1 over all patients
    return np.asarray(np.where(flat & known, 0.0, centred / np.where(flat, 1.0, scale)))


def _prepared(model: SparseCCA, cohort: Cohort) -> tuple[SparseCCA, dict[str, FloatArray]]:
    """Return the model fitted without learner, and the matrices of its training patients."""
    fitted = clone(model).set_params(learner=None, permutations=0).fit(cohort)
    places = cohort.index.astype(str).get_indexer(fitted.patients_)
    return fitted, fitted.blocks_.matrices(cohort[places])


def _checked(model: SparseCCA, penalties: Sequence[PenaltySetting]) -> list[SparseCCA]:
    """Return the model with each penalty."""
    if not (isinstance(penalties, Sequence | np.ndarray) and len(penalties)):
        raise InputError(f"penalties: give a list of at least one penalty, not {penalties!r}.")
    plain = clone(model).set_params(learner=None, permutations=0)
    settings = [clone(plain).set_params(penalty=penalty) for penalty in penalties]
    for setting in settings:
        setting.check_settings()
    return settings


def _named(settings: list[SparseCCA], fitted: SparseCCA) -> list[SparseCCA]:
    """Return the settings once each is known to have a penalty for every modality."""
    for setting in settings:
        setting.modalities_ = fitted.modalities_
        setting.check_names(fitted.names_)
    return settings


def _seeds(random_state: int, n: int) -> list[np.random.SeedSequence]:
    check_whole("random_state", random_state, 0)
    return np.random.SeedSequence(random_state).spawn(n)


def _in_parallel(task: Callable[[Any], Any], items: Sequence[Any], jobs: int) -> list[Any]:
    """Return the task's answers, in order; each process keeps to one thread of its own."""
    if isinstance(jobs, bool) or not hasattr(jobs, "__index__") or not jobs:
        raise InputError(f"jobs must be a number of processes, or -1 for all cores, not {jobs!r}.")
    workers = max(1, cpu_count() + 1 + jobs if jobs < 0 else jobs)
    if workers == 1 or len(items) == 1:
        return _serially(task, items)
    chunks = np.array_split(np.arange(len(items)), min(len(items), 4 * workers))
    answers = Parallel(n_jobs=workers)(
        delayed(_serially)(task, [items[i] for i in chunk]) for chunk in chunks
    )
    return [answer for part in answers for answer in part]


def _serially(task: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    with threadpool_limits(1):
        return [task(item) for item in items]
