"""A stored cohort comes back as it was, or not at all."""

from __future__ import annotations

import pickle
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal, assert_index_equal

from consilience.cohort import (
    Bag,
    Cohort,
    Images,
    Table,
    bag_of,
    embedded_cohorts,
    open_cohort,
    save_cohort,
    synthetic_cohort,
    tcga_acc,
)
from consilience.errors import InputError

IDS = ["b", "a", "ü-3", "007"]


def _patients() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "age": [61, 48, 70, 55],
            "weight": [70.5, np.nan, 80.0, 66.1],
            "dead": [True, False, False, True],
            "sex": ["f", "m", np.nan, "f"],
            "grade": pd.Categorical(["low", "high", None, "low"], ["low", "high"], ordered=True),
            "visits": pd.array([1, None, 3, 4], dtype="Int64"),
            "seen": pd.to_datetime(["2020-01-01", None, "2021-05-06", "2020-02-02"]),
            "small": np.array([1, 2, 3, 4], dtype=np.int8),
            "patient": ["own", "column", "of this", "name"],
        },
        index=IDS,
    )


def _labs() -> Table:
    frame = pd.DataFrame(
        {
            "ldh": [210.5, np.nan, -0.0],
            "cells": [3.0, 0.0, 12.0],
            "patient": [1.0, 0.0, np.nan],
            'odd."name"\n\x7f= [ü]': ["A", None, "B"],
            "a.b": [1e-300, 2.0, 3.0],
        },
        index=["ü-3", "b", "007"],
    )
    return Table(frame, kinds={"cells": "count"}, units={"ldh": "U/L", "a.b": "µg/ml"})


