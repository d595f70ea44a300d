"""A bundle says on new patients what the model says, and what is odd about them."""

from __future__ import annotations

import json
import os
import zipfile

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sksurv.linear_model import CoxPHSurvivalAnalysis
from tests.laws.cohorts import gappy_cohort

from consilience.cohort import (
    Binary,
    Cohort,
    Continuous,
    EventBy,
    Multiclass,
    Survival,
    Table,
    bag_of,
    fingerprint,
)
from consilience.errors import InputError
from consilience.fusion import EarlyFusion, LateFusion
from consilience.study.bundle import Bundle, Calibration, Schema
from consilience.study.bundle.units import conversion, same_unit
from consilience.study.finding import Finding

OUTCOMES = {
    "binary": (Binary("died"), LogisticRegression()),
    "multiclass": (Multiclass("type"), LogisticRegression()),
    "continuous": (Continuous("los"), Ridge()),
    "survival": (Survival("died", "days"), CoxPHSurvivalAnalysis(alpha=1.0)),
}


def bundle_of(kind: str) -> tuple[Bundle, Cohort]:
    outcome, learner = OUTCOMES[kind]
    cohort, y = gappy_cohort(kind)
    model = LateFusion(learner).fit(cohort, y)
    return Bundle.of(model, cohort, outcome), cohort


def labs(n: int = 40, seed: int = 0, **columns: object) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"ldh": rng.uniform(100, 300, n), "crp": rng.uniform(0, 10, n)},
        index=[f"p{i:03d}" for i in range(n)],
    )
    frame["stage"] = np.where(np.arange(n) % 2 == 0, "I", "II")
    return frame.assign(**columns)


def of_labs(units: dict[str, str] | None = None) -> tuple[Bundle, pd.DataFrame]:
    """Return a bundle trained on one complete table, and the table."""
    frame = labs()
    cohort = Cohort(pd.DataFrame(index=frame.index), {"labs": Table(frame, units=units)})
    y = (frame["ldh"] > 200).astype(int).to_numpy()
    model = EarlyFusion(LogisticRegression(max_iter=1000)).fit(cohort, y)
    return Bundle.of(model, cohort, Binary("died")), frame


def patients(frame: pd.DataFrame, units: dict[str, str] | None = None, **others: object) -> Cohort:
    index = pd.Index([*frame.index, *others.pop("also", [])])
    return Cohort(pd.DataFrame(index=index), {"labs": Table(frame, units=units), **others})


# --- what is predicted ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OUTCOMES)
def test_predictions_are_the_models_after_saving_and_loading(kind, tmp_path):
    bundle, cohort = bundle_of(kind)
    bundle.save(tmp_path / "bundle")
    back = Bundle.load(tmp_path / "bundle")
    assert back.predict(cohort) == bundle.predict(cohort)
    assert back.fingerprint == bundle.fingerprint
    np.testing.assert_array_equal(back.scores(cohort).values, bundle.model.scores(cohort).values)
    saved = back.manifest.model_dump(exclude={"files"})
    assert saved == bundle.manifest.model_dump(exclude={"files"})
    assert (back.schema, back.calibration, back.provenance, back.card) == (
        bundle.schema, bundle.calibration, bundle.provenance, bundle.card,
    )  # fmt: skip


def test_probabilities_are_those_of_the_model_by_name():
    bundle, cohort = bundle_of("multiclass")
    expected = bundle.model.predict_proba(cohort)
    for row, said in enumerate(bundle.predict(cohort)):
        assert said.patient == cohort.index[row]
        given = [said.probability_of(label) for label in ("high", "low", "mid")]
        np.testing.assert_allclose(given, expected[row], atol=1e-15)


def test_survival_is_told_at_the_horizons():
    bundle, cohort = bundle_of("survival")
    horizons = bundle.manifest.horizons
    assert len(horizons) == 3
    curves = bundle.model.scores(cohort)
    for row, said in enumerate(bundle.predict(cohort)):
        assert [point.time for point in said.survival] == list(horizons)
        expected = curves.at(horizons)[row]
        np.testing.assert_array_equal([point.probability for point in said.survival], expected)
        assert said.risk == curves.risk[row]
        assert said.unit == "days"


def test_a_patient_with_nothing_measured_gets_the_prior_and_is_marked():
    bundle, cohort = bundle_of("binary")
    nothing = ~cohort.measured.to_numpy().any(axis=1)
    assert 0 < nothing.sum() < len(cohort)
    for said, empty in zip(bundle.predict(cohort), nothing, strict=True):
        assert said.informed != empty
        assert bool(said.sources) != empty
        if empty:
            values = [part.probability for part in said.probabilities]
            np.testing.assert_allclose(values, bundle.model.task_.prior)
            assert any("known of everybody" in warning for warning in said.warnings)


