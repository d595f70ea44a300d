"""The likelihood of survival in intervals."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def discrete_time_loss(logits: Tensor, survived: Tensor, event: Tensor) -> Tensor:
    """Return the mean negative log-likelihood of discrete hazards, censoring allowed.

    With hazards ``h_k = sigmoid(logits_k)`` a patient who survived the first s intervals
    contributes ``sum_{k < s} log(1 - h_k)``, and ``log h_s`` if the event came in the
    next one.

    Parameters
    ----------
    logits : Tensor of shape (n, n_intervals)
    survived : Tensor of int64, (n,)
        How many intervals each patient was seen to survive.
    event : Tensor of bool, (n,)
        Whether the event came in the interval after; then ``survived < n_intervals``.

    References
    ----------
    Gensheimer MF, Narasimhan B. A scalable discrete-time survival model for neural
    networks. PeerJ 2019, equation 3.
    """
    step = torch.arange(logits.shape[1], device=logits.device)
    alive = step[None, :] < survived[:, None]
    dies = event[:, None] & (step[None, :] == survived[:, None])
    log_h, log_free = functional.logsigmoid(logits), functional.logsigmoid(-logits)
    return -(alive * log_free + dies * log_h).sum(dim=1).mean()
