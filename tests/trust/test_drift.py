"""Drift: nothing is called changed where nothing has, and what was planted is found."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from consilience.cohort import Cohort, Table, synthetic_cohort
from consilience.cohort.modality import FloatArray
from consilience.errors import InputError
from consilience.trust.drift import (
    PATIENTS_A_BIN,
    Counts,
    Distribution,
    Distributions,
    Stability,
    population_stability,
    stability_index,
)


def patients(n: int, rng: np.random.Generator, shift: float = 0.0) -> Cohort:
    """Return patients with normal, skewed, yes-or-no, counted and text features, with gaps."""
    frame = pd.DataFrame(
        {f"x{i}": rng.normal(size=n) + (shift if i == 0 else 0.0) for i in range(5)}
        | {"crp": rng.lognormal(size=n), "yes": (rng.random(n) < 0.1).astype(float)}
        | {"visits": rng.poisson(2, n).astype(float)}
        | {"stage": rng.choice(list("abcdef"), n, p=[0.5, 0.3, 0.1, 0.05, 0.03, 0.02])},
        index=[f"p{i}" for i in range(n)],
    )
    frame = frame.mask(rng.random(frame.shape) < 0.1)
    return Cohort(pd.DataFrame(index=frame.index), {"labs": Table(frame)})


def of_feature(found: tuple[Stability, ...], feature: str) -> Stability:
    return next(one for one in found if one.feature == feature and one.modality)


def told(found: tuple[Stability, ...]) -> Stability:
    return next(one for one in found if not one.modality)


def test_the_index_is_that_of_the_formula() -> None:
    p, q = np.array([0.2, 0.3, 0.5]), np.array([0.4, 0.4, 0.2])
    truth = ((p - q) * np.log(p / q)).sum()
    assert stability_index((p * 1e7).tolist(), (q * 1e7).tolist()) == pytest.approx(truth, rel=1e-5)
    assert stability_index([5, 5], [5, 5]) == 0.0
    assert np.isfinite(stability_index([0, 10], [10, 0]))


@pytest.mark.parametrize(("studied", "recent"), [(92, 20), (400, 20), (400, 100), (1000, 1000)])
def test_where_nothing_changed_an_alarm_is_as_rare_as_stated(studied: int, recent: int) -> None:
    """5 % of looks at eleven distributions; 60 looks, so that 9 alarms have p = 0.003."""
    rng = np.random.default_rng(0)
    alarms, over = 0, []
    for _ in range(60):
        reference = Distributions.of(patients(studied, rng), rng.random(studied))
        counts = reference.counts(patients(recent, rng), rng.random(recent))
        found = population_stability(reference, counts)
        alarms += any(one.alert for one in found)
        over += [one.psi / one.by_chance for one in found if one.by_chance > 0]
    assert alarms <= 8
    assert 0.6 < np.mean(over) < 1.2  # the mean by chance is that of the formula


def test_a_planted_shift_is_found_and_nothing_else() -> None:
    rng = np.random.default_rng(1)
    reference = Distributions.of(patients(400, rng), rng.random(400))
    counts = reference.counts(patients(200, rng, shift=1.0), rng.random(200) * 0.5)
    found = population_stability(reference, counts)
    assert {one.feature for one in found if one.alert} == {"x0", ""}
    assert of_feature(found, "x0").status == "large change"
    assert told(found).alert and "what is told of patients" in told(found).sentence
    assert found[0].psi == max(one.psi for one in found)


def test_twenty_patients_are_too_few_to_say() -> None:
    rng = np.random.default_rng(2)
    reference = Distributions.of(patients(400, rng), rng.random(400))
    found = population_stability(reference, reference.counts(patients(20, rng), rng.random(20)))
    one = of_feature(found, "x1")
    assert one.status == "too few" and one.limit > 0.25
    assert "cannot be compared with the study yet" in one.sentence


def test_what_is_no_longer_measured_and_new_categories_are_drift() -> None:
    rng = np.random.default_rng(3)
    reference = Distributions.of(patients(300, rng), rng.random(300))
    frame = patients(150, rng).modalities["labs"].frame  # type: ignore[attr-defined]
    frame["crp"] = np.nan
    frame["stage"] = "z"
    kinds = {"crp": "continuous"}
    changed = Cohort(pd.DataFrame(index=frame.index), {"labs": Table(frame, kinds=kinds)})  # type: ignore[arg-type]
    found = population_stability(reference, reference.counts(changed, rng.random(150)))
    assert of_feature(found, "crp").status == "large change"
    assert of_feature(found, "stage").status == "large change"
    assert not of_feature(found, "x1").alert


def test_a_modality_that_is_no_longer_measured_is_drift() -> None:
    cohort, _ = synthetic_cohort(300, modalities=2, features=2, seed=0)
    reference = Distributions.of(cohort, np.linspace(0, 1, 300))
    counts = reference.counts(cohort.only("m1"), np.linspace(0, 1, 300))
    found = population_stability(reference, counts)
    (one,) = [o for o in found if o.modality == "m2" and not o.feature]
    assert one.status == "large change" and "whether 'm2' is measured" in one.sentence
    assert not any(o.alert for o in found if o.modality == "m1")
    assert not any(o.modality == "m2" and o.feature for o in found)


def test_a_constant_that_changes_to_either_side_is_seen() -> None:
    index = [f"p{i}" for i in range(100)]

    def constant(value: float) -> Cohort:
        frame = pd.DataFrame({"k": np.full(100, value)}, index=index)
        return Cohort(pd.DataFrame(index=index), {"labs": Table(frame, kinds={"k": "continuous"})})

    numbers = np.linspace(0, 1, 100)
    reference = Distributions.of(constant(3.0), numbers)
    for value, changed in ((3.0, False), (2.0, True), (4.0, True), (np.float32(3.0), False)):
        found = population_stability(reference, reference.counts(constant(float(value)), numbers))
        assert of_feature(found, "k").alert is changed


def test_silence_is_a_part_of_what_is_told() -> None:
    cohort, _ = synthetic_cohort(200, modalities=1, features=2, seed=1)
    numbers = np.linspace(0, 1, 200)
    reference = Distributions.of(cohort, numbers)
    silent: FloatArray = np.where(np.arange(200) < 100, np.nan, numbers)
    assert told(population_stability(reference, reference.counts(cohort, silent))).alert


def test_counting_patient_by_patient_is_counting_all_at_once() -> None:
    rng = np.random.default_rng(4)
    reference = Distributions.of(patients(200, rng), rng.random(200))
    some, numbers = patients(30, rng), rng.random(30)
    total = Counts()
    for row in range(30):
        total = total + reference.counts(some[[row]], numbers[[row]])
    assert total == reference.counts(some, numbers)
    assert Counts.model_validate_json(total.model_dump_json()) == total
    everywhere = [sum(one) for one in total.bins]
    assert set(everywhere) == {30}


def test_it_goes_to_json_and_back_and_holds_no_patient() -> None:
    rng = np.random.default_rng(5)
    reference = Distributions.of(patients(200, rng), rng.random(200))
    assert Distributions.model_validate_json(reference.model_dump_json()) == reference
    x0 = next(one for one in reference.each if one.feature == "x0")
    assert x0.edges is not None and len(x0.edges) == 8  # 180 known in bins of 20 or more
    assert min(x0.shares[:-1]) * x0.patients >= PATIENTS_A_BIN - 1


def test_very_wide_tables_are_watched_in_part_and_it_is_said() -> None:
    cohort, _ = synthetic_cohort(50, modalities=1, features=250, seed=2)
    reference = Distributions.of(cohort, np.zeros(50))
    assert reference.unwatched == 50 and len(reference.each) == 1 + 1 + 200


def test_nobody_counted_and_counts_of_another_bundle() -> None:
    rng = np.random.default_rng(6)
    reference = Distributions.of(patients(100, rng), rng.random(100))
    assert population_stability(reference, Counts()) == ()
    cohort, _ = synthetic_cohort(60, modalities=1, features=2, seed=3)
    other = Distributions.of(cohort, np.zeros(60)).counts(cohort, np.zeros(60))
    with pytest.raises(InputError, match="other distributions than the bundle's"):
        population_stability(reference, other)
    with pytest.raises(InputError, match="start counting anew"):
        reference.counts(patients(5, rng), np.zeros(5)) + other
    with pytest.raises(InputError, match="3 numbers were given for 60 patients"):
        reference.counts(cohort, np.zeros(3))


@pytest.mark.parametrize(
    "wrong",
    [
        {"shares": (0.5, 0.5), "edges": (1.0,)},
        {"shares": (0.5, 0.6, -0.1), "edges": (1.0,)},
        {"shares": (0.5, 0.25, 0.25, 0.0), "edges": (2.0, 1.0)},
        {"shares": (0.5, 0.25, 0.25), "edges": (1.0,), "levels": ("a",)},
    ],
)
def test_a_distribution_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Distribution.model_validate({"modality": "m", "feature": "f", "patients": 5, **wrong})
