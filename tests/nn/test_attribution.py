"""Attributions: exact for linear networks, complete for others, zero where nothing is used."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from consilience.cohort import Bag, Cohort, Table
from consilience.errors import InputError
from consilience.fusion.networks.intermediate import Concatenation, IntermediateNetwork
from consilience.nn.attribution import Attributed, integrated_gradients, permuted
from consilience.nn.batch import Batch
from consilience.nn.encoders.mlp import MLP
from consilience.nn.heads import NumberHead
from consilience.nn.network import FusionNetwork
from consilience.nn.reading import Reader
from consilience.nn.sources import Sources

N = 40


def first(outputs: Tensor) -> Tensor:
    return outputs[:, :1]


def tables(seed: int = 0) -> Cohort:
    """Two tables with missing patients, missing values and categories, and a bag."""
    rng = np.random.default_rng(seed)
    ids = np.array([f"p{i:02d}" for i in range(N)])
    one = pd.DataFrame(rng.normal(3, 2, (N, 3)), index=ids, columns=["a", "b", "c"])
    one[rng.random(one.shape) < 0.1] = np.nan
    one["stage"] = rng.choice(["I", "II", "III"], N)
    one["sex"] = rng.choice(["f", "m"], N)
    two = pd.DataFrame(rng.normal(size=(N, 4)), index=ids, columns=list("wxyz"))
    counts = rng.integers(1, 6, 25)
    bag = Bag(pd.Index(ids[:25]), rng.normal(size=(counts.sum(), 3)), counts, features=list("rst"))
    modalities = {"one": Table(one[rng.random(N) < 0.8]), "two": Table(two[5:]), "bag": bag}
    return Cohort(pd.DataFrame(index=ids), modalities)


def network_of(sources: Sources, **options) -> IntermediateNetwork:
    torch.manual_seed(0)
    network = IntermediateNetwork(sources, 6, fuse=Concatenation, **options)
    network.head = NumberHead(network.embedding_width, 2)
    for path in network.paths.values():  # zeros before training
        for parameter in path.parameters():
            nn.init.normal_(parameter)
    return network.eval()


class Linear(FusionNetwork):
    """A sum of the numbers of all tables, each with its own weight, of who has them."""

    def __init__(self, sources: Sources) -> None:
        super().__init__(sources, 2)
        torch.manual_seed(1)
        sizes = [len(source.features_) for source in sources.fitted_.values()]
        self.weights = nn.ParameterList(torch.randn(size) for size in sizes)
        self.embedding_width = 1
        self.head = NumberHead(1, 1)
        nn.init.ones_(self.head.layer.weight)

    def embed(self, batch: Batch) -> Tensor:
        total = torch.zeros(batch.size)
        for part, weight in zip(batch.parts.values(), self.weights, strict=True):
            if len(part):
                total = total.index_add(0, part.rows, part.arrays["numbers"] @ weight)
        return total[:, None]


def batch_of(cohort: Cohort, names: list[str]) -> tuple[Sources, Batch]:
    sources = Sources(names).fit(cohort)
    reader = Reader(sources, cohort)
    return sources, reader.batch(np.flatnonzero(reader.informed()))


def unexplained(found: Attributed) -> Tensor:
    total = torch.zeros_like(found.output)
    for share in found.shares.values():
        total = total.index_add(0, share.rows, share.features.sum(dim=1))
    return found.output - found.base - total


def test_a_linear_network_gets_weight_times_value() -> None:
    sources, batch = batch_of(tables().only(["two"]), ["two"])
    network = Linear(sources).eval()
    found = integrated_gradients(network, sources, batch, first, steps=1)
    exact = batch.parts["two"].arrays["numbers"] * network.weights[0]
    torch.testing.assert_close(found.shares["two"].features[:, :, 0], exact)


@pytest.mark.parametrize("linear", [0, 3])
@pytest.mark.parametrize("stages", [(0,), (0, 1)])
def test_contributions_add_up_to_the_prediction(linear: int, stages: tuple[int, ...]) -> None:
    """Sundararajan et al. 2017, proposition 1, with categories, gaps and a bag."""
    sources, batch = batch_of(tables(), ["one", "two", "bag"])
    network = network_of(sources, linear=linear, stages=stages)
    found = integrated_gradients(network, sources, batch, lambda out: out, steps=64)
    assert found.output.std(dim=0).min() > 0.05
    assert unexplained(found).abs().max() < 1e-3 * found.output.abs().max()
    few = integrated_gradients(network, sources, batch, lambda out: out, steps=1)
    assert unexplained(few).abs().max() > unexplained(found).abs().max()


def test_categories_take_part_through_their_vectors() -> None:
    sources, batch = batch_of(tables().only(["one"]), ["one"])
    network = network_of(sources, linear=2)
    share = integrated_gradients(network, sources, batch, first).shares["one"]
    assert sources.fitted_["one"].features_ == ("a", "b", "c", "sex", "stage")
    assert share.features.shape == (len(batch.parts["one"]), 5, 1)
    assert (share.features[:, 3:].abs() > 1e-6).all()
    # What the network says of "not known" in place of a category is the base's own.
    codes = batch.parts["one"].arrays["codes"]
    codes[:, 1] = 0
    blind = integrated_gradients(network, sources, batch, first).shares["one"]
    assert (blind.features[:, 4] == 0).all()
    assert (blind.features[:, 3] != 0).all()


def test_what_the_network_does_not_use_and_what_is_missing_add_nothing() -> None:
    sources, batch = batch_of(tables(), ["one", "two"])
    network = network_of(sources, linear=2)
    with torch.no_grad():  # the third number of "two" is cut off
        network.encoders[1].layers[0].weight[:, 2] = 0
        network.paths["1"].numbers.weight[:, 2] = 0
    rng = np.random.default_rng(0)
    for found in (
        integrated_gradients(network, sources, batch, first),
        permuted(network, sources, batch, first, 3, rng),
    ):
        assert (found.shares["two"].features[:, 2] == 0).all()
        assert (found.shares["two"].features[:, 0] != 0).any()
    part = batch.parts["one"]
    gone = part.arrays["known"] == 0
    by_gradient = integrated_gradients(network, sources, batch, first).shares["one"].features
    assert gone.any()
    assert (by_gradient[:, :3, 0][gone] == 0).all()


def test_instances_and_features_of_a_bag_tell_the_same_sum() -> None:
    sources, batch = batch_of(tables().only(["bag"]), ["bag"])
    share = integrated_gradients(network_of(sources), sources, batch, first).shares["bag"]
    owner = batch.parts["bag"].owner
    assert share.instances.shape == (len(owner), 1)
    own = torch.zeros(len(share.rows), 1).index_add(0, owner, share.instances)
    torch.testing.assert_close(own, share.features.sum(dim=1))
    torch.testing.assert_close(own, share.whole)
    assert share.place.tolist()[: int((owner == 0).sum())] == list(range(int((owner == 0).sum())))


def test_permutation_of_a_linear_network_is_the_weight_times_the_mean_exchange() -> None:
    """The fall of w'x when x_j is exchanged is w_j (x_j - x_j of another): 0 on the whole."""
    sources, batch = batch_of(tables().only(["two"]), ["two"])
    network = Linear(sources).eval()
    found = permuted(network, sources, batch, first, 400, np.random.default_rng(0)).shares["two"]
    numbers = batch.parts["two"].arrays["numbers"]
    exact = (numbers - numbers.mean(dim=0)) * network.weights[0].detach()
    torch.testing.assert_close(found.features.sum(dim=0), torch.zeros(4, 1), atol=1e-3, rtol=0)
    # The mean of 400 draws of a number with variance w^2.
    error = (found.features[:, :, 0] - exact) / network.weights[0].detach().abs()
    assert error.abs().max() < 5 / np.sqrt(400)
    spread = float(network.weights[0].detach().norm())
    assert (found.whole[:, 0] - exact.sum(dim=1)).abs().max() < 5 * spread / np.sqrt(400)


def test_permutation_of_a_bag_keeps_each_patients_instances_together() -> None:
    sources, batch = batch_of(tables(), ["bag", "two"])
    network = network_of(sources)
    found = permuted(network, sources, batch, first, 4, np.random.default_rng(0))
    one = batch_of(tables()[np.array([7])], ["bag", "two"])
    single = permuted(network_of(one[0]), *one, first, 2, np.random.default_rng(0))
    assert (single.shares["bag"].whole == 0).all()  # nobody to exchange with
    assert (found.shares["bag"].whole != 0).any()


def test_a_network_without_an_outcome_has_nothing_to_explain() -> None:
    sources, batch = batch_of(tables().only(["two"]), ["two"])
    network = IntermediateNetwork(sources, 4, fuse=Concatenation).eval()
    with pytest.raises(InputError, match="no prediction to explain"):
        integrated_gradients(network, sources, batch, first)


def test_an_mlp_given_to_the_network_is_explained_too() -> None:
    sources, batch = batch_of(tables().only(["one"]), ["one"])
    network = network_of(sources, encoders={"one": MLP(depth=3)})
    found = integrated_gradients(network, sources, batch, first, steps=64)
    assert unexplained(found).abs().max() < 1e-3 * found.output.abs().max()
