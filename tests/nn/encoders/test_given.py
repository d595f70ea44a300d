"""Any torch module as an encoder."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from torch import nn

from consilience.cohort import Images, Table
from consilience.errors import InputError
from consilience.nn.batch import Part
from consilience.nn.encoders import TorchModule
from consilience.nn.sources import Source, source_for

IDS = [f"p{i}" for i in range(6)]


def of_images() -> tuple[Source, Part]:
    arrays = np.random.default_rng(0).normal(size=(6, 12, 10, 3))
    return _read(Images(pd.Index(IDS), list(arrays), channels=3))


def of_table() -> tuple[Source, Part]:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(6, 3)), index=IDS, columns=list("abc"))
    return _read(Table(frame.assign(stage=["I", "II", "I", "III", "I", None])))


def _read(modality) -> tuple[Source, Part]:
    source = source_for(modality).fit(modality)
    reading = source.read(modality, np.arange(6))
    arrays = {name: torch.as_tensor(array) for name, array in reading.arrays.items()}
    return source, Part(arrays, torch.arange(6))


def convolutions() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())


@pytest.mark.parametrize(("read", "module"), [(of_images, convolutions), (of_table, None)])
def test_the_module_is_asked_and_its_rows_are_projected(read, module) -> None:
    source, part = read()
    given = module() if module else nn.Linear(4, 5)
    encoder = TorchModule(given).build(source, 7).eval()
    given.eval()
    if module:
        rows = given(part.arrays["pixels"])
    else:
        codes = part.arrays["codes"].float()
        rows = given(torch.cat([part.arrays["numbers"], codes], dim=1))
    torch.testing.assert_close(encoder(part), encoder.out(rows))


def test_the_user_s_module_is_left_alone() -> None:
    source, part = of_images()
    given = convolutions()
    before = {name: tensor.clone() for name, tensor in given.state_dict().items()}
    encoder = TorchModule(given).build(source, 7)
    optimiser = torch.optim.SGD(encoder.parameters(), lr=1.0)
    encoder(part).square().sum().backward()
    optimiser.step()
    assert all(torch.equal(t, before[name]) for name, t in given.state_dict().items())


def test_a_frozen_module_stays_as_it_is() -> None:
    source, part = of_images()
    encoder = TorchModule(convolutions(), frozen=True).build(source, 7)
    before = {name: tensor.clone() for name, tensor in encoder.module.state_dict().items()}
    optimiser = torch.optim.AdamW(encoder.parameters(), lr=0.1, weight_decay=0.1)
    out = encoder.out.weight.detach().clone()
    encoder.train()
    encoder(part).square().sum().backward()
    optimiser.step()
    after = encoder.module.state_dict()  # batch normalisation's running means too
    assert all(torch.equal(tensor, before[name]) for name, tensor in after.items())
    assert not torch.equal(encoder.out.weight, out)


def test_a_clone_has_its_own_copy() -> None:
    settings = TorchModule(nn.Linear(4, 5), frozen=True)
    copy = clone(settings)
    assert copy.module is not settings.module
    assert copy.frozen
    torch.testing.assert_close(copy.module.weight, settings.module.weight)


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (nn.Linear(99, 5), r"cannot read an array of shape \(2, 3, 12, 10\)"),
        (nn.Conv2d(3, 4, 3), r"must return 2 rows .* returns \(2, 4, 10, 8\)"),
        ("resnet18", "takes a torch module, not 'resnet18'"),
    ],
)
def test_a_module_that_does_not_fit_is_refused(module, said) -> None:
    source, _ = of_images()
    with pytest.raises(InputError, match=said):
        TorchModule(module).build(source, 7)
