"""Treatments side by side: what the model answers under each."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from consilience.cohort import Cohort, Table
from consilience.fusion import EarlyFusion
from consilience.trust.number import ProbabilityOf
from consilience.trust.options import treatment_options
from consilience.trust.plausible import Plausible

NUMBER = ProbabilityOf("probability of event", "1")


@pytest.fixture(scope="module")
def cohort():
    rng = np.random.default_rng(0)
    index = [f"p{i}" for i in range(300)]
    frame = pd.DataFrame(
        {
            "age": rng.normal(60, 8, 300),
            "drug": rng.choice(["a", "b", "c"], 300),
            "surgery": rng.integers(0, 2, 300).astype(float),
        },
        index=index,
    )
    return Cohort(pd.DataFrame(index=index), {"clinic": Table(frame)})


@pytest.fixture(scope="module")
def model(cohort):
    frame = cohort.modalities["clinic"].frame
    linear = 1.5 * (frame["drug"] == "b") - 1.5 * (frame["drug"] == "c") + frame["surgery"] - 0.5
    y = (np.random.default_rng(1).random(300) < 1 / (1 + np.exp(-linear))).astype(int)
    return EarlyFusion(LogisticRegression(C=10)).fit(cohort, y)


TREATMENTS = {
    ("clinic", "drug"): Plausible(levels=("a", "b", "c")),
    ("clinic", "surgery"): Plausible(0.0, 1.0),
}


def test_each_number_is_the_models_for_the_patient_so_treated(cohort, model):
    patient = cohort[[5]]
    found = treatment_options(model, patient, cohort, NUMBER, TREATMENTS)
    drugs = [one for one in found if one.feature == "drug"]
    assert [one.treatment for one in drugs] == ["c", "a", "b"]  # the lowest first
    frame = patient.modalities["clinic"].frame
    for one in drugs:
        changed = Table(frame.assign(drug=one.treatment))
        alone = Cohort(patient.patients, {"clinic": changed})
        assert one.number == pytest.approx(float(model.predict_proba(alone)[0, 1]), abs=1e-12)
    assert [one.treatment for one in drugs if one.given] == [frame["drug"].iloc[0]]
    given = next(one for one in drugs if one.given)
    assert given.number == pytest.approx(float(model.predict_proba(patient)[0, 1]), abs=1e-12)


def test_zero_and_one_are_no_and_yes(cohort, model):
    found = treatment_options(model, cohort[[5]], cohort, NUMBER, TREATMENTS)
    surgery = [one.treatment for one in found if one.feature == "surgery"]
    assert surgery == ["no", "yes"]


def test_a_patient_without_the_modality_is_not_compared(cohort, model):
    other = Cohort(pd.DataFrame(index=["new"]), {})
    assert treatment_options(model, other, cohort, NUMBER, TREATMENTS) == ()


def test_one_level_alone_is_no_choice(cohort, model):
    alone = {("clinic", "drug"): Plausible(levels=("a",))}
    assert treatment_options(model, cohort[[0]], cohort, NUMBER, alone) == ()


def test_a_value_that_is_not_known_is_none_of_them(cohort, model):
    frame = cohort.modalities["clinic"].frame.iloc[[0]].assign(drug=None)
    table = Table(frame, kinds=dict(cohort.modalities["clinic"].kinds))
    patient = Cohort(cohort[[0]].patients, {"clinic": table})
    found = treatment_options(model, patient, cohort, NUMBER, TREATMENTS)
    assert not any(one.given for one in found if one.feature == "drug")


def test_each_is_told_in_a_sentence_that_names_what_is_on_record(cohort, model):
    known = {("clinic", "drug"): Plausible(label="Systemic treatment", levels=("a", "b", "c"))}
    patient = cohort[[5]]
    drug = patient.modalities["clinic"].frame["drug"].iloc[0]
    for one in treatment_options(model, patient, cohort, NUMBER, known):
        record = " (on record)" if one.treatment == drug else ""
        assert one.sentence == (
            f"Systemic treatment {one.treatment}{record}, and all else as it is: "
            f"the model answers {100 * one.number:.0f} %."
        )