def _cohort() -> Cohort:
    rng = np.random.default_rng(0)
    single = pd.DataFrame(
        rng.normal(size=(2, 3)).astype(np.float32), index=["a", "b"], columns=list("xyz")
    )
    tiles = bag_of(
        {"a": rng.normal(size=(3, 4)), "007": rng.normal(size=(1, 4))},
        coordinates=np.arange(8).reshape(4, 2),
        features=["w", "x", "y", "z"],
        unit="µm",
    )
    plain = bag_of({"b": rng.normal(size=(2, 2)).astype(np.float32)})
    scans = [
        rng.integers(0, 255, (4, 5), dtype=np.uint8),
        rng.normal(size=(3, 3)),
        rng.integers(0, 255, (4, 5), dtype=np.uint8),
    ]
    return Cohort(
        _patients(),
        {
            "labs": _labs(),
            "embedding v1.2": Table(single),
            "tiles": tiles,
            "plain": plain,
            "scan": Images(pd.Index(["a", "b", "007"]), scans, spacing=np.ones((3, 2)) * 0.7),
            "photo": Images(pd.Index(["ü-3"]), [rng.random((2, 2, 3))], channels=3),
        },
        name='the "real" cohort',
        left_out=pd.DataFrame({"patient": ["z"], "source": ["labs"], "reason": ["no id"]}),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_cohort(_cohort(), tmp_path / "stored")


def _same_table(ours: Table, theirs: Table) -> None:
    assert_index_equal(ours.index, theirs.index)
    assert list(ours.kinds.items()) == list(theirs.kinds.items())
    assert ours.units == theirs.units
    assert ours.numeric.dtype == theirs.numeric.dtype
    assert ours.numeric.tobytes() == theirs.numeric.tobytes()
    assert_frame_equal(ours.categorical, theirs.categorical, check_exact=True)
    assert_frame_equal(ours.frame, theirs.frame, check_exact=True)


def _same_bag(ours: Bag, theirs: Bag) -> None:
    assert_index_equal(ours.index, theirs.index)
    assert (ours.features, ours.unit) == (theirs.features, theirs.unit)
    for i in range(len(ours)):
        assert ours.instances(i).dtype == theirs.instances(i).dtype
        np.testing.assert_array_equal(ours.instances(i), theirs.instances(i), strict=True)
        if ours.coordinates(i) is None:
            assert theirs.coordinates(i) is None
        else:
            np.testing.assert_array_equal(ours.coordinates(i), theirs.coordinates(i), strict=True)


def _same_images(ours: Images, theirs: Images) -> None:
    assert_index_equal(ours.index, theirs.index)
    assert (ours.channels, ours.n_features) == (theirs.channels, theirs.n_features)
    for i in range(len(ours)):
        np.testing.assert_array_equal(ours.image(i), theirs.image(i), strict=True)
        np.testing.assert_array_equal(ours.spacing(i), theirs.spacing(i))


def _same(ours: Cohort, theirs: Cohort) -> None:
    assert ours.name == theirs.name
    assert_frame_equal(ours.patients, theirs.patients, check_exact=True)
    assert_frame_equal(ours.left_out, theirs.left_out)
    assert list(ours.modalities) == list(theirs.modalities)
    for name, modality in ours.modalities.items():
        check = {Table: _same_table, Bag: _same_bag, Images: _same_images}[type(modality)]
        check(modality, theirs.modalities[name])


def test_a_round_trip_is_exact(folder: Path) -> None:
    _same(_cohort(), open_cohort(folder))
    _same(_cohort(), open_cohort(str(folder)))


def test_views_are_stored_as_what_they_show(tmp_path: Path) -> None:
    view = _cohort()[[3, 0, 1]].only(["tiles", "labs", "scan"])
    _same(view, open_cohort(save_cohort(view, tmp_path / "view")))
    again = open_cohort(save_cohort(open_cohort(tmp_path / "view")[[2, 0]], tmp_path / "again"))
    _same(view[[2, 0]], again)


def test_real_data_come_back(tmp_path: Path) -> None:
    _same(tcga_acc(), open_cohort(save_cohort(tcga_acc(), tmp_path / "acc")))


def test_many_row_groups_and_chunks_come_back(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("consilience.cohort.stored_table.GROUP", 10)
    monkeypatch.setattr("consilience.cohort.stored_table.FEWEST_ROWS", 7)
    monkeypatch.setattr("consilience.cohort.stored_arrays.CHUNK", 50)
    cohort, _ = synthetic_cohort(40, bags=1, features=4, instances=6, missing=0.2, seed=1)
    folder = save_cohort(cohort, tmp_path / "many")
    assert pq.ParquetFile(folder / "m1.parquet").num_row_groups > 3
    assert len(list((folder / "m3.zarr/instances/c").iterdir())) > 3
    _same(cohort, open_cohort(folder))


def test_the_same_cohort_gives_the_same_cohort_file(folder: Path, tmp_path: Path) -> None:
    other = save_cohort(_cohort(), tmp_path / "other")
    assert (folder / "cohort.toml").read_bytes() == (other / "cohort.toml").read_bytes()
    content = tomllib.loads((folder / "cohort.toml").read_text(encoding="utf-8"))
    assert content["modalities"]["labs"]["units"] == {"ldh": "U/L", "a.b": "µg/ml"}
    assert list(content["modalities"]["labs"]["kinds"]) == list(_labs().features)


def test_opening_reads_no_measurement(folder: Path) -> None:
    cohort = open_cohort(folder)
    table = cohort.modalities["labs"]
    shutil.rmtree(folder)
    assert table.n_features == 5  # known from opening
    with pytest.raises(InputError, match=r"labs\.parquet is missing"):
        _ = table.numeric
    with pytest.raises(InputError, match="tiles"):
        cohort.modalities["tiles"].instances(0)


def test_an_opened_cohort_pickles_small_even_after_reading(tmp_path: Path) -> None:
    cohort, _ = synthetic_cohort(300, features=200, bags=1, seed=0)
    opened = open_cohort(save_cohort(cohort, tmp_path / "big"))
    opened.modalities["m1"].numeric.sum()
    opened.modalities["m3"].instances(0)
    sent = pickle.dumps(opened)
    assert len(sent) < 100_000  # the values alone are 960,000 bytes
    _same(cohort, pickle.loads(sent))


def test_stored_values_cannot_be_changed_by_their_reader(folder: Path) -> None:
    with pytest.raises(ValueError, match="read-only"):
        open_cohort(folder).modalities["labs"].numeric[0, 0] = 1.0


@pytest.mark.parametrize("name", ["labs.parquet", "embedding v1.2.parquet", "patients.parquet"])
@pytest.mark.parametrize("keep", [0, 3, 0.5, -1])
def test_a_parquet_file_cut_short_is_refused_by_name(folder: Path, name: str, keep: float) -> None:
    content = (folder / name).read_bytes()
    size = int(len(content) * keep) if isinstance(keep, float) else keep
    (folder / name).write_bytes(content[:size])
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        _read_all(open_cohort(folder))


def test_a_changed_byte_in_the_values_is_noticed(tmp_path: Path) -> None:
    cohort, _ = synthetic_cohort(100, seed=0)
    folder = save_cohort(cohort, tmp_path / "bytes")
    path = folder / "m2.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"m2\.parquet"):
        _read_all(open_cohort(folder))


@pytest.mark.parametrize(
    "name", ["labs.parquet", "patients.parquet", "left_out.parquet", "tiles.zarr", "scan.zarr"]
)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    path = folder / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        open_cohort(folder)


@pytest.mark.parametrize(
    "part",
    [
        "tiles.zarr/zarr.json",
        "tiles.zarr/instances/zarr.json",
        "tiles.zarr/instances/c/0/0",
        "tiles.zarr/coordinates/c/0/0",
        "tiles.zarr/counts/c/0",
        "scan.zarr/places/c/0/0",
        "scan.zarr/images0/c/1/0/0",
        "scan.zarr/spacing/c/0/0",
    ],
)
@pytest.mark.parametrize("how", ["gone", "cut", "other"])
def test_a_damaged_array_never_reads_as_zeros(folder: Path, part: str, how: str) -> None:
    path = folder / part
    assert path.is_file()
    content = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) // 2] if how == "cut" else b"\x00" * len(content))
    with pytest.raises(InputError, match=part.partition("/")[0].replace(".", r"\.")):
        _read_all(open_cohort(folder))


def _read_all(cohort: Cohort) -> None:
    for modality in cohort.modalities.values():
        for i in range(len(modality)):
            if isinstance(modality, Table):
                _ = modality.frame
            elif isinstance(modality, Bag):
                modality.instances(i), modality.coordinates(i)
            else:
                modality.image(i), modality.spacing(i)


def test_an_array_of_the_older_zarr_format_is_not_opened(folder: Path) -> None:
    """It may name a codec that unpickles: a stranger's code."""
    path = folder / "tiles.zarr/instances"
    shutil.rmtree(path)
    path.mkdir()
    (path / ".zarray").write_text(
        '{"zarr_format": 2, "shape": [4, 4], "chunks": [4, 4], "dtype": "|O", "order": "C",'
        ' "fill_value": null, "compressor": null, "filters": [{"id": "pickle"}]}'
    )
    with pytest.raises(InputError, match="instances"):
        _read_all(open_cohort(folder))


CHANGES = {
    "format = 1": ("format = 2", "format 2 is newer"),
    'name = "the': ('nam = "the', "'name' is missing"),
    "\npatients = 4\n": ("\npatients = 5\n", "holds 4 patients"),
    "\nleft_out = 1\n": ("\nleft_out = -1\n", "'left_out' is wrong"),
    'kind = "table"': ('kind = "tabel"', "modalities.labs"),
    'dtype = "float64"': ('dtype = "float16"', r"'modalities\.labs\.dtype' is wrong"),
    'dtype = "float64"\n': ('dtype = "float32"\n', "float is due"),
    'cells = "count"': ('cells = "kount"', r"'modalities\.labs\.kinds\.cells' is wrong"),
    'ldh = "continuous"\n': ("", "'ldh'"),
    'ldh = "continuous"': ('ldh = "categorical"', "string is due"),
    "coordinates = true": ("coordinates = 1", r"'modalities\.tiles\.coordinates' is wrong"),
    "channels = 3": ("chanels = 3", r"modalities\.photo\.channels' is missing \(and 1 more\)"),
    "[modalities.photo]": ('[modalities."../../photo"]', "'/'"),
    "[modalities.plain]": ('[modalities."..\\\\plain"]', "holds"),
    "[modalities.scan]": ("[modalities.Patients]", "cannot be called"),
    "[modalities.tiles]": ("[modalities.tiles", "cannot be read"),
}


@pytest.mark.parametrize("old", CHANGES)
def test_a_wrong_cohort_file_is_refused_with_file_and_key(folder: Path, old: str) -> None:
    path = folder / "cohort.toml"
    text = path.read_text(encoding="utf-8")
    new, said = CHANGES[old]
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=said) as error:
        open_cohort(folder)
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_link_out_of_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.parquet"
    (folder / "labs.parquet").rename(elsewhere)
    (folder / "labs.parquet").symlink_to(elsewhere)
    with pytest.raises(InputError, match="leads out"):
        open_cohort(folder)


