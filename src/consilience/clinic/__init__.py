"""Decision support on a bundle: inside the record system, and stand-alone."""

from consilience.clinic.clinic import Clinic, ClinicSettings
from consilience.clinic.served import Served

__all__ = ["Clinic", "ClinicSettings", "Served"]
