"""Learning from unlabelled patients, and starting from it."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import roc_auc_score
from tests.laws.cohorts import NAMES, gappy_cohort

from consilience.cohort import Cohort, Table
from consilience.errors import InputError, InputWarning
from consilience.fusion.cross_modal_transformer import CrossModalTransformer
from consilience.fusion.networks.pretraining import halves
from consilience.fusion.pretraining import Pretraining
from consilience.nn.encoders import FeatureTransformer
from consilience.nn.training import Training
from consilience.study.bundle.safe_model import dump_model, load_model

QUICK = Training(10, 10, learning_rate=0.01, batch_size=48)


@pytest.fixture(scope="module")
def pretrained() -> Pretraining:
    return Pretraining(training=QUICK).fit(gappy_cohort("binary")[0])


def weights(model) -> dict[str, np.ndarray]:
    return model.members_[0].weights_.arrays_


# --- what is learned --------------------------------------------------------------------------


def test_halves_part_what_is_there_and_leave_neither_side_empty():
    torch.manual_seed(0)
    present = torch.rand(500, 5) < 0.5
    first, second = halves(present)
    assert torch.equal(first | second, present)
    assert not (first & second).any()
    several = present.sum(dim=1) > 1
    assert first[several].any(dim=1).all()
    assert second[several].any(dim=1).all()
    alone = present.sum(dim=1) == 1
    assert torch.equal(first[alone], present[alone])
    # Each modality is on either side about as often, whatever its place.
    full = torch.ones(4000, 5, dtype=torch.bool)
    shares = halves(full)[0].float().mean(dim=0)
    assert (shares - 0.5).abs().max() < 0.05


def low_rank(n: int, seed: int, features: int = 30) -> tuple[Cohort, np.ndarray]:
    """Three tables that two hidden numbers make; the outcome is the first one's sign."""
    rng = np.random.default_rng(seed)
    ids = [f"p{i:04d}" for i in range(n)]
    loadings = np.random.default_rng(9).normal(size=(3, 2, features))
    hidden = rng.normal(size=(n, 2))
    tables = {}
    for name, loading in zip(("a", "b", "c"), loadings, strict=True):
        values = hidden @ loading + 2.0 * rng.normal(size=(n, features))
        tables[name] = Table(pd.DataFrame(values, index=ids).add_prefix(name))
    y = (hidden[:, 0] + 0.5 * rng.normal(size=n) > 0).astype(int)
    return Cohort(pd.DataFrame(index=ids), tables), y


@pytest.mark.parametrize(
    "terms",
    [
        {"masked_modalities": 0.0, "contrastive": 0.0},
        {"masked_features": 0.0, "contrastive": 0.0},
        {"masked_features": 0.0, "masked_modalities": 0.0, "contrastive": 1.0},
    ],
    ids=["features", "modalities", "contrastive"],
)
def test_each_term_alone_finds_the_hidden_numbers(terms):
    """A linear map from the embedding tells them of patients who were not in the fit."""
    (train, _), (test, _) = low_rank(400, 0), low_rank(300, 1)
    hidden = [np.random.default_rng(seed).normal(size=(n, 2)) for seed, n in ((0, 400), (1, 300))]
    training = Training(25, 25, learning_rate=3e-3)
    model = Pretraining(training=training, width=16, **terms).fit(train)
    design = [np.column_stack([model.transform(c), np.ones(len(c))]) for c in (train, test)]
    told = design[1] @ np.linalg.lstsq(design[0], hidden[0], rcond=1e-6)[0]
    r2 = 1 - ((told - hidden[1]) ** 2).sum(axis=0) / (hidden[1] ** 2).sum(axis=0)
    assert r2.min() > 0.5


def test_pretraining_helps_with_few_labels():
    """Over six draws of 24 labels, the AUROC of 400 other patients is higher on average."""
    unlabelled, _ = low_rank(400, 2)
    test, truth = low_rank(400, 3)
    start = FrozenEstimator(
        Pretraining(training=Training(25, 25, learning_rate=3e-3), width=16).fit(unlabelled)
    )
    gains = []
    for seed in range(6):
        few, y = low_rank(24, 10 + seed)
        scores = []
        for options in ({}, {"pretrained": start, "freeze": "all"}):
            training = Training(40, 40, learning_rate=3e-3, batch_size=24)
            model = CrossModalTransformer(width=16, training=training, **options).fit(few, y)
            scores.append(roc_auc_score(truth, model.predict_proba(test)[:, 1]))
        gains.append(scores[1] - scores[0])
    assert np.mean(gains) > 2 * np.std(gains, ddof=1) / np.sqrt(len(gains)) > 0


def test_settings_that_cannot_be_are_refused():
    cohort, _ = gappy_cohort("binary")
    nothing = {"masked_features": 0.0, "masked_modalities": 0.0, "contrastive": 0.0}
    for options, sentence in (
        (nothing, "nothing to learn"),
        ({"hidden": 1.0}, "hidden"),
        ({"contrastive": -1.0}, "contrastive"),
        ({"temperature": 0.0}, "temperature"),
    ):
        with pytest.raises(InputError, match=sentence):
            Pretraining(**options).fit(cohort)


