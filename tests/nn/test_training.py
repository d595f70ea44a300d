"""Settings of the training loop: each that cannot be is refused in one sentence."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.nn.small_network import cohort_of, network_for, reader_of

from consilience.errors import InputError
from consilience.nn.training import Training

IMPOSSIBLE = [
    ("max_epochs", 0),
    ("max_epochs", 2.5),
    ("max_epochs", True),
    ("patience", 0),
    ("validation", 1.0),
    ("validation", -0.1),
    ("validation", float("nan")),
    ("learning_rate", 0.0),
    ("learning_rate", float("inf")),
    ("learning_rate", "fast"),
    ("weight_decay", -1e-9),
    ("batch_size", 0),
    ("gradient_clip", 0.0),
    ("gradient_clip", None),
    ("precision", "64"),
    ("accelerator", "tpu"),
    ("devices", 0),
    ("devices", "all"),
    ("progress", "yes"),
    ("workers", -1),
    ("checkpoints", 3),
    ("checkpoints", ""),
    ("checkpoints", "a\0b"),
    ("precision", [32]),
    ("accelerator", None),
]


@pytest.mark.parametrize(("name", "value"), IMPOSSIBLE, ids=str)
def test_a_setting_that_cannot_be_is_named(name, value):
    with pytest.raises(InputError) as caught:
        Training(**{name: value}).check()
    sentence = str(caught.value)
    assert name in sentence and repr(value) in sentence and "\n" not in sentence


@pytest.mark.parametrize("name", ["validation", "learning_rate", "weight_decay", "gradient_clip"])
def test_a_number_beyond_all_floats_is_none_and_is_not_written_out(name):
    with pytest.raises(InputError, match=f"training: {name} must be") as caught:
        Training(**{name: 10**400}).check()
    assert len(str(caught.value)) < 200


def test_an_array_is_no_word():
    with pytest.raises(InputError, match="precision must be '32'"):
        Training(precision=np.array([1, 2])).check()


def test_what_can_be_is_let_through(tmp_path):
    Training().check()
    Training(
        np.int64(3), validation=0, gradient_clip=float("inf"), checkpoints=str(tmp_path / "new")
    ).check()


def test_a_word_nearly_right_is_suggested():
    with pytest.raises(InputError, match="Did you mean 'bf16-mixed'"):
        Training(precision="bf16mixed").check()


def test_checkpoints_in_a_file_are_refused(tmp_path):
    (tmp_path / "here").write_text("")
    with pytest.raises(InputError, match="is a file"):
        Training(checkpoints=str(tmp_path / "here")).check()


def test_checkpoints_that_cannot_be_a_folder_are_refused():
    with pytest.raises(InputError, match="cannot be one"):
        Training(checkpoints="a" * 5000).check()


def test_a_batch_is_shared_by_all_devices():
    with pytest.raises(InputError, match="batch_size must be at least devices, 4"):
        Training(devices=4, batch_size=2).check()


def test_half_precision_needs_a_gpu():
    with pytest.raises(InputError, match="'16-mixed' needs"):
        Training(precision="16-mixed", accelerator="cpu").check()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"accelerator": "cuda"}, "'cuda' is asked for"),
        ({"precision": "16-mixed"}, "needs an NVIDIA GPU"),
    ],
    ids=str,
)
def test_a_gpu_that_is_not_there_is_refused_in_a_sentence(settings, words):
    reader = reader_of(*cohort_of(40))
    with pytest.raises(InputError, match=words):
        Training(1, **settings).run(network_for(reader), reader, np.arange(40), np.arange(0), 0)
    assert Training(**settings).device().type == "cpu"  # a model of a GPU still predicts


def test_more_devices_than_patients_are_refused():
    reader = reader_of(*cohort_of(40))
    with pytest.raises(InputError, match="4 devices for 3 patients"):
        Training(1, devices=4, accelerator="cpu").run(
            network_for(reader), reader, np.arange(3), np.arange(0), 0
        )
