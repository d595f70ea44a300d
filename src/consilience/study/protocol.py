"""How candidates are compared: who is held out when."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import (
    KFold,
    LeaveOneGroupOut,
    StratifiedGroupKFold,
    StratifiedKFold,
)

from consilience.cohort import Outcome, Target
from consilience.errors import InputError, listing, suggestion

CENSORED = "without the event"
_BOUNDS: dict[str, tuple[int, int]] = {
    "folds": (2, 1000),
    "repeats": (1, 1000),
    "inner_folds": (2, 1000),
    "seed": (0, 2**32 - 1),  # what numpy and scikit-learn take
    "bootstrap": (100, 100_000),
    "permutations": (0, 10_000),
}
USUAL_REMOVALS = (0.2, 0.4, 0.6)


@dataclass(frozen=True)
class Fold:
    """Positions of the patients trained on and tested on."""

    repeat: int
    number: int
    train: npt.NDArray[np.intp]
    test: npt.NDArray[np.intp]
    name: str = ""  # of the site left out

    @property
    def key(self) -> str:
        """A name for files: "r0-f3"."""
        return f"r{self.repeat}-f{self.number}"


@dataclass(frozen=True)
class Protocol:
    """The rules of the comparison; one seed reproduces every number.

    Parameters
    ----------
    folds : int
        Outer folds, stratified by class or event.
    repeats : int
        How often the folds are drawn anew.
    inner_folds : int
        Folds on which learners choose their settings, inside the training patients.
    seed : int
        Of everything random.
    group : str, optional
        Column of `patients`: those who share a value (a family, a doctor) stay together.
    leave_out : str, optional
        Column of `patients`, usually the site: each value in turn is the test set, in
        place of drawn folds.
    subgroups : tuple of str, optional
        Columns of `patients` to report groups of; the usual ones by default.
    horizon : float, optional
        Survival: time at which calibration and net benefit are shown; the median time
        of the events by default.
    primary : str, optional
        The fused candidate the verdict is about, declared beforehand. Without it the
        verdict is about the best, and p-values are corrected for that choice (Holm).
    level : float
        Of the intervals.
    bootstrap : int
        Resamples of patients for intervals.
    permutations : int
        Fits on a shuffled outcome for the check that they score as chance; 0 skips it.
    leave_one_out : bool
        Whether to fit the candidate the verdict is about without each modality in turn.
    importance : bool
        Whether to look into which modality and which features matter.
    discoveries : bool
        Whether to fit the fused candidates on all patients to show what they find.
    robustness : bool or tuple of float
        Whether to score the fused candidates with 20, 40 and 60 % of the test patients'
        measurements removed, beside imputation before early fusion; or which shares.
    """

    folds: int = 5
    repeats: int = 3
    inner_folds: int = 3
    seed: int = 0
    group: str | None = None
    leave_out: str | None = None
    subgroups: tuple[str, ...] | None = None
    horizon: float | None = None
    primary: str | None = None
    level: float = 0.95
    bootstrap: int = 2000
    permutations: int = 10
    leave_one_out: bool = True
    importance: bool = True
    discoveries: bool = True
    robustness: bool | tuple[float, ...] = True

    def __post_init__(self) -> None:
        for key, (least, most) in _BOUNDS.items():
            value = getattr(self, key)
            if not least <= value <= most:
                bound = f"at least {least}" if value < least else f"at most {most:,}"
                raise InputError(f"{key} is {value}; it must be {bound}.")
        if 0 < self.permutations < 3:
            raise InputError(
                f"permutations is {self.permutations}; fewer than 3 say nothing, and 0 skips "
                "the check."
            )
        if not 0.5 <= self.level < 1:
            raise InputError(f"level is {self.level}; give a share such as 0.95.")
        if self.horizon is not None and not 0 < self.horizon < math.inf:
            raise InputError(f"horizon is {self.horizon}; give a time above 0.")
        if self.group is not None and self.leave_out is not None:
            raise InputError("give group or leave_out, not both: a site left out is its own group.")
        _check_removals(self.removals)

    @property
    def removals(self) -> tuple[float, ...]:
        """The shares of measurements that are removed at test time; none if not asked for."""
        if isinstance(self.robustness, bool):
            return USUAL_REMOVALS if self.robustness else ()
        return tuple(self.robustness)

    def check_columns(self, patients: pd.DataFrame, outcome: Outcome) -> None:
        """Refuse columns that are not there, or that the outcome is read from.

        Raises
        ------
        InputError
            Naming the setting and the column.
        """
        asked = {"group": [self.group], "leave_out": [self.leave_out], "subgroups": self.subgroups}
        for key, names in asked.items():
            for name in names or ():
                if name is not None:
                    _check_column(key, name, patients, outcome)
        repeated = sorted({n for n in self.subgroups or () if (self.subgroups or ()).count(n) > 1})
        if repeated:
            raise InputError(f"subgroups: {listing(repeated)} is given twice.")

    def splits(self, target: Target) -> list[Fold]:
        """Return all folds of a target.

        Raises
        ------
        InputError
            If a column is unknown, or there are too few patients, events or groups.
        """
        drawn = self.leave_out is None
        return list(self._drawn(target) if drawn else self._left_out_sites(target))

    def _drawn(self, target: Target) -> Iterator[Fold]:
        strata = strata_of(target.y)
        groups = None if self.group is None else patient_column(target, self.group, "group")
        self._check_counts(strata, groups)
        for repeat in range(self.repeats):
            splitter = self._splitter(strata, groups, repeat)
            with warnings.catch_warnings():  # of few censored patients, who are not needed
                warnings.filterwarnings("ignore", "The least populated class", UserWarning)
                pairs = list(splitter.split(np.zeros(len(strata)), strata, groups))
            for number, (train, test) in enumerate(pairs):
                yield Fold(repeat, number, train, test)

    def _splitter(self, strata: npt.NDArray[Any], groups: Any, repeat: int) -> Any:
        seed = int(np.random.SeedSequence([self.seed, repeat]).generate_state(1)[0])
        if groups is not None:
            return StratifiedGroupKFold(self.folds, shuffle=True, random_state=seed)
        many = len(np.unique(strata)) > 1
        return (StratifiedKFold if many else KFold)(self.folds, shuffle=True, random_state=seed)

    def _left_out_sites(self, target: Target) -> Iterator[Fold]:
        sites = patient_column(target, str(self.leave_out), "leave_out")
        if len(np.unique(sites)) < 2:
            raise InputError(
                f"leave_out: {self.leave_out!r} has one value; there is nothing to leave out."
            )
        pairs = LeaveOneGroupOut().split(np.zeros(len(sites)), None, sites)
        for number, (train, test) in enumerate(pairs):
            yield Fold(0, number, train, test, name=str(sites[test[0]]))

    def _check_counts(self, strata: npt.NDArray[Any], groups: Any) -> None:
        name, count = rarest(strata)
        if count < self.folds:
            mend = "take fewer folds" if count >= 2 else "too few for any study"
            raise InputError(
                f"folds: {self.folds} folds need {self.folds} patients of each class (or with the "
                f"event); {name} has {count}: {mend}."
            )
        if len(strata) < 2 * self.folds:
            raise InputError(f"folds: {len(strata)} patients are too few for {self.folds} folds.")
        if groups is not None and len(np.unique(groups)) < self.folds:
            raise InputError(
                f"group: {len(np.unique(groups))} groups are too few for {self.folds} folds."
            )


def _check_removals(shares: tuple[float, ...]) -> None:
    for share in shares:
        if isinstance(share, bool) or not (isinstance(share, float) and 0 < share < 1):
            raise InputError(
                f"robustness: {share!r} is no share to remove; give true, false, or shares between "
                "0 and 1, such as [0.2, 0.4, 0.6]."
            )
    if list(shares) != sorted(set(shares)):
        raise InputError(
            f"robustness: give the shares {listing(shares, most=9)} once each, rising."
        )


def strata_of(y: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return what folds hold equal shares of: classes, events, or nothing for a number."""
    if y.dtype.names:
        return np.where(y["event"], "with the event", CENSORED)
    return np.zeros(len(y), dtype=int) if y.dtype.kind == "f" else y


