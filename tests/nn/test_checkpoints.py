"""A training that was killed goes on, and ends as if it had not been."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.nn.small_network import (
    assert_same_weights,
    cohort_of,
    network_for,
    reader_of,
    weights_of,
)

from consilience.errors import InputError
from consilience.nn import checkpoints as module
from consilience.nn.checkpoints import Checkpoint
from consilience.nn.loop import Loop
from consilience.nn.training import Training

HELD = np.arange(0, 120, 4)
ROWS = np.setdiff1d(np.arange(120), HELD)
SETTINGS = {"patience": 50, "batch_size": 16, "learning_rate": 0.01, "accelerator": "cpu"}


def train(folder, epochs=12, seed=0, data=0, network_seed=1, identity="", **settings):
    reader = reader_of(*cohort_of(120, seed=data))
    network = network_for(reader, network_seed)
    training = Training(epochs, checkpoints=folder, **{**SETTINGS, **settings})
    history = training.run(network, reader, ROWS, HELD, seed, identity=identity)
    return weights_of(network), history


SCRIPT = """
import sys
sys.path[:0] = {path!r}
from tests.nn.test_checkpoints import train
train({folder!r}, epochs=400)
"""


@pytest.mark.slow
@pytest.mark.parametrize("epochs", [2, 5])
def test_after_kill_9_it_ends_with_the_same_weights(tmp_path, root, epochs, monkeypatch):
    script = SCRIPT.format(path=[str(root)], folder=str(tmp_path))
    process = subprocess.Popen([sys.executable, "-c", script], cwd=root)
    try:
        state = wait_for(tmp_path, epochs, process)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert epochs <= state["state"]["epoch"] < 400
    taken = count_epochs(monkeypatch)
    resumed, history = train(str(tmp_path), epochs=400)
    went_on = len(taken)
    whole, same = train(None, epochs=400)
    assert 0 < went_on < len(taken) - went_on
    assert_same_weights(whole, resumed)
    np.testing.assert_array_equal(history.validation_, same.validation_)
    np.testing.assert_array_equal(history.training_, same.training_)
    assert history.best_epoch_ == same.best_epoch_


def wait_for(folder: Path, epochs: int, process: subprocess.Popen) -> dict:
    """Return the first state after so many epochs; every one that is there can be read."""
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        for path in folder.glob(f"*/{module.FILE}"):
            state = torch.load(path, weights_only=True)
            if state["state"]["epoch"] >= epochs:
                return state
        time.sleep(0.01)
    raise AssertionError("it ended, or never came so far")


def count_epochs(monkeypatch) -> list[int]:
    taken: list[int] = []
    epoch = Loop.epoch

    def counted(self: Loop) -> None:
        taken.append(self.state.epoch)
        epoch(self)

    monkeypatch.setattr(Loop, "epoch", counted)
    return taken


def test_what_is_finished_is_not_trained_again(tmp_path, monkeypatch):
    taken = count_epochs(monkeypatch)
    first, history = train(str(tmp_path))
    assert len(taken) == 12
    again, same = train(str(tmp_path), progress=False, workers=2)
    assert len(taken) == 12
    assert_same_weights(first, again)
    np.testing.assert_array_equal(history.training_, same.training_)


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 1},
        {"data": 1},
        {"network_seed": 2},
        {"learning_rate": 0.02},
        {"epochs": 5},
        {"identity": "another method"},
    ],
    ids=str,
)
def test_another_training_in_the_same_folder_starts_anew(tmp_path, other):
    train(str(tmp_path), epochs=3)
    kept, _ = train(str(tmp_path), **{"epochs": 3, **other})
    alone, _ = train(None, **{"epochs": 3, **other})
    assert_same_weights(alone, kept)
    assert len(list(tmp_path.glob(f"*/{module.FILE}"))) == 2


def test_a_state_that_is_cut_short_is_named(tmp_path):
    train(str(tmp_path), epochs=2)
    (path,) = tmp_path.glob(f"*/{module.FILE}")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="damaged") as caught:
        train(str(tmp_path), epochs=2)
    assert str(path) in str(caught.value)


def test_a_pickle_of_a_stranger_is_not_run(tmp_path):
    class Payload:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'canary'}",)

    train(str(tmp_path), epochs=2)
    (path,) = tmp_path.glob(f"*/{module.FILE}")
    for data in (pickle.dumps(Payload()), saved(Payload(), tmp_path / "other")):
        path.write_bytes(data)
        with pytest.raises(InputError, match="damaged"):
            train(str(tmp_path), epochs=2)
    assert not (tmp_path / "canary").exists()


def saved(thing: object, path: Path) -> bytes:
    torch.save(thing, path)
    return path.read_bytes()


def test_a_state_of_another_training_under_its_name_is_refused(tmp_path):
    train(str(tmp_path / "a"), epochs=2)
    train(str(tmp_path / "b"), epochs=2, seed=1)
    (one,), (other,) = ((tmp_path / x).glob(f"*/{module.FILE}") for x in "ab")
    one.write_bytes(other.read_bytes())
    with pytest.raises(InputError, match="another training"):
        train(str(tmp_path / "a"), epochs=2)


def test_where_nothing_can_be_written_it_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written there .*; choose another folder"):
        Checkpoint(tmp_path / "file" / "folder", "0" * 64).write({})
