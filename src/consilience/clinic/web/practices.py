"""Indicators of each practice, counted now and then: it takes a look at every record."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from consilience.clinic.rules.stewardship import Indicator, indicators
from consilience.clinic.store import StoreUnavailable
from consilience.errors import InputError

if TYPE_CHECKING:
    from consilience.clinic.clinic import Clinic

KEPT = timedelta(minutes=5)


@dataclass(frozen=True)
class Counted:
    """The indicators of one practice.

    Attributes
    ----------
    at : datetime
        When they were counted.
    indicators : tuple of Indicator
    unread : tuple of str
        Ids of patients whose record could not be read; they are counted nowhere.
    """

    at: datetime
    indicators: tuple[Indicator, ...]
    unread: tuple[str, ...] = ()

    @cached_property
    def off_target(self) -> frozenset[str]:
        """Ids of the patients who miss any target."""
        return frozenset(one.patient for each in self.indicators for one in each.patients)


class Practices:
    """Counts the indicators of a tenant's patients, and keeps them for `KEPT`.

    Parameters
    ----------
    clinic : Clinic
    """

    def __init__(self, clinic: Clinic) -> None:
        self._clinic = clinic
        self._kept: dict[str, Counted] = {}
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._lock = threading.Lock()

    def of(self, tenant: str, *, fresh: bool = False) -> Counted:
        """Return the indicators of a tenant.

        Parameters
        ----------
        tenant : str
        fresh : bool
            Count now, however new those kept are.

        Raises
        ------
        StoreUnavailable
            If the records cannot be read.
        """
        with self._lock:
            turn = self._turns[tenant]
        with turn:  # a second visitor waits for the first one's count
            now = self._clinic.settings.now()
            known = self._kept.get(tenant)
            if not fresh and known is not None and timedelta(0) <= now - known.at < KEPT:
                return known
            counted = self._counted(tenant, now)
            self._kept[tenant] = counted
            return counted

    def _counted(self, tenant: str, now: datetime) -> Counted:
        rules, unread = self._clinic.rules, list[str]()

        def readable() -> Iterator[tuple[str, dict[str, Any]]]:
            for one in self._clinic.store.patients.each(tenant):
                try:  # one record that cannot be read must not hide all others
                    rules.chart(one.fhir, one.patient, now)
                except StoreUnavailable:
                    raise
                except InputError:
                    unread.append(one.patient)
                else:
                    yield one.patient, one.fhir

        found = indicators(rules, readable(), now)
        return Counted(now, found, tuple(unread))
