"""Why a loss is no number: what can be told of the batch, the patient and the feature."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from consilience.errors import InputError, listing
from consilience.nn.batch import Batch, Part
from consilience.nn.network import FusionNetwork
from consilience.nn.reading import Reader

FAR = 50.0  # standard deviations from the mean, beyond what measurements usually are


class Place(NamedTuple):
    """Where training was, both counted from 1."""

    epoch: int
    batch: int
    held_back: bool = False

    def __str__(self) -> str:
        of = " of the patients held back" if self.held_back else ""
        return f"epoch {self.epoch}, batch {self.batch}{of}"


class Extreme(NamedTuple):
    """The value of a batch that is furthest from the rest."""

    distance: float
    modality: str
    feature: str
    patient: str


def not_a_number(
    place: Place, batch: Batch, terms: Mapping[str, Tensor], network: FusionNetwork, reader: Reader
) -> InputError:
    """Return what to say when a loss or its gradient is no finite number.

    What is said to be the cause is one: a value or target that is not finite, or a patient
    of whom the network, asked of him alone, gives no finite number. Where there is none of
    these, the sentence says so and names the most extreme value.

    Parameters
    ----------
    place : Place
    batch : Batch
        Whose loss it is.
    terms : mapping of str to Tensor
        The terms of the loss.
    network : FusionNetwork
        With the weights that gave it.
    reader : Reader
        To name patients and features.
    """
    lost = [name for name, term in terms.items() if not torch.isfinite(term).all()]
    what = (
        f"the term {lost[0]!r} of the loss" if lost else "the gradient (the loss itself is finite)"
    )
    cause = _cause(batch, network, reader)
    return InputError(f"training stopped at {place}: {what} is no finite number; {cause}")


def _cause(batch: Batch, network: FusionNetwork, reader: Reader) -> str:
    extremes = sorted(_extremes(batch, reader), key=lambda e: -e.distance)
    worst = extremes[0] if extremes else None
    if worst is not None and not np.isfinite(worst.distance):
        return (
            f"feature {worst.feature!r} of modality {worst.modality!r} of patient "
            f"{worst.patient!r} is not finite once standardised: correct it or leave it out."
        )
    if patient := _without_target(batch, reader):
        return f"the outcome of patient {patient!r} is not a finite number: correct it."
    if _spoilt(network):
        return (
            "the weights are no longer finite, the steps were too large: lower learning_rate or "
            f"gradient_clip.{_furthest(worst)}"
        )
    alone = _who_alone(batch, network)
    if alone:
        names = [str(reader.cohort.index[p]) for p in alone]
        own = next((e for e in extremes if e.patient in names), None)
        return (
            f"the network gives no finite number of {listing(names, most=3)} alone; look at what "
            f"is measured of them.{_furthest(own)}"
        )
    return (
        "no single value or patient is the cause: lower learning_rate, or use precision '32'."
        f"{_furthest(worst)}"
    )


def _furthest(extreme: Extreme | None) -> str:
    if extreme is None:
        return ""
    often = ", far outside the usual: check it" if extreme.distance > FAR else ""
    return (
        f" The most extreme value is feature {extreme.feature!r} of modality "
        f"{extreme.modality!r} of patient {extreme.patient!r}, {extreme.distance:.3g} standard "
        f"deviations from the mean{often}."
    )


def _extremes(batch: Batch, reader: Reader) -> Iterator[Extreme]:
    """Yield the most extreme value of each array, infinite or NaN ones first."""
    for name, part in batch.parts.items():
        features = reader.sources.fitted_[name].features_
        for array in part.arrays.values():
            if not (array.is_floating_point() and array.numel() and array.ndim > 1):
                continue
            flat = array.detach().float().abs().nan_to_num(torch.inf, torch.inf).flatten(1)
            at = int(flat.argmax())
            row, column = divmod(at, flat.shape[1])
            # An image has more numbers than names: its channel is named.
            column = column * array.shape[1] // flat.shape[1]
            feature = features[column] if column < len(features) else f"number {column + 1}"
            patient = reader.cohort.index[int(batch.patients[part.rows[_owner(part, array, row)]])]
            yield Extreme(float(flat.flatten()[at]), name, feature, str(patient))


def _owner(part: Part, array: Tensor, row: int) -> int:
    """Return which of the part's patients a row is of."""
    ragged = part.owner is not None and len(array) == len(part.owner)
    return int(part.owner[row]) if ragged and part.owner is not None else row


def _without_target(batch: Batch, reader: Reader) -> str:
    for target in batch.targets.values():
        bad = ~torch.isfinite(target.float()).reshape(batch.size, -1).all(dim=1)
        if bad.any():
            return str(reader.cohort.index[int(batch.patients[bad][0])])
    return ""


def _spoilt(network: FusionNetwork) -> bool:
    return not all(bool(torch.isfinite(p).all()) for p in network.parameters())


def _who_alone(batch: Batch, network: FusionNetwork) -> list[int]:
    """Return the positions of patients of whom, asked alone, the network gives no number."""
    training = network.training
    network.eval()
    try:
        with torch.no_grad():
            embedding, outputs = network(batch)
    finally:
        network.train(training)
    said = embedding if outputs is None else outputs
    bad = ~torch.isfinite(said.float()).reshape(batch.size, -1).all(dim=1)
    return [int(p) for p in batch.patients[bad]]