# --- starting from it -------------------------------------------------------------------------


def test_a_frozen_start_needs_no_other_patients_and_clone_keeps_it(pretrained):
    cohort, y = gappy_cohort("binary")
    model = CrossModalTransformer(
        pretrained=FrozenEstimator(pretrained), freeze="all", training=QUICK
    )
    fitted = clone(model).fit(cohort[:40], y[:40])
    assert fitted.sources_.fitted_["alpha"].mean_ is pretrained.sources_.fitted_["alpha"].mean_
    np.testing.assert_allclose(
        fitted.transform(cohort), pretrained.transform(cohort), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize(
    ("freeze", "parts"),
    [
        ("none", ()),
        ("encoders", ("encoders.", "labels.")),
        ("all", ("encoders.", "labels.", "transformer.")),
    ],
)
def test_what_is_frozen_stays_bit_by_bit_and_the_rest_moves(pretrained, freeze, parts):
    cohort, y = gappy_cohort("binary")
    training = Training(5, 5, learning_rate=0.01, weight_decay=0.1, validation=0.0)
    model = CrossModalTransformer(
        pretrained=FrozenEstimator(pretrained), freeze=freeze, training=training
    ).fit(cohort, y)
    before, after = weights(pretrained), weights(model)
    for name, array in after.items():
        if name.startswith("head."):
            continue
        fixed = not np.issubdtype(array.dtype, np.floating) or name.endswith(".counts")
        empty = not array.size
        same = np.array_equal(array, before[name])
        gapless = name.endswith(".gap")  # moves only where a feature of a group is missing
        if name.startswith(parts) and parts:
            assert same, name
        elif not (fixed or empty or gapless):
            assert not same, name
    assert any(name.startswith("head.") for name in after)


def test_unfitted_it_is_first_fitted_on_the_training_patients():
    cohort, y = gappy_cohort("binary")
    settings = Pretraining(training=QUICK)
    one = CrossModalTransformer(pretrained=settings, training=QUICK).fit(cohort, y)
    fitted = clone(settings).fit(cohort)
    other = CrossModalTransformer(pretrained=FrozenEstimator(fitted), training=QUICK)
    np.testing.assert_array_equal(one.values(cohort), other.fit(cohort, y).values(cohort))
    assert not hasattr(settings, "members_")


def test_starting_with_fewer_modalities_takes_their_own_weights(pretrained):
    cohort, y = gappy_cohort("binary")
    model = CrossModalTransformer(
        pretrained=FrozenEstimator(pretrained),
        freeze="all",
        training=QUICK,
        modalities=["gamma", "beta"],
    ).fit(cohort, y)
    alone = cohort.only(["beta", "gamma"])
    np.testing.assert_allclose(
        model.transform(alone), pretrained.transform(alone), rtol=0, atol=1e-6
    )


def test_a_modality_that_it_does_not_know_is_told(pretrained):
    cohort, y = gappy_cohort("binary")
    novel = Table(pd.DataFrame({"x": np.arange(90.0)}, index=cohort.index))
    wider = cohort.with_modality("novel", novel)
    start = FrozenEstimator(pretrained)
    with pytest.warns(InputWarning, match="'novel': left out"):
        model = CrossModalTransformer(pretrained=start, training=QUICK).fit(wider, y)
    assert model.modalities_ == list(NAMES)
    asked = CrossModalTransformer(pretrained=start, modalities=["alpha", "novel"])
    with pytest.raises(InputError, match="knows no modality 'novel'"):
        asked.fit(wider, y)


def test_a_feature_that_it_knows_may_not_be_missing(pretrained):
    cohort, y = gappy_cohort("binary")
    frame = cohort.modalities["alpha"].frame.drop(columns="alpha2")
    with pytest.raises(InputError, match=r"'alpha'.*'alpha2'"):
        CrossModalTransformer(pretrained=FrozenEstimator(pretrained)).fit(
            cohort.with_modality("alpha", Table(frame)), y
        )


def test_what_no_network_can_start_from_is_refused(pretrained):
    cohort, y = gappy_cohort("binary")
    for options, sentence in (
        ({"pretrained": pretrained}, "fitted already"),
        ({"pretrained": FrozenEstimator(Pretraining())}, "frozen but not fitted"),
        ({"pretrained": 3}, "must be a Pretraining"),
        ({"pretrained": FrozenEstimator(pretrained), "width": 16}, "width is 16"),
        ({"pretrained": "no such folder"}, "no such folder"),
        ({"freeze": "head"}, "freeze"),
    ):
        with pytest.raises(InputError, match=sentence):
            CrossModalTransformer(**options).fit(cohort, y)


def test_a_bundle_needs_nothing_of_the_pretraining(pretrained):
    cohort, y = gappy_cohort("binary")
    model = CrossModalTransformer(pretrained=FrozenEstimator(pretrained), training=QUICK)
    model.fit(cohort, y)
    back = load_model(dump_model(model), "model.skops")
    np.testing.assert_array_equal(back.values(cohort), model.values(cohort))
    assert isinstance(back.pretrained, Pretraining)
    assert not hasattr(back.pretrained, "members_")
    assert isinstance(model.pretrained, FrozenEstimator)


# --- its folder -------------------------------------------------------------------------------


def test_a_folder_gives_back_the_same_and_can_be_started_from(pretrained, tmp_path):
    cohort, y = gappy_cohort("binary")
    pretrained.save(tmp_path / "start")
    back = Pretraining.load(tmp_path / "start")
    np.testing.assert_array_equal(back.transform(cohort), pretrained.transform(cohort))
    assert repr(back.get_params()) == repr(pretrained.get_params())
    models = [
        CrossModalTransformer(pretrained=start, training=QUICK).fit(cohort, y)
        for start in (str(tmp_path / "start"), FrozenEstimator(pretrained))
    ]
    np.testing.assert_array_equal(*(model.values(cohort) for model in models))
    bundled = dump_model(models[0])
    assert str(tmp_path).encode() not in bundled
    text = (tmp_path / "start" / "pretraining.json").read_text()
    assert not [patient for patient in cohort.index if patient in text]


def test_encoders_of_the_package_are_saved_too(tmp_path):
    cohort, y = gappy_cohort("binary")
    encoders = {"alpha": FeatureTransformer(depth=1)}
    model = Pretraining("binary", encoders=encoders, training=QUICK).fit(cohort, y)
    model.save(tmp_path)
    back = Pretraining.load(tmp_path)
    assert back.outcome is None
    np.testing.assert_array_equal(back.transform(cohort), model.transform(cohort))
    tuned = CrossModalTransformer(pretrained=str(tmp_path), freeze="all", training=QUICK)
    np.testing.assert_allclose(
        tuned.fit(cohort, y).transform(cohort), model.transform(cohort), rtol=0, atol=1e-6
    )


def test_a_folder_that_is_none_or_damaged_is_refused(pretrained, tmp_path):
    with pytest.raises(InputError, match="no saved pretraining"):
        Pretraining.load(tmp_path)
    pretrained.save(tmp_path)
    parts = tmp_path / "pretraining.json"
    whole = json.loads(parts.read_text())
    parts.write_text(json.dumps({**whole, "format": 99}))
    with pytest.raises(InputError, match="format is 99"):
        Pretraining.load(tmp_path)
    parts.write_text(json.dumps({**whole, "pretraining": {"of": "Popen", "state": {}}}))
    with pytest.raises(InputError, match="damaged"):
        Pretraining.load(tmp_path)
    parts.write_text(json.dumps(whole))
    (tmp_path / "pretraining.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="damaged"):
        Pretraining.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("width", -1, "width must be"),
        ("width", None, "width must be"),
        ("depth", 10**9, "depth must be at most"),
        ("members_", {"list": []}, "more or fewer networks"),
        ("sources_", None, "damaged"),
        ("transform", 5, "in the place of 'transform'"),
    ],
)
def test_a_folder_of_which_no_network_can_be_made_is_refused(
    pretrained, tmp_path, name, value, said
):
    pretrained.save(tmp_path)
    parts = json.loads((tmp_path / "pretraining.json").read_text())
    state = [pair for pair in parts["pretraining"]["state"]["dict"] if pair[0] != name]
    parts["pretraining"]["state"]["dict"] = [*state, [name, value]]
    (tmp_path / "pretraining.json").write_text(json.dumps(parts))
    with pytest.raises(InputError, match=said) as caught:
        Pretraining.load(tmp_path)
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_folder_nested_without_end_or_with_weights_that_are_none_is_refused(pretrained, tmp_path):
    from safetensors.numpy import load_file, save_file

    pretrained.save(tmp_path)
    place = tmp_path / "pretraining.safetensors"
    arrays = load_file(place)
    name = next(name for name in arrays if name.endswith("weight"))
    save_file({**arrays, name: np.full_like(arrays[name], np.nan)}, place)
    with pytest.raises(InputError, match="its weights are not finite"):
        Pretraining.load(tmp_path)
    (tmp_path / "pretraining.json").write_text('{"format": 1, "pretraining": ' + "[" * 10_000)
    with pytest.raises(InputError, match="damaged"):
        Pretraining.load(tmp_path)


def test_the_folder_of_checkpoints_is_not_saved(tmp_path):
    training = Training(1, batch_size=48, checkpoints=str(tmp_path / "mine"))
    Pretraining(training=training).fit(gappy_cohort("binary")[0]).save(tmp_path / "saved")
    assert str(tmp_path) not in (tmp_path / "saved" / "pretraining.json").read_text()
    assert Pretraining.load(tmp_path / "saved").training.checkpoints is None
