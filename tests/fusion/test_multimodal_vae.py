from functools import cache

import numpy as np
import pandas as pd
import pytest
from tests.fusion.planted_factors import NAMES, explained, planted
from tests.laws.cohorts import gappy_cohort

from consilience.cohort import Cohort, Table
from consilience.errors import InputError
from consilience.fusion.imputation_score import hide_modalities
from consilience.fusion.multimodal_vae import MultimodalVAE
from consilience.nn.training import Training

TRAINING = Training(100, 30, learning_rate=0.01)
SHORT = Training(15, 15, learning_rate=0.01)


@cache
def disentangled(private: int) -> MultimodalVAE:
    model = MultimodalVAE(latent=2, private=private, hidden=0, corruption=0.0, training=TRAINING)
    return model.fit(planted().cohort)


def test_shared_and_private_factors_are_told_apart():
    cohort, shared, private = planted()
    found = disentangled(1).latents(cohort)
    assert explained(found.shared, shared) > 0.9
    assert explained(found.shared, np.column_stack(list(private.values()))) < 0.1
    for name in NAMES:
        assert explained(found.private[name], private[name]) > 0.8
        assert explained(found.private[name], shared) < 0.1


def test_without_private_dimensions_the_private_factors_are_lost_or_mixed_in():
    cohort, _, private = planted()
    whole = np.column_stack(list(private.values()))
    found = disentangled(0).latents(cohort)
    assert found.private["alpha"].shape == (len(cohort), 0)
    assert explained(found.shared, whole) < 0.1
    wide = MultimodalVAE(latent=5, private=0, hidden=0, corruption=0.0, training=TRAINING).fit(
        cohort
    )
    assert explained(wide.transform(cohort), whole) > 0.5  # in the shared latent, with the rest


@pytest.mark.parametrize("private", [0, 1])
def test_intervals_of_hidden_modalities_hold_the_truth_as_often_as_they_say(private):
    cohort = planted().cohort
    visible = hide_modalities(cohort, 0.3, np.random.default_rng(1))
    model = MultimodalVAE(
        latent=4, private=private, hidden=0, corruption=0.2, training=TRAINING
    ).fit(visible)
    filled, spread = model.impute_with_uncertainty(visible, n=60)
    inside, explained_away = [], []
    for name in NAMES:
        hidden = ~visible.has(name)
        truth = cohort.modalities[name].frame.loc[cohort.index[hidden]]
        guess = filled.modalities[name].frame.loc[truth.index, truth.columns]
        wide = spread[name].loc[truth.index, truth.columns]
        inside.append((truth - guess).abs() <= 1.645 * wide)
        explained_away.append(((truth - guess) ** 2).mean() / truth.var())
    assert np.concatenate(inside).mean() == pytest.approx(0.9, abs=0.05)
    assert np.concatenate(explained_away).mean() < 0.85


def test_draws_scatter_as_the_uncertainty_says_and_leave_what_was_measured():
    cohort = planted(120).cohort
    visible = hide_modalities(cohort, 0.3, np.random.default_rng(1))
    model = MultimodalVAE(latent=3, training=SHORT).fit(visible)
    draws = model.sample_imputations(visible, 60, random_state=1)
    _, spread = model.impute_with_uncertainty(visible, n=60, random_state=1)
    hidden = visible.index[~visible.has("alpha")]
    columns = list(spread["alpha"].columns)
    values = np.stack([each.modalities["alpha"].frame.loc[hidden, columns] for each in draws])
    np.testing.assert_allclose(values.std(axis=0, ddof=1), spread["alpha"].loc[hidden], rtol=1e-6)
    measured = visible.index[visible.has("alpha")]
    assert spread["alpha"].loc[measured].isna().all(axis=None)
    for each in draws[:3]:
        np.testing.assert_array_equal(
            each.modalities["alpha"].frame.loc[measured, columns],
            cohort.modalities["alpha"].frame.loc[measured, columns],
        )
    again = model.sample_imputations(visible, 1, random_state=1)[0]
    pd.testing.assert_frame_equal(again.modalities["beta"].frame, draws[0].modalities["beta"].frame)


