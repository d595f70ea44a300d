"""Columns that could be an outcome."""

from __future__ import annotations

import pandas as pd

from consilience.cohort.hints import outcome_hints


def test_survival_comes_first_with_its_times() -> None:
    patients = pd.DataFrame(
        {
            "sex": ["f", "m"] * 10,
            "vital_status": [0, 1] * 10,
            "days_to_last_followup": range(20),
            "years_to_birth": range(40, 60),
            "days_since_surgery": range(-1, 19),
            "subtype": ["a", "b", "c", "a"] * 5,
            "rare": ["a", "b", "c", *["d"] * 17],
        }
    )
    hints = outcome_hints(patients)
    assert [(hint.kind, hint.columns) for hint in hints] == [
        ("survival", ("vital_status", "days_to_last_followup")),
        ("binary", ("vital_status",)),
        ("binary", ("sex",)),
        ("multiclass", ("subtype",)),
    ]


def test_no_columns_no_hints() -> None:
    assert outcome_hints(pd.DataFrame(index=["a", "b"])) == ()
