"""Graph fusion: its mathematics, unseen patients, and what it learns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.fusion.planted_graphs import cohort_of, grouped
from tests.laws.cohorts import complete_cohort, gappy_cohort

from consilience.cohort import Cohort, Table
from consilience.cohort.bag import bag_of
from consilience.errors import InputError
from consilience.fusion.discovery import Weights
from consilience.fusion.graph_fusion import GraphFusion
from consilience.fusion.intermediate import IntermediateFusion
from consilience.nn.training import Training

torch = pytest.importorskip("torch")

from consilience.fusion.deep_head import DiscreteTimeDeepHead  # noqa: E402
from consilience.fusion.networks.graph_fusion import (  # noqa: E402
    correlated,
    n_correlated,
    saying_for,
)

QUICK = Training(15, 15, learning_rate=0.01)


def fitted(kind: str = "binary", **options: object) -> tuple[GraphFusion, Cohort, np.ndarray]:
    cohort, y, _ = complete_cohort(kind, 80)
    model = GraphFusion.for_outcome(kind, training=QUICK, **options)
    return model.fit(cohort, y), cohort, y


# --- what all say together --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "letters"), [(1, "ni->ni"), (2, "ni,nj->nij"), (3, "ni,nj,nk->nijk")]
)
def test_of_up_to_three_modalities_the_whole_tensor_is_seen(count, letters):
    said = torch.rand(7, count, 4)
    whole = torch.einsum(letters, *said.unbind(1)).flatten(1)
    torch.testing.assert_close(correlated(said), whole)
    assert whole.shape[1] == n_correlated(count, 4)


def test_of_more_all_pairs_are_seen():
    said = torch.rand(7, 5, 3)
    pairs = [
        torch.einsum("ni,nj->nij", said[:, a], said[:, b])
        for a, b in [(0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4)]
    ]
    torch.testing.assert_close(correlated(said), torch.stack(pairs, dim=1).flatten(1))
    assert correlated(said).shape[1] == n_correlated(5, 3) == 90


def test_hazards_say_when_the_event_falls():
    y = np.array([(True, t) for t in (1.0, 2.0, 3.0)], dtype=[("event", bool), ("time", float)])
    head = DiscreteTimeDeepHead().fit(y, None)
    said = saying_for(head)(torch.tensor([[0.3, -1.0, 2.0]])) / 4
    h = 1 / (1 + np.exp(-np.array([0.3, -1.0, 2.0])))
    falls = [h[0], (1 - h[0]) * h[1], (1 - h[0]) * (1 - h[1]) * h[2], np.prod(1 - h)]
    np.testing.assert_allclose(said.numpy()[0], falls, rtol=1e-5)


# --- graph and unseen patients ----------------------------------------------------------------


def normed(values: np.ndarray, norm: object) -> np.ndarray:
    centred = values - values.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt(centred.var(axis=-1, keepdims=True) + norm.eps)
    told = scaled * norm.weight.detach().numpy() + norm.bias.detach().numpy()
    return np.where(told > 0, told, 0.25 * told)


def by_hand(model: GraphFusion, name: str) -> tuple[list[np.ndarray], object]:
    """Return all training patients' states after each layer, by dense matrices."""
    network = model.networks()[0]
    graph, own = model.graphs_[name], network.graphs[network.names.index(name)]
    dense = np.zeros((len(graph.nodes_),) * 2)
    dense[graph.rows_, graph.columns_] = graph.values_
    states = [graph.nodes_.astype(float)]
    for layer, norm in zip(own.layers, own.norms, strict=True):
        told = dense @ states[-1] @ layer.weight.detach().numpy().T.astype(float)
        states.append(normed(told, norm))
    return states, own


def test_a_training_patient_is_told_what_the_graph_says_of_him():
    model, cohort, _ = fitted()
    states, own = by_hand(model, "beta")
    numbers = model.sources_.read("beta", cohort, np.arange(80)).arrays["numbers"]
    with torch.inference_mode():
        said = own(torch.as_tensor(numbers)).numpy()
    np.testing.assert_allclose(said, states[-1], atol=1e-4)