def kinds_cohort(n: int = 300) -> Cohort:
    """Two tables moved by one factor, with every kind of feature."""
    rng = np.random.default_rng(0)
    factor = rng.normal(size=n)
    ids = [f"p{i:03d}" for i in range(n)]
    numbers = factor[:, None] * rng.normal(size=6) + 0.5 * rng.normal(size=(n, 6))
    other = pd.DataFrame(
        {
            "stage": np.where(factor + 0.2 * rng.normal(size=n) > 0, "late", "early"),
            "bleeds": (factor + 0.5 * rng.normal(size=n) > 0).astype(float),
            "cells": rng.poisson(np.exp(2 + 0.6 * factor)).astype(float),
        },
        index=ids,
    )
    first = pd.DataFrame(numbers, index=ids, columns=[f"x{i}" for i in range(6)])
    return Cohort(pd.DataFrame(index=ids), {"numbers": Table(first), "other": Table(other)})


def test_words_counts_and_signs_are_rebuilt_from_another_modality():
    cohort = kinds_cohort()
    hidden = cohort.index[:80]
    other = cohort.modalities["other"]
    truth = other.frame.loc[hidden]
    visible = cohort.with_modality("other", other.take(np.arange(80, 300)))
    model = MultimodalVAE(latent=2, training=TRAINING).fit(visible)
    found = model.impute(visible).modalities["other"].frame.loc[hidden]
    assert set(found["stage"]) == {"early", "late"}
    assert (found["stage"] == truth["stage"]).mean() > 0.8
    assert np.corrcoef(found["cells"], truth["cells"])[0, 1] > 0.6
    assert found["bleeds"].between(0, 1).all()
    assert ((found["bleeds"] > 0.5) == (truth["bleeds"] > 0.5)).mean() > 0.7
    drawn = model.sample_imputations(visible, 1)[0].modalities["other"].frame.loc[hidden]
    assert (drawn["cells"] == drawn["cells"].round()).all()
    assert set(drawn["bleeds"]) == {0.0, 1.0}


def test_generated_patients_look_like_those_learned_from():
    cohort = planted().cohort
    made = disentangled(1).generate(800)
    assert len(made) == 800
    for name in NAMES:
        real, new = cohort.modalities[name].frame, made.modalities[name].frame
        error = (new.mean() - real.mean()).abs() / real.std()
        assert error.max() < 0.3
        assert (new.std() / real.std()).between(0.7, 1.3).all()
        both = np.corrcoef(
            real.corr().to_numpy().ravel(), new[real.columns].corr().to_numpy().ravel()
        )
        assert both[0, 1] > 0.9


def test_generation_from_given_patients_follows_what_is_known_of_them():
    cohort, shared, _ = planted()
    given = cohort.only(["alpha", "beta"])[:60]
    made = disentangled(1).generate(5, given=given)
    assert list(made.patients["given"]) == list(given.index) * 5
    place = disentangled(1).latents(made.only(["gamma"])).shared
    assert explained(place, np.tile(shared[:60], (5, 1))) > 0.6
    assert np.abs(place[:60] - place[60:120]).max() > 0.1


def test_denoising_brings_measured_values_nearer_to_what_made_them():
    noisy, clean = planted(seed=3), planted(noise=0.0, seed=3)
    model = MultimodalVAE(latent=2, private=1, hidden=0, corruption=0.0, training=TRAINING)
    back = model.fit(noisy.cohort).denoise(noisy.cohort)
    for name in NAMES:
        # Other draws of noise would move later features: the first modality's are the same.
        truth = clean.cohort.modalities[name].frame
        if name == NAMES[0]:
            before = ((noisy.cohort.modalities[name].frame - truth) ** 2).mean().mean()
            after = ((back.modalities[name].frame[truth.columns] - truth) ** 2).mean().mean()
            assert after < 0.7 * before


