"""Attributions of fitted methods: tables a reader can use, true to the prediction."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit
from tests.laws.cohorts import NAMES, gappy_cohort

from consilience.cohort import Cohort, Table
from consilience.errors import InputError
from consilience.fusion import (
    CrossModalTransformer,
    DistilledFusion,
    FeatureGraphFusion,
    GraphFusion,
    IntermediateFusion,
)
from consilience.nn.training import Training

SHORT = Training(40, 10, learning_rate=0.01, batch_size=48)
KINDS = ("binary", "multiclass", "continuous", "survival")


def fitted(kind: str, **options) -> tuple[IntermediateFusion, Cohort]:
    cohort, y = gappy_cohort(kind)
    return IntermediateFusion.for_outcome(kind, training=SHORT, **options).fit(cohort, y), cohort


@pytest.mark.parametrize("survival", ["cox", "discrete"])
@pytest.mark.parametrize("kind", KINDS)
def test_they_add_up_and_explain_what_is_predicted(kind: str, survival: str) -> None:
    model, cohort = fitted(kind, survival=survival)
    known = model.informed(cohort)
    found = model.attributions(cohort, steps=256)
    assert (
        found.gap[known].abs().to_numpy().max() < 1e-3 * found.output[known].abs().to_numpy().max()
    )
    last = found.output[found.outputs[-1]].to_numpy()[known]
    said = {
        "binary": lambda: logit(model.predict_proba(cohort)[known, 1]),
        "multiclass": lambda: logit(model.predict_proba(cohort)[known, -1]),
        "continuous": lambda: model.predict(cohort)[known],
        "survival": lambda: model.predict(cohort)[known],
    }[kind]()
    if kind == "survival" and survival == "cox":  # the risk is a rising function of it
        np.testing.assert_array_equal(np.argsort(last, kind="stable"), np.argsort(said))
    else:
        np.testing.assert_allclose(last, said, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", ["multiclass", "continuous", "survival"])
@pytest.mark.parametrize("method", [CrossModalTransformer, DistilledFusion])
def test_a_transformer_and_what_learned_from_one_are_explained(method: type, kind: str) -> None:
    cohort, y = gappy_cohort(kind)
    model = method.for_outcome(kind, training=Training(5, 5, learning_rate=0.01)).fit(cohort, y)
    known = model.informed(cohort)
    found = model.attributions(cohort[known], steps=64)
    moved = (found.output - found.base).abs().to_numpy().max()
    assert moved > 1e-3
    assert found.gap.abs().to_numpy().max() < 0.01 * moved


@pytest.mark.parametrize(
    ("method", "options"),
    [
        (IntermediateFusion, {}),
        (CrossModalTransformer, {}),
        (FeatureGraphFusion, {}),
        (GraphFusion, {}),
        (GraphFusion, {"own_features": False}),
    ],
)
def test_a_category_is_explained_however_a_network_reads_it(method: type, options: dict) -> None:
    """A category alone tells the number: by vectors, by tokens, or as a node of a graph."""
    rng = np.random.default_rng(0)
    ids = [f"p{i:03d}" for i in range(200)]
    stage = rng.choice(["I", "II"], 200)
    frame = pd.DataFrame({"stage": stage, "noise": rng.normal(size=200)}, ids)
    y = np.where(stage == "II", 1.0, -1.0) + 0.1 * rng.normal(size=200)
    cohort = Cohort(pd.DataFrame(index=ids), {"one": Table(frame)})
    model = method("continuous", training=SHORT, **options).fit(cohort, y)
    found = model.attributions(cohort, steps=64)
    by = found.features["number", "one"]
    assert by["stage"].abs().mean() > 2 * by["noise"].abs().mean()
    higher, lower = (by["stage"][stage == level].mean() for level in ("II", "I"))
    assert higher > lower
    moved = (found.output - found.base).abs().to_numpy().max()
    assert found.gap.abs().to_numpy().max() < 0.01 * moved


@pytest.mark.parametrize("method", ["gradient", "permutation"])
def test_who_lacks_a_modality_gets_nothing_of_it(method: str) -> None:
    model, cohort = fitted("multiclass")
    found = model.attributions(cohort, method=method, repeats=2)
    assert found.outputs == tuple(model.classes_)
    for name in NAMES:
        has = cohort.has(name)
        for output in found.outputs:
            assert (found.modalities[output, name][~has] == 0).all()
            assert (found.features[output, name][~has] == 0).all(axis=None)
            assert (found.modalities[output, name][has] != 0).mean() > 0.9
    nobody = ~model.informed(cohort)
    assert nobody.any()
    assert found.output[nobody].isna().all(axis=None)
    assert list(found.output.index) == list(cohort.index)


def test_features_of_a_modality_add_up_to_it() -> None:
    model, cohort = fitted("survival", fusion="gating")
    found = model.attributions(cohort)
    total = found.features["risk"].T.groupby(level="modality").sum().T
    pd.testing.assert_frame_equal(
        total, found.modalities["risk"][total.columns], check_names=False, atol=1e-6
    )


def test_an_ensemble_is_the_mean_of_its_members() -> None:
    model, cohort = fitted("continuous", members=2)
    whole = model.attributions(cohort)
    alone = []
    for member in list(model.members_):
        single, _ = fitted("continuous", members=2)
        single.members_ = [member]
        single.__dict__.pop("_ready", None)
        alone.append(single.attributions(cohort))
    mean = (alone[0].features + alone[1].features) / 2
    pd.testing.assert_frame_equal(whole.features, mean, atol=1e-6)
    assert not np.allclose(alone[0].features, alone[1].features)


def test_each_patient_is_explained_alone() -> None:
    model, cohort = fitted("binary")
    rows = np.flatnonzero(model.informed(cohort))[:5]
    whole, part = model.attributions(cohort), model.attributions(cohort[rows])
    pd.testing.assert_frame_equal(whole.features.iloc[rows], part.features, atol=1e-5)


def test_the_feature_that_tells_the_outcome_is_found() -> None:
    """One feature of ten tells the number; the others are noise."""
    rng = np.random.default_rng(0)
    ids = [f"p{i:03d}" for i in range(300)]
    a, b = (
        pd.DataFrame(rng.normal(size=(300, 5)), ids, [f"{n}{i}" for i in range(5)]) for n in "ab"
    )
    y = 2 * b["b3"].to_numpy() + 0.3 * rng.normal(size=300)
    cohort = Cohort(pd.DataFrame(index=ids), {"a": Table(a), "b": Table(b)})
    model = IntermediateFusion("continuous", training=SHORT).fit(cohort, y)
    by_gradient = model.attributions(cohort)
    by_permutation = model.attributions(cohort, method="permutation", repeats=50)
    for found in (by_gradient, by_permutation):
        assert found.features["number"].abs().mean().idxmax() == ("b", "b3")
        assert np.corrcoef(found.features["number", "b", "b3"], b["b3"])[0, 1] > 0.95
        assert found.strongest(b["b3"].idxmax(), most=1).index[0] == ("b", "b3")
    again = model.attributions(cohort, method="permutation", repeats=50)
    pd.testing.assert_frame_equal(by_permutation.features, again.features)
    other = model.attributions(cohort, method="permutation", random_state=1)
    assert not by_permutation.features.equals(other.features)


def test_settings_and_names_that_cannot_be() -> None:
    model, cohort = fitted("survival")
    with pytest.raises(InputError, match="method must be 'gradient' or 'permutation'"):
        model.attributions(cohort, method="shapley")
    with pytest.raises(InputError, match="steps must be a whole number of at least 1"):
        model.attributions(cohort, steps=0)
    found = model.attributions(cohort)
    with pytest.raises(InputError, match="no patient 'nobody'"):
        found.strongest("nobody")
    with pytest.raises(InputError, match="no output 'risc'.*risk"):
        found.strongest(cohort.index[0], "risc")


def test_nothing_learned_nothing_added() -> None:
    cohort, y = gappy_cohort("survival")
    y["event"] = False
    y["event"][0] = True
    found = IntermediateFusion("survival", training=SHORT).fit(cohort, y).attributions(cohort)
    assert found.outputs == ()
    assert found.features.shape == (len(cohort), 0)
