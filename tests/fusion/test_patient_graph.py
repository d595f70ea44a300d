"""Graphs of patients: the threshold, the weights and the normalisation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from consilience.fusion import patient_graph
from consilience.fusion.patient_graph import LEAST, PatientGraph, threshold


def drawn(n: int = 60, d: int = 12, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(2.0, 1.5, (n, d)).astype(np.float32)


def dense(graph: PatientGraph) -> np.ndarray:
    n = len(graph.nodes_)
    return sparse.coo_array((graph.values_, (graph.rows_, graph.columns_)), (n, n)).toarray()


def cosines(values: np.ndarray) -> np.ndarray:
    scaled = (values - values.mean(axis=0)) / values.std(axis=0)
    lengths = np.linalg.norm(scaled, axis=1)
    return scaled @ scaled.T / np.outer(lengths, lengths)


@pytest.mark.parametrize("neighbours", [1, 4, 10])
def test_patients_have_the_neighbours_asked_for_on_average(neighbours):
    graph = PatientGraph(neighbours).fit(drawn())
    # Every pair counts for two patients, so that an odd number of ends cannot be met.
    assert graph.average_degree == pytest.approx(neighbours, abs=2 / 60)


def test_the_adjacency_is_that_of_kipf_and_welling():
    values = drawn().astype(float)
    graph = PatientGraph(6).fit(values)
    alike = cosines(values)
    loose = np.where(alike >= graph.threshold_, alike, 0.0)
    np.fill_diagonal(loose, 1.0)
    half = np.diag(loose.sum(axis=1) ** -0.5)
    np.testing.assert_allclose(dense(graph), half @ loose @ half, atol=1e-5)
    np.testing.assert_allclose(graph.degree_, loose.sum(axis=1), rtol=1e-5)


def test_its_greatest_eigenvalue_is_one():
    values, vectors = np.linalg.eigh(dense(PatientGraph(6).fit(drawn())))
    assert values[-1] == pytest.approx(1.0, abs=1e-5)
    assert values[0] > -1.0


def test_the_threshold_lies_between_two_similarities():
    values = drawn()
    graph = PatientGraph(5).fit(values)
    pairs = np.sort(cosines(values.astype(float))[np.triu_indices(60, 1)])[::-1]
    inside, outside = pairs[5 * 60 // 2 - 1], pairs[5 * 60 // 2]
    assert graph.threshold_ == pytest.approx((inside + outside) / 2, abs=1e-5)


def test_reading_rows_in_parts_changes_nothing(monkeypatch):
    units = PatientGraph().fit(drawn(100)).units()
    whole = threshold(units, 7)
    monkeypatch.setattr(patient_graph, "AT_ONCE", 13)
    assert threshold(units, 7) == pytest.approx(whole, abs=1e-12)
    parts = PatientGraph(7).fit(drawn(100))
    monkeypatch.undo()
    np.testing.assert_allclose(dense(parts), dense(PatientGraph(7).fit(drawn(100))), atol=1e-6)


def test_pairs_equally_alike_are_all_in_or_all_out():
    levels = np.repeat(np.eye(4, dtype=np.float32), 5, axis=0)  # four groups of five equals
    own = levels + np.float32(1e-3) * drawn(20, 4)
    graph = PatientGraph(2).fit(np.hstack([levels, levels]))
    assert graph.average_degree == 0  # equals cannot be told apart: the loop says it already
    assert 0 < PatientGraph(2).fit(own).average_degree < 4.1
    assert (graph.threshold_ > 0) and (graph.threshold_ < 1)


def test_nobody_is_joined_to_who_is_unlike_him():
    graph = PatientGraph(1000).fit(drawn(30))
    alike = cosines(drawn(30).astype(float))[np.triu_indices(30, 1)]
    assert 0 < graph.threshold_ < alike[alike > 0].min()
    assert graph.average_degree == pytest.approx(2 * (alike > 0).sum() / 30)


def test_who_is_average_in_all_has_no_neighbours():
    values = drawn(21)
    values[20] = values[:20].mean(axis=0)
    graph = PatientGraph(1000).fit(values)
    assert graph.threshold_ >= LEAST
    assert np.isfinite(graph.values_).all()


def test_principal_components_ignore_what_is_small():
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1, 2], 20)
    values = 3.0 * np.eye(3)[group] @ rng.normal(size=(3, 200)) + rng.normal(0, 3.0, (60, 200))

    def own(graph: PatientGraph) -> float:
        apart = graph.rows_ != graph.columns_
        return float((group[graph.rows_] == group[graph.columns_])[apart].mean())

    assert own(PatientGraph(8, 2).fit(values)) >= own(PatientGraph(8).fit(values))
    assert PatientGraph(8, 2).fit(values).units().shape == (60, 2)


def test_a_rare_level_does_not_outweigh_all_else():
    values = np.hstack([drawn(200, 8), np.zeros((200, 1), dtype=np.float32)])
    values[3, -1] = 1.0
    graph = PatientGraph().fit(values)
    half = 0.5 * np.median(values.std(axis=0))
    assert graph.nodes_[3, -1] == pytest.approx((1 - 1 / 200) / half, rel=1e-4)  # 1.4, not 14
    assert graph.nodes_[:, :8].std(axis=0) == pytest.approx(np.ones(8), rel=1e-4)
