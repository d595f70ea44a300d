"""Numbers for Prometheus: counts and times, and nothing of any patient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily

from consilience.clinic.store.records import StoreUnavailable

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from consilience.records import Assessment

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2, 5, 10)
MOST_RULES = 500  # so that a label cannot grow without end


class Metrics:
    """One registry of one service; nothing global.

    Parameters
    ----------
    audited : callable
        Returns how many entries the audit log has.
    """

    def __init__(self, audited: Callable[[], int]) -> None:
        own = self._registry = CollectorRegistry()
        self._answers = Counter(
            "consilience_answers", "Answers given.", ("door", "outcome"), registry=own
        )
        self._seconds = Histogram(
            "consilience_answer_seconds",
            "Time to an answer.",
            ("door",),
            buckets=SECONDS,
            registry=own,
        )
        self._silences = Counter(
            "consilience_silences", "Reasons why no number was told.", ("reason",), registry=own
        )
        self._advice = Counter(
            "consilience_advice", "Advice given.", ("rule", "urgency"), registry=own
        )
        self._bundle = Gauge(
            "consilience_bundle_info", "What is served.", ("bundle", "model"), registry=own
        )
        self._drift = Gauge(
            "consilience_drift_index",
            "Population stability index of the recent patients against the study's.",
            ("modality", "feature"),
            registry=own,
        )
        self._drifted = Gauge("consilience_drift_alerts", "Things that changed.", registry=own)
        self._rules: set[str] = set()
        self._registry.register(_Audited(audited))

    def answered(self, assessment: Assessment, seconds: float, door: str) -> None:
        """Count an answer."""
        outcome = "silent" if assessment.silent else "told"
        self._answers.labels(door, outcome).inc()
        self._seconds.labels(door).observe(seconds)
        for kind in {silence_kind(reason) for reason in assessment.silent}:
            self._silences.labels(kind).inc()
        for advice in assessment.advice:
            self._advice.labels(self._rule(advice.rule), advice.urgency).inc()

    def failed(self, door: str, outcome: str) -> None:
        """Count a request that was not answered, such as "refused" or "unavailable"."""
        self._answers.labels(door, outcome).inc()

    def serving(self, bundle: str, model: str) -> None:
        """Say which bundle is served now."""
        self._bundle.clear()
        self._bundle.labels(bundle, model).set(1)

    def drifted(self, indices: dict[tuple[str, str], float], alerts: int) -> None:
        """Say how far each thing has drifted."""
        self._drift.clear()
        for (modality, feature), index in indices.items():
            self._drift.labels(modality, feature).set(index)
        self._drifted.set(alerts)

    def text(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        return generate_latest(self._registry)

    def _rule(self, name: str) -> str:
        if name not in self._rules and len(self._rules) >= MOST_RULES:
            return "other"
        self._rules.add(name)
        return name


class _Audited:
    """How many audit entries there are, asked when somebody looks."""

    def __init__(self, audited: Callable[[], int]) -> None:
        self._audited = audited

    def collect(self) -> Iterator[Metric]:
        try:
            entries = self._audited()
        except StoreUnavailable:
            return  # the gap in the series says it, and /health/ready
        yield CounterMetricFamily("consilience_audit_entries", "Entries of the log.", entries)


_KINDS = {
    "nothing that the model reads": "nothing measured",
    "too uncertain": "too uncertain",
    "far outside": "out of range",
    "more values are out of range": "out of range",
    "unlike those of": "unlike the study's patients",
}


def silence_kind(reason: str) -> str:
    """Return what kind of reason it is; the reason itself quotes values of the patient."""
    found = (kind for words, kind in _KINDS.items() if words in reason)
    return next(found, "other")
