"""Test patients with some of their measurements taken away, the same for every candidate."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from consilience.cohort import Cohort

Measured = npt.NDArray[np.bool_]

OWN_STREAM = 77  # keeps these draws apart from others that are made of the same seed


def remaining(measured: Measured, share: float, seed: int) -> Measured:
    """Return who is still measured by what after a share of the measurements is removed.

    Measurements are removed at random, and what is removed at a small share is removed at
    a larger one too. One of each patient, drawn at random, always stays: where there are
    not enough others, fewer than the share are removed.

    Parameters
    ----------
    measured : ndarray of bool, shape (n_patients, n_modalities)
    share : float
        Of the pairs of a patient and a modality that measured him.
    seed : int
    """
    order = _order(measured, seed)
    gone = order[: round(share * int(measured.sum()))]
    left = measured.copy()
    left[gone[:, 0], gone[:, 1]] = False
    return left


def _order(measured: Measured, seed: int) -> npt.NDArray[np.intp]:
    """Return the pairs (patient, modality) that can go, in the order in which they do."""
    pairs = np.argwhere(measured)
    pairs = np.random.default_rng([seed, OWN_STREAM]).permutation(pairs)
    stays = np.unique(pairs[:, 0], return_index=True)[1]
    return np.delete(pairs, stays, axis=0)


def thinned(cohort: Cohort, share: float, seed: int) -> Cohort:
    """Return a cohort without a share of its measurements; see `remaining`."""
    names = list(cohort.modalities)
    left = remaining(cohort.measured.to_numpy(dtype=bool), share, seed)
    poorer = cohort
    for column, name in enumerate(names):
        places = np.where(left[:, column], cohort.positions(name), -1)
        poorer = poorer.assigned(name, cohort.modalities[name], places)
    return poorer[np.arange(len(cohort))]  # a view that no longer holds what was removed