def test_an_unseen_patient_is_told_what_his_neighbours_say():
    model, _, _ = fitted()
    graph = model.graphs_["beta"]
    states, own = by_hand(model, "beta")
    unseen = np.random.default_rng(5).normal(size=(9, graph.nodes_.shape[1])).astype(np.float32)
    x = ((unseen - graph.mean_) / graph.scale_).astype(float)
    alike = (
        x
        @ graph.nodes_.T
        / np.outer(np.linalg.norm(x, axis=1), np.linalg.norm(graph.nodes_, axis=1))
    )
    edges = np.where(alike >= graph.threshold_, alike, 0.0)
    degree = 1 + edges.sum(axis=1)
    links = edges / np.sqrt(degree[:, None] * graph.degree_[None, :])
    here = x
    for place, (layer, norm) in enumerate(zip(own.layers, own.norms, strict=True)):
        heard = links @ states[place] + here / degree[:, None]
        here = normed(heard @ layer.weight.detach().numpy().T.astype(float), norm)
    with torch.inference_mode():
        said = own(torch.as_tensor(unseen)).numpy()
    assert (edges > 0).any()
    np.testing.assert_allclose(said, here, atol=1e-4)


def test_a_training_patient_who_is_asked_for_gradients_is_told_the_same():
    model, cohort, _ = fitted()
    own = model.networks()[0].graphs[1]
    numbers = model.sources_.read("beta", cohort, np.arange(80)).arrays["numbers"]
    asked = torch.tensor(numbers, requires_grad=True)
    said = own(asked)
    again = own(torch.as_tensor(numbers))
    torch.testing.assert_close(said.detach(), again.detach(), atol=1e-4, rtol=0)
    said[3].sum().backward()
    assert asked.grad[3].abs().max() > 0
    assert asked.grad[[2, 4]].abs().max() == 0


@pytest.mark.parametrize("own_features", [True, False])
def test_contributions_add_up_for_patients_of_the_graph_and_for_others(own_features):
    """Sundararajan et al. 2017, proposition 1: edges that come and go would break it."""
    train, y = gappy_cohort("continuous", 80, seed=3)
    twice = np.r_[np.arange(80), :5]  # some cannot be told apart: the graph does not join them
    names = [f"p{i:04d}" for i in range(len(twice))]
    tables = {
        name: Table(modality.frame.reindex(train.index[twice]).set_axis(names).dropna(how="all"))
        for name, modality in train.modalities.items()
    }
    train, y = Cohort(pd.DataFrame(index=names), tables), y[twice]
    model = GraphFusion("continuous", own_features=own_features, training=QUICK).fit(train, y)
    for cohort in (train, gappy_cohort("continuous", 80, seed=4)[0]):
        known = model.informed(cohort)
        found = model.attributions(cohort[known], steps=128)
        np.testing.assert_allclose(
            found.output["number"], model.predict(cohort[known]), rtol=0, atol=1e-4
        )
        moved = (found.output - found.base).abs().to_numpy()
        assert moved.max() > 0.01
        assert found.gap.abs().to_numpy().max() < 0.02 * moved.max()


def test_unseen_patients_change_nothing_for_others():
    model, cohort, _ = fitted()
    others, _, _ = complete_cohort("binary", 80, seed=9)
    alone = model.values(others[:5])
    np.testing.assert_allclose(model.values(others)[:5], alone, atol=1e-6)
    before = model.values(cohort)
    model.values(others)
    np.testing.assert_array_equal(model.values(cohort), before)


def test_neighbours_matter():
    """With his own features held, another graph around a patient says something else."""
    model, cohort, _ = fitted(own_features=False)
    network = model.networks()[0]
    own = network.graphs[0]
    asked = own.nodes[:5] * 0.97  # nobody's features, though near to those of five
    with torch.inference_mode():
        states = own.states()
        joined = own.unseen(asked, states)
        silenced = own.unseen(asked, [torch.zeros_like(state) for state in states])
    assert (joined - silenced).abs().max() > 0.05


def test_measurements_are_kept_and_no_name():
    model, cohort, _ = fitted()
    assert model.__sklearn_tags__().keeps_patients
    assert model.graphs_["alpha"].nodes_.shape == (80, 4)
    assert not [name for name in vars(model) if name == "patients_"]
    assert not [key for key in model.members_[0].weights_.arrays_ if "nodes" in key]


def test_a_patient_without_a_modality_is_no_node_of_its_graph():
    cohort, y = gappy_cohort("binary")
    model = GraphFusion(training=QUICK).fit(cohort, y)
    for name, graph in model.graphs_.items():
        assert len(graph.nodes_) == cohort.has(name).sum()


# --- what it learns ---------------------------------------------------------------------------


