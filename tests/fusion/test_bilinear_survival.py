"""Bilinear fusion: the product, what an absent modality leaves, and its attention."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from tests.fusion.planted_instances import planted

from consilience.cohort import Cohort, Table, synthetic_cohort
from consilience.errors import InputError
from consilience.fusion.bilinear_survival import BilinearSurvival
from consilience.fusion.networks.bilinear_survival import kronecker
from consilience.nn.training import Training

QUICK = Training(3, 3)


def test_of_two_modalities_it_is_the_kronecker_product() -> None:
    vectors = torch.randn(5, 2, 3, dtype=torch.double)
    one = torch.ones(1, dtype=torch.double)
    for row, found in zip(vectors, kronecker(vectors), strict=True):
        expected = torch.kron(torch.cat([one, row[0]]), torch.cat([one, row[1]]))
        torch.testing.assert_close(found, expected)


def test_of_more_it_is_that_of_each_pair() -> None:
    vectors = torch.randn(4, 4, 2, dtype=torch.double)
    whole = torch.cat([torch.ones(4, 4, 1, dtype=torch.double), vectors], dim=2)
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    expected = [torch.einsum("ni,nj->nij", whole[:, a], whole[:, b]).flatten(1) for a, b in pairs]
    torch.testing.assert_close(kronecker(vectors), torch.cat(expected, dim=1))


def test_of_an_absent_one_only_the_1_is_left() -> None:
    vectors = torch.randn(1, 2, 3)
    vectors[:, 1] = 0
    found = kronecker(vectors).reshape(4, 4)
    torch.testing.assert_close(found[:, 0], torch.cat([torch.ones(1), vectors[0, 0]]))
    assert (found[:, 1:] == 0).all()
    torch.testing.assert_close(kronecker(vectors[:, :1])[0], found[:, 0])


def test_the_vector_of_an_absent_modality_is_0() -> None:
    cohort, y = synthetic_cohort(60, kind="survival", modalities=3, missing=0.3, seed=0)
    model = BilinearSurvival(training=QUICK).fit(cohort, y)
    network = model.networks()[0]
    batch = model._reader(cohort).batch(np.arange(60))
    vectors, present = network.encode(batch)
    gated = network._gated(vectors, present)
    assert (~present).any()
    assert (gated[~present] == 0).all()
    assert (gated[present].abs().sum(dim=1) > 0).all()


def test_an_interaction_of_two_tables_is_learned() -> None:
    """The hazard is the product of two modalities; neither tells anything alone."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 600, 3))
    ids = [f"p{i:03d}" for i in range(600)]
    risk = 1.5 * a[:, 0] * b[:, 0]
    y = np.empty(600, dtype=[("event", bool), ("time", float)])
    y["event"], y["time"] = True, 100 * rng.exponential(np.exp(-risk))
    tables = {n: Table(pd.DataFrame(v, index=ids)) for n, v in (("a", a), ("b", b))}
    cohort = Cohort(pd.DataFrame(index=ids), tables)
    training = Training(60, 15, learning_rate=5e-3)
    train, test = np.arange(400), np.arange(400, 600)
    model = BilinearSurvival(training=training, survival="cox", modality_dropout=0.0)
    model.fit(cohort[train], y[train])
    assert model.score(cohort[test], y[test]) > 0.65


def test_attention_weighs_every_instance_once() -> None:
    cohort, y, _ = planted(60, 5)
    model = BilinearSurvival(training=QUICK, members=2).fit(cohort, y)
    attention = model.attention(cohort[3:6])
    assert list(attention) == ["patient", "modality", "instance", "x", "y", "group", "weight"]
    np.testing.assert_allclose(attention.groupby("patient").weight.sum(), 1.0, atol=1e-6)
    bag = cohort.modalities["slide"]
    assert len(attention) == bag.counts[cohort.positions("slide")[3:6]].sum()
    assert list(attention.group.unique()) == ["all"]


@pytest.mark.parametrize(
    ("settings", "said"), [({"reduced": 0}, "reduced"), ({"dropout": -0.1}, "dropout must be")]
)
def test_settings_that_cannot_be_are_refused(settings: dict, said: str) -> None:
    cohort, y, _ = planted(20, 5)
    with pytest.raises(InputError, match=said):
        BilinearSurvival(**settings).fit(cohort, y)
