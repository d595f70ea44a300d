"""Feature graph fusion: its mathematics, a pathway, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from tests.fusion.planted_graphs import SIZE, spread_thinly
from tests.laws.cohorts import gappy_cohort

from consilience.errors import InputError
from consilience.fusion.discovery import Components
from consilience.fusion.feature_graph_fusion import FeatureGraphFusion
from consilience.nn.encoders import MLP
from consilience.nn.training import Training

torch = pytest.importorskip("torch")

QUICK = Training(15, 15, learning_rate=0.01)
NETWORK = [("alpha0", "beta0"), ("alpha1", "alpha2"), ("stage=I", "alpha0"), ("alpha0", "none")]


def fitted(**options: object) -> FeatureGraphFusion:
    cohort, y = gappy_cohort("binary")
    return FeatureGraphFusion(training=QUICK, **options).fit(cohort, y)


def test_features_hear_their_neighbours():
    """The steps agree with dense matrices, and go to personalised PageRank's limit."""
    model = fitted(network=NETWORK, steps=3, spread=0.7)
    network = model.networks()[0]
    own = network.meanings.detach().numpy().astype(float)
    matrix = np.zeros((len(own),) * 2)
    matrix[model.known_.rows_, model.known_.columns_] = model.known_.values_
    share = 0.7 * (matrix.sum(axis=1) > 0)[:, None]
    heard = own
    for _ in range(3):
        heard = (1 - share) * own + share * (matrix @ heard)
    np.testing.assert_allclose(network.features().detach().numpy(), heard, atol=1e-5)
    network.steps = 200
    limit = np.linalg.solve(np.eye(len(own)) - share * matrix, (1 - share) * own)
    np.testing.assert_allclose(network.features().detach().numpy(), limit, atol=1e-4)


def test_features_without_an_edge_keep_their_meaning():
    network = fitted(network=NETWORK).networks()[0]
    loose = network.tied[:, 0] == 0
    assert 0 < int(loose.sum()) < len(loose)
    torch.testing.assert_close(network.features()[loose], network.meanings[loose])
    assert (network.features()[~loose] - network.meanings[~loose]).abs().max() > 1e-3


def test_numbers_and_levels_are_nodes():
    model = fitted(network=NETWORK)
    levels = ["stage=I", "stage=II"]
    assert model.nodes_["alpha"] == [f"alpha{i}" for i in range(4)] + levels
    assert model.known_.unmatched_ == ["none"]
    assert not model.__sklearn_tags__().keeps_patients


def test_a_pathway_that_is_known_is_learned_better():
    """A signal spread thinly over connected features: AUROC higher by more than .15."""
    (known, plain, wrong) = [], [], []
    for seed in range(2):
        ((train, y), (test, truth)), edges = spread_thinly(seed)
        turned = np.random.default_rng(seed).permutation(400)
        mixed = [tuple(f"{n[0]}{turned[int(n[1:])]}" for n in edge) for edge in edges]
        for scores, network in ((known, edges), (plain, None), (wrong, mixed)):
            model = FeatureGraphFusion(network=network).fit(train, y)
            scores.append(roc_auc_score(truth, model.predict_proba(test)[:, 1]))
    assert np.mean(known) > np.mean(plain) + 0.15
    assert np.mean(known) > 0.75
    assert np.mean(wrong) < 0.65  # the gain is what is known, not that something is smoothed


def test_the_strongest_features_are_those_of_the_pathway():
    ((train, y), _), edges = spread_thinly(0, (200, 2))
    model = FeatureGraphFusion(network=edges).fit(train, y)
    (found,) = [each for each in model.discoveries() if isinstance(each, Components)]
    inside = [int(one.feature[1:]) < SIZE for one in found.components[0].loadings]
    assert len(inside) == 20
    assert np.mean(inside) > 0.7
    assert "800 of 800 features are tied" in found.components[0].notes


def test_a_table_with_an_encoder_has_no_nodes():
    model = fitted(encoders={"alpha": MLP(depth=1)})
    assert set(model.nodes_) == {"beta", "gamma"}
    cohort, y = gappy_cohort("binary")
    assert np.isfinite(model.values(cohort)).all()
    with pytest.raises(InputError, match="no feature nodes"):
        FeatureGraphFusion(
            network=NETWORK, encoders={name: MLP() for name in ("alpha", "beta", "gamma")}
        ).fit(cohort, y)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"steps": 0}, "steps"),
        ({"spread": 1.0}, "spread"),
        ({"dropout": -0.1}, "dropout"),
        ({"network": [("a", "b")]}, "ties no two features"),
    ],
)
def test_settings_that_cannot_be_are_refused(options, word):
    with pytest.raises(InputError, match=word):
        fitted(**options)
