"""What is known about which features go together, as a penalty on a factorisation."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from consilience.cohort.modality import FloatArray
from consilience.errors import InputError, listing, suggestion

Names = Mapping[str, Sequence[str]]
Key = str | tuple[str, str]


def edges_between(graphs: Mapping[Key, Any], features: Names) -> sparse.csr_array:
    """Return one symmetric, degree-normalised graph over the features of all modalities.

    An edge of weight a between features of degree d and d' becomes a / √(d d'), so that
    a hub pulls no harder than others and weights of any scale will do.

    Parameters
    ----------
    graphs : mapping of str, or of pairs of str
        By modality the graph among its features, or by pair of modalities that between
        them; ``{"a": {"b": graph}}`` says the same as ``{("a", "b"): graph}``. A graph is a
        matrix (dense, sparse, or a DataFrame with the features' names on both sides) or a
        sequence of edges (feature, feature) or (feature, feature, weight). A matrix
        without names has the modality's features in their order. Named features that the
        modalities do not have are left out.
    features : mapping of str to sequence of str
        The features of each modality; they follow one another in the graph.

    Returns
    -------
    scipy.sparse.csr_array of shape (P, P)

    Raises
    ------
    InputError
        If a graph names no modality of the cohort or no feature of its, has the wrong
        shape, or an edge with a weight that is negative or not finite.
    """
    starts = dict(zip(features, np.cumsum([0, *map(len, features.values())]), strict=False))
    width = sum(map(len, features.values()))
    total: Any = sparse.csr_array((width, width))
    for key, graph in _one_by_one(graphs):
        left, right = _ends(key, features)
        where = f"the graph of {' and '.join(repr(name) for name in dict.fromkeys((left, right)))}"
        rows, columns, values = _edges(graph, features[left], features[right], where)
        _check(values, where)
        placed = (values, (rows + starts[left], columns + starts[right]))
        total = total + sparse.csr_array(placed, shape=(width, width))
    total = sparse.csr_array(total.maximum(total.T))
    total.setdiag(0.0)
    total.eliminate_zeros()
    degree: FloatArray = np.asarray(total.sum(axis=1), dtype=float).reshape(-1)
    if not degree.any():
        raise InputError("the graphs have no edge between two different features; leave them out.")
    factor = sparse.diags_array(1.0 / np.sqrt(np.where(degree > 0, degree, 1.0)))
    normalised = sparse.csr_array(factor @ total @ factor)
    normalised.sort_indices()
    return normalised


def _one_by_one(graphs: Mapping[Key, Any]) -> Iterator[tuple[Key, Any]]:
    for key, graph in graphs.items():
        if isinstance(graph, Mapping) and isinstance(key, str):
            yield from (((key, other), own) for other, own in graph.items())
        else:
            yield key, graph


def _ends(key: Key, features: Names) -> tuple[str, str]:
    ends = (key, key) if isinstance(key, str) else tuple(key)
    if len(ends) != 2:
        raise InputError(f"a graph belongs to a modality or to a pair of them, not to {key!r}.")
    for name in ends:
        if name not in features:
            raise InputError(
                f"graphs names {name!r}, which is no modality in use; there are "
                f"{listing(features)}.{suggestion(name, features)}"
            )
    return ends[0], ends[1]


def _edges(
    graph: Any, left: Sequence[str], right: Sequence[str], where: str
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], FloatArray]:
    """Return the positions of both ends, and the weight, of every edge."""
    if isinstance(graph, pd.DataFrame):
        known = graph.loc[graph.index.isin(left), graph.columns.isin(right)]
        if not known.size:
            raise InputError(f"{where} names no feature that is measured and varies.")
        weights = _numbers(known, where)
        rows, columns = np.nonzero(weights)
        at = (pd.Index(left).get_indexer(known.index), pd.Index(right).get_indexer(known.columns))
        return at[0][rows], at[1][columns], weights[rows, columns]
    if _is_matrix(graph):
        shape = tuple(graph.shape)
        if shape != (len(left), len(right)):
            raise InputError(
                f"{where} has shape {shape}, but {len(left)} × {len(right)} features are "
                "measured and vary; give a DataFrame with names, or a list of edges."
            )
        matrix: Any = sparse.coo_array(graph)
        return matrix.row, matrix.col, _numbers(matrix.data, where)
    return _named_edges(graph, left, right, where)


def _is_matrix(graph: Any) -> bool:
    return isinstance(graph, np.ndarray | sparse.sparray | sparse.spmatrix)


def _named_edges(
    graph: Any, left: Sequence[str], right: Sequence[str], where: str
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], FloatArray]:
    if not _is_edges(graph):
        raise InputError(
            f"{where} must be a DataFrame with features' names, a matrix, or a list of edges "
            f"(feature, feature), not {type(graph).__name__}."
        )
    edges = [tuple(edge) for edge in graph]
    for place, edge in enumerate(edges):
        if len(edge) not in (2, 3):
            raise InputError(
                f"{where}: edge {place} has {len(edge)} parts; give (feature, feature) or "
                "(feature, feature, weight)."
            )
    rows = pd.Index(left).get_indexer(pd.Index([edge[0] for edge in edges]))
    columns = pd.Index(right).get_indexer(pd.Index([edge[1] for edge in edges]))
    values = _numbers([edge[2] if len(edge) == 3 else 1.0 for edge in edges], where)
    known = (rows >= 0) & (columns >= 0)
    if not known.any():
        raise InputError(f"{where} names no two features that are measured and vary.")
    return rows[known], columns[known], values[known]


def _numbers(values: Any, where: str) -> FloatArray:
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError) as reason:
        raise InputError(f"{where} has a weight that is no number ({reason}).") from reason


def _is_edges(graph: Any) -> bool:
    """Return whether it is a list of lists; a name is no edge, though it has letters."""
    return isinstance(graph, Collection) and all(
        isinstance(edge, Collection) and not isinstance(edge, str | Mapping) for edge in graph
    )


def _check(values: FloatArray, where: str) -> None:
    wrong = values[~(np.isfinite(values) & (values >= 0))]
    if len(wrong):
        raise InputError(f"{where} has an edge of weight {wrong[0]}; weights must be 0 or more.")


def same_sign(
    edges: sparse.csr_array, feature: npt.NDArray[np.intp], sign: FloatArray
) -> sparse.csr_array:
    """Return a graph of features as one of columns, where a feature may have one for each sign.

    Columns of one sign are tied as their features are, columns of different signs are not.

    Parameters
    ----------
    edges : scipy.sparse.csr_array of shape (P, P)
    feature : ndarray of int, shape (n_columns,)
        The feature each column comes from.
    sign : ndarray of shape (n_columns,)
    """
    spread = sparse.coo_array(edges[feature][:, feature])
    agree = sign[spread.row] == sign[spread.col]
    kept = (spread.data[agree], (spread.row[agree], spread.col[agree]))
    found = sparse.csr_array(kept, shape=spread.shape)
    found.sort_indices()
    return found
