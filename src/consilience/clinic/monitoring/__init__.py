"""How the service does: metrics, health, drift, logs; nothing of any patient in them."""

from consilience.clinic.monitoring.drift import Drift
from consilience.clinic.monitoring.logs import JsonLines, log_json
from consilience.clinic.monitoring.monitor import Monitor

__all__ = ["Drift", "JsonLines", "Monitor", "log_json"]
