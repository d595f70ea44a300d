"""Intermediate fusion: what its parts compute, and an interaction linear fusion cannot see."""

from __future__ import annotations

import importlib.util
from itertools import product
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from tests.laws.cohorts import NAMES, gappy_cohort

from consilience.errors import InputError
from consilience.fusion import IntermediateFusion
from consilience.fusion.discovery import Path as Curve
from consilience.fusion.discovery import Weights
from consilience.fusion.networks.intermediate import (
    Bilinear,
    Concatenation,
    Fuser,
    Gating,
    IntermediateNetwork,
)
from consilience.nn.reading import Reader
from consilience.nn.training import Training

SHORT = Training(40, 10, learning_rate=0.01, batch_size=48)


@pytest.fixture(scope="module")
def planted(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("planted", root / "bench" / "planted.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def codes(n: int = 7, modalities: int = 3, width: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    subsets = [s for s in product([False, True], repeat=modalities) if any(s)][:n]
    present = torch.tensor(subsets)
    return torch.randn(len(subsets), modalities, width) * present[:, :, None], present


@pytest.mark.parametrize("way", ["concatenation", "gating", "bilinear"])
def test_an_interaction_is_seen_that_linear_fusion_cannot_see(
    planted: ModuleType, way: str
) -> None:
    model = IntermediateFusion("binary", fusion=way)
    assert planted.auroc(model, 600) >= 0.85


def test_linear_fusion_does_not_see_it(planted: ModuleType) -> None:
    assert planted.auroc(planted.linear(), 600) < 0.6


def test_the_product_of_low_rank_is_the_tensor_product_written_out() -> None:
    """Liu et al. 2018, equations 5 to 8: the weight tensor built in full."""
    values, present = codes(modalities=2, width=3)
    torch.manual_seed(1)
    fuser = Bilinear(2, 3, rank=2)
    torch.nn.init.normal_(fuser.constant)
    torch.nn.init.normal_(fuser.mix)
    # W_m^r of shape (width + 1, width): the last row is for the appended 1.
    factors = torch.cat([fuser.factor, fuser.constant[:, :, None, :]], dim=2)
    tensor = torch.einsum("r,raw,rbw->abw", fuser.mix, factors[0], factors[1])
    ones = torch.ones(len(values), 1)
    left, right = (torch.cat([values[:, m], ones], dim=1) for m in (0, 1))
    exact = torch.einsum("na,nb,abw->nw", left, right, tensor) + fuser.shift
    torch.testing.assert_close(fuser(values, present), exact)


def test_gates_are_weights_of_what_is_present() -> None:
    values, present = codes()
    fuser = Gating(3, 4)
    torch.nn.init.normal_(fuser.score)
    torch.nn.init.normal_(fuser.shift)
    weights = fuser.weights(values, present)
    assert (weights[~present] == 0).all()
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(len(weights)))
    alone = present.sum(dim=1) == 1
    own = torch.einsum("nmw,mwv->nmv", values, fuser.value) + fuser.shift
    torch.testing.assert_close(fuser(values, present)[alone], own[present & alone[:, None]])
    assert torch.isfinite(fuser(torch.zeros(1, 3, 4), torch.zeros(1, 3, dtype=torch.bool))).all()


@pytest.mark.parametrize("fuser", [Concatenation(3, 4), Gating(3, 4), Bilinear(3, 4)])
def test_whether_a_modality_is_absent_or_all_zero_is_not_the_same(fuser: Fuser) -> None:
    """Except in the product, where [0; 1] is by design what an absent modality is."""
    torch.manual_seed(0)
    for parameter in fuser.parameters():
        torch.nn.init.normal_(parameter)
    values, _ = codes()
    values[:, 0] = 0
    everyone = torch.ones(len(values), 3, dtype=torch.bool)
    without = everyone.clone()
    without[:, 0] = False
    same = torch.allclose(fuser(values, everyone), fuser(values, without))
    assert same == isinstance(fuser, Bilinear)


def network(stages: tuple[int, ...], **options) -> tuple[IntermediateNetwork, Reader]:
    cohort, y = gappy_cohort("binary")
    model = IntermediateFusion("binary", stages=stages, training=SHORT, **options).fit(cohort, y)
    return model.networks()[0], Reader(model.sources_, cohort)


def test_depths_of_the_towers_and_number_of_stages() -> None:
    for stages in [(0,), (2,), (0, 1, 2), (1, 3)]:
        built, _ = network(stages)
        assert len(built.towers) == stages[-1]
        assert len(built.fusers) == len(stages)
        assert len(built.onward) == len(stages) - 1


def test_every_stage_takes_part() -> None:
    built, reader = network((0, 2))
    batch = reader.batch(np.flatnonzero(reader.informed()))
    built.zero_grad()
    built.embed(batch).square().sum().backward()
    for part in (*built.fusers, *built.towers, *built.onward):
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters())


def test_the_linear_path_is_linear_and_counts_only_what_is_present() -> None:
    built, reader = network((0,))
    rows = np.flatnonzero(reader.informed())
    batch = reader.batch(rows)
    built.eval()
    straight = built.embed(batch)[:, built.width :]
    assert straight.shape == (len(rows), built.linear)
    total = torch.zeros_like(straight)
    for place, name in enumerate(built.names):
        part = batch.parts[name]
        path = built.paths[str(place)]
        own = part.arrays["numbers"] @ path.numbers.weight.T
        for column, levels in enumerate(path.levels):
            own = own + levels.weight[part.arrays["codes"][:, column]]
        total[part.rows] += path.scale * own
    torch.testing.assert_close(straight, total)
    assert straight.abs().sum() > 0
    assert network((0,), linear_path=False)[0].embedding_width == built.width


def test_gates_are_told_of_each_modality() -> None:
    cohort, y = gappy_cohort("survival")
    model = IntermediateFusion("survival", fusion="gating", training=SHORT, members=2)
    found = model.fit(cohort, y).discoveries()
    curves, weights = found[:-1], found[-1]
    assert len(curves) == 2
    assert all(isinstance(curve, Curve) for curve in curves)
    assert isinstance(weights, Weights)
    assert set(weights.weights) == set(NAMES)
    assert all(0 < weight < 1 for weight in weights.weights.values())
    plain = IntermediateFusion("survival", training=SHORT).fit(cohort, y)
    assert [type(one) for one in plain.discoveries()] == [Curve]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"fusion": "addition"}, "fusion must be 'concatenation', 'gating' or 'bilinear'"),
        ({"stages": ()}, "stages must be rising whole numbers from 0"),
        ({"stages": (1, 0)}, "stages must be rising"),
        ({"stages": (0, 0)}, "stages must be rising"),
        ({"stages": (-1,)}, "stages must be rising"),
        ({"stages": 2}, "stages must be a list of whole numbers"),
        ({"rank": 0}, "rank must be a whole number of at least 1"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(options: dict, says: str) -> None:
    cohort, y = gappy_cohort("binary")
    with pytest.raises(InputError, match=says):
        IntermediateFusion("binary", **options).fit(cohort, y)
