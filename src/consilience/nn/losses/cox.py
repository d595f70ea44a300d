"""Cox's partial likelihood."""

from __future__ import annotations

import torch
from torch import Tensor


def cox_loss(risk: Tensor, time: Tensor, event: Tensor) -> Tensor:
    """Return the negative log partial likelihood an event, ties by Efron's formula.

    For the events of a time, with d of them and l = 0 ... d - 1::

        -sum_i (r_i - log(sum_{j at risk} exp r_j - l_i / d * sum_{j in the tie} exp r_j))

    divided by the number of events; 0 if there is none.

    Parameters
    ----------
    risk : Tensor of shape (n,)
        Log hazard ratios.
    time : Tensor of shape (n,)
    event : Tensor of bool, (n,)
        Whether the event was seen; else the patient was censored.

    References
    ----------
    Efron B. The efficiency of Cox's likelihood function for censored data. JASA 1977.
    """
    if not event.any():
        return risk.sum() * 0.0
    _, group = torch.unique(time, return_inverse=True)
    # Latest first, and among equal times the order is of no account: the risk set of a
    # group ends with its last member.
    order = torch.argsort(group, descending=True, stable=True)
    group, risk, event = group[order], risk[order], event[order]
    at_risk = torch.logcumsumexp(risk, dim=0)
    last = torch.searchsorted(-group, -group, right=True) - 1
    at_risk = at_risk[last]
    n_groups = int(group.max()) + 1
    events = event.to(risk.dtype)
    tied = torch.zeros(n_groups, dtype=risk.dtype, device=risk.device)
    # Shares of the risk set, each at most 1: no overflow whatever the risks.
    share = tied.index_add(0, group, events * torch.exp(risk - at_risk))[group]
    deaths = tied.index_add(0, group, events)[group]
    rank = _rank_among_events(group, event)
    thinned = torch.log1p(-(rank / deaths.clamp(min=1)) * share)
    losses = at_risk + torch.where(event, thinned, torch.zeros_like(thinned)) - risk
    return (losses * events).sum() / events.sum()


def _rank_among_events(group: Tensor, event: Tensor) -> Tensor:
    """Return 0, 1, ... for the events of each group, which stand together; 0 for the censored."""
    counted = torch.cumsum(event, dim=0) - event.long()
    first = torch.searchsorted(-group, -group)
    # 0 for the censored: as many as the tie's events would make an infinite gradient
    # where the events hold the whole risk set.
    return (counted - counted[first]) * event
