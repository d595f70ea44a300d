"""Co-attention: the formula, planted instances, and what it is not given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from tests.fusion.planted_instances import GROUPS, Planted, planted

from consilience.cohort import Bag, Cohort
from consilience.errors import InputError
from consilience.fusion.co_attention_survival import CoAttentionSurvival
from consilience.fusion.networks import co_attention_survival as networks
from consilience.fusion.networks.co_attention_survival import CoAttention, Shape, TokenPool
from consilience.nn.training import Training

QUICK = Training(3, 3)


@pytest.fixture(scope="module")
def small() -> Planted:
    return planted(60, 5)


@pytest.fixture(scope="module")
def learned():
    """A model of 400 patients, and one that has the table alone."""
    train = planted(400, 1)
    training = Training(60, 20, learning_rate=5e-3)
    model = CoAttentionSurvival(signatures=GROUPS, training=training)
    alone = CoAttentionSurvival(signatures=GROUPS, training=training, modalities=["genes"])
    return model.fit(train.cohort, train.y), alone.fit(train.cohort, train.y), planted(300, 2)


def test_a_planted_group_finds_its_instances(learned) -> None:
    """Three of about twenty instances tell the risk, and the table's switch says which three."""
    model, _, new = learned
    attention = model.attention(new.cohort[:100])
    told = [i in new.told[p] for p, i in zip(attention.patient, attention.instance, strict=True)]
    share = attention[told].groupby(["patient", "group"]).weight.sum().unstack().mean()
    assert share["switch"] > 0.8
    assert share["switch"] > share["other"] + 0.2


def test_new_patients_are_ranked_better_than_by_the_table_alone(learned) -> None:
    model, alone, new = learned
    assert model.score(new.cohort, new.y) > alone.score(new.cohort, new.y) + 0.08


def dense(module: CoAttention, queries: np.ndarray, instances: np.ndarray) -> tuple:
    """Return what one patient's groups see, and the weights, in NumPy."""

    def linear(layer: torch.nn.Linear, values: np.ndarray) -> np.ndarray:
        return values @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()

    scores = linear(module.query, queries) @ linear(module.key, instances).T
    raised = np.exp(scores / np.sqrt(queries.shape[1]))
    weights = raised / raised.sum(axis=1, keepdims=True)
    return linear(module.out, weights @ linear(module.value, instances)), weights


@pytest.mark.parametrize("chunk", [1_000_000, 1])
def test_co_attention_is_the_published_formula(chunk: int, monkeypatch) -> None:
    """At once or a group at a time, and the gradients too."""
    monkeypatch.setattr(networks, "CHUNK", chunk)
    torch.manual_seed(0)
    counts = [5, 1, 9]
    module = CoAttention(8).double()
    queries = torch.randn(3, 4, 8, dtype=torch.double, requires_grad=True)
    instances = torch.randn(sum(counts), 8, dtype=torch.double)
    owner = torch.repeat_interleave(torch.arange(3), torch.tensor(counts))
    seen, weights = module(queries, instances, owner)
    for patient in range(3):
        own = (owner == patient).numpy()
        expected = dense(module, queries[patient].detach().numpy(), instances.numpy()[own])
        np.testing.assert_allclose(seen[patient].detach().numpy(), expected[0], atol=1e-12)
        np.testing.assert_allclose(weights.detach().numpy()[own].T, expected[1], atol=1e-12)
    assert torch.autograd.gradcheck(lambda q: module(q, instances, owner)[0], queries)


def test_an_absent_token_counts_for_nothing() -> None:
    torch.manual_seed(0)
    pool = TokenPool(8, Shape(1, 1, 2, 0.1)).eval()
    tokens = torch.randn(3, 4, 8)
    there = torch.tensor([[1, 1, 0, 1], [0, 0, 0, 0], [0, 0, 1, 0]], dtype=torch.bool)
    pooled = pool(tokens, there)
    changed = torch.where(there[:, :, None], tokens, torch.full_like(tokens, 7.0))
    torch.testing.assert_close(pool(changed, there), pooled)
    torch.testing.assert_close(pooled[1], torch.zeros(8))
    alone = pool(tokens[:1, [0, 1, 3]], torch.ones(1, 3, dtype=torch.bool))
    torch.testing.assert_close(alone[0], pooled[0])


def test_attention_is_tidy_and_has_the_bag_s_coordinates(small) -> None:
    model = CoAttentionSurvival(signatures=GROUPS, training=QUICK, members=2)
    attention = model.fit(small.cohort, small.y).attention(small.cohort[7:9])
    assert list(attention) == ["patient", "modality", "instance", "x", "y", "group", "weight"]
    assert list(attention.patient.unique()) == list(small.cohort.index[7:9])
    sums = attention.groupby(["patient", "modality", "group"]).weight.sum()
    assert len(sums) == 4
    np.testing.assert_allclose(sums, 1.0, atol=1e-6)
    bag = small.cohort.modalities["slide"]
    row = small.cohort.positions("slide")[8]
    one = attention[(attention.patient == small.cohort.index[8]) & (attention.group == "other")]
    np.testing.assert_array_equal(one[["x", "y"]], bag.coordinates(int(row))[one.instance])


def test_instances_without_a_value_have_no_row(small) -> None:
    model = CoAttentionSurvival(training=QUICK).fit(small.cohort, small.y)
    values = np.ones((3, 6))
    values[1] = np.nan
    bag = Bag(pd.Index(["n"]), values, [3], coordinates=np.arange(6.0).reshape(3, 2))
    one = Cohort(pd.DataFrame(index=["n"]), {"slide": bag})
    attention = model.attention(one)
    assert list(attention.instance) == [0, 2]
    assert list(attention.x) == [0.0, 4.0]
    np.testing.assert_allclose(attention.weight, 0.5, atol=1e-6)  # they are the same


def test_bags_alone_are_looked_at_by_one_query(small) -> None:
    model = CoAttentionSurvival(training=QUICK, modalities=["slide"])
    attention = model.fit(small.cohort, small.y).attention(small.cohort[:5])
    assert list(attention.group.unique()) == ["all"]
    assert model.predict(small.cohort).std() > 0


@pytest.mark.parametrize("left", ["genes", "slide"])
def test_a_patient_with_one_modality_is_predicted_and_painted(small, left: str) -> None:
    model = CoAttentionSurvival(signatures=GROUPS, training=QUICK).fit(small.cohort, small.y)
    part = small.cohort.only([left])
    assert np.isfinite(model.predict(part)).all()
    seen = model.attention(part[:3]).patient.nunique()
    assert seen == {"genes": 0, "slide": 3}[left]


def test_tables_alone_weigh_no_instances(small) -> None:
    model = CoAttentionSurvival(training=QUICK, modalities=["genes"]).fit(small.cohort, small.y)
    with pytest.raises(InputError, match="fitted without a bag"):
        model.attention(small.cohort)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"width": 30}, "multiple of heads"),
        ({"signatures": "nowhere.csv"}, "no file 'nowhere.csv'"),
        ({"signatures": {"a": ["nothing"]}}, "features of group 'a'"),
        ({"dropout": 1.0}, "dropout must be"),
        ({"groups": 0}, "groups"),
        ({"encoders": {"genes": None}}, "networks of its own"),
    ],
)
def test_settings_that_cannot_be_are_refused(small, settings: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        CoAttentionSurvival(**settings).fit(small.cohort, small.y)


def test_it_learns_survival_only() -> None:
    with pytest.raises(InputError, match="learns 'survival'"):
        CoAttentionSurvival.for_outcome("binary")
