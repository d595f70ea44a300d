"""The same patient twice: equal measurements, nearly equal ones, or ids that agree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from consilience.cohort import Cohort, Modality, Table
from consilience.cohort.ids import TRANSFORMATIONS
from consilience.cohort.modality import Positions
from consilience.cohort.table import Blocks
from consilience.errors import listing
from consilience.trust.check import Check
from consilience.trust.coincidence import (
    MOST_COUNTED,
    codes_of,
    coincidence_of,
    expected_equal,
    some_rows,
)
from consilience.trust.comparable import comparable
from consilience.trust.neighbours import MOST_COMPARED_WITH_ALL, near_pairs

BY_CHANCE = 1e-4
MOST_READ = 2_000
MOST_SEARCHED = 200_000
MOST_SHOWN = 50
MOST_ALIASES = 4

Likeness: TypeAlias = Literal["equal", "nearly equal"]


@dataclass(frozen=True)
class Pair:
    """Two patients who may be one.

    Attributes
    ----------
    first, second : int
        Positions in the cohort.
    ids : tuple of str
        Their ids.
    modalities : dict of str to {"equal", "nearly equal"}
        Where their measurements agree.
    ids_agree_after : str or None
        What makes their ids the same, if something does and their data in `patients`
        are equal too.
    expected : float
        How many pairs of unrelated patients in the cohort would agree as well, in the
        modality that says most.
    differs_in : tuple of str
        Modalities that measured both and in which they are not alike.
    """

    first: int
    second: int
    ids: tuple[str, str]
    modalities: dict[str, Likeness]
    ids_agree_after: str | None = None
    expected: float = 0.0
    differs_in: tuple[str, ...] = ()

    @property
    def signs(self) -> int:
        """In how many ways they are alike: modalities, and ids."""
        return len(self.modalities) + (self.ids_agree_after is not None)

    @property
    def one_patient(self) -> bool:
        """Whether they are alike in at least as many modalities as they differ in."""
        return self.signs >= len(self.differs_in)

    @property
    def certain(self) -> bool:
        """Whether they are one patient by an equal row, or by two signs."""
        return self.one_patient and ("equal" in self.modalities.values() or self.signs > 1)

    def details(self) -> dict[str, Any]:
        """Return the pair as a dict for reports."""
        return {
            "patients": list(self.ids),
            "modalities": dict(self.modalities),
            "differs in": list(self.differs_in),
            "ids agree after": self.ids_agree_after,
            "expected by chance": self.expected,
        }


@dataclass(frozen=True)
class Duplicates:
    """What a search for duplicate patients found.

    Attributes
    ----------
    pairs : tuple of Pair
        Of k patients with equal rows, the first with each of the others.
    covered : list of dict
        What was compared, an entry a modality, and how many near pairs were set aside.
    """

    pairs: tuple[Pair, ...]
    covered: list[dict[str, Any]]


def duplicate_patients(cohort: Cohort, *, seed: int = 0) -> Check:
    """Check that no patient stands in the cohort twice.

    Parameters
    ----------
    cohort : Cohort
    seed : int
        See `find_duplicates`.

    Returns
    -------
    Check
        "failed" if patients have equal rows, or near ones in two modalities. "warning" if
        they are near in one, if only their ids and their data in `patients` agree, or if
        they have an equal row but differ in more modalities than they are alike in: then
        it is a placeholder, or a sample filed under two patients.
    """
    found = find_duplicates(cohort, seed=seed)
    return duplicates_check(found, len(cohort))


def duplicates_check(found: Duplicates, n_patients: int) -> Check:
    """Return the check that a search's result amounts to."""
    name, pairs = "duplicate patients", found.pairs
    if not pairs:
        sentence = f"No two of {n_patients} patients look like the same patient."
        return Check(name, "passed", sentence, found.covered)
    worst = sorted(pairs, key=lambda pair: (not pair.certain, not pair.one_patient, pair.expected))
    one = [pair for pair in worst if pair.one_patient]
    details = [pair.details() for pair in worst[:MOST_SHOWN]] + found.covered
    sentence = " ".join([_of_copies(one), _of_placeholders([p for p in worst if p not in one])])
    return Check(name, "failed" if worst[0].certain else "warning", sentence.strip(), details)


def _of_copies(pairs: list[Pair]) -> str:
    if not pairs:
        return ""
    return (
        f"{_counted(pairs)} of patients look like the same patient twice: {_named(pairs)}. Remove "
        "the copies, or give the study a grouping column that holds them together."
    )


