"""Every fusion method as a candidate: what the tables on real cohorts compare."""

from __future__ import annotations

from typing import Any

from consilience import fusion
from consilience.cohort import Outcome
from consilience.cohort.outcome import OutcomeKind
from consilience.fusion.base import Fusion
from consilience.fusion.tuned_fusion import TunedFusion
from consilience.study import Protocol
from consilience.study.candidates import Candidate, default_learner, usual_fusions

NAMES = {
    "BlockSparsePLSDA": "sparse PLS-DA",
    "BlockSparsePLS": "sparse PLS",
    "SparseCCA": "sparse CCA",
    "CanonicalCorrelation": "regularised CCA",
    "JointNMF": "joint NMF",
    "MultipleKernelLearning": "multiple kernels",
    "CooperativeLearning": "cooperative",
    "SimilarityNetworkFusion": "network fusion",
    "MOFA": "MOFA",
    "Subtypes": "subtypes",
}
# Measurements below 0 (z-scores, embeddings) are part of every cohort here.
OPTIONS: dict[str, dict[str, Any]] = {
    "JointNMF": {"negatives": "split"},
    "MOFA": {"n_factors": 10},  # mofapy2 takes most of the time: one number of factors
}


DEEP = {
    "IntermediateFusion": "intermediate",
    "MultimodalAutoencoder": "autoencoder",
    "MultimodalVAE": "VAE",
    "GraphFusion": "patient graphs",
    "FeatureGraphFusion": "feature graphs",
    "CrossModalTransformer": "transformer",
    "CoAttentionSurvival": "co-attention",
    "BilinearSurvival": "bilinear",
}


def deep(outcome: Outcome, members: int) -> list[Candidate]:
    """Return every deep method that learns such an outcome, as it is, in an ensemble."""
    found = []
    for name, label in DEEP.items():
        method: type[Fusion] = getattr(fusion, name)
        if outcome.kind in method.learns:
            model = method.for_outcome(outcome.kind, members=members)
            found.append(Candidate(label, model))
    return found


def statistical(outcome: Outcome, protocol: Protocol) -> list[Candidate]:
    """Return every statistical method that learns such an outcome, with its own grid."""
    found = []
    for name, label in NAMES.items():
        method: type[Fusion] = getattr(fusion, name)
        if outcome.kind in method.learns:
            found.append(Candidate(label, _model(method, outcome.kind, outcome, protocol)))
    return [*usual_fusions(outcome, protocol), *found]


def cooperative(outcome: Outcome, protocol: Protocol) -> Any:
    """Return cooperative learning as `statistical` has it."""
    return _model(fusion.CooperativeLearning, outcome.kind, outcome, protocol)


def _model(method: type[Fusion], kind: OutcomeKind, outcome: Outcome, protocol: Protocol) -> Any:
    options = dict(OPTIONS.get(method.__name__, {}))
    takes = method._get_param_names()
    if "learner" in takes:
        options["learner"] = default_learner(outcome, protocol)
    if "folds" in takes:
        options["folds"] = protocol.inner_folds
    model = method.for_outcome(kind, **options)
    grid = {key: values for key, values in method.grid.items() if key not in options}
    if not grid:
        return model
    return TunedFusion(model, grid, folds=protocol.inner_folds)
