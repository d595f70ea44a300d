"""Schemathesis over the description of the whole application: no call is answered with 500."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from consilience.clinic import Clinic, ClinicSettings

CASES = 2000
SHARE = {"/cds-services/{service_id}": 8, "/cds-services/{service_id}/feedback": 6}


@pytest.fixture
def app(tmp_path: Path, bundle: Path):
    from consilience.clinic.application import application

    clinic = Clinic(
        ClinicSettings(bundle, database=f"sqlite:///{tmp_path}/fuzz.db", open_hooks=True)
    )
    yield application(clinic)
    clinic.close()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # schemathesis warns of its own dependencies
def test_no_call_ends_in_a_500(app, caplog):
    caplog.set_level(logging.CRITICAL)
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert any(one.path.startswith("/cds-services") for one in operations)
    weights = [SHARE.get(one.path, 1) if takes_anything(one) else 0 for one in operations]
    statuses: Counter[int] = Counter()
    for operation, weight in zip(operations, weights, strict=True):
        run(operation, max(1, round(CASES * weight / sum(weights))), statuses)
    assert sum(statuses.values()) >= 0.9 * CASES
    assert not [status for status in statuses if status == 500]
    assert statuses[400] + statuses[412] > 100  # it did get to our own checks


def takes_anything(operation: Any) -> bool:
    """Whether calls of an operation can differ."""
    return bool(operation.body or operation.path_parameters or operation.query)


def run(operation: Any, cases: int, statuses: Counter[int]) -> None:
    """Send cases of one operation, valid and not."""
    negative = schemathesis.GenerationMode.NEGATIVE
    kinds = [operation.as_strategy()]
    if takes_anything(operation):
        kinds.append(operation.as_strategy(generation_mode=negative))

    @seed(2026)
    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(kinds))
    def sent(case: Any) -> None:
        answer = case.call()
        statuses[answer.status_code] += 1
        assert answer.status_code != 500, f"{operation.method} {operation.path}: {answer.text}"

    sent()