def _of_placeholders(pairs: list[Pair]) -> str:
    if not pairs:
        return ""
    return (
        f"{_counted(pairs)} of patients who differ elsewhere have the same row in "
        f"{listing(sorted({name for pair in pairs for name in pair.modalities}), most=3)}: "
        f"{_named(pairs)}. It is a placeholder, which is better left out (then they count as not "
        "measured), or a sample filed under two patients."
    )


def _counted(pairs: list[Pair]) -> str:
    return f"{len(pairs)} {'pair' if len(pairs) == 1 else 'pairs'}"


def _named(pairs: list[Pair]) -> str:
    return listing([f"{pair.ids[0]} and {pair.ids[1]}" for pair in pairs], most=3)


def find_duplicates(cohort: Cohort, *, seed: int = 0) -> Duplicates:
    """Search all modalities for patients who are the same.

    Equal rows count if fewer than 1e-4 pairs of unrelated patients would be expected to
    have them (see `coincidence`): many patients without a mutation are no duplicates.
    Near-duplicates are searched among the features with nearly unique values (see
    `neighbours`), which are at least three. Bags and images are read for at most
    2,000 patients taken at random, tables for all; near-duplicates are searched among
    at most 200,000. Pairs that are only near, and differ in more modalities than they are
    alike in, are set aside and counted: two empty images are near each other.

    Parameters
    ----------
    cohort : Cohort
    seed : int
        For what is done on a sample.
    """
    signs: dict[tuple[int, int], dict[str, Likeness]] = defaultdict(dict)
    expected: dict[tuple[int, int], float] = {}
    covered, marks = [], {}
    for name, modality in cohort.modalities.items():
        places = np.flatnonzero(cohort.has(name))
        search = _search(modality, cohort.positions(name)[places], seed)
        covered.append({"modality": name, "patients": len(places), **search.covered})
        marks[name] = dict(zip(places[search.read].tolist(), search.marks.tolist(), strict=True))
        for first, second, likeness, chance in search.pairs:
            a, b = sorted((int(places[first]), int(places[second])))
            signs[a, b][name] = likeness
            expected[a, b] = min(chance, expected.get((a, b), np.inf))
    agreeing = _ids_that_agree(cohort)
    pairs = [
        Pair(
            a,
            b,
            (str(cohort.index[a]), str(cohort.index[b])),
            signs.get((a, b), {}),
            agreeing.get((a, b)),
            expected.get((a, b), 0.0),
            _differing(marks, signs.get((a, b), {}), a, b),
        )
        for a, b in sorted({*signs, *agreeing})
    ]
    kept = tuple(p for p in pairs if p.one_patient or "equal" in p.modalities.values())
    return Duplicates(kept, [*covered, {"near pairs set aside": len(pairs) - len(kept)}])


def _differing(
    marks: dict[str, dict[int, int]], alike: dict[str, Likeness], a: int, b: int
) -> tuple[str, ...]:
    """Return the modalities in which both were compared and neither row nor mark agrees."""
    return tuple(
        name
        for name, mark in marks.items()
        if name not in alike and a in mark and b in mark and mark[a] != mark[b]
    )


@dataclass(frozen=True)
class _Search:
    pairs: list[tuple[int, int, Likeness, float]]
    covered: dict[str, Any]
    read: Positions
    marks: npt.NDArray[np.uint64]  # equal for equal rows


def _search(modality: Modality, rows: Positions, seed: int) -> _Search:
    """Search one modality, looking at row `rows[i]` for patient i."""
    read = np.arange(len(rows))
    if not isinstance(modality, Table):
        read = some_rows(len(rows), MOST_READ, seed)
    blocks = comparable(modality.take(rows[read]))
    marks = _marks(blocks)
    equal, copies = _equal_rows(blocks, marks, seed)
    single = np.setdiff1d(np.arange(len(read)), copies)
    single = single[some_rows(len(single), MOST_SEARCHED, seed)]
    near, n_telling = _nearly_equal_rows(blocks, single, seed)
    pairs = [(int(read[a]), int(read[b]), like, chance) for a, b, like, chance in (*equal, *near)]
    covered = {
        "compared for equal rows": len(read),
        "compared for near rows": len(single) if n_telling >= 3 else 0,
        "each with": "all others" if len(single) <= MOST_COMPARED_WITH_ALL else "the likeliest",
        "features that tell patients apart": n_telling,
    }
    return _Search(pairs, covered, read, marks)


