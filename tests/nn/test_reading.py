"""From a cohort to batches: everybody once, in the seed's order, as the source reads."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.nn.small_network import cohort_of, reader_of, with_bag

from consilience.cohort import Bag
from consilience.errors import InputWarning
from consilience.nn.reading import Reader, chunks
from consilience.nn.sources import BagSource, Sources


@pytest.fixture(scope="module")
def bagged():
    return with_bag(50)


def test_a_batch_is_what_the_source_reads(bagged):
    cohort, y = bagged
    reader = reader_of(cohort, y)
    rows = np.array([7, 3, 20, 21])
    batch = reader.batch(rows)
    for name, part in batch.parts.items():
        has = cohort.has(name)[rows]
        np.testing.assert_array_equal(part.rows, np.flatnonzero(has))
        reading = reader.sources.read(name, cohort, rows[has])
        for key, array in reading.arrays.items():
            np.testing.assert_array_equal(part.arrays[key], array)
        if reading.counts is not None:
            owner = np.repeat(np.arange(has.sum()), reading.counts)
            np.testing.assert_array_equal(part.owner, owner)
    np.testing.assert_array_equal(batch.targets["label"], y[rows])
    np.testing.assert_array_equal(batch.patients, rows)
    np.testing.assert_array_equal(
        batch.present(), np.column_stack([cohort.has(n)[rows] for n in batch.parts])
    )


def test_a_bag_held_in_memory_is_the_same_as_one_that_streams(bagged, monkeypatch):
    cohort, y = bagged
    streamed = reader_of(cohort, y)
    monkeypatch.setattr(BagSource, "streams", False)
    held = Reader(streamed.sources, cohort)
    assert not held.streams
    for rows in chunks(np.arange(50), 9, seed=3):
        one, other = streamed.batch(rows).parts["slide"], held.batch(rows).parts["slide"]
        assert torch.equal(one.rows, other.rows) and torch.equal(one.owner, other.owner)
        for key in one.arrays:
            assert torch.equal(one.arrays[key], other.arrays[key])


def test_some_of_a_readers_patients_are_not_read_again(bagged, monkeypatch):
    cohort, y = bagged
    reader = reader_of(cohort, y)
    informed = reader.informed()
    rows = np.array([9, 2, 30, 31, 8])
    again = reader_of(cohort[rows], y[rows]).batch(np.array([4, 1]))
    monkeypatch.setattr(BagSource, "survey", None)
    part = reader.of(rows, {"label": y[rows]})
    np.testing.assert_array_equal(part.informed(), informed[rows])
    batch = part.batch(np.array([4, 1]))
    assert batch.patients.tolist() == [4, 1] and len(part) == 5
    assert torch.equal(batch.targets["label"], torch.as_tensor(y[rows][[4, 1]]))
    whole = reader.batch(rows[[4, 1]])
    for name in whole.parts:
        for key, array in whole.parts[name].arrays.items():
            assert torch.equal(batch.parts[name].arrays[key], array)
    assert again.size == 2


def test_everybody_comes_once_in_an_order_of_the_seed():
    rows = np.arange(3, 50)
    one, same, other = (chunks(rows, 10, seed) for seed in (1, 1, 2))
    assert [c.tolist() for c in one] == [c.tolist() for c in same]
    assert [c.tolist() for c in one] != [c.tolist() for c in other]
    assert sorted(np.concatenate(one)) == rows.tolist()
    assert {len(c) for c in one} <= {9, 10}
    assert np.concatenate(chunks(rows, 10)).tolist() == rows.tolist()


def test_portions_keep_to_their_bytes(bagged):
    reader = reader_of(*bagged)
    rows = np.arange(50)
    sizes = np.zeros(50, dtype=int)
    has = np.flatnonzero(bagged[0].has("slide"))
    sizes[has] = reader.sources.sizes("slide", bagged[0], has)
    most = int(sizes.max()) * 2
    portions = reader.portions(rows, 10, most)
    assert np.concatenate(portions).tolist() == rows.tolist()
    assert all(len(p) <= 10 and (sizes[p].sum() <= most or len(p) == 1) for p in portions)
    assert [len(p) for p in reader.portions(rows, 10, 1)] == [1] * 50 or sizes.min() == 0
    tables = reader_of(*cohort_of(50))
    assert [len(p) for p in tables.portions(rows, 20, 1)] == [20, 20, 10]


def test_a_batch_without_anybody_of_a_modality_has_an_empty_part(bagged):
    cohort, y = bagged
    lacking = np.flatnonzero(~cohort.has("slide"))
    part = reader_of(cohort, y).batch(lacking).parts["slide"]
    assert len(part) == 0 and part.arrays == {}
    alone = cohort.only(["m1"])
    reader = Reader(Sources(["m1", "slide"]).fit(cohort), alone)
    assert len(reader.batch(np.arange(5)).parts["slide"]) == 0


def test_what_cannot_be_used_is_told_once_and_treated_as_missing():
    cohort, y = with_bag(20)
    bag = cohort.modalities["slide"]
    instances = [bag.instances(i).copy() for i in range(len(bag))]
    instances[2][:] = np.nan
    spoilt = Bag(bag.index, np.concatenate(instances), [len(i) for i in instances])
    cohort = cohort.only(["m1"]).with_modality("slide", spoilt)
    reader = reader_of(cohort, y)
    with pytest.warns(InputWarning, match="'slide'") as caught:
        alone = Reader(reader.sources, cohort.only(["slide"])).informed()
    assert len(caught) == 1
    assert alone.sum() == len(bag) - 1
