"""A damaged HDF5 file is refused, even where it would crash the program."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from consilience.cohort.formats import trial
from consilience.errors import InputError

h5py = pytest.importorskip("h5py", reason="the extra omics is not installed")


def test_a_sound_file_passes(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5ad", "w") as file:
        file["x/y"] = range(10)
        file["scalar"] = "text"
        file.create_dataset("empty", shape=(0, 3), dtype="f4")
        file.attrs["version"] = "1"
    trial.try_hdf5(tmp_path / "a.h5ad")


def test_damage_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.h5ad"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + b"\xff" * 500)
    with pytest.raises(InputError, match=r"a\.h5ad cannot be read as H5AD") as error:
        trial.try_hdf5(path)
    assert "\n" not in str(error.value)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_a_crash_stays_in_the_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crash = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    monkeypatch.setattr(trial, "_WALK", crash)
    with pytest.raises(InputError, match="crashes on it"):
        trial.try_hdf5(tmp_path / "a.h5ad")