def rarest(strata: npt.NDArray[Any]) -> tuple[str, int]:
    """Return the stratum that every fold needs and the fewest patients are of, and their number.

    No fold needs a patient who was not followed to the event.
    """
    levels, counts = np.unique(strata, return_counts=True)
    needed = (levels != CENSORED) if levels.dtype.kind == "U" else np.ones(len(levels), dtype=bool)
    fewest = int(np.where(needed, counts, len(strata) + 1).argmin())
    return str(levels[fewest]), int(counts[fewest])


def patient_column(target: Target, name: str, key: str) -> npt.NDArray[Any]:
    """Return a column of `patients` as text, refusing an unknown one and missing values.

    Parameters
    ----------
    key : str
        Of the setting that names the column.
    """
    patients = target.cohort.patients
    _check_known(key, name, patients)
    values: pd.Series = patients[name]
    if values.isna().any():
        raise InputError(
            f"{key}: column {name!r} is missing for patient {values.index[values.isna()][0]!r}; "
            "every patient needs a group or site."
        )
    return values.astype(str).to_numpy(dtype=str)


def _check_column(key: str, name: str, patients: pd.DataFrame, outcome: Outcome) -> None:
    _check_known(key, name, patients)
    if name in outcome.columns:
        raise InputError(f"{key}: the outcome is read from {name!r}; name another column.")


def _check_known(key: str, name: str, patients: pd.DataFrame) -> None:
    if name not in patients.columns:
        raise InputError(
            f"{key}: the patients have no column {name!r}; there are "
            f"{listing(patients.columns, most=40)}.{suggestion(name, patients.columns)}"
        )