def test_probabilities_have_no_unit():
    cohort, y = gappy_cohort("binary")
    model = LateFusion(LogisticRegression()).fit(cohort, y)
    bundle = Bundle.of(model, cohort, EventBy("died", "days", 365.0))
    assert {said.unit for said in bundle.predict(cohort)} == {""}


def test_training_patients_are_inside_their_own_ranges(tmp_path):
    for kind in OUTCOMES:
        bundle, cohort = bundle_of(kind)
        bundle.save(tmp_path / kind)
        matters = {notice.matter for notice in Bundle.load(tmp_path / kind).check(cohort)}
        assert matters <= {"nothing measured"}


def test_neither_order_nor_further_features_and_modalities_matter():
    bundle, frame = of_labs()
    expected = [said.probabilities for said in bundle.predict(patients(frame))]
    mixed = frame[["stage", "crp", "ldh"]].assign(other=1.0)
    notes = Table(pd.DataFrame({"x": 1.0}, index=frame.index))
    said = bundle.predict(patients(mixed, notes=notes))
    assert [one.probabilities for one in said] == expected


# --- what is refused --------------------------------------------------------------------------


def test_a_missing_feature_is_refused_with_a_suggestion():
    bundle, frame = of_labs()
    with pytest.raises(InputError, match=r"'labs' lacks 1 .* 'ldh'.*Did you mean 'LDH'"):
        bundle.predict(patients(frame.rename(columns={"ldh": "LDH"})))


def test_text_for_numbers_and_numbers_for_text_are_refused():
    bundle, frame = of_labs()
    with pytest.raises(InputError, match=r"'labs', column 'crp': it holds text"):
        bundle.predict(patients(frame.assign(crp="high")))
    with pytest.raises(InputError, match=r"'labs', column 'stage': it holds numbers"):
        bundle.predict(patients(frame.assign(stage=1.0)))


def test_another_unit_is_refused_and_the_conversion_said():
    bundle, frame = of_labs(units={"crp": "mg/L"})
    with pytest.raises(InputError, match=r"column 'crp'.*'mg/dL'.*'mg/L'; multiply .* by 10 "):
        bundle.predict(patients(frame, units={"crp": "mg/dL"}))
    with pytest.raises(InputError, match=r"'crp'.*'mmol/L'.*convert it"):
        bundle.predict(patients(frame, units={"crp": "mmol/L"}))
    assert not bundle.check(patients(frame, units={"crp": "mg / L"}))


def test_a_unit_that_is_not_said_is_told_for_all():
    bundle, frame = of_labs(units={"crp": "mg/L"})
    notices = bundle.check(patients(frame))
    assert [(n.patient, n.matter) for n in notices] == [(None, "unit")]
    assert all("crp in mg/L" in said.warnings[0] for said in bundle.predict(patients(frame)))


def test_a_cohort_without_any_of_the_modalities_is_refused():
    bundle, frame = of_labs()
    other = Cohort(pd.DataFrame(index=frame.index), {"rna": Table(frame)})
    with pytest.raises(InputError, match=r"none of the model's modalities \('labs'\).*'rna'"):
        bundle.check(other)


def test_another_kind_of_modality_is_refused():
    bundle, frame = of_labs()
    bag = bag_of({patient: np.ones((2, 3)) for patient in frame.index})
    with pytest.raises(InputError, match=r"'labs' is of kind 'bag'.*'table'"):
        bundle.check(Cohort(pd.DataFrame(index=frame.index), {"labs": bag}))


# --- what is told -----------------------------------------------------------------------------


def test_a_value_out_of_range_is_told_of_the_patient_who_has_it():
    bundle, frame = of_labs()
    frame.loc["p003", "crp"] = 25.0
    said = {one.patient: one for one in bundle.predict(patients(frame))}
    (warning,) = said["p003"].warnings
    assert "1 of 3 values outside the training range" in warning
    assert "'crp' = 25" in warning
    assert [one for one in said.values() if one.warnings] == [said["p003"]]


def test_an_unseen_category_is_told():
    bundle, frame = of_labs()
    frame.loc["p005", "stage"] = "IV"
    told = [n for n in bundle.check(patients(frame)) if n.matter == "category"]
    assert [(n.patient, "'IV'" in n.sentence) for n in told] == [("p005", True)]


