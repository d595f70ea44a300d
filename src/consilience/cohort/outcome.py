"""What is to be predicted, read off the patients."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from consilience.cohort.cohort import Cohort
from consilience.errors import InputError, listing, suggestion

OutcomeKind: TypeAlias = Literal["binary", "multiclass", "continuous", "survival"]
SURVIVAL_DTYPE = np.dtype([("event", bool), ("time", float)])


@dataclass(frozen=True)
class Target:
    """The patients whose outcome is known, and the outcome.

    Attributes
    ----------
    cohort : Cohort
        The patients whose outcome is known.
    y : ndarray of shape (n_patients,)
        Binary: 0 / 1. Multiclass: text. Continuous: float. Survival: structured
        array with fields ``event`` (bool) and ``time`` (float).
    left_out : DataFrame
        The other patients: columns patient, source, reason.
    kind : {"binary", "multiclass", "continuous", "survival"}
    """

    cohort: Cohort
    y: npt.NDArray[Any]
    left_out: pd.DataFrame
    kind: OutcomeKind


@dataclass(frozen=True)
class Outcome(ABC):
    """What is to be predicted; `of` reads it off a cohort.

    Parameters
    ----------
    label : str, optional
        What it is called in reports, such as "death"; by keyword.
    """

    label: str = field(default="", kw_only=True)
    kind: ClassVar[OutcomeKind]

    @property
    def name(self) -> str:
        """What it is called in reports: the label, or what the columns say."""
        return self.label or self._plain_name()

    def _plain_name(self) -> str:
        return self.columns[0]

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The columns of `patients` that it is read from; never a feature."""

    @abstractmethod
    def _read(self, patients: pd.DataFrame) -> tuple[npt.NDArray[Any], pd.Series]:
        """Return y for all patients, and why a patient has none (empty text: he has)."""

    def of(self, cohort: Cohort) -> Target:
        """Return the patients whose outcome is known, with it.

        Raises
        ------
        InputError
            If a column is not there or its values cannot be this outcome.
        """
        patients = cohort.patients
        _check_columns(self.columns, patients, cohort.name)
        y, reason = self._read(patients)
        known = (reason == "").to_numpy()
        left_out = pd.DataFrame(
            {
                "patient": patients.index[~known],
                "source": f"outcome {self.name!r}",
                "reason": reason[~known].to_numpy(),
            }
        )
        self._check_known(y[known])
        return Target(cohort[known], y[known], left_out, self.kind)

    def _check_known(self, y: npt.NDArray[Any]) -> None:
        if len(y) < 2:
            raise InputError(
                f"outcome {self.name!r} is known for {len(y)} patients; that is too few."
            )


