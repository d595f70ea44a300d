"""Operations over ragged instances, against a loop over the patients."""

from __future__ import annotations

import pytest
import torch

from consilience.nn.segments import segment_max, segment_mean, segment_softmax, segment_sum

COUNTS = [3, 1, 70, 0, 12]
OWNER = torch.repeat_interleave(torch.arange(len(COUNTS)), torch.tensor(COUNTS))


@pytest.fixture
def values() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(sum(COUNTS), 2, 3, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (segment_sum, lambda own: own.sum(dim=0)),
        (segment_mean, lambda own: own.mean(dim=0)),
        (segment_max, lambda own: own.amax(dim=0)),
    ],
)
def test_reductions_are_those_of_each_patient_alone(values, ours, theirs) -> None:
    found = ours(values, OWNER, len(COUNTS))
    for patient, own in enumerate(values.split(COUNTS)):
        if len(own):
            torch.testing.assert_close(found[patient], theirs(own))


def test_a_patient_without_instances_has_the_neutral_value(values) -> None:
    assert (segment_sum(values, OWNER, len(COUNTS))[3] == 0).all()
    assert (segment_mean(values, OWNER, len(COUNTS))[3] == 0).all()
    assert (segment_max(values, OWNER, len(COUNTS))[3] == -torch.inf).all()


def test_softmax_is_that_of_each_patient_alone(values) -> None:
    found = segment_softmax(values, OWNER, len(COUNTS)).split(COUNTS)
    for own, ours in zip(values.split(COUNTS), found, strict=True):
        torch.testing.assert_close(ours, own.softmax(dim=0))


def test_softmax_of_large_scores_is_finite_and_adds_up_to_one(values) -> None:
    found = segment_softmax(values * 1e4, OWNER, len(COUNTS))
    sums = segment_sum(found, OWNER, len(COUNTS))
    assert torch.isfinite(found).all()
    torch.testing.assert_close(sums[[0, 1, 2, 4]], torch.ones_like(sums[[0, 1, 2, 4]]))


@pytest.mark.parametrize("operation", [segment_sum, segment_mean, segment_max, segment_softmax])
def test_gradients_are_those_of_finite_differences(values, operation) -> None:
    def of(leaf: torch.Tensor) -> torch.Tensor:
        found = operation(leaf, OWNER, len(COUNTS))
        return torch.where(found.isfinite(), found, 0.0)

    assert torch.autograd.gradcheck(of, (values.requires_grad_(),))


def test_half_precision_is_added_up_in_single_precision() -> None:
    ones = torch.ones(40_000, 1, dtype=torch.bfloat16)
    owner = torch.zeros(len(ones), dtype=torch.long)
    assert segment_sum(ones, owner, 1).item() == 40_000
