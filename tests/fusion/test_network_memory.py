"""Rows of unseen patients against the same diffusion written out on whole matrices."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from consilience.fusion.network_memory import ModalityMemory, remember, unseen_rows
from consilience.fusion.numerics.affinity import (
    Layer,
    Settings,
    affinity,
    diffuse,
    distances,
    layer,
    reach,
)

SETTINGS = Settings(8, 0.5, 6)


def trained(
    gaps: bool,
) -> tuple[dict[str, Layer], list[np.ndarray], dict[str, np.ndarray], dict[str, ModalityMemory]]:
    rng = np.random.default_rng(0)
    blocks = {name: rng.normal(size=(40, p)) for name, p in (("a", 5), ("b", 9), ("c", 4))}
    if gaps:
        blocks["a"][:10] = blocks["b"][30:] = np.nan
    layers = {}
    for name, block in blocks.items():
        rows = np.flatnonzero(np.isfinite(block).any(axis=1))
        layers[name] = layer(distances(block[rows], block[rows]), rows, SETTINGS)
    networks = diffuse(list(layers.values()), 40, SETTINGS.iterations)
    return layers, networks, blocks, remember(layers, networks, blocks)


def new_patients(n: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {name: rng.normal(size=(n, p)) for name, p in (("a", 5), ("b", 9), ("c", 4))}


def nobody(new: dict[str, np.ndarray]) -> np.ndarray:
    """None of them is a training patient."""
    return np.zeros((len(new["a"]), 40), dtype=bool)


def plain_row(
    layers: dict[str, Layer],
    networks: list[np.ndarray],
    blocks: dict[str, np.ndarray],
    new: dict[str, np.ndarray],
) -> np.ndarray:
    """One unseen patient among patients whom every modality measured, on dense matrices."""
    rows, kernels = {}, {}
    for name, each in layers.items():
        apart = distances(new[name], blocks[name])
        own = reach(apart, SETTINGS.neighbours, skip=0)
        w = affinity(apart, own, each.reach, SETTINGS.width)[0]
        rows[name] = (w / (2 * w.sum()) + w / (2 * each.mass)) / 2
        whole = np.append(rows[name], 0.5)  # himself the last
        kernels[name] = np.where(whole >= np.sort(whole)[-SETTINGS.neighbours], whole, 0.0)
        kernels[name] /= kernels[name].sum()
    final = dict(zip(layers, networks, strict=True))
    for _ in range(SETTINGS.iterations):
        after = {}
        for name, each in layers.items():
            rest = [other for other in layers if other != name]
            q = np.mean([rows[other] for other in rest], axis=0)
            known = np.mean([final[other] for other in rest], axis=0)
            train = each.kernel.toarray()
            flow = np.append(known, q[None], axis=0).T @ kernels[name] @ train.T
            mass = train @ known @ train.T
            mass = mass.sum(axis=1) - np.diag(mass)
            after[name] = (flow / (2 * flow.sum()) + flow / (2 * mass)) / 2
        rows = after
    return np.mean(list(rows.values()), axis=0)


def test_the_diffusion_of_one_row_written_out():
    layers, networks, blocks, memory = trained(gaps=False)
    new = new_patients(1)
    mean, known = unseen_rows(memory, new, nobody(new), SETTINGS)
    assert known.all()
    assert_allclose(mean[0], plain_row(layers, networks, blocks, new), rtol=1e-10)


@pytest.mark.parametrize("gaps", [False, True])
def test_a_row_does_not_depend_on_who_else_is_asked(gaps):
    memory = trained(gaps)[-1]
    new = new_patients(6)
    new["a"][2:4] = new["c"][3:5] = np.nan
    together, known = unseen_rows(memory, new, nobody(new), SETTINGS)
    for i in range(6):
        alone, known_alone = unseen_rows(
            memory,
            {name: block[[i]] for name, block in new.items()},
            np.zeros((1, 40), dtype=bool),
            SETTINGS,
        )
        assert_allclose(alone[0], together[i], rtol=1e-12, atol=1e-17)
        assert_array_equal(known_alone[0], known[i])


def test_only_training_patients_with_a_common_modality_are_known():
    memory = trained(gaps=True)[-1]
    new = new_patients(1)
    new["b"][:] = new["c"][:] = np.nan
    mean, known = unseen_rows(memory, new, nobody(new), SETTINGS)
    assert_array_equal(known[0], np.arange(40) >= 10)  # the first ten lack modality a
    assert_array_equal(mean[0] > 0, known[0])


def test_a_patient_is_nearest_to_his_copy_unless_it_is_himself():
    _, _, blocks, memory = trained(gaps=False)
    who = [7, 20]
    asked = {name: block[who] for name, block in blocks.items()}
    mean, _ = unseen_rows(memory, asked, nobody(asked), SETTINGS)
    assert_array_equal(mean.argmax(axis=1), who)
    same = np.array(who)[:, None] == np.arange(40)
    mean, _ = unseen_rows(memory, asked, same, SETTINGS)
    assert_array_equal(mean[same], 0.0)
    assert (mean[~same] > 0).all()


def test_a_training_patients_affinities_are_those_he_has():
    """Before diffusion, himself left out, his row is that of the modality's own network."""
    layers, _, blocks, memory = trained(gaps=False)
    same = np.eye(40, dtype=bool)[[7]]
    row = memory["b"].affinities(blocks["b"][[7]], same, SETTINGS)[0]
    others = np.delete(np.arange(40), 7)
    assert_allclose(row[others], layers["b"].network[7, others], rtol=1e-12)
