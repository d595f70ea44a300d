"""From a `Pretraining` to the start of a `CrossModalTransformer`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from consilience.cohort import Cohort
from consilience.errors import InputError, InputWarning, listing
from consilience.fusion.pretraining import Pretraining
from consilience.nn.sources import Sources

if TYPE_CHECKING:
    from consilience.nn.network import FusionNetwork

Arrays = dict[str, npt.NDArray[Any]]
NUMBERED = ("encoders", "labels")  # lists of the network with an entry a modality


def check_pretrained(pretrained: Any) -> None:
    """Refuse what no network can start from.

    Raises
    ------
    InputError
        If it is none of a `Pretraining`, a frozen one, or a folder's name; or one that
        is fitted and not frozen, which `clone` would make forget what it learned.
    """
    if isinstance(pretrained, str):
        return
    inner = pretrained.estimator if isinstance(pretrained, FrozenEstimator) else pretrained
    if not isinstance(inner, Pretraining):
        raise InputError(
            "pretrained must be a Pretraining, a fitted one inside "
            f"sklearn.frozen.FrozenEstimator, or the folder of a saved one, not {inner!r}."
        )
    fitted = hasattr(inner, "members_")
    if isinstance(pretrained, FrozenEstimator) and not fitted:
        raise InputError("pretrained is frozen but not fitted: fit the Pretraining first.")
    if fitted and not isinstance(pretrained, FrozenEstimator):
        raise InputError(
            "pretrained is fitted already: give FrozenEstimator(pretraining) (sklearn.frozen) to "
            "start from what it learned, or clone(pretraining) to fit it on the training patients."
        )


def started(pretrained: Any, cohort: Cohort) -> Pretraining:
    """Return a fitted pretraining: as it is, read from its folder, or fitted on the cohort."""
    if isinstance(pretrained, str):
        return Pretraining.load(pretrained)
    if isinstance(pretrained, FrozenEstimator):
        frozen: Pretraining = pretrained.estimator
        return frozen
    own: Pretraining = clone(pretrained)
    own.set_params(outcome=None)
    return own.fit(cohort)


def settings_of(pretrained: Any) -> Pretraining:
    """Return the unfitted settings of a pretraining."""
    if isinstance(pretrained, str):
        pretrained = Pretraining.load(pretrained)
    inner = pretrained.estimator if isinstance(pretrained, FrozenEstimator) else pretrained
    own: Pretraining = clone(inner)
    return own


def known_to(
    pretraining: Pretraining, measured: Sequence[str], asked: Sequence[str] | None
) -> list[str]:
    """Return which of the modalities measured the pretraining knows.

    Raises
    ------
    InputError
        If it knows none of them, or not one that was asked for.

    Warns
    -----
    InputWarning
        If it does not know some that were not asked for by name.
    """
    known = pretraining.sources_.fitted_
    strange = [name for name in measured if name not in known]
    if strange and (asked is not None or len(strange) == len(measured)):
        raise InputError(
            f"the pretraining knows no modality {listing(strange, most=5)}; it knows "
            f"{listing(known, most=20)}."
        )
    if strange:
        warnings.warn(
            f"the pretraining knows no modality {listing(strange, most=5)}: left out.",
            InputWarning,
            stacklevel=2,
        )
    return [name for name in measured if name in known]


def sources_of(pretraining: Pretraining, names: Sequence[str]) -> Sources:
    """Return the pretraining's sources of some modalities."""
    whole, own = pretraining.sources_, Sources(list(names))
    own.fitted_ = {name: source for name, source in whole.fitted_.items() if name in names}
    own.kinds_ = {name: whole.kinds_[name] for name in own.fitted_}
    return own


def starting_weights(pretraining: Pretraining, names: Sequence[str]) -> list[Arrays]:
    """Return each member's weights, under the names of a network with some of the modalities."""
    places = {name: str(i) for i, name in enumerate(pretraining.sources_.fitted_)}
    renamed = {
        f"{part}.{places[name]}": f"{part}.{i}" for part in NUMBERED for i, name in enumerate(names)
    }
    return [_renamed(member.weights_.arrays_, renamed) for member in pretraining.members_]


def _renamed(arrays: Arrays, renamed: dict[str, str]) -> Arrays:
    found = {}
    for key, array in arrays.items():
        part, place, *rest = key.split(".")
        if part == "transformer":
            found[key] = array
        elif f"{part}.{place}" in renamed:
            found[".".join([renamed[f"{part}.{place}"], *rest])] = array
    return found


def put_start(network: FusionNetwork, start: Arrays, frozen: tuple[str, ...]) -> None:
    """Put weights into a network, all but those of its head, and freeze some.

    Parameters
    ----------
    network : FusionNetwork
    start : dict of str to ndarray
    frozen : tuple of str
        How the names of the weights begin that are not to be trained.
    """
    import torch

    arrays = {key: torch.tensor(np.asarray(array)) for key, array in start.items()}
    missing, unknown = network.load_state_dict(arrays, strict=False)
    assert not unknown
    assert all(key.startswith("head.") for key in missing)
    if frozen:
        for key, weight in network.named_parameters():
            weight.requires_grad_(not key.startswith(frozen))
