"""A transformer over all modalities: masking, attention maps, planted interactions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from tests.laws.cohorts import NAMES, gappy_cohort

from consilience.cohort import Cohort, Table
from consilience.errors import InputError
from consilience.fusion.cross_modal_transformer import CrossModalTransformer
from consilience.fusion.early import EarlyFusion
from consilience.nn.training import Training

QUICK = Training(15, 15, learning_rate=0.01, batch_size=48)


@pytest.fixture(scope="module")
def fitted() -> CrossModalTransformer:
    cohort, y = gappy_cohort("binary")
    return CrossModalTransformer(training=QUICK).fit(cohort, y)


def test_an_absent_modality_masked_is_as_one_that_is_not_there(fitted):
    """Beside patients who have everything, and alone in a batch without the tokens."""
    cohort, _ = gappy_cohort("binary")
    for name in NAMES:
        lacking = ~cohort.has(name) & cohort.measured.to_numpy().any(axis=1)
        beside = fitted.transform(cohort)[lacking]
        others = cohort[lacking].only([other for other in NAMES if other != name])
        np.testing.assert_allclose(beside, fitted.transform(others), atol=2e-6)


def test_what_stands_in_a_masked_token_is_of_no_account(fitted):
    cohort, _ = gappy_cohort("binary")
    network = fitted.networks()[0]
    batch = fitted._reader(cohort).batch(np.arange(len(cohort)))
    with torch.inference_mode():
        tokens = network.labelled(batch)
        hidden = ~tokens.shown
        assert hidden.any()
        noise = torch.randn_like(tokens.vectors) * 100 * hidden[:, :, None]
        other = tokens._replace(vectors=tokens.vectors + noise)
        torch.testing.assert_close(
            network.read(other, batch.present()),
            network.read(tokens, batch.present()),
            rtol=0,
            atol=0,
        )


def test_a_missing_feature_has_no_token_and_its_value_is_of_no_account(fitted):
    cohort, _ = gappy_cohort("binary")
    part = fitted._reader(cohort).batch(np.arange(len(cohort))).parts["alpha"]
    known = fitted.networks()[0].encoders[0].known(part)
    seen = torch.cat([part.arrays["known"], part.arrays["codes"] > 0], dim=1) > 0
    torch.testing.assert_close(known, seen)


def test_the_order_in_which_modalities_come_changes_nothing():
    cohort, y = gappy_cohort("binary")
    turned = Cohort(cohort.patients, dict(reversed(cohort.modalities.items())))
    models = [CrossModalTransformer(training=QUICK).fit(each, y) for each in (cohort, turned)]
    np.testing.assert_array_equal(models[0].values(cohort), models[1].values(turned))


@pytest.mark.parametrize("layer", [None, 0, 1])
def test_attention_maps_are_shares_of_what_a_patient_has(fitted, layer):
    cohort, _ = gappy_cohort("binary")
    maps = fitted.attention_maps(cohort, layer)
    np.testing.assert_allclose(maps.sum(axis=1), 1.0, atol=1e-6)
    assert (maps.to_numpy() >= 0).all()
    has = cohort.measured
    for patient, own in maps.groupby(level="patient"):
        there = [name for name in NAMES if has.loc[patient, name]]
        assert list(own.index.get_level_values("modality")) == ["prediction", *there]
        assert (own[[name for name in NAMES if name not in there]] == 0).all(axis=None)
        assert (own[there] > 0).all(axis=None)


def test_mean_attention_is_that_of_the_training_patients(fitted):
    cohort, _ = gappy_cohort("binary")
    rows = fitted.attention_maps(cohort).xs("prediction", level="modality")
    np.testing.assert_allclose(fitted.attention_[0], rows.mean().to_numpy(), atol=1e-6)
    shown = fitted.discoveries()[1]
    assert list(shown.weights) == list(NAMES)
    assert sum(shown.weights.values()) == pytest.approx(1.0, abs=1e-3)


def test_settings_that_cannot_be_are_refused():
    cohort, y = gappy_cohort("binary")
    for options, sentence in (
        ({"width": 30}, "4 heads cannot share"),
        ({"depth": 0}, "depth"),
        ({"dropout": 1.0}, "dropout"),
    ):
        with pytest.raises(InputError, match=sentence):
            CrossModalTransformer(**options).fit(cohort, y)


def test_a_layer_that_is_not_there_is_refused(fitted):
    with pytest.raises(InputError, match="layer must be from 0 to 1, not 2"):
        fitted.attention_maps(gappy_cohort("binary")[0], 2)


def test_a_wide_table_has_few_tokens():
    rng = np.random.default_rng(0)
    ids = [f"p{i}" for i in range(40)]
    wide = pd.DataFrame(rng.normal(size=(40, 4000)), index=ids).add_prefix("g")
    cohort = Cohort(pd.DataFrame(index=ids), {"wide": Table(wide)})
    model = CrossModalTransformer(training=Training(1, 1)).fit(cohort, rng.integers(0, 2, 40))
    encoder = model.networks()[0].encoders[0]
    assert encoder.n_tokens == 8
    assert model.members_[0].weights_.size < 8 * 500 * 32 + 25_000


def interaction(n: int, seed: int) -> tuple[Cohort, np.ndarray]:
    """Three tables; the outcome is the sign of the product of two hidden numbers."""
    rng = np.random.default_rng(seed)
    ids = [f"p{i:04d}" for i in range(n)]
    hidden = {name: rng.normal(size=n) for name in ("a", "b", "c")}
    tables = {}
    for name, value in hidden.items():
        values = rng.normal(size=(n, 6))
        values[:, :2] = value[:, None] + 0.3 * rng.normal(size=(n, 2))
        columns = [f"{name}{i}" for i in range(6)]
        tables[name] = Table(pd.DataFrame(values, index=ids, columns=columns))
    y = hidden["a"] * hidden["b"] + 0.2 * rng.normal(size=n) > 0
    return Cohort(pd.DataFrame(index=ids), tables), y.astype(int)


def test_an_interaction_between_modalities_is_learned_that_linear_fusion_cannot_see():
    (train, y), (test, truth) = interaction(600, 0), interaction(600, 1)
    deep = CrossModalTransformer(training=Training(80, 20, learning_rate=3e-3)).fit(train, y)
    linear = EarlyFusion(LogisticRegression()).fit(train, y)
    assert roc_auc_score(truth, deep.predict_proba(test)[:, 1]) >= 0.8
    assert roc_auc_score(truth, linear.predict_proba(test)[:, 1]) < 0.6