@pytest.mark.parametrize(
    "options",
    [
        {"contrastive": 0.5},
        {"adversarial": 0.5},
        {"cycle": 0.5},
        {"total_correlation": 0.5},
        {"contrastive": 0.1, "adversarial": 0.1, "cycle": 0.1, "total_correlation": 0.1},
    ],
)
@pytest.mark.parametrize("experts", ["product", "mixture", "mixture-of-products"])
def test_each_regulariser_changes_what_is_learned_and_all_go_together(options, experts):
    cohort = planted(80).cohort
    plain = MultimodalVAE(experts=experts, latent=3, private=1, training=SHORT).fit(cohort)
    model = MultimodalVAE(experts=experts, latent=3, private=1, training=SHORT, **options)
    place = model.fit(cohort).transform(cohort)
    assert np.isfinite(place).all()
    assert np.abs(place - plain.transform(cohort)).max() > 1e-3


def test_contrast_brings_the_experts_of_one_patient_together():
    cohort = planted(200).cohort
    agreement = []
    for weight in (0.0, 1.0):
        model = MultimodalVAE(latent=3, contrastive=weight, training=SHORT).fit(cohort)
        alone = [model.latents(cohort.only([name])).shared for name in NAMES[:2]]
        unit = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in alone]
        agreement.append((unit[0] * unit[1]).sum(axis=1).mean())
    assert agreement[1] > agreement[0]


def test_the_posterior_mean_of_nothing_known_is_missing_and_of_the_rest_is_not():
    cohort, y = gappy_cohort("binary")
    model = MultimodalVAE("binary", training=SHORT).fit(cohort, y)
    found = model.latents(cohort)
    nothing = ~cohort.measured.to_numpy().any(axis=1)
    np.testing.assert_array_equal(np.isnan(found.shared).any(axis=1), nothing)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"beta": -1.0}, "beta must be at least 0"),
        ({"latent": 0}, "latent"),
        ({"private": -1}, "private"),
        ({"corruption": 1.0}, "corruption must be at least 0 and below 1"),
        ({"experts": "sum"}, "experts"),
    ],
)
def test_settings_that_cannot_be_are_refused(options, said):
    with pytest.raises(InputError, match=said):
        MultimodalVAE(**options).fit(planted(40).cohort)


def test_the_loss_is_the_one_that_is_written_down():
    """With a latent of hardly any spread, chance has no say and the loss is added up by hand."""
    import torch

    from consilience.nn.encoders import MLP
    from consilience.nn.losses import divergence

    cohort, y = gappy_cohort("binary", 60)
    plain = {name: MLP(dropout=0, input_dropout=0) for name in cohort.modalities}
    model = MultimodalVAE(
        private=0, beta=3.0, reconstruction=2.0, corruption=0, modality_dropout=0, encoders=plain
    ).set_params(training=Training(1, 1))
    model.fit(cohort)
    network, reader = model.networks()[0], model._reader(cohort)
    with torch.inference_mode():
        for layer in network.to_code:  # the log variances of the experts
            layer.weight[network.latent :] = 0.0
            layer.bias[network.latent :] = -30.0
        batch = reader.batch(np.flatnonzero(reader.informed()))
        told = network.train().losses(batch)
        posterior, said = network.eval().posterior(batch)
        latent = posterior.mean[0]
        sizes = [network.n_features(column) for column in range(3)]
        misfit = 0.0
        for column, size in enumerate(sizes):
            rows = batch.parts[network.names[column]].rows
            own = network.misfit(batch, column, latent[rows]).mean()
            misfit += float(own) * (np.mean(sizes) / size) ** 0.5
        kl = float(divergence(posterior.mean[0], posterior.log_variance[0]).mean())
    assert float(told["reconstruction"]) == pytest.approx(2 * misfit / np.mean(sizes), rel=0.05)
    assert float(told["beta"]) == pytest.approx(3 * kl / 3 / np.mean(sizes), rel=1e-5)
