import numpy as np
import pytest
from tests.trust.asked import Formula, cohort_of, game_of, over_orders, worth

from consilience.trust.shapley import coalitions, exact_shapley, owen_values


def tangled(x: np.ndarray) -> np.ndarray:
    return (
        x[:, 0] * x[:, 1] + np.exp(x[:, 2]) * x[:, 3] - np.maximum(x[:, 0], x[:, 3]) + x[:, 4] ** 3
    )


WIDE = cohort_of(a=2, b=3)
MODEL = Formula(tangled, a=["a0", "a1"], b=["b0", "b1", "b2"])


def test_values_over_coalitions_are_those_over_all_orders():
    game = game_of(MODEL, WIDE)
    worths = np.array([worth(game, np.flatnonzero(own).tolist()) for own in coalitions(5)])
    found = exact_shapley(lambda masks: worths, 5)
    np.testing.assert_allclose(found, over_orders(game, grouped=False), atol=1e-12)


def test_owen_values_are_those_over_all_orders_of_modalities_and_of_features_in_them():
    game = game_of(MODEL, WIDE)
    found = owen_values(game, 0)
    assert found.sampled == {} and found.error == 0
    np.testing.assert_allclose(found.effects, over_orders(game, grouped=True), atol=1e-12)


def test_owen_is_shapley_where_every_modality_has_one_feature():
    one_each = cohort_of(a=1, b=1, c=1, d=1, e=1)
    model = Formula(tangled, **{name: [f"{name}0"] for name in "abcde"})
    game = game_of(model, one_each)
    np.testing.assert_allclose(
        owen_values(game, 0).effects, over_orders(game, grouped=False), atol=1e-12
    )


def test_paths_add_up_and_come_near_the_exact_values():
    exact = owen_values(game_of(MODEL, WIDE), 0)
    few = owen_values(game_of(MODEL, WIDE, budget=12), 0)
    many = owen_values(game_of(MODEL, WIDE, budget=170), 0)
    assert few.sampled == {"a": 6, "b": 4} and many.sampled["b"] == 56
    for sampled in (few, many):
        assert sampled.effects.sum() == pytest.approx(exact.effects.sum(), abs=1e-12)
        for own in (slice(0, 2), slice(2, 5)):  # modalities are exact
            assert sampled.effects[own].sum() == pytest.approx(exact.effects[own].sum(), abs=1e-12)
    apart = np.abs(many.effects - exact.effects).max()
    assert 0 < apart < 4 * many.error


def test_the_error_shrinks_as_the_paths_grow():
    errors = [owen_values(game_of(MODEL, WIDE, budget=b), 0).error for b in (24, 96, 170)]
    assert errors[0] > errors[-1]


def test_more_than_six_modalities_still_add_up():
    names = "abcdefgh"
    cohort = cohort_of(**dict.fromkeys(names, 2))
    model = Formula(
        lambda x: np.prod(1 + x[:, :5], axis=1) + x[:, 9] * x[:, 0],
        **{name: [f"{name}0", f"{name}1"] for name in names},
    )
    game = game_of(model, cohort)
    found = owen_values(game, 0)
    told = worth(game, list(range(16)))
    assert found.baseline + found.effects.sum() == pytest.approx(told, abs=1e-9)
    used = [0, 1, 2, 3, 4, 9]
    assert np.flatnonzero(found.effects).tolist() == used


def test_a_modality_that_no_path_moved_keeps_its_effect_as_a_whole():
    cohort = cohort_of(a=40, b=1)
    # Only the last patient of the background differs, and few paths start from him.
    value = cohort.modalities["a"].frame["a0"]
    rare = Formula(lambda x: 5.0 * (x[:, 0] == value.iloc[-1]), a=["a0"])
    found = owen_values(game_of(rare, cohort, budget=80), 1)
    total = found.effects.sum() + sum(found.unassigned.values())
    assert total == pytest.approx(-5 / 11, abs=1e-12)
    assert not found.effects[1:].any()
