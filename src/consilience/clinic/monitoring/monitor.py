"""How the service does: for Prometheus, for the orchestrator, for the administrator."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from consilience.clinic.monitoring.drift import Drift, DriftCounter, drift_advice
from consilience.clinic.monitoring.metrics import Metrics

if TYPE_CHECKING:
    from datetime import datetime

    from fastapi import APIRouter

    from consilience.clinic.clinic import Clinic
    from consilience.clinic.store import Store
    from consilience.cohort import Cohort
    from consilience.records import Advice, Assessment
    from consilience.trust.drift import Distributions

ASK_AGAIN = 1.0  # seconds for which the state of the database is taken as known


class Monitor:
    """What was answered, how fast, and whether the patients are still those of the study.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._metrics = Metrics(self._audited)
        self._counter = DriftCounter(store)
        self._asking = threading.Lock()
        self._state: tuple[float, bool] | None = None

    def seen(
        self,
        assessment: Assessment,
        seconds: float,
        door: str,
        *,
        patient: Cohort | None = None,
        reference: Distributions | None = None,
        tenant: str = "",
    ) -> None:
        """Count an answer.

        Parameters
        ----------
        assessment : Assessment
        seconds : float
            How long it took.
        door : str
            The hook, or "page": one of few names, for it is a label.
        patient : Cohort, optional
            Of one: counted for drift.
        reference : Distributions, optional
            The study's, from the bundle.
        tenant : str
            Whose patient he is: two tenants may give one id to two patients.
        """
        self._metrics.answered(assessment, seconds, door)
        if patient is not None and reference is not None:
            self._counter.count(reference, patient, assessment, tenant)

    def failed(self, door: str, outcome: str) -> None:
        """Count a request that was not answered, such as "refused" or "unavailable"."""
        self._metrics.failed(door, outcome)

    def drift(self, reference: Distributions | None) -> Drift:
        """Compare the patients of the last three months with the study's.

        Parameters
        ----------
        reference : Distributions or None
            From the bundle; None if it has none: then nothing can be said.

        Raises
        ------
        StoreUnavailable
            If the counts cannot be read.
        """
        if reference is None:
            return Drift(0, "", ())
        found = self._counter.drift(reference)
        indices = {(one.modality, one.feature): one.psi for one in found.each}
        self._metrics.drifted(indices, len(found.alerts))
        return found

    def alerts(self, reference: Distributions | None, at: datetime | str) -> tuple[Advice, ...]:
        """Return the card for the administrator if recent patients have changed; see `drift`."""
        return drift_advice(self.drift(reference), at)

    def ready(self) -> bool:
        """Say whether records can be written; asked at most once a second."""
        with self._asking:
            now = time.monotonic()
            if self._state is None or now - self._state[0] > ASK_AGAIN:
                self._state = (now, self._store.healthy())
            return self._state[1]

    def metrics(self, clinic: Clinic) -> bytes:
        """Return all numbers in Prometheus' text format."""
        from consilience.clinic.store.records import StoreUnavailable

        served = clinic.served()
        self._metrics.serving(served.bundle.manifest.name, served.fingerprint)
        try:
            self.drift(reference_of(clinic))
        except StoreUnavailable:
            self._metrics.drifted({}, 0)
        return self._metrics.text()

    def router(self, clinic: Clinic) -> APIRouter:
        """Return /metrics, /health/live and /health/ready."""
        from consilience.clinic.monitoring.router import monitoring_router

        return monitoring_router(self, clinic)

    def close(self) -> None:
        """Keep what was counted; before the store is closed."""
        self._counter.keep()

    def _audited(self) -> int:
        from consilience.clinic.audit import Audit

        return Audit(self._store).head().seq


def reference_of(clinic: Clinic) -> Distributions | None:
    """Return the distributions of the bundle that is served; None if its study kept none."""
    found: Distributions | None = getattr(clinic.served().bundle.reliability, "distributions", None)
    return found
