"""The load measurement runs, on a service in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.clinic_load import measured
from tests.clinic.hooks.calls import labs_bundle


@pytest.mark.slow
def test_a_short_load_is_answered_without_error(tmp_path: Path):
    bundle = labs_bundle(tmp_path / "bundle")
    speed, memory = measured(bundle, rate=5.0, seconds=3.0, calls=160, patients=10)
    assert speed is not None
    assert (len(speed.seconds), speed.failed) == (15, 0)
    assert len(memory) == 10
    assert memory[-1] < 1.1 * memory[0]
