import numpy as np
import pytest
import torch
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv

from consilience.nn.losses import cox_loss


def efron(risk, time, event):
    """The formula, term by term."""
    total = 0.0
    for moment in np.unique(time[event]):
        tie = event & (time == moment)
        whole, tied = np.exp(risk[time >= moment]).sum(), np.exp(risk[tie]).sum()
        for place, one in enumerate(np.flatnonzero(tie)):
            total -= risk[one] - np.log(whole - place / tie.sum() * tied)
    return total / event.sum()


def cohort(seed, n=40, times=8):
    rng = np.random.default_rng(seed)
    return rng.normal(size=n), rng.integers(0, times, n), rng.random(n) < 0.6


def as_tensors(risk, time, event):
    return torch.tensor(risk, requires_grad=True), torch.tensor(time), torch.tensor(event)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("times", [1, 4, 1000])
def test_it_is_efrons_formula_with_ties_and_without(seed, times):
    risk, time, event = cohort(seed, times=times)
    assert cox_loss(*as_tensors(risk, time, event)).item() == pytest.approx(
        efron(risk, time, event), rel=1e-12
    )


def test_the_gradient_is_that_of_the_formula():
    risk, time, event = cohort(3)
    tensor, *rest = as_tensors(risk, time, event)
    cox_loss(tensor, *rest).backward()
    step = 1e-6
    for i in range(len(risk)):
        up, down = risk.copy(), risk.copy()
        up[i] += step
        down[i] -= step
        slope = (efron(up, time, event) - efron(down, time, event)) / (2 * step)
        assert tensor.grad[i].item() == pytest.approx(slope, abs=1e-8)


def test_its_minimum_is_where_sksurv_finds_it():
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(120, 3))
    time = rng.integers(1, 20, 120)
    event = rng.random(120) < 0.7
    model = CoxPHSurvivalAnalysis(ties="efron", tol=1e-12).fit(
        columns, Surv.from_arrays(event, time.astype(float))
    )
    weights = torch.tensor(model.coef_, requires_grad=True)
    cox_loss(torch.tensor(columns) @ weights, torch.tensor(time), torch.tensor(event)).backward()
    assert weights.grad.abs().max() < 1e-7
    assert model.coef_.std() > 0.01


@pytest.mark.parametrize("size", [50.0, 1e4])
@pytest.mark.parametrize("seed", range(3))
def test_extreme_risks_in_single_precision_stay_finite(size, seed):
    risk, time, event = cohort(seed, times=4)
    tensor = torch.tensor(risk * size, dtype=torch.float32, requires_grad=True)
    loss = cox_loss(tensor, torch.tensor(time), torch.tensor(event))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(tensor.grad).all()


def test_events_that_hold_the_whole_risk_set_beside_a_censored_patient_have_a_gradient():
    risk = torch.tensor([60.0, 60.0, -60.0], requires_grad=True)
    loss = cox_loss(risk, torch.tensor([1, 1, 1]), torch.tensor([True, True, False]))
    loss.backward()
    unit = float(np.spacing(np.float32(60)))  # what single precision can tell beside a risk of 60
    assert loss.item() == pytest.approx(np.log(2) / 2, abs=2 * unit)
    assert torch.isfinite(risk.grad).all()


def test_a_constant_added_to_all_risks_and_the_order_of_patients_change_nothing():
    risk, time, event = cohort(1)
    order = np.random.default_rng(0).permutation(len(risk))
    first = cox_loss(*as_tensors(risk, time, event)).item()
    assert cox_loss(*as_tensors(risk + 30, time, event)).item() == pytest.approx(first)
    shuffled = cox_loss(*as_tensors(risk[order], time[order], event[order])).item()
    assert shuffled == pytest.approx(first, rel=1e-12)


def test_without_events_it_is_0_and_so_is_its_gradient():
    risk = torch.ones(3, requires_grad=True)
    loss = cox_loss(risk, torch.tensor([1, 2, 3]), torch.zeros(3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert risk.grad.abs().max() == 0