def test_an_outcome_smooth_on_the_graph_is_learned_better_than_without_a_graph():
    """Mean over three draws: by more than .03 of accuracy."""
    long = Training(40, 40, learning_rate=0.005)
    scores = []
    for seed in range(3):
        (train, y), (test, truth) = grouped(seed)
        scores.append(
            [
                method(training=long).fit(train, y).score(test, truth)
                for method in (GraphFusion, IntermediateFusion)
            ]
        )
    graph, plain = np.mean(scores, axis=0)
    assert graph > plain + 0.03
    assert graph > 0.9


@pytest.mark.parametrize("kind", ["binary", "survival"])
def test_the_graph_alone_learns(kind):
    cohort, y = gappy_cohort(kind, 240, seed=3)
    other, truth = gappy_cohort(kind, 240, seed=4)
    model = GraphFusion.for_outcome(kind, own_features=False, training=QUICK).fit(cohort, y)
    assert model.score(other, truth) > 0.6


def test_shares_tell_which_modality_says_something():
    rng = np.random.default_rng(0)
    blocks = {name: rng.normal(size=(200, 6)) for name in ("loud", "mute")}
    y = (blocks["loud"][:, 0] > 0).astype(int)
    model = GraphFusion(training=QUICK).fit(cohort_of(blocks), y)
    (found,) = [each for each in model.discoveries() if isinstance(each, Weights)]
    assert found.weights["loud"] > 0.65
    assert sum(found.weights.values()) == pytest.approx(1.0)


def test_five_modalities_and_any_of_them_missing():
    rng = np.random.default_rng(1)
    blocks = {name: rng.normal(size=(120, 5)) for name in "abcde"}
    y = (sum(values[:, 0] for values in blocks.values()) > 0).astype(int)
    cohort = cohort_of(blocks)
    model = GraphFusion(training=QUICK).fit(cohort, y)
    assert model.score(cohort, y) > 0.75
    whole = model.values(cohort)
    for name in "abcde":
        assert (
            np.abs(model.values(cohort.only([o for o in "abcde" if o != name])) - whole).max()
            > 1e-3
        )


def test_a_bag_is_compared_by_its_mean():
    rng = np.random.default_rng(2)
    signal = rng.normal(size=120)
    blocks = {"a": rng.normal(size=(120, 5))}
    cohort = cohort_of(blocks)
    bags = {
        patient: own + np.array([1.0, 0, 0, 0]) * level
        for patient, level, own in zip(
            cohort.index,
            signal,
            [rng.normal(size=(int(k), 4)) for k in rng.integers(2, 9, 120)],
            strict=True,
        )
    }
    cohort = cohort.with_modality("tiles", bag_of(bags))
    model = GraphFusion(training=QUICK).fit(cohort, (signal > 0).astype(int))
    means = pd.DataFrame({patient: own.mean(axis=0) for patient, own in bags.items()}).T
    centred = (means - means.mean()) / means.std(ddof=0)
    np.testing.assert_allclose(model.graphs_["tiles"].nodes_, centred.to_numpy(), atol=0.05)
    assert model.score(cohort, (signal > 0).astype(int)) > 0.8


def test_breast_tcga():
    """Subtypes of 70 unseen tumours, none with protein: mean of three seeds at least .93."""
    from bench.loaders import breast_tcga

    try:
        train, test = breast_tcga()
    except InputError as reason:
        pytest.skip(str(reason))
    from sklearn.metrics import balanced_accuracy_score

    truth = test.patients["subtype"].to_numpy()
    scores = [
        balanced_accuracy_score(
            truth,
            GraphFusion("multiclass", random_state=seed)
            .fit(train, train.patients["subtype"].to_numpy())
            .predict(test),
        )
        for seed in range(3)
    ]
    assert np.mean(scores) >= 0.93


# --- settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"neighbours": 0}, "neighbours"),
        ({"layers": 0}, "layers"),
        ({"reduction": 0}, "reduction"),
        ({"dropout": 1.0}, "dropout"),
    ],
)
def test_settings_that_cannot_be_are_refused(options, word):
    cohort, y = gappy_cohort("binary")
    with pytest.raises(InputError, match=word):
        GraphFusion(**options).fit(cohort, y)


def test_encoders_without_own_features_are_refused():
    from consilience.nn.encoders import MLP

    cohort, y = gappy_cohort("binary")
    with pytest.raises(InputError, match="own_features"):
        GraphFusion(own_features=False, encoders={"alpha": MLP()}).fit(cohort, y)
