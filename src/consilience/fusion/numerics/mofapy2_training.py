"""mofapy2 called on plain matrices: quiet, seeded, and leaving nothing behind."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from consilience.cohort.modality import FloatArray
from consilience.extras import require

BETWEEN_BOUNDS = 5  # iterations; mofapy2 judges convergence by the change over these


@dataclass(frozen=True)
class Options:
    """How to train; see `MOFA` for what they mean."""

    n_factors: int
    sparse_weights: bool
    ard_weights: bool
    max_iter: int
    convergence: str
    seed: int


@dataclass(frozen=True)
class Trained:
    """What mofapy2 learned, as arrays; lists are in the order of the matrices.

    Attributes
    ----------
    factors : ndarray of shape (n_patients, n_factors)
        Their posterior means.
    weights, variances : list of ndarray of shape (n_features, n_factors)
        Posterior means and variances.
    precisions : list of ndarray of shape (n_features,)
        Of the noise.
    bounds : ndarray
        The evidence lower bound where it was computed.
    converged : bool
    """

    factors: FloatArray
    weights: list[FloatArray]
    variances: list[FloatArray]
    precisions: list[FloatArray]
    bounds: FloatArray
    converged: bool


def train(matrices: Sequence[FloatArray], options: Options) -> Trained:
    """Fit the factor model.

    Parameters
    ----------
    matrices : sequence of ndarray of shape (n_patients, n_features)
        Columns with mean 0; NaN where a value is missing. They are not changed.
    options : Options

    Raises
    ------
    InputError
        If mofapy2 is not installed.
    RuntimeError
        If mofapy2 gave up, with the last line that it printed.
    """
    with _contained():
        entry = require("mofapy2.run.entry_point", extra="mofa", purpose="MOFA").entry_point()
        # mofapy2 centres and changes what it is given, hence the copy; the columns are centred.
        entry.set_data_options(center_groups=False)
        entry.set_data_matrix(
            [[matrix.copy()] for matrix in matrices], likelihoods=["gaussian"] * len(matrices)
        )
        entry.set_model_options(
            factors=options.n_factors,
            spikeslab_weights=options.sparse_weights,
            ard_weights=options.ard_weights,
        )
        entry.set_train_options(
            iter=options.max_iter,
            convergence_mode=options.convergence,
            freqELBO=BETWEEN_BOUNDS,
            seed=options.seed,
            quiet=True,
        )
        entry.build()
        # Not entry.run(): it turns a KeyboardInterrupt or a TypeError into sys.exit().
        entry.model.setTrainOptions(entry.train_opts)
        entry.model.iterate()
    if not entry.model.trained:  # mofapy2 swallows it
        raise KeyboardInterrupt
    return _read(entry.model, options)


def _read(model: Any, options: Options) -> Trained:
    weights = [
        (np.array(part["E"], dtype=float), np.array(part["E2"], dtype=float))
        for part in model.nodes["W"].getExpectations()
    ]
    bounds = np.asarray(model.train_stats["elbo"], dtype=float)
    return Trained(
        factors=np.array(model.nodes["Z"].getExpectations()["E"], dtype=float),
        weights=[mean for mean, _ in weights],
        variances=[(second - mean**2).clip(0) for mean, second in weights],
        precisions=[
            np.array(node.Q.getExpectations()["E"], dtype=float)[0]
            for node in model.nodes["Tau"].getNodes()
        ],
        bounds=bounds[np.isfinite(bounds)],
        converged=len(bounds) <= options.max_iter,
    )


@contextlib.contextmanager
def _contained() -> Iterator[None]:
    """Keep mofapy2's printing, warning filters, seeding and exits to itself.

    On import it silences all warnings of the process, and on building a model it seeds
    NumPy's global generator; both are put back. Where it gives up it prints a line and
    calls ``sys.exit``, which becomes a RuntimeError with that line.
    """
    state = np.random.get_state()  # noqa: NPY002 (the global one is what mofapy2 seeds)
    printed = io.StringIO()
    try:
        with (
            contextlib.redirect_stdout(printed),
            warnings.catch_warnings(),
            # The bound takes 0 log 0 of weights switched off, and puts 0 for it.
            np.errstate(divide="ignore", invalid="ignore", over="ignore"),
        ):
            yield
    except SystemExit as exit_:
        lines = printed.getvalue().strip().splitlines()
        raise RuntimeError(f"mofapy2 gave up: {lines[-1] if lines else 'no reason'}") from exit_
    finally:
        np.random.set_state(state)  # noqa: NPY002
