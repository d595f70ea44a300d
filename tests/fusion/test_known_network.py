"""A user's network of features: how it is read, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from consilience.errors import InputError
from consilience.fusion.known_network import KnownNetwork

FEATURES = {"rna": ["TP53", "KRAS", "EGFR"], "protein": ["TP53", "AKT1"]}


def dense(known: KnownNetwork) -> np.ndarray:
    return sparse.coo_array((known.values_, (known.rows_, known.columns_)), (5, 5)).toarray()


def test_an_edge_ties_features_by_their_names_in_every_modality():
    matrix = dense(KnownNetwork().fit([("TP53", "KRAS")], FEATURES))
    # TP53 of both modalities, with KRAS.
    assert set(zip(*np.nonzero(np.triu(matrix + matrix.T)), strict=True)) == {(0, 1), (1, 3)}
    np.testing.assert_allclose(matrix, matrix.T)
    # KRAS has the degree 2, the others 1.
    assert matrix[0, 1] == pytest.approx(1 / np.sqrt(2))


def test_weights_count():
    matrix = dense(KnownNetwork().fit([("KRAS", "EGFR", 3.0), ("KRAS", "AKT1", 1.0)], FEATURES))
    assert matrix[1, 2] == pytest.approx(3 / np.sqrt(4 * 3))
    assert matrix[1, 4] == pytest.approx(1 / np.sqrt(4 * 1))


def test_file_table_list_and_mapping_say_the_same(tmp_path):
    edges = [("KRAS", "EGFR", 3.0), ("KRAS", "AKT1", 1.0)]
    frame = pd.DataFrame(edges, columns=["a", "b", "weight"])
    frame.to_csv(tmp_path / "net.csv", index=False)
    by_modality = {"rna": edges[:1], ("rna", "protein"): edges[1:]}
    for network in (frame, str(tmp_path / "net.csv"), tmp_path / "net.csv", by_modality):
        np.testing.assert_allclose(
            dense(KnownNetwork().fit(network, FEATURES)),
            dense(KnownNetwork().fit(edges, FEATURES)),
        )


def test_names_nobody_measured_are_kept_for_the_report():
    known = KnownNetwork().fit([("KRAS", "EGFR"), ("KRAS", "MYC"), ("MAX", "MYC")], FEATURES)
    assert known.unmatched_ == ["MAX", "MYC"]
    assert (dense(known) != 0).sum() == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\nKRAS,EGFR\nKRAS,\n", r"'net.csv': row 3 lacks a feature"),
        (
            "a,b,w\nKRAS,EGFR,1\nTP53,AKT1,much\n",
            r"row 3, 'TP53' and 'AKT1', has the weight 'much'",
        ),
        ("a,b,w\nKRAS,EGFR,-1\n", r"row 2, 'KRAS' and 'EGFR', has the weight '-1'"),
        ("a\nKRAS\n", r"'net.csv' has 1 columns"),
        ("a,b\n", r"'net.csv' has no edge"),
        ("", r"'net.csv' cannot be read"),
        ("KRAS,EGFR\nTP53,AKT1\n", r"first row, KRAS, EGFR, names two features.*header"),
        ("a,b\nkras,egfr\n", r"'net.csv' ties no two features.*Did you mean 'EGFR'"),
    ],
)
def test_a_file_that_is_no_network_is_refused_by_row_and_feature(tmp_path, text, words):
    (tmp_path / "net.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        KnownNetwork().fit(tmp_path / "net.csv", FEATURES)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ("nowhere.csv", "no such file"),
        (7, "network must be a file"),
        ([("KRAS",)], "edge 0"),
        (["KRAS"], "edge 0"),
        ([("KRAS", "EGFR"), ("KRAS", None)], "edge 1 lacks a feature"),
        ([("KRAS", "EGFR", np.inf)], "edge 0, 'KRAS' and 'EGFR', has the weight 'inf'"),
        ({"rnaa": [("KRAS", "EGFR")]}, "Did you mean 'rna'"),
    ],
)
def test_what_is_no_network_is_refused(network, words):
    with pytest.raises(InputError, match=words):
        KnownNetwork().fit(network, FEATURES)
