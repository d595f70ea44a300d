"""Too little memory: the batch that would fit is found by trying it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from consilience.nn.memory import is_out_of_memory, too_large

SCRIPT = """
import resource, sys
import numpy as np
sys.path[:0] = {path!r}
import torch
from torch import nn
from tests.nn.small_network import network_for, reader_of, table_cohort
from consilience.errors import InputError
from consilience.nn.training import Training

class Wide(nn.Module):
    '''16 MB a patient.'''
    def forward(self, columns):
        return (columns[:, :1] * torch.ones(4_000_000)).mean(dim=1, keepdim=True).expand(-1, 8)

values = np.random.default_rng(0).normal(size=(64, 3))
reader = reader_of(table_cohort(values), (values[:, 0] > 0).astype(int))
network = network_for(reader)
network.encoders[0].layers = Wide()
training = Training(1, batch_size=64, accelerator="cpu")
Training(1, batch_size=2, accelerator="cpu").run(network, reader, np.arange(2), np.arange(0), 0)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 400 * 2**20,) * 2)
try:
    training.run(network, reader, np.arange(64), np.arange(0), 0)
except InputError as reason:
    print(reason)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_where_memory_ends_the_size_that_fits_is_told(root):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(path=[str(root)])],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "a batch of 64 patients does not fit into memory" in done.stdout, done.stdout
    fits = int(done.stdout.rsplit("batch_size=", 1)[1].rstrip(".\n"))
    assert fits in (2, 4, 8, 16)  # 64 MB or more to spare at 4, none at 32: 512 MB


def test_an_allocation_that_fails_is_known_for_what_it_is():
    with pytest.raises(RuntimeError) as torchs:
        torch.empty(2**60)
    with pytest.raises(MemoryError) as numpys:
        np.empty(2**46)
    assert is_out_of_memory(torchs.value) and is_out_of_memory(numpys.value)
    assert not is_out_of_memory(RuntimeError("shapes cannot be multiplied"))


def test_halves_are_tried_until_one_fits():
    tried = []

    def attempt(size: int) -> None:
        tried.append(size)
        if size > 5:
            raise MemoryError

    assert "batch_size=5" in str(too_large(40, attempt))
    assert tried == [20, 10, 5]


def test_another_error_in_an_attempt_is_not_swallowed():
    def attempt(size: int) -> None:
        raise RuntimeError("a defect")

    with pytest.raises(RuntimeError, match="a defect"):
        too_large(4, attempt)


def test_a_single_patient_that_does_not_fit_is_told():
    def attempt(size: int) -> None:
        raise MemoryError

    assert "a single patient" in str(too_large(4, attempt))
