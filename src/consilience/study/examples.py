"""Every fusion method as a candidate in `study.toml`, to be uncommented."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from consilience.cohort.outcome import OutcomeKind
from consilience.fusion import EarlyFusion, LateFusion, SingleModality, StackedFusion
from consilience.fusion.base import Fusion
from consilience.fusion.deep import DeepFusion
from consilience.study.declaring import USUAL_LEARNER, methods
from consilience.study.described import summary
from consilience.study.toml_text import to_toml

DRAFTED = (EarlyFusion, LateFusion, SingleModality, StackedFusion)  # a draft has them anyway

OPTIONS: Mapping[str, str] = {
    "CooperativeLearning": 'choice = "1se"   # the sparsest model within one standard error',
    "JointNMF": 'negatives = "split"   # where 0 is a middle; "centre" for logged expression',
    "MultipleKernelLearning": 'kernels = "linear"   # or "rbf"; or { rna = "rbf", ... } by source',
    "SparseCCA": "n_components = 3   # how many pairs of sums of features",
    "Subtypes": 'embedding = "SimilarityNetworkFusion"   # or { method = "MOFA", n_factors = 4 }',
}
"""A setting worth knowing, where the usual one often does not fit."""

MEMBERS = "members = 3"
TRAINING = "training = { max_epochs = 100 }"


def examples(kind: OutcomeKind) -> list[str]:
    """Return the lines of a commented example for each method that learns such an outcome."""
    known = {
        name: method
        for name, method in methods().items()
        if kind in method.learns and method not in DRAFTED
    }
    if not known:
        return []
    head = [
        "# More methods, each as a candidate: take away the signs # of those you want. Those with",
        "# `training` are networks: they need pip install 'consilience[deep]'. What each",
        "# finds (pairs, modules, weights, subtypes) is shown in the report.",
        "",
    ]
    return head + [line for name, method in known.items() for line in _example(name, method)]


def _example(name: str, method: type[Fusion]) -> list[str]:
    lines = [f"# # {line}" for line in textwrap.wrap(summary(name), 94)]
    lines += ["# [[candidates]]", f"# name = {to_toml(name)}", f"# method = {to_toml(name)}"]
    if "learner" in method._get_param_names():
        lines.append(f"# learner = {to_toml(USUAL_LEARNER)}")
    told = OPTIONS.get(name, _of_a_network(method))
    if told:
        setting, _, why = told.partition("   # ")
        lines.append(f"# options = {{ {setting} }}   # {why}")
    free = {key: values for key, values in method.grid.items() if None not in values}
    if free:
        lines.append(f"# grid = {to_toml(free)}")
    return [*lines, ""]


def _of_a_network(method: type[Fusion]) -> str:
    """Return what is worth setting of a deep method; "" of another."""
    if not issubclass(method, DeepFusion):
        return ""
    if "members" not in method._get_param_names():
        return f"{TRAINING}   # passes at most"
    return f"{MEMBERS}, {TRAINING}   # networks that vote; passes at most"
