"""Several modalities in one matrix."""

from __future__ import annotations

import numpy as np
import pytest
from tests.laws.cohorts import NAMES, gappy_cohort

from consilience.fusion import encoding, stack
from consilience.fusion.stack import Stack


@pytest.mark.parametrize("chunk", [1, 40, 10**6])
def test_chunks_change_nothing(chunk, monkeypatch):
    cohort, y = gappy_cohort("binary")
    whole = Stack(NAMES, {}).fit(cohort, y).transform(cohort)
    monkeypatch.setattr(encoding, "CHUNK", chunk)
    monkeypatch.setattr(stack, "CHUNK", chunk)
    np.testing.assert_allclose(
        Stack(NAMES, {}).fit(cohort, y).transform(cohort), whole, rtol=0, atol=1e-12
    )


def test_a_modality_all_have_gets_no_indicator():
    cohort, y = gappy_cohort("binary")
    known = cohort[cohort.has("alpha")]
    fitted = Stack(["alpha"], {}).fit(known, y[cohort.has("alpha")])
    assert fitted.partial_ == []
    assert len(fitted.columns) == fitted.transform(known).shape[1]
    later = fitted.transform(cohort)
    assert not later[~cohort.has("alpha")].any()  # the middle of the training patients


def test_nothing_is_learned_from_patients_to_be_predicted():
    cohort, y = gappy_cohort("binary")
    half = np.arange(45)
    fitted = Stack(NAMES, {}).fit(cohort[half], y[half])
    alone = np.vstack([fitted.transform(cohort[[i]]) for i in range(45, 90)])
    np.testing.assert_array_equal(fitted.transform(cohort[np.arange(45, 90)]), alone)
