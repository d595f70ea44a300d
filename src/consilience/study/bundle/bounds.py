"""Models whose numbers are out of bounds: compiled code would follow them out of memory.

A node of a decision tree says which child and which feature comes next, and neither
scikit-learn nor skops checks it. A forged file could so read, and in gradient boosting
write, where it should not. What is checked here: trees (of forests, boosting, survival),
histogram gradient boosting, and the arrays that libsvm is handed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sklearn.ensemble._forest import BaseForest
from sklearn.ensemble._gb import BaseGradientBoosting
from sklearn.ensemble._hist_gradient_boosting.gradient_boosting import BaseHistGradientBoosting
from sklearn.svm._base import BaseLibSVM
from sklearn.tree._tree import Tree

from consilience.study.bundle.audit import Refused


def check_bounds(model: Any) -> None:
    """Refuse a model that compiled code cannot safely predict with.

    Raises
    ------
    Refused
        With the reason.
    """
    for part in parts_of(model):
        _check_names(part)
        for (kind, fitted), check in _CHECKS.items():
            if isinstance(part, kind) and hasattr(part, fitted):
                check(part)
        if isinstance(getattr(part, "tree_", None), Tree):
            _demand(part.tree_.n_features == part.n_features_in_, "a tree over other features")


def parts_of(model: Any) -> Iterator[Any]:
    """Yield the model and every object in it, each once."""
    stack, seen = [model], {id(model)}
    while stack:
        item = stack.pop()
        inside = list(_inside(item))
        if isinstance(item, Tree) or (hasattr(item, "__dict__") and not _is_code(item)):
            yield item
        fresh = [part for part in inside if id(part) not in seen]
        seen.update(id(part) for part in fresh)
        stack += fresh


def _inside(item: Any) -> Iterator[Any]:
    if isinstance(item, dict):
        yield from item.values()
    elif isinstance(item, list | tuple):
        yield from item
    elif isinstance(item, np.ndarray):
        yield from item.ravel() if item.dtype == object else ()
    elif not _is_code(item):
        yield from getattr(item, "__dict__", {}).values()


def _is_code(item: Any) -> bool:
    return isinstance(item, type) or inspect.isroutine(item)


def _check_names(part: Any) -> None:
    """Refuse an attribute put in a method's place."""
    for name in getattr(part, "__dict__", ()):
        method = getattr(type(part), name, None)
        _demand(not inspect.isroutine(method), f"something else in the place of {name!r}")


def _check_tree(tree: Tree) -> None:
    # First of all, for the arrays below are read as far as node_count.
    _demand(0 < tree.node_count <= tree.capacity, "a tree with more nodes than it has")
    left, right, feature = tree.children_left, tree.children_right, tree.feature
    here = np.arange(tree.node_count)
    inner = left != -1
    # A child always comes after its parent, so that no walk goes in circles.
    forward = (left > here) & (right > here) & (left < len(here)) & (right < len(here))
    known = (feature >= 0) & (feature < tree.n_features)
    _demand(bool((forward & known)[inner].all()), "a tree whose branches lead out of it")


def _check_forest(forest: Any) -> None:
    _check_same_width(forest, forest.estimators_)


def _check_boosting(model: Any) -> None:
    stages = model.estimators_
    _demand(isinstance(stages, np.ndarray) and stages.ndim == 2, "stages that are no table")
    _check_same_width(model, stages.ravel())
    for tree in stages.ravel():
        _demand(isinstance(tree.tree_, Tree), "a stage that is no tree")
        _demand(tree.tree_.n_outputs == tree.tree_.max_n_classes == 1, "a stage of many outputs")
    start = model._raw_predict_init(np.zeros((1, model.n_features_in_), dtype=np.float32))
    _demand(start.shape[1] == stages.shape[1], "more stages than outputs")


def _check_same_width(model: Any, members: Any) -> None:
    same = all(member.n_features_in_ == model.n_features_in_ for member in members)
    _demand(len(members) > 0 and same, "members over other features")


def _check_histogram(model: Any) -> None:
    _demand(model._n_features == model.n_features_in_, "a count of features that is not one")
    categories = getattr(model._bin_mapper, "is_categorical_", np.zeros(0))
    _demand(not np.any(categories), "categories of its own; encode them as numbers before it")
    for predictor in (one for stage in model._predictors for one in stage):
        nodes = predictor.nodes
        here = np.arange(len(nodes))
        left, right, feature = (nodes[f].astype(np.int64) for f in ("left", "right", "feature_idx"))
        inner = nodes["is_leaf"] == 0
        forward = (left > here) & (right > here) & (left < len(here)) & (right < len(here))
        known = (feature >= 0) & (feature < model.n_features_in_) & (nodes["is_categorical"] == 0)
        _demand(len(nodes) > 0, "a tree without nodes")
        _demand(bool((forward & known)[inner].all()), "a tree whose branches lead out of it")


def _check_libsvm(model: Any) -> None:
    vectors, count = model.support_vectors_, len(model.support_)
    groups = len(model._n_support)
    pairs = groups * (groups - 1) // 2 if hasattr(model, "classes_") else 1
    rows = groups - 1 if hasattr(model, "classes_") else 1
    _demand(not model._sparse, "sparse support vectors")
    _demand(vectors.shape == (count, model.n_features_in_), "support vectors of another shape")
    _demand(model._dual_coef_.shape == (rows, count), "support vectors without weights")
    _demand(len(model._intercept_) == pairs, "too few intercepts")
    regression = not hasattr(model, "classes_")
    if not regression:
        whole = bool((model._n_support >= 0).all()) and int(model._n_support.sum()) == count
        _demand(whole and groups == len(model.classes_), "classes without support vectors")
    probabilities = {len(model._probA), len(model._probB)}
    _demand(probabilities <= {0, pairs}, "too few numbers for probabilities")


def _demand(holds: bool, what: str) -> None:
    if not holds:
        raise Refused(f"holds {what}")


# By type and the attribute without which it is not fitted and cannot predict.
_CHECKS: dict[tuple[type, str], Callable[[Any], None]] = {
    (Tree, "node_count"): _check_tree,
    (BaseForest, "estimators_"): _check_forest,
    (BaseGradientBoosting, "estimators_"): _check_boosting,
    (BaseHistGradientBoosting, "_predictors"): _check_histogram,
    (BaseLibSVM, "support_vectors_"): _check_libsvm,
}