_Found: TypeAlias = list[tuple[int, int, Likeness, float]]


def _equal_rows(
    blocks: Blocks, marks: npt.NDArray[np.uint64], seed: int
) -> tuple[_Found, Positions]:
    """Return pairs of equal rows that chance does not explain, and the rows that are copies."""
    groups = list(_groups_of_equal(blocks, marks))
    if not groups:
        return [], np.empty(0, dtype=np.intp)
    chance = expected_equal(blocks, groups, seed)
    pairs: _Found = [
        (int(group[0]), int(other), "equal", float(expected))
        for group, expected in zip(groups, chance, strict=True)
        for other in group[1:]
        if expected <= BY_CHANCE
    ]
    return pairs, np.concatenate([group[1:] for group in groups])


def _marks(blocks: Blocks) -> npt.NDArray[np.uint64]:
    """Return a number for each row, the same for equal rows."""
    numbers = pd.DataFrame(blocks.numeric + 0.0, copy=False)  # -0.0 becomes 0.0
    marks = np.zeros(len(numbers), dtype=np.uint64)
    for part in (numbers, blocks.categorical):
        if part.shape[1]:
            hashed = pd.util.hash_pandas_object(part.reset_index(drop=True), index=False)
            marks *= np.uint64(0x9E3779B97F4A7C15)
            marks += hashed.to_numpy(dtype=np.uint64)
    return marks


def _groups_of_equal(blocks: Blocks, marks: npt.NDArray[np.uint64]) -> Iterator[Positions]:
    """Yield the positions of rows that are equal and hold anything, group by group."""
    numbers = (~np.isnan(blocks.numeric)).any(axis=1)
    holds = np.logical_or(numbers, blocks.categorical.notna().to_numpy().any(axis=1)).tolist()
    order = np.argsort(marks, kind="stable")
    starts = np.flatnonzero(np.diff(marks[order])) + 1
    for group in np.split(order, starts.tolist()):
        if len(group) > 1 and holds[group[0]]:
            yield group


def _nearly_equal_rows(blocks: Blocks, rows: Positions, seed: int) -> tuple[_Found, int]:
    """Return near-duplicates among some rows, and how many features tell patients apart."""
    if len(rows) < 2 or not blocks.numeric.shape[1]:
        return [], 0
    numbers = Blocks(blocks.numeric, pd.DataFrame(index=blocks.categorical.index))
    counted = rows[some_rows(len(rows), MOST_COUNTED, seed)]
    chance = coincidence_of(codes_of(numbers, counted), len(rows))
    telling = np.flatnonzero(chance.telling)
    pairs: _Found = []
    for pair in near_pairs(blocks.numeric[np.ix_(rows, telling)], seed, BY_CHANCE):
        known = np.zeros(len(chance.rate), dtype=bool)
        known[telling] = pair.known
        expected = pair.expected + chance.of_telling(known)
        if expected <= BY_CHANCE:
            a, b = int(rows[pair.first]), int(rows[pair.second])
            pairs.append((a, b, "nearly equal", expected))
    return pairs, len(telling)


def _ids_that_agree(cohort: Cohort) -> dict[tuple[int, int], str]:
    """Return pairs whose ids become one by a transformation and whose data are equal.

    Ids that differ in more than case and punctuation ("OR-A5J1-01A", "OR-A5J1-01B") need
    three equal columns; ids that become one for more than four patients are a way of
    naming, not copies.
    """
    agreeing: dict[tuple[int, int], str] = {}
    ids, patients = cohort.index.astype(str), cohort.patients
    plain = ids.str.replace(r"[\W_]", "", regex=True).str.casefold()
    for words, change in TRANSFORMATIONS.items():
        changed = pd.Series([change(one) for one in ids])
        doubled = changed[changed.duplicated(keep=False) & (changed != "")]
        for places in doubled.groupby(doubled).groups.values():
            first, *others = (int(place) for place in places)
            for other in others if len(others) < MOST_ALIASES else []:
                fewest = 1 if plain[first] == plain[other] else 3
                if _equal_data(patients.iloc[first], patients.iloc[other], fewest):
                    agreeing.setdefault((first, other), words)
    return agreeing


def _equal_data(one: pd.Series, other: pd.Series, fewest: int) -> bool:
    """Return whether two patients agree in all columns known for both, and in enough of them."""
    both = (one.notna() & other.notna()).to_numpy()
    same: npt.NDArray[Any] = (one.to_numpy() == other.to_numpy())[both]
    return bool(both.sum() >= fewest and same.all())