def test_a_modality_that_every_training_patient_had_is_missed():
    bundle, frame = of_labs()
    said = bundle.predict(patients(frame, also=["new"]))
    assert "every training patient had it" in said[-1].warnings[0]
    assert not said[-1].informed
    assert not any(one.warnings for one in said[:-1])


def test_a_modality_missing_altogether_is_told_of_each():
    bundle, cohort = bundle_of("binary")
    said = bundle.predict(cohort.only(["alpha", "gamma"]))
    assert all("'beta' was not measured." in one.warnings for one in said)


def test_missing_values_are_no_reason_to_warn():
    bundle, frame = of_labs()
    frame.loc["p001", ["ldh", "stage"]] = np.nan
    assert bundle.check(patients(frame)) == []


# --- the schema -------------------------------------------------------------------------------


def test_the_schema_describes_what_was_measured():
    frame = labs(n=101, crp=np.arange(101.0))
    frame.loc["p000", "ldh"] = np.nan
    cohort = patients(frame, units={"crp": "mg/L"}, also=["unmeasured"])
    (table,) = Schema.of(cohort, ["labs"]).modalities
    ldh, crp, stage = table.features
    assert (table.kind, table.patients, table.always_measured) == ("table", 101, False)
    assert (crp.unit, crp.minimum, crp.low, crp.high, crp.maximum) == ("mg/L", 0, 1, 99, 100)
    assert ldh.missing == pytest.approx(1 / 101)
    assert ldh.minimum == frame["ldh"].min()
    assert (stage.kind, stage.levels) == ("categorical", ("I", "II"))


def test_a_bag_is_described_by_the_means_of_its_patients():
    rng = np.random.default_rng(0)
    instances = {f"p{i}": rng.normal(i, 1, size=(5, 2)) for i in range(20)}
    cohort = Cohort(pd.DataFrame(index=list(instances)), {"tiles": bag_of(instances)})
    y = (np.arange(20) > 9).astype(int)
    bundle = Bundle.of(EarlyFusion(LogisticRegression()).fit(cohort, y), cohort, Binary("died"))
    means = [values.mean(axis=0)[0] for values in instances.values()]
    (tiles,) = bundle.schema.modalities
    assert (tiles.features[0].minimum, tiles.features[0].maximum) == (min(means), max(means))
    assert bundle.check(cohort) == []
    far = {"p0": np.full((2, 2), 99.0)}
    beyond = Cohort(pd.DataFrame(index=["p0"]), {"tiles": bag_of(far)})
    assert [notice.matter for notice in bundle.check(beyond)] == ["range"]
    named = Cohort(pd.DataFrame(index=["p0"]), {"tiles": bag_of(far, features=["a", "b"])})
    with pytest.raises(InputError, match="in that order"):
        bundle.check(named)


def test_units():
    assert same_unit("µmol/L", "umol / L")
    assert not same_unit("mg/dL", "mg/L")
    assert conversion("g/dL", "g/L") == 10
    assert conversion("mmol/L", "µmol/L") == 1000
    assert conversion("years", "days") == 365.25
    assert conversion("%", "fraction") == 0.01
    assert conversion("g/L", "L/g") is None
    assert conversion("mg", "mg/L") is None


# --- the folder -------------------------------------------------------------------------------


def test_a_bundle_is_not_written_over_unless_told(tmp_path):
    bundle, _ = bundle_of("binary")
    other, _ = bundle_of("continuous")
    bundle.save(tmp_path / "bundle")
    with pytest.raises(InputError, match="overwrite=True"):
        other.save(tmp_path / "bundle")
    assert Bundle.load(tmp_path / "bundle").manifest.kind == "binary"
    other.save(tmp_path / "bundle", overwrite=True)
    assert Bundle.load(tmp_path / "bundle").manifest.kind == "continuous"
    assert os.listdir(tmp_path) == ["bundle"]


def test_what_is_no_bundle_is_never_written_over(tmp_path):
    bundle, _ = bundle_of("binary")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    (tmp_path / "note").write_text("text")
    for name in ("thesis", "note"):
        with pytest.raises(InputError, match="no bundle"):
            bundle.save(tmp_path / name, overwrite=True)
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "years of work"


def test_nothing_is_left_where_writing_fails(tmp_path, monkeypatch):
    bundle, _ = bundle_of("binary")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        bundle.save(tmp_path / "bundle")
    assert os.listdir(tmp_path) == []


def test_no_patient_is_in_the_folder(tmp_path):
    bundle, cohort = bundle_of("survival")
    bundle.save(tmp_path / "bundle")
    content = [path.read_bytes() for path in (tmp_path / "bundle").iterdir()]
    with zipfile.ZipFile(tmp_path / "bundle" / "model.skops") as archive:
        content += [archive.read(name) for name in archive.namelist()]
    ids = [patient.encode(code) for patient in cohort.index for code in ("utf-8", "utf-32-le")]
    assert len(content) > 7
    assert not [i for i in ids if any(i in part for part in content)]


