"""Whether the patients seen now are still like those of the study."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from consilience.records import Advice
from consilience.trust.drift import Counts, Distributions, Stability, population_stability

if TYPE_CHECKING:
    from consilience.clinic.store import Store
    from consilience.cohort import Cohort
    from consilience.records import Assessment

RULE = "drift, version 1"
PERIODS = 3  # months that count as recent, this one included
AT_ONCE = 20  # patients counted in memory before they are kept
MOST_KNOWN = 100_000  # patients remembered, so that one who is opened often counts once
MOST_NAMED = 5


@dataclass(frozen=True)
class Drift:
    """How recent patients compare with the study's.

    Attributes
    ----------
    patients : int
        How many were counted.
    since : str
        The month from which on they were counted, "2026-01"; empty if nobody was.
    each : tuple of Stability
        Of every thing that is watched, the largest index first.
    unwatched : int
        Features that are not watched (a modality with very many).
    """

    patients: int
    since: str
    each: tuple[Stability, ...]
    unwatched: int = 0

    @property
    def alerts(self) -> tuple[Stability, ...]:
        """What has changed beyond chance."""
        return tuple(one for one in self.each if one.alert)


class DriftCounter:
    """Counts patients against the study's distributions, month by month.

    A patient counts once a month in a process, however often he is opened. Counts are kept in
    the database every `AT_ONCE` patients, and when they are asked for; so a process that is
    killed loses at most that many.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._waiting: dict[tuple[str, str], Counts] = {}
        self._named: tuple[Distributions | None, str] = (None, "")

    def count(
        self, reference: Distributions, patient: Cohort, said: Assessment, tenant: str = ""
    ) -> None:
        """Count a patient (a cohort of one) of a tenant, and what was told of him."""
        import numpy as np

        key = (self._name(reference), said.at[:7])
        own = "\0".join((*key, tenant, said.patient)).encode("utf-8", "surrogatepass")
        if not reference.each or not self._is_new(hashlib.sha256(own).digest()):
            return
        told = np.array([np.nan if said.number is None else said.number])
        counted = reference.counts(patient, told)
        with self._lock:
            self._waiting[key] = self._waiting.get(key, Counts()) + counted
            full = self._waiting[key].patients >= AT_ONCE
        if full:
            self.keep()

    def keep(self) -> None:
        """Write what was counted into the database.

        Raises
        ------
        StoreUnavailable
            If it cannot be written; then it goes on waiting.
        """
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        try:
            for key in list(waiting):
                self._store.counts.change(*key, partial(_grown, waiting[key]))
                del waiting[key]
        finally:
            self._back(waiting)

    def drift(self, reference: Distributions) -> Drift:
        """Compare the patients of the last months with the study's.

        Raises
        ------
        StoreUnavailable
            If the counts cannot be read.
        """
        self.keep()
        kept = self._store.counts.newest(self._name(reference), PERIODS)
        recent = Counts()
        for body in kept.values():
            recent = recent + Counts.model_validate_json(body)
        each = population_stability(reference, recent)
        return Drift(recent.patients, min(kept, default=""), each, reference.unwatched)

    def _name(self, reference: Distributions) -> str:
        """Return the reference's own fingerprint: counts of another are never mixed in."""
        known, name = self._named
        if known is not reference:
            name = hashlib.sha256(reference.model_dump_json().encode()).hexdigest()
            self._named = (reference, name)
        return name

    def _is_new(self, patient: bytes) -> bool:
        with self._lock:
            if patient in self._known:
                return False
            self._known[patient] = None
            if len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)
            return True

    def _back(self, waiting: dict[tuple[str, str], Counts]) -> None:
        """Let what could not be written wait again, with what was counted meanwhile."""
        with self._lock:
            for key, counted in waiting.items():
                self._waiting[key] = counted + self._waiting.get(key, Counts())


def drift_advice(found: Drift, at: datetime | str) -> tuple[Advice, ...]:
    """Return the card for the administrator; nothing if nothing has changed.

    Parameters
    ----------
    found : Drift
    at : datetime or str
        Now; it stands in the sentence.
    """
    if not found.alerts:
        return ()
    large = any(one.status == "large change" for one in found.alerts)
    named = [one.sentence for one in found.alerts[:MOST_NAMED]]
    if len(found.alerts) > MOST_NAMED:
        named.append(f"{len(found.alerts) - MOST_NAMED} more have changed.")
    day = at[:10] if isinstance(at, str) else at.date().isoformat()
    sentence = (
        f"As of {day}, the {found.patients} patients seen since {found.since} are no longer like "
        "those of the study: find out why, and judge the model on them before relying on it."
    )
    urgency = "critical" if large else "warning"
    return (
        Advice(patient="", rule=RULE, urgency=urgency, sentence=sentence, reasons=tuple(named)),
    )


def _grown(counted: Counts, kept: str | None) -> str:
    before = Counts() if kept is None else Counts.model_validate_json(kept)
    return (before + counted).model_dump_json()
