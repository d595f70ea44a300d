"""Bags as arrays: standardised, ragged, and nothing dropped without being told."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from consilience.cohort import Bag, Cohort, bag_of
from consilience.errors import InputError, InputWarning
from consilience.nn.reading import Reader
from consilience.nn.sources import BagSource, Sources


def a_bag(seed: int = 0, counts: tuple[int, ...] = (4, 1, 9, 30)) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    scale, mean = np.array([1.0, 100.0, 1e-3]), np.array([0.0, 1e4, 5.0])
    return {f"p{i}": rng.normal(size=(k, 3)) * scale + mean for i, k in enumerate(counts)}


def everyone(bag: Bag) -> np.ndarray:
    return np.arange(len(bag))


def test_all_instances_together_have_mean_0_and_variance_1() -> None:
    bag = bag_of(a_bag())
    reading = BagSource().fit(bag).read(bag, everyone(bag))
    instances = reading.arrays["instances"]
    assert instances.dtype == np.float32
    np.testing.assert_allclose(instances.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(instances.std(axis=0), 1, atol=1e-5)
    assert list(reading.counts) == [4, 1, 9, 30]


def test_a_patient_reads_the_same_alone() -> None:
    bag = bag_of(a_bag())
    source = BagSource().fit(bag)
    whole = source.read(bag, everyone(bag)).arrays["instances"]
    alone = [source.read(bag, np.array([i])).arrays["instances"] for i in range(len(bag))]
    np.testing.assert_array_equal(np.concatenate(alone), whole)


def test_features_are_found_by_name() -> None:
    patients = a_bag()
    bag = bag_of(patients, features=["c", "a", "b"])
    turned = bag_of({p: x[:, [2, 1, 0, 0]] for p, x in patients.items()}, features=[*"bacz"])
    source = BagSource().fit(bag)
    assert source.features_ == ("a", "b", "c")
    np.testing.assert_array_equal(
        source.read(bag, everyone(bag)).arrays["instances"],
        source.read(turned, everyone(bag)).arrays["instances"],
    )


def test_a_missing_feature_is_refused_by_name() -> None:
    bag = bag_of(a_bag(), features=["c", "a", "b"])
    fewer = bag_of({p: x[:, :2] for p, x in a_bag().items()}, features=["c", "a"])
    with pytest.raises(InputError, match="'b'"):
        BagSource().fit(bag).read(fewer, everyone(bag))


def test_gaps_are_means_and_instances_without_any_value_are_left_out() -> None:
    patients = a_bag()
    patients["p0"][1] = np.nan
    patients["p0"][2, 0] = np.inf
    bag = bag_of(patients)
    source = BagSource().fit(bag)
    reading = source.read(bag, np.array([0, 1]))
    assert list(reading.counts) == [3, 1]
    assert list(reading.arrays["place"]) == [0, 2, 3, 0]
    assert reading.arrays["instances"][1, 0] == 0
    assert np.isfinite(reading.arrays["instances"]).all()
    known = np.concatenate(list(patients.values()))
    np.testing.assert_allclose(source.mean_[1], np.nanmean(known[:, 1]))


def test_a_feature_that_nobody_has_and_one_that_never_varies() -> None:
    patients = a_bag()
    for own in patients.values():
        own[:, 0], own[:, 1] = np.nan, 7.0
    bag = bag_of(patients)
    source = BagSource().fit(bag)
    assert source.features_ == ("1", "2")
    assert (source.read(bag, everyone(bag)).arrays["instances"][:, 0] == 0).all()


def test_a_bag_left_without_instances_is_named_once_and_counts_as_missing() -> None:
    patients = a_bag()
    patients["p2"][:] = np.nan
    patients["p0"][0] = np.nan
    cohort = Cohort(pd.DataFrame(index=list(patients)), {"tiles": bag_of(patients)})
    reader = Reader(Sources(["tiles"]).fit(cohort), cohort)
    said = "'tiles': 10 instances have no value .*, of 'p0', 'p2'; 1 patient is left .* 'p2'"
    with pytest.warns(InputWarning, match=said) as told:
        informed = reader.informed()
    assert len(told) == 1
    assert list(informed) == [True, True, False, True]
    part = reader.batch(np.arange(4)).parts["tiles"]
    assert part.rows.tolist() == [0, 1, 3]
    assert np.bincount(part.owner.numpy()).tolist() == [3, 1, 30]


def test_means_of_many_instances_are_those_of_a_sample_of_each_patient(monkeypatch) -> None:
    monkeypatch.setattr("consilience.nn.sources.bag.SAMPLE_INSTANCES", 40)
    patients = a_bag(counts=(2000, 10))
    patients["p0"][:] = 0.0
    patients["p1"][:] = 1.0
    source = BagSource().fit(bag_of(patients))
    np.testing.assert_allclose(source.mean_, 10 / 30)  # 20 of the first, all 10 of the second


def test_moments_of_pieces_are_those_of_the_whole() -> None:
    from consilience.nn.sources.moments import Moments

    rng = np.random.default_rng(0)
    rows = rng.normal(1e6, 1.0, size=(500, 4))
    rows[rng.random(rows.shape) < 0.3] = np.nan
    moments = Moments(4)
    for piece in np.split(rows, [7, 8, 300]):
        moments.add(piece)
    np.testing.assert_allclose(moments.mean, np.nanmean(rows, axis=0), rtol=1e-13)
    np.testing.assert_allclose(moments.scale(), np.nanstd(rows, axis=0), rtol=1e-9)


def test_sizes_are_the_bytes_of_the_arrays() -> None:
    bag = bag_of(a_bag())
    source = BagSource().fit(bag)
    reading = source.read(bag, everyone(bag))
    assert source.sizes(bag, everyone(bag)).sum() == reading.arrays["instances"].nbytes
