import numpy as np
import pandas as pd
import pytest
from tests.fusion.planted_factors import NAMES, explained, planted
from tests.laws.cohorts import gappy_cohort

from consilience.cohort import Bag, Cohort
from consilience.errors import InputError
from consilience.fusion.imputation_score import hide_modalities, imputation_scores
from consilience.fusion.multimodal_autoencoder import MultimodalAutoencoder
from consilience.fusion.stacked_imputation import StackedImputation
from consilience.nn.training import Training

TRAINING = Training(60, 20, learning_rate=0.01)
SHORT = Training(15, 15, learning_rate=0.01)


def test_the_latent_holds_the_shared_factors_from_any_subset():
    cohort, shared, _ = planted()
    model = MultimodalAutoencoder(latent=6, training=TRAINING).fit(cohort)
    assert explained(model.transform(cohort), shared) > 0.9
    for name in NAMES:
        assert explained(model.transform(cohort.only([name])), shared) > 0.6


def test_hidden_modalities_are_rebuilt_nearer_than_by_the_mean():
    scores = imputation_scores(
        planted(200).cohort,
        {
            "mean": StackedImputation(),
            "deep": MultimodalAutoencoder(latent=6, training=TRAINING),
        },
        hide=hide_modalities,
        share=0.2,
        repeats=2,
    ).pivot(index="modality", columns="method", values="nrmse")
    assert (scores["deep"] < 0.9 * scores["mean"]).all()


def test_hiding_modalities_in_training_is_what_makes_one_tell_the_others():
    cohort = planted(200).cohort
    visible = hide_modalities(cohort, 0.3, np.random.default_rng(0))
    error = []
    for dropout in (0.0, 0.5):
        model = MultimodalAutoencoder(latent=6, modality_dropout=dropout, training=TRAINING)
        filled = model.fit(visible).impute(visible)
        hidden = cohort.index[~visible.has("alpha")]
        columns = list(cohort.modalities["alpha"].features)
        truth = cohort.modalities["alpha"].frame.loc[hidden, columns]
        found = filled.modalities["alpha"].frame.loc[hidden, columns]
        error.append((((truth - found) / truth.std()) ** 2).mean(axis=None))
    assert error[1] < error[0]


def test_what_was_measured_stays_and_gaps_are_filled_in_own_units_and_words():
    cohort, _ = gappy_cohort("binary")
    filled = MultimodalAutoencoder(training=SHORT).fit(cohort).impute(cohort)
    known = cohort.measured.to_numpy().any(axis=1)
    for name in ("alpha", "beta", "gamma"):
        before = cohort.modalities[name].frame
        after = filled.modalities[name].frame
        assert set(after.index) == set(cohort.index[known])
        assert after.notna().all(axis=None)
        there = before.notna()
        same = after.loc[before.index, before.columns].where(there)
        pd.testing.assert_frame_equal(same, before.where(there), check_dtype=False)
        guessed = after[~after.index.isin(before.index)][list(before.columns[:4])]
        assert guessed.abs().max(axis=None) < 6 * before[list(before.columns[:4])].abs().max(
            axis=None
        )
    assert set(filled.modalities["alpha"].frame["stage"]) == {"I", "II"}


def test_a_modality_that_a_new_cohort_never_had_is_filled():
    cohort = planted(100).cohort
    model = MultimodalAutoencoder(latent=4, training=SHORT).fit(cohort)
    filled = model.impute(cohort.only(["alpha"])[:10])
    assert filled.modalities["gamma"].frame.shape == (10, 12)


def test_an_ensemble_fills_the_mean_of_its_networks():
    cohort = planted(100).cohort
    given = cohort.only(["alpha"])[:10]
    model = MultimodalAutoencoder(latent=4, members=2, training=SHORT).fit(cohort)
    whole = model.impute(given).modalities["beta"].frame
    alone = []
    for member in list(model.members_):
        single = MultimodalAutoencoder(latent=4, training=SHORT).fit(cohort)
        single.members_ = [member]
        single.__dict__.pop("_ready", None)
        alone.append(single.impute(given).modalities["beta"].frame)
    np.testing.assert_allclose(whole, (alone[0] + alone[1]) / 2, rtol=1e-5)


def bags(cohort: Cohort) -> Cohort:
    rng = np.random.default_rng(0)
    counts = rng.integers(2, 5, len(cohort))
    return cohort.with_modality(
        "tiles",
        Bag(cohort.index, rng.normal(size=(counts.sum(), 3)), counts, features=["a", "b", "c"]),
    )


def test_bags_are_read_and_left_as_they_are():
    cohort = bags(planted(60).cohort)
    model = MultimodalAutoencoder(latent=4, training=SHORT).fit(cohort)
    assert model.tables() == list(NAMES)
    filled = model.impute(cohort.only(["tiles"]))
    assert isinstance(filled.modalities["tiles"], Bag)
    assert filled.modalities["alpha"].frame.notna().all(axis=None)
    with pytest.raises(InputError, match="rebuilds tables, and none"):
        MultimodalAutoencoder(training=SHORT).fit(cohort.only(["tiles"]))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"latent": 0}, "latent"),
        ({"hidden": -1}, "hidden"),
        ({"corruption": 1.0}, "corruption must be at least 0 and below 1"),
        ({"reconstruction": -1.0}, "reconstruction must be at least 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(options, said):
    with pytest.raises(InputError, match=said):
        MultimodalAutoencoder(**options).fit(planted(40).cohort)


def test_an_outcome_that_taught_nothing_imputes_nothing():
    cohort, _ = gappy_cohort("binary")
    nothing = ~cohort.measured.to_numpy().any(axis=1)  # the only ones of the other class
    model = MultimodalAutoencoder("binary", training=SHORT).fit(cohort, nothing.astype(int))
    with pytest.raises(InputError, match="learned nothing"):
        model.impute(cohort)
