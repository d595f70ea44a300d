"""A loss that is no number stops training, and the sentence names what is to blame."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from tests.nn.small_network import network_for, reader_of, table_cohort
from torch import nn

from consilience.errors import InputError
from consilience.nn.training import Training

NOBODY = np.arange(0)
RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(40, 3))
Y = (VALUES[:, 0] > 0).astype(int)


def refused(reader, network=None, held=NOBODY, **settings) -> str:
    rows = np.setdiff1d(np.arange(len(reader)), held)
    training = Training(50, **{"batch_size": 20, "accelerator": "cpu", **settings})
    with pytest.raises(InputError) as caught:
        training.run(network or network_for(reader), reader, rows, held, 0)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_value_that_overflows_is_named_with_its_patient():
    values = VALUES.copy()
    values[7, 1] = 1e300  # finite, but neither its square nor its single precision
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        reader = reader_of(table_cohort(values), Y)
        reader._held["labs"].arrays["numbers"][7, 1] = float("inf")
    said = refused(reader)
    assert "epoch 1, batch" in said and "the term 'outcome' of the loss" in said
    assert "feature 'f1' of modality 'labs' of patient 'p7'" in said


def test_an_outcome_that_is_no_number_is_named():
    from consilience.nn.heads import NumberHead

    reader = reader_of(table_cohort(VALUES), Y)
    targets = VALUES[:, 0].astype(np.float32)
    targets[11] = np.nan
    reader = reader.of(np.arange(40), {"number": targets})
    network = network_for(reader)
    network.head = NumberHead(8, 1)
    assert "outcome of patient 'p11'" in refused(reader, network)


def test_steps_that_are_too_large_are_told_with_the_most_extreme_value():
    values = VALUES.copy()
    values[3, 2] = 500.0
    reader = reader_of(table_cohort(values), Y)
    said = refused(reader, learning_rate=1e38, weight_decay=1e3, batch_size=40)
    assert "lower learning_rate" in said
    assert "feature 'f2' of modality 'labs' of patient 'p3'" in said


class Stumbles(nn.Module):
    """Gives no number of whoever has f0 above a bound."""

    def __init__(self, inner: nn.Module, bound: float) -> None:
        super().__init__()
        self.inner, self.bound = inner, bound

    def forward(self, columns: torch.Tensor) -> torch.Tensor:
        said = self.inner(columns)
        return torch.where(columns[:, :1] > self.bound, torch.nan, said)


def test_a_patient_of_whom_the_network_gives_no_number_is_named():
    reader = reader_of(table_cohort(VALUES), Y)
    network = network_for(reader, modality_dropout=0.0)
    encoder = network.encoders[0]
    encoder.drop.p = 0.0
    numbers = reader._held["labs"].arrays["numbers"][:, 0] * encoder.scale
    order = torch.argsort(numbers, descending=True)
    encoder.layers = Stumbles(encoder.layers, float(numbers[order[:2]].mean()))
    said = refused(reader, network)
    assert f"gives no finite number of 'p{int(order[0])}' alone" in said


def test_a_gradient_that_is_no_number_is_told_apart_from_the_loss():
    class Kink(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            return gradient * torch.inf

    reader = reader_of(table_cohort(VALUES), Y)
    network = network_for(reader)
    network.join.register_forward_hook(lambda module, given, out: Kink.apply(out))
    said = refused(reader, network)
    assert "epoch 1, batch 1: the gradient (the loss itself is finite)" in said
    assert "no single value or patient is the cause" in said


def test_patients_held_back_are_watched_too():
    values = VALUES.copy()
    reader = reader_of(table_cohort(values), Y)
    reader._held["labs"].arrays["numbers"][5, 0] = float("nan")
    said = refused(reader, held=np.array([5, 6, 7]))
    assert "batch 1 of the patients held back" in said and "patient 'p5'" in said
