"""How far restarts agree."""

from __future__ import annotations

import numpy as np
import pytest

from consilience.fusion.numerics.restarts import consensus, cophenetic, dispersion


def test_consensus_is_the_share_of_restarts_together() -> None:
    together = consensus(np.array([[0, 0, 1], [1, 0, 0]]))
    np.testing.assert_allclose(together, [[1, 0.5, 0], [0.5, 1, 0.5], [0, 0.5, 1]])


def test_names_of_modules_are_of_no_account() -> None:
    first = np.array([0, 0, 1, 1, 2, 2])
    together = consensus(np.stack([first, 2 - first, (first + 1) % 3]))
    assert set(np.unique(together)) == {0.0, 1.0}
    assert cophenetic(together) == pytest.approx(1.0)
    assert dispersion(together) == 1.0


def test_chance_agrees_less() -> None:
    rng = np.random.default_rng(0)
    together = consensus(rng.integers(0, 3, size=(50, 40)))
    assert cophenetic(together) < 0.7
    assert dispersion(together) < 0.3
    half = np.full((3, 3), 0.5)
    assert dispersion(half) == 0.0


def test_where_there_is_one_module_all_agree() -> None:
    assert cophenetic(np.ones((4, 4))) == 1.0
    assert cophenetic(np.ones((1, 1))) == 1.0
