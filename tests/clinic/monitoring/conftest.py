"""A service on a small real study: nothing is replaced by something that only looks like it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from consilience.clinic import Clinic, ClinicSettings
from consilience.cohort import Binary, synthetic_cohort
from consilience.study import Protocol, Study

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that holds its study's distributions."""
    out = tmp_path_factory.mktemp("study") / "out"
    cohort, _ = synthetic_cohort(300, modalities=2, features=3, seed=0)
    quick = Protocol(folds=3, repeats=1, bootstrap=100, permutations=0, importance=False)
    Study(cohort, Binary("outcome"), protocol=quick, title="Monitored").run(out)
    return out / "bundle"


@pytest.fixture
def clinic(bundle: Path, tmp_path: Path) -> Iterator[Clinic]:
    """Decision support with an empty database."""
    url = f"sqlite:///{tmp_path}/records.db"
    made = Clinic(ClinicSettings(bundle, database=url, open_hooks=True, now=lambda: NOW))
    yield made
    made.close()
