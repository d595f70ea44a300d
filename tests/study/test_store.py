"""Results are written whole, found again, and never mixed with another study's."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from consilience.errors import InputError
from consilience.study.store import Store, write_atomically

FRAME = pd.DataFrame({"patient": ["a", "b"], "value": [0.1, float("nan")]})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "out")
    made.begin({"data": "abc"}, resume=False)
    return made


def test_a_result_is_read_back_as_it_was_written(store: Store) -> None:
    store.write("early r0-f1", FRAME, {"seconds": 1.5})
    frame, notes = store.read("early r0-f1")
    pd.testing.assert_frame_equal(frame, FRAME, check_flags=False)
    assert notes == {"seconds": 1.5}


def test_a_failure_is_kept_but_counts_as_not_done(store: Store) -> None:
    store.write("early r0-f1", pd.DataFrame(), {"failed": "it broke"})
    assert not store.has("early r0-f1")
    assert store.read("early r0-f1")[1]["failed"] == "it broke"
    store.write("early r0-f1", FRAME, {})
    assert store.has("early r0-f1") and "failed" not in store.read("early r0-f1")[1]


@pytest.mark.parametrize("other", ["EARLY r0-f1", "early  r0-f1", "early/r0-f1", "../early r0-f1"])
def test_names_that_a_file_system_may_confuse_stay_apart(store: Store, other: str) -> None:
    store.write("early r0-f1", FRAME, {})
    assert not store.has(other)
    store.write(other, FRAME.head(1), {})
    assert len(store.read("early r0-f1")[0]) == 2 and len(store.read(other)[0]) == 1
    assert all(path.parent == store.results for path in store.folder.rglob("*.parquet"))


def test_a_used_folder_is_refused_unless_resuming(store: Store) -> None:
    with pytest.raises(InputError, match="--resume"):
        Store(store.folder).begin({"data": "abc"}, resume=False)
    Store(store.folder).begin({"data": "abc"}, resume=True)


def test_another_study_is_refused_and_what_differs_is_named(store: Store) -> None:
    with pytest.raises(InputError, match=r"what differs: data"):
        Store(store.folder).begin({"data": "xyz"}, resume=True)


def test_a_folder_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="not empty"):
        Store(tmp_path).begin({}, resume=True)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_leftovers_of_a_kill_are_swept(store: Store) -> None:
    (store.results / "half.part").write_bytes(b"PAR1")
    Store(store.folder).begin({"data": "abc"}, resume=True)
    assert not list(store.results.glob("*.part"))


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    place = tmp_path / "file"
    write_atomically(place, b"old")
    with pytest.raises(TypeError):
        write_atomically(place, "not bytes")  # type: ignore[arg-type]
    assert place.read_bytes() == b"old" and list(tmp_path.iterdir()) == [place]