@dataclass(frozen=True)
class _OfOneColumn(Outcome):
    """An outcome that stands in one column of `patients`."""

    column: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The column."""
        return (self.column,)


@dataclass(frozen=True)
class _OfEventAndTime(Outcome):
    """An outcome read from whether an event was seen, and when or until when."""

    event: str
    time: str

    def __post_init__(self) -> None:
        if self.event == self.time:
            raise InputError(f"column {self.event!r} cannot be both the event and its time.")

    @property
    def columns(self) -> tuple[str, ...]:
        """The event's and the time's columns."""
        return (self.event, self.time)


@dataclass(frozen=True)
class Binary(_OfOneColumn):
    """Yes or no.

    Parameters
    ----------
    column : str
        A column with two values.
    positive : str or int, optional
        The value that counts as 1; by default 1, True, "yes", "true" or "positive",
        else the later in sorted order. Of 1 and 2 it has to be said.
    label : str, optional
        What reports call it, such as "death".
    """

    positive: Any = None
    kind: ClassVar[OutcomeKind] = "binary"

    def _read(self, patients: pd.DataFrame) -> tuple[npt.NDArray[Any], pd.Series]:
        values = _text(patients[self.column])
        return (values == self.level(patients)).to_numpy(dtype=np.int64), _missing(values)

    def level(self, patients: pd.DataFrame) -> str:
        """Return the value that counts as 1, as text.

        Raises
        ------
        InputError
            If there are not two values, or the one to count does not occur.
        """
        levels = sorted(_text(patients[self.column]).dropna().unique())
        if len(levels) != 2:
            raise InputError(
                f"outcome {self.name!r} has {len(levels)} values ({listing(levels)}); "
                "a binary outcome needs two."
            )
        if self.positive is None:
            if levels == ["1", "2"]:  # 2 is the event in some software, 1 in others
                raise InputError(_which(self.column, levels))
            return _usual(levels) or levels[-1]
        wanted = _text(pd.Series([self.positive])).iloc[0]
        if wanted not in levels:
            raise InputError(
                f"outcome {self.name!r}: the positive value {wanted!r} does not occur; "
                f"the values are {listing(levels)}."
            )
        return str(wanted)


@dataclass(frozen=True)
class Multiclass(_OfOneColumn):
    """One of several classes, kept as text.

    Parameters
    ----------
    column : str
        The column it is read from.
    label : str, optional
        What reports call it, such as "death".
    """

    kind: ClassVar[OutcomeKind] = "multiclass"

    def _read(self, patients: pd.DataFrame) -> tuple[npt.NDArray[Any], pd.Series]:
        values = _text(patients[self.column])
        if values.nunique() < 2:
            raise InputError(
                f"outcome {self.name!r} has one class ({listing(values.dropna().unique())}); "
                "there is nothing to tell apart."
            )
        return values.fillna("").to_numpy(dtype=str), _missing(values)


@dataclass(frozen=True)
class Continuous(_OfOneColumn):
    """A number.

    Parameters
    ----------
    column : str
        The column it is read from.
    label : str, optional
        What reports call it, such as "death".
    """

    kind: ClassVar[OutcomeKind] = "continuous"

    def _read(self, patients: pd.DataFrame) -> tuple[npt.NDArray[Any], pd.Series]:
        values = _numbers(patients[self.column], self.column)
        return values.to_numpy(dtype=float), _missing(values)

    def _check_known(self, y: npt.NDArray[Any]) -> None:
        super()._check_known(y)
        if np.ptp(y) == 0:
            raise InputError(f"outcome {self.name!r} is {y[0]:g} for every patient.")


@dataclass(frozen=True)
class Survival(_OfEventAndTime):
    """Time to an event, right-censored.

    Parameters
    ----------
    event : str
        Column that says whether the event was seen (two values, as for `Binary`).
    time : str
        Column with the time to the event or to the last contact; positive.
    positive : str or int, optional
        The value of `event` that means it was seen; by default 1, True, "yes", "dead"
        and the like. Where no value is so clear it has to be said.
    unit : str
        Unit of the time.
    label : str, optional
        What reports call it, such as "death".
    """

    positive: Any = None
    unit: str = "days"
    kind: ClassVar[OutcomeKind] = "survival"

    def _read(self, patients: pd.DataFrame) -> tuple[npt.NDArray[Any], pd.Series]:
        event = _text(patients[self.event])
        seen, reason = (event == self.level(patients)).to_numpy(), _missing(event)
        time = _times(patients[self.time])
        reason = reason.mask((reason == "") & time.isna(), f"{self.time!r} is missing")
        reason = reason.mask((reason == "") & (time == 0), f"{self.time!r} is 0: no follow-up")
        y = np.empty(len(patients), dtype=SURVIVAL_DTYPE)
        y["event"], y["time"] = seen, time.to_numpy(dtype=float)
        return y, reason

    def level(self, patients: pd.DataFrame) -> str:
        """Return the value that means the event was seen, as text; all patients may have it.

        Raises
        ------
        InputError
            If the column does not have two values, or it is not clear which one it is.
        """
        levels = sorted(_text(patients[self.event]).dropna().unique())
        if self.positive is None and len(levels) == 2 and not _usual(levels):
            raise InputError(_which(self.event, levels))
        if len(levels) == 1 and levels[0] == self._said(levels):
            return str(levels[0])
        return Binary(self.event, self.positive).level(patients)

    def _said(self, levels: list[str]) -> str | None:
        if self.positive is None:
            return _usual(levels)
        return str(_text(pd.Series([self.positive])).iloc[0])

    def _check_known(self, y: npt.NDArray[Any]) -> None:
        super()._check_known(y)
        if not y["event"].any():
            raise InputError(
                f"outcome {self.name!r}: no event was seen, so there is no survival to learn."
            )


@dataclass(frozen=True)
class EventBy(_OfEventAndTime):
    """Whether the event came by a time: 1 if it did, 0 if the patient was followed beyond.

    Patients censored before that time are left out and counted: nobody knows.

    Parameters
    ----------
    event, time, positive, unit
        As for `Survival`.
    by : float
        The time, in the unit of the column.
    label : str, optional
        What reports call it, such as "death".
    """

    by: float
    positive: Any = None
    unit: str = "days"
    kind: ClassVar[OutcomeKind] = "binary"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.by < math.inf:
            raise InputError(f"by is {self.by}; give a time above 0.")

    def _plain_name(self) -> str:
        return f"{self.event} by {self.by:g} {self.unit}"

    def _read(self, patients: pd.DataFrame) -> tuple[npt.NDArray[Any], pd.Series]:
        y, reason = self._when()._read(patients)
        early = (reason == "") & ~y["event"] & (y["time"] < self.by)
        reason = reason.mask(early, f"censored before {self.by:g} {self.unit}")
        return (y["event"] & (y["time"] <= self.by)).astype(np.int64), reason

    def level(self, patients: pd.DataFrame) -> str:
        """Return the value that means the event was seen, as for `Survival`."""
        return self._when().level(patients)

    def _when(self) -> Survival:
        return Survival(self.event, self.time, self.positive, self.unit)

    def _check_known(self, y: npt.NDArray[Any]) -> None:
        super()._check_known(y)
        if len(np.unique(y)) < 2:
            raise InputError(
                f"outcome {self.name!r} is the same for all {len(y)} patients "
                "who were followed long enough."
            )


_YES = frozenset({"1", "true", "yes", "positive", "event", "dead", "deceased"})


def _usual(levels: list[str]) -> str | None:
    """Return the level that means yes wherever it is used, if just one does."""
    usual = [level for level in levels if level.lower() in _YES]
    return usual[0] if len(usual) == 1 else None


def _which(column: str, levels: list[str]) -> str:
    return (
        f"column {column!r} holds {listing(levels)}: say which means that it happened "
        f"(positive = {levels[-1]!r}, --positive {levels[-1]!r}, if it is that)."
    )


def _check_columns(columns: tuple[str, ...], patients: pd.DataFrame, cohort: str) -> None:
    for column in columns:
        if column not in patients.columns:
            raise InputError(
                f"cohort {cohort!r} has no patient column {column!r}; it has "
                f"{listing(patients.columns, most=40)}.{suggestion(column, patients.columns)}"
            )


def _text(values: pd.Series) -> pd.Series:
    """Return values as text, whole numbers without '.0', missing ones as missing."""
    known = values.dropna()
    if pd.api.types.is_bool_dtype(known):
        known = known.astype(int)
    elif pd.api.types.is_float_dtype(known) and (known == np.floor(known)).all():
        known = known.astype(np.int64)
    text = np.full(len(values), np.nan, dtype=object)  # by place: ids of a view may repeat
    text[values.notna().to_numpy()] = known.astype(str).str.strip().replace("", np.nan)
    return pd.Series(text, index=values.index, name=values.name)


def _numbers(values: pd.Series, name: str) -> pd.Series:
    if values.dtype.kind in "mM":
        raise InputError(f"{name!r} holds dates or spans of time; write them as a number of days.")
    numbers = pd.to_numeric(values, errors="coerce")
    wrong = values[numbers.isna() & values.notna()]
    if len(wrong):
        raise InputError(
            f"{name!r} holds {wrong.iloc[0]!r} for patient {wrong.index[0]!r} "
            "where a number is due."
        )
    infinite = numbers.index[np.isinf(numbers.to_numpy(dtype=float))]
    if len(infinite):
        raise InputError(f"{name!r} is infinite for patient {infinite[0]!r}.")
    return numbers


def _times(values: pd.Series) -> pd.Series:
    times = _numbers(values, str(values.name))
    negative = times.index[times < 0]
    if len(negative):
        raise InputError(
            f"time {values.name!r} is negative ({times[negative[0]]:g}) for patient "
            f"{negative[0]!r}; count it from one day zero for all."
        )
    return times


def _missing(values: pd.Series) -> pd.Series:
    empty = pd.Series("", index=values.index, dtype=object)
    return empty.mask(values.isna(), f"{values.name!r} is missing")
