"""How surprising it is that two patients have the same values.

Two rows of a sparse table of mutations are often equal, two rows of gene expression
never by chance. What tells them apart is how many pairs of patients one would expect
to agree on the same values if patients were unrelated:

    pairs x product over features of P(agree on this value).

Features with nearly unique values count in full, once where two order the patients
alike. Others (mutations, copy numbers, categories) are strongly related to each other,
so that the product would overstate the surprise; the sum of their logarithms is scaled
down by the participation ratio of the correlations of the features' surprisals, (sum of
eigenvalues)^2 / sum of squares, over their number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from consilience.cohort.modality import FloatArray, Positions
from consilience.cohort.table import Blocks

NEARLY_UNIQUE = 0.01  # share of pairs of patients that agree on a feature
MOST_COUNTED = 20_000
MOST_RELATED = 1_000


@dataclass(frozen=True)
class Coincidence:
    """How often unrelated patients agree, feature by feature.

    Attributes
    ----------
    rate : ndarray of shape (n_features,)
        Share of pairs of patients who agree on each feature, numeric ones first.
    telling : ndarray of shape (n_features,)
        Which features have nearly unique values and repeat no other feature.
    n_patients : int
        Patients in the whole table.
    """

    rate: FloatArray
    telling: npt.NDArray[np.bool_]
    n_patients: int

    @property
    def log_pairs(self) -> float:
        """Logarithm of the number of pairs of patients."""
        return float(np.log(max(1.0, self.n_patients * (self.n_patients - 1) / 2)))

    def of_telling(self, known: npt.NDArray[np.bool_]) -> float:
        """Return the expected number of pairs that agree on all telling features in `known`."""
        agreed = self.telling & known
        return float(np.exp(self.log_pairs + np.log(self.rate[agreed]).sum()))


def coincidence_of(codes: npt.NDArray[np.int64], n_patients: int) -> Coincidence:
    """Count agreements.

    Parameters
    ----------
    codes : ndarray of shape (n_counted, n_features)
        As `codes_of` returns them.
    n_patients : int
        Patients in the whole table.
    """
    rate = np.array([_agreement(column) for column in codes.T])
    telling = np.zeros(codes.shape[1], dtype=bool)
    seen: set[bytes] = set()
    for place in np.flatnonzero(rate <= NEARLY_UNIQUE):
        column = codes[:, place]
        telling[place] = column.tobytes() not in seen
        backwards = np.where(column >= 0, column.max() - column, -1)
        seen |= {column.tobytes(), backwards.tobytes()}
    return Coincidence(rate, telling, n_patients)


def codes_of(blocks: Blocks, rows: Positions) -> npt.NDArray[np.int64]:
    """Return the rank of each value among the values of its feature from 0, -1 = missing."""
    numeric = blocks.numeric[rows]
    text = blocks.categorical.iloc[rows]
    columns = [pd.factorize(column, sort=True)[0] for column in numeric.T]
    columns += [pd.factorize(text[name], sort=True)[0] for name in text.columns]
    return np.array(columns, dtype=np.int64).reshape(len(columns), len(rows)).T


def expected_equal(blocks: Blocks, groups: list[Positions], seed: int) -> FloatArray:
    """Return, for each group of equal rows, how many such pairs unrelated patients would give.

    Parameters
    ----------
    blocks : Blocks
        All rows.
    groups : list of ndarray
        Positions of rows that are equal.
    seed : int
        Chooses the patients counted where there are more than 20,000.
    """
    n = len(blocks.numeric)
    first = np.array([group[0] for group in groups], dtype=np.intp)
    counted = some_rows(n, MOST_COUNTED, seed)
    codes = codes_of(blocks, np.concatenate([counted, first]))
    chance = coincidence_of(codes[: len(counted)], n)
    ours = codes[len(counted) :]
    surprise = np.column_stack([_surprisal(column, len(counted)) for column in codes.T])
    plain = (chance.rate > NEARLY_UNIQUE) & (ours >= 0)
    weight = _independent_share(surprise[: len(counted)], chance.rate > NEARLY_UNIQUE, seed)
    of_plain = np.where(plain, surprise[len(counted) :], 0.0).sum(axis=1) * weight
    of_telling = np.where(chance.telling & (ours >= 0), -np.log(chance.rate), 0.0).sum(axis=1)
    expected: FloatArray = np.exp(np.minimum(chance.log_pairs - of_plain - of_telling, 700.0))
    return expected


def some_rows(n: int, most: int, seed: int) -> Positions:
    """Return all positions, or `most` of them at random, in order."""
    if n <= most:
        return np.arange(n, dtype=np.intp)
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False)).astype(np.intp)


def _agreement(codes: npt.NDArray[np.int64]) -> float:
    counts = np.bincount(codes[codes >= 0]).astype(float)
    known = counts.sum()
    pairs = known * (known - 1) / 2
    if pairs < 1:
        return 1.0
    return float(min(1.0, max(1.0, (counts * (counts - 1) / 2).sum()) / pairs))


def _surprisal(codes: npt.NDArray[np.int64], n_counted: int) -> FloatArray:
    """Return -log of the share of counted patients with the same value, 0 where missing."""
    base = codes[:n_counted]
    counts = np.bincount(base[base >= 0], minlength=int(codes.max(initial=-1)) + 1).astype(float)
    known = max(1.0, counts.sum())
    logs = -np.log(np.maximum(counts, 1.0) / known)
    return np.where(codes >= 0, logs[codes] if len(logs) else 0.0, 0.0)


def _independent_share(surprise: FloatArray, plain: npt.NDArray[np.bool_], seed: int) -> float:
    """Return the participation ratio of the plain features' correlations over their number."""
    columns = surprise[some_rows(len(surprise), MOST_RELATED, seed)][:, plain]
    spread = columns.std(axis=0)
    columns = columns[:, spread > 0]
    if columns.shape[1] == 0:
        return 1.0
    z = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    wide = z.shape[1] > z.shape[0]
    gram = z @ z.T if wide else z.T @ z
    return float(np.trace(gram) ** 2 / (gram**2).sum() / z.shape[1])