def test_other_parquet_in_place_of_a_table_is_refused(folder: Path) -> None:
    table = pq.read_table(folder / "labs.parquet")
    ids = table.column(0).to_pylist()
    strange = [*ids[:-1], "nobody"]
    pq.write_table(table.set_column(0, "_patient", pa.array(strange)), folder / "labs.parquet")
    with pytest.raises(InputError, match="'nobody'"):
        open_cohort(folder)
    pq.write_table(table.slice(0, 2), folder / "labs.parquet")
    with pytest.raises(InputError, match="holds 2 patients"):
        open_cohort(folder)


def test_infinite_values_in_a_file_are_refused_with_place(folder: Path) -> None:
    table = pq.read_table(folder / "labs.parquet")
    place = table.schema.get_field_index("ldh")
    wrong = pa.array([1.0, np.inf, 2.0])
    pq.write_table(table.set_column(place, "ldh", wrong), folder / "labs.parquet")
    with pytest.raises(InputError, match=r"labs\.parquet: the value of 'ldh' for patient 'b'"):
        _ = open_cohort(folder).modalities["labs"].numeric


def test_a_folder_in_use_is_left_alone(folder: Path, tmp_path: Path) -> None:
    before = sorted(p.name for p in folder.iterdir())
    with pytest.raises(InputError, match="holds a cohort already"):
        save_cohort(tcga_acc(), folder)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.docx").write_text("dear")
    for overwrite in (False, True):
        with pytest.raises(InputError, match="not empty and holds no cohort"):
            save_cohort(tcga_acc(), tmp_path / "home", overwrite=overwrite)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        save_cohort(tcga_acc(), tmp_path / "file")
    assert sorted(p.name for p in folder.iterdir()) == before
    (tmp_path / "empty").mkdir()
    _same(tcga_acc(), open_cohort(save_cohort(tcga_acc(), tmp_path / "empty")))


