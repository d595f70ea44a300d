import numpy as np
import pandas as pd
import pytest
from tests.laws.cohorts import gappy_cohort

from consilience.cohort import Cohort, Table
from consilience.cohort.bag import bag_of
from consilience.errors import InputError
from consilience.trust.hybrid import Hybrids, Player


def same(one: Cohort, other: Cohort) -> None:
    for name in other.modalities:
        np.testing.assert_array_equal(one.has(name), other.has(name))
        has = other.has(name)
        if not has.any():
            continue
        frames = [
            c.modalities[name].take(c.positions(name)[has]).frame.reset_index(drop=True)
            for c in (one, other)
        ]
        pd.testing.assert_frame_equal(*frames)


def test_all_of_the_patient_is_he_and_nothing_of_him_is_the_other():
    cohort, _ = gappy_cohort("binary")
    background = cohort[:20]
    everybody = np.arange(20)
    for place in range(20, 40):
        hybrids = Hybrids(cohort[[place]], background, list(cohort.modalities))
        shape = (20, len(hybrids.players))
        same(hybrids.cohort(np.zeros(shape, dtype=bool), everybody), background)
        himself = hybrids.cohort(np.ones(shape, dtype=bool), everybody)
        same(himself, cohort[np.full(20, place)])


def test_players_are_features_and_whether_a_modality_measured():
    cohort, _ = gappy_cohort("binary", nobody=0.0)
    full = cohort.complete()
    lacking = cohort[np.flatnonzero(~cohort.has("beta"))[:1]]
    own = Hybrids(full[[0]], full[1:], ["beta"])
    assert own.players == tuple(Player("beta", f"beta{i}") for i in range(4))
    partial = Hybrids(full[[0]], cohort, ["beta"])
    assert partial.players == (Player("beta", None), *own.players)
    for patient, background in ((lacking, full), (full[[0]], lacking)):
        assert Hybrids(patient, background, ["beta"]).players == (Player("beta", None),)
    assert Hybrids(lacking, lacking, ["beta"]).players == ()


def test_hybrids_with_bags_of_both_sides_are_parted():
    ids = ["a", "b", "c"]
    tiles = bag_of({name: np.full((2, 1), i) for i, name in enumerate(ids)})
    cohort = Cohort(pd.DataFrame(index=ids), {"tiles": tiles})
    hybrids = Hybrids(cohort[[0]], cohort[1:], ["tiles"])
    masks = np.array([[True], [False], [True]])
    parts = [part.tolist() for part in hybrids.sides(masks)]
    assert sorted(parts) == [[0, 2], [1]]
    for part in parts:
        built = hybrids.cohort(masks[part], np.array([0, 1, 1])[part])
        modality, positions = built.modalities["tiles"], built.positions("tiles")
        first = [float(modality.instances(int(i))[0, 0]) for i in positions]
        assert first == ([0.0, 0.0] if part == [0, 2] else [2.0])


def test_single_precision_stays_the_patients_own():
    frame = pd.DataFrame({"a": np.array([0.1, 0.2, 0.3], dtype=np.float32)}, index=list("xyz"))
    cohort = Cohort(pd.DataFrame(index=list("xyz")), {"t": Table(frame, kinds={"a": "continuous"})})
    hybrids = Hybrids(cohort[[0]], cohort[1:], ["t"])
    built = hybrids.cohort(np.ones((1, 1), dtype=bool), np.array([0]))
    assert built.modalities["t"].numeric.dtype == np.float32


def test_a_modality_of_two_kinds_is_refused():
    ids = ["a", "b"]
    bag = Cohort(pd.DataFrame(index=ids), {"m": bag_of({i: np.ones((1, 1)) for i in ids})})
    table = Cohort(
        pd.DataFrame(index=ids), {"m": Table(pd.DataFrame({"x": [1.0, 2.0]}, index=ids))}
    )
    with pytest.raises(InputError, match="'m' is of two kinds, 'Bag', 'Table'"):
        Hybrids(bag[[0]], table, ["m"])
