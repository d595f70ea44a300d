"""One run: declare, run, report, bundle."""

from consilience.study.bundle import Bundle
from consilience.study.candidates import Candidate
from consilience.study.finding import Finding
from consilience.study.protocol import Protocol
from consilience.study.settings import load_study
from consilience.study.study import Study

__all__ = ["Bundle", "Candidate", "Finding", "Protocol", "Study", "load_study"]