def test_a_cohort_can_be_overwritten_even_by_a_view_of_itself(folder: Path) -> None:
    view = open_cohort(folder)[[1, 0]].only(["tiles", "labs"])
    due = _cohort()[[1, 0]].only(["tiles", "labs"])
    save_cohort(view, folder, overwrite=True)
    _same(due, open_cohort(folder))
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


class _Failing:
    """Instances on a disk that fails half-way."""

    shape = (3, 2)

    def __getitem__(self, key: object) -> np.ndarray:
        raise OSError(28, "No space left on device")


def test_a_failed_save_leaves_nothing(tmp_path: Path) -> None:
    bag = Bag(pd.Index(["a"]), _Failing(), [3])
    cohort = Cohort(_patients(), {"labs": _labs(), "tiles": bag})
    with pytest.raises(InputError, match="No space left"):
        save_cohort(cohort, tmp_path / "new")
    assert not list(tmp_path.iterdir())
    save_cohort(_cohort(), tmp_path / "old")
    with pytest.raises(InputError, match="No space left"):
        save_cohort(cohort, tmp_path / "old", overwrite=True)
    _same(_cohort(), open_cohort(tmp_path / "old"))


@pytest.mark.parametrize(
    "name",
    ["a/b", "..", "../x", "a\\b", "", ".hidden", "x.", "patients", "left_out", "a\nb", "é" * 80],
)
def test_a_name_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="modality"):
        save_cohort(Cohort(_patients(), {name: _labs()}), tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_stored_is_said(tmp_path: Path) -> None:
    cohort = _cohort()
    with pytest.raises(InputError, match="more than once"):
        save_cohort(cohort[[0, 0, 1]], tmp_path / "x")
    with pytest.raises(InputError, match="'photo' holds nobody"):
        save_cohort(cohort[[0]], tmp_path / "x")
    with pytest.raises(InputError, match="differ only in case"):
        save_cohort(Cohort(_patients(), {"rna": _labs(), "RNA": _labs()}), tmp_path / "x")
    mixed = _patients().assign(mixed=[1, "a", 2.0, object()])
    with pytest.raises(InputError, match="'mixed' cannot be stored"):
        save_cohort(Cohort(mixed, {"labs": _labs()}), tmp_path / "x")


def test_names_and_folders_that_do_not_exist(tmp_path: Path) -> None:
    assert embedded_cohorts() == ("tcga-acc",)
    assert open_cohort("tcga-acc").name == "tcga-acc"
    with pytest.raises(InputError, match=r"Did you mean 'tcga-acc'\?"):
        open_cohort("tcga_acc")
    with pytest.raises(InputError, match=r"holds no cohort\.toml"):
        open_cohort(tmp_path)