def test_provenance_says_which_data(tmp_path):
    bundle, cohort = bundle_of("binary")
    assert bundle.provenance.data_fingerprint == fingerprint(cohort)
    assert bundle.provenance.patients == len(cohort)
    assert {"python", "consilience", "scikit-learn"} <= set(bundle.provenance.versions)


# --- with a finding ---------------------------------------------------------------------------


def finding() -> Finding:
    """A small finding of a survival study, as its file would be."""
    slope = {"estimate": 0.9, "low": 0.7, "high": 1.1}
    candidate = {
        "name": "late mean", "role": "fused", "modalities": ["alpha"], "metric": "harrell",
        "estimate": 0.71, "low": 0.64, "high": 0.78, "difference_to_best_single": None,
        "others": {"calibration_slope": slope, "uno": slope}, "informed": 88,
    }  # fmt: skip
    group = {
        "column": "sex", "group": "women", "patients": 40, "events": 20, "small": True,
        "score": {"estimate": 0.69}, "calibration": {"estimate": 1.2, "low": 0.8, "high": 1.6},
    }  # fmt: skip
    cohort = {
        "name": "three tables", "fingerprint": "f" * 64, "patients": 95, "analysed": 90,
        "events": 50, "modalities": [], "patterns": [],
        "flow": [{"step": "outcome", "patients": 90, "left_out": 5, "reason": "no follow-up"}],
    }  # fmt: skip
    verdict = {
        "answer": "together more", "sentence": "Together they know more.", "reliance": "Small.",
        "best_single": "alpha", "best_fused": "late mean", "difference": None,
        "for_whom": "For all.",
    }  # fmt: skip
    whole = {
        "title": "Death in three tables", "metric": "harrell", "metric_label": "Harrell's C",
        "higher_is_better": True, "chance": 0.5, "cohort": cohort, "verdict": verdict,
        "outcome": {
            "name": "died", "kind": "survival", "columns": ["died", "days"], "horizon": 123.0
        },
        "candidates": [candidate], "contributions": [], "subgroups": [group], "importance": [],
        "checks": [{"name": "leak", "status": "warning", "sentence": "ldh is nearly perfect."}],
        "methods": "", "checklist": [],
        "provenance": {
            "created": "2030-01-01T00:00:00+00:00", "seconds": 1.0, "seed": 7,
            "versions": {"consilience": "9.9"}, "study": {"title": "Death"},
        },
    }  # fmt: skip
    return Finding.model_validate_json(json.dumps(whole))


def test_a_finding_fills_card_calibration_and_provenance():
    outcome, learner = OUTCOMES["survival"]
    cohort, y = gappy_cohort("survival")
    model = LateFusion(learner).fit(cohort, y)
    bundle = Bundle.of(model, cohort, outcome, candidate="late mean", finding=finding())
    assert 123.0 in bundle.manifest.horizons
    assert [(m.name, m.estimate) for m in bundle.calibration.measures] == [
        ("calibration_slope", 0.9)
    ]
    assert (bundle.provenance.seed, bundle.provenance.data_fingerprint) == (7, "f" * 64)
    for words in (
        "# Death in three tables",
        "| Harrell's C | 0.71 (0.64 to 0.78) |",
        "| uno | 0.9 (0.7 to 1.1) |",
        "Left out: 5 (outcome: no follow-up).",
        "| sex | women | 40 (small) | 0.69 | 1.2 (0.8 to 1.6) |",
        "- ldh is nearly perfect.",
        "Together they know more. Small.",
        "| alpha | table |",
        "**To be written by a person:**",
    ):
        assert words in bundle.card


def test_without_a_finding_the_card_says_what_is_not_known():
    bundle, _ = bundle_of("binary")
    assert bundle.card.count("**Not known:**") == 2
    assert "not judged on held-out patients" in bundle.card
    assert bundle.calibration == Calibration()


def test_a_calibration_of_ones_own_is_kept(tmp_path):
    cohort, y = gappy_cohort("binary")
    own = Calibration(recalibration="Platt scaling on 40 patients", note="Ours.")
    model = LateFusion(LogisticRegression()).fit(cohort, y)
    Bundle.of(model, cohort, Binary("died"), calibration=own).save(tmp_path / "b")
    back = Bundle.load(tmp_path / "b")
    assert back.calibration == own
    assert "Platt scaling on 40 patients" in back.card
