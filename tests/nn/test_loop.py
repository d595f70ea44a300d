"""The one training loop: what it minimises, when it stops, and that it repeats itself."""

from __future__ import annotations

import logging
import warnings

import numpy as np
import pytest
import torch
from tests.nn.small_network import (
    assert_same_weights,
    cohort_of,
    network_for,
    reader_of,
    weights_of,
    with_bag,
)

from consilience.nn.encoders import MLP
from consilience.nn.loop import mixed
from consilience.nn.reading import chunks
from consilience.nn.training import History, Training

NOBODY = np.arange(0)


@pytest.fixture(scope="module")
def reader():
    return reader_of(*cohort_of(120))


def trained(reader, seed=0, held=NOBODY, network_seed=1, **settings):
    rows = np.setdiff1d(np.arange(len(reader)), held)
    network = network_for(reader, network_seed)
    usual = {"max_epochs": 4, "batch_size": 32, "accelerator": "cpu"}
    history = Training(**{**usual, **settings}).run(network, reader, rows, held, seed)
    return network, history


def test_it_is_what_a_bare_loop_does(reader):
    """Same batches, same draws, AdamW and clipping: the weights are those of plain PyTorch."""
    network, history = trained(reader, gradient_clip=0.5, learning_rate=1e-2)
    bare = network_for(reader).train()
    optimizer = torch.optim.AdamW(bare.parameters(), lr=1e-2, weight_decay=1e-2)
    losses = []
    with torch.random.fork_rng():
        for epoch in range(4):
            torch.manual_seed(mixed(0, epoch, 0))
            total = 0.0
            for rows in chunks(np.arange(120), 32, mixed(0, epoch)):
                loss = bare.losses(reader.batch(rows))["outcome"]
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(bare.parameters(), 0.5)
                optimizer.step()
                total += loss.item() * len(rows)
            losses.append(total / 120)
    np.testing.assert_allclose(history.training_, losses, rtol=1e-5)
    for name, weight in bare.state_dict().items():
        np.testing.assert_allclose(network.state_dict()[name], weight, atol=1e-5, err_msg=name)


def test_the_gradient_is_clipped_to_the_norm(reader):
    """With AdamW's scale-free steps the clip shows in the first moment alone: use two bounds."""
    free, _ = trained(reader, max_epochs=1, gradient_clip=float("inf"))
    same, _ = trained(reader, max_epochs=1, gradient_clip=1e9)
    bound, _ = trained(reader, max_epochs=1, gradient_clip=1e-12)
    start = weights_of(network_for(reader))
    assert_same_weights(weights_of(free), weights_of(same))
    moved = {n: np.abs(weights_of(free)[n] - start[n]).max() for n in start if "join" in n}
    held = {n: np.abs(weights_of(bound)[n] - start[n]).max() for n in start if "join" in n}
    # Below AdamW's epsilon of 1e-8 a gradient moves next to nothing but the decay.
    assert max(held.values()) < 0.1 * max(moved.values())


def test_it_repeats_itself_whatever_was_drawn_before(reader):
    first = weights_of(trained(reader)[0])
    torch.manual_seed(99)
    torch.rand(7)
    before = torch.random.get_rng_state()
    again = weights_of(trained(reader)[0])
    assert torch.equal(torch.random.get_rng_state(), before)
    assert_same_weights(first, again)
    other = weights_of(trained(reader, seed=1)[0])
    assert any(not np.array_equal(first[name], other[name]) for name in first)


def test_the_best_weights_are_kept_and_no_more_epochs_are_run():
    """Labels drawn by lot: the held-back loss soon rises, and the weights of its least stay."""
    cohort, _ = cohort_of(120)
    reader = reader_of(cohort, np.random.default_rng(0).integers(0, 2, 120))
    held = np.arange(0, 120, 4)
    network, history = trained(reader, held=held, max_epochs=200, patience=3, learning_rate=0.02)
    curve = history.validation_
    assert history.best_epoch_ == curve.argmin()
    assert len(curve) == len(history.training_) == history.best_epoch_ + 1 + 3 < 200
    with torch.no_grad():
        parts = [reader.batch(rows) for rows in chunks(held, 32)]
        loss = sum(float(network.losses(b)["outcome"]) * b.size for b in parts) / len(held)
    assert loss == pytest.approx(curve.min(), rel=1e-6)
    assert not network.training


def test_without_patients_held_back_all_epochs_are_run(reader):
    network, history = trained(reader, max_epochs=12, learning_rate=0.01)
    assert len(history.training_) == 12 and len(history.validation_) == 0
    assert history.best_epoch_ == 11
    assert history.training_[-3:].mean() < history.training_[:3].mean()
    shorter, _ = trained(reader, max_epochs=11, learning_rate=0.01)
    assert any(
        not np.array_equal(weights_of(network)[n], w) for n, w in weights_of(shorter).items()
    )


def test_half_the_bits_give_nearly_the_same(reader):
    exact, full = trained(reader, max_epochs=5)
    mixed_, half = trained(reader, max_epochs=5, precision="bf16-mixed")
    again, _ = trained(reader, max_epochs=5, precision="bf16-mixed")
    np.testing.assert_allclose(half.training_, full.training_, rtol=0.02)
    assert not np.array_equal(half.training_, full.training_)
    assert_same_weights(weights_of(mixed_), weights_of(again))
    assert all(p.dtype == torch.float32 for p in mixed_.parameters())


def test_reading_ahead_changes_nothing():
    reader = reader_of(*with_bag(60))
    assert reader.streams
    held = np.arange(0, 60, 5)
    alone, curve = trained(reader, held=held, batch_size=8)
    ahead, same = trained(reader, held=held, batch_size=8, workers=3)
    assert_same_weights(weights_of(alone), weights_of(ahead))
    np.testing.assert_array_equal(curve.validation_, same.validation_)


def test_it_is_silent_and_leaves_the_warnings_of_others(reader, capfd, caplog):
    level = logging.getLogger("lightning.fabric").level
    with warnings.catch_warnings(record=True) as caught, caplog.at_level(logging.DEBUG):
        warnings.simplefilter("always")
        trained(reader, max_epochs=1, precision="bf16-mixed", held=np.arange(20))
        warnings.warn("mine", UserWarning, stacklevel=1)
    assert [str(one.message) for one in caught] == ["mine"]
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("lightning.fabric").level == level


@pytest.mark.slow
def test_two_processes_share_every_batch(reader):
    """Without dropout the mean of two halves' gradients is the gradient of the batch."""
    held = np.arange(0, 120, 4)
    runs = []
    for devices in (1, 2):
        still = {name: MLP(dropout=0.0, input_dropout=0.0) for name in reader.sources.fitted_}
        network = network_for(reader, modality_dropout=0.0, encoders=still)
        history = Training(3, batch_size=30, accelerator="cpu", devices=devices).run(
            network, reader, np.setdiff1d(np.arange(120), held), held, 0
        )
        runs.append((weights_of(network), history))
    (one, curve), (two, same) = runs
    np.testing.assert_allclose(same.training_, curve.training_, rtol=1e-5)
    np.testing.assert_allclose(same.validation_, curve.validation_, rtol=1e-5)
    for name in one:
        np.testing.assert_allclose(two[name], one[name], atol=1e-5, err_msg=name)


def test_curves_are_kept_as_arrays():
    history = History().of([1.0, 0.5], [], 1)
    assert history.training_.tolist() == [1.0, 0.5] and history.validation_.shape == (0,)
