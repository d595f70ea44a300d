"""Graphs of features: every form says the same, and what does not fit is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from consilience.errors import InputError
from consilience.fusion.numerics.feature_graph import edges_between, same_sign

FEATURES = {"rna": ["a", "b", "c"], "mirna": ["x", "y"]}
MATRIX = np.array([[0.0, 2.0, 0.0], [2.0, 0.0, 1.0], [0.0, 1.0, 0.0]])


def dense(graphs) -> np.ndarray:
    return edges_between(graphs, FEATURES).toarray()


@pytest.mark.parametrize(
    "graph",
    [
        MATRIX,
        np.triu(MATRIX),  # one direction is enough
        sparse.csr_array(MATRIX),
        MATRIX + 5 * np.eye(3),  # a feature is not its own neighbour
        pd.DataFrame(MATRIX, index=list("abc"), columns=list("abc")).iloc[::-1],
        pd.DataFrame(np.pad(MATRIX, (0, 1), constant_values=9), list("abcz"), list("abcz")),
        [("a", "b", 2.0), ("b", "c")],
        [("b", "a", 2.0), ("c", "b", 1), ("b", "unmeasured", 7.0)],
    ],
)
def test_every_form_is_the_same_graph(graph) -> None:
    degree = MATRIX.sum(axis=0)
    expected = np.zeros((5, 5))
    expected[:3, :3] = MATRIX / np.sqrt(np.outer(degree, degree))
    np.testing.assert_allclose(dense({"rna": graph}), expected, atol=1e-15)


def test_a_pair_of_modalities_is_tied_both_ways() -> None:
    found = dense({("mirna", "rna"): [("x", "a"), ("x", "b"), ("y", "gone")]})
    assert found[3, 0] == found[0, 3] == pytest.approx(1 / np.sqrt(2))
    assert np.count_nonzero(found) == 4


def test_a_pair_may_be_written_as_a_mapping_in_a_mapping() -> None:
    edges = [("x", "a"), ("x", "b")]
    np.testing.assert_array_equal(
        dense({("mirna", "rna"): edges, "rna": MATRIX}),
        dense({"mirna": {"rna": edges}, "rna": MATRIX}),
    )


def test_scale_of_the_weights_is_of_no_account() -> None:
    np.testing.assert_allclose(dense({"rna": MATRIX}), dense({"rna": 1000 * MATRIX}))


def test_columns_of_one_feature_are_tied_by_sign() -> None:
    edges = edges_between({"rna": [("a", "b")]}, {"rna": ["a", "b"]})
    feature, sign = np.array([0, 1, 0, 1]), np.array([1.0, 1.0, -1.0, -1.0])
    expected = np.kron(np.eye(2), [[0, 1], [1, 0]])
    np.testing.assert_array_equal(same_sign(edges, feature, sign).toarray(), expected)


@pytest.mark.parametrize(
    ("graphs", "said"),
    [
        ({"rnaa": MATRIX}, "graphs names 'rnaa', .* Did you mean 'rna'"),
        ({("rna", "mirna", "x"): MATRIX}, "to a modality or to a pair"),
        ({"mirna": MATRIX}, r"the graph of 'mirna' has shape \(3, 3\), but 2 × 2 features"),
        ({("rna", "mirna"): MATRIX}, r"'rna' and 'mirna' has shape \(3, 3\), but 3 × 2"),
        ({"rna": -MATRIX}, "an edge of weight -2.0; weights must be 0 or more"),
        ({"rna": MATRIX * np.nan}, "an edge of weight nan"),
        ({"rna": np.eye(3)}, "no edge between two different features"),
        ({"rna": [("a", "b", 1, 2)]}, "edge 0 has 4 parts"),
        ({"rna": 0.3}, "must be a DataFrame with features' names, a matrix, or a list of edges"),
        ({"rna": ["ab"]}, "a list of edges .feature, feature., not list"),
        ({"rna": [("a", "b", "strong")]}, "a weight that is no number"),
        ({"rna": pd.DataFrame([["x"]], ["a"], ["b"])}, "a weight that is no number"),
        ({"rna": [("q", "r")]}, "names no two features"),
        ({"rna": pd.DataFrame(MATRIX, list("qrs"), list("qrs"))}, "names no feature"),
    ],
)
def test_what_does_not_fit(graphs, said) -> None:
    with pytest.raises(InputError, match=said):
        dense(graphs)
