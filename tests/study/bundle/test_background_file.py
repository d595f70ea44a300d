"""`background.npz` as a stranger may have made it: one sentence with the file's name."""

from __future__ import annotations

import dataclasses
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from consilience.cohort import Binary, Cohort, Table, synthetic_cohort
from consilience.errors import InputError
from consilience.fusion import EarlyFusion
from consilience.study.bundle import Bundle
from consilience.study.bundle.background import condensed
from consilience.study.bundle.background_file import background_bytes, read_background

PATH = Path("bundle/background.npz")
Arrays = dict[str, Any]


@pytest.fixture(scope="module")
def background() -> Cohort:
    rng = np.random.default_rng(0)
    index = [f"p{i:02d}" for i in range(60)]
    labs = pd.DataFrame({"ldh": rng.normal(200, 30, 60), "crp": rng.lognormal(size=60)}, index)
    labs = labs.mask(rng.random(labs.shape) < 0.4)
    labs["stage"] = rng.choice(["i", "iv"], 60)
    scan = pd.DataFrame({"volume": rng.normal(size=30)}, index=index[:30])
    tables = {"labs": Table(labs, units={"ldh": "U/L"}), "scan / CT": Table(scan)}
    found = condensed(Cohort(pd.DataFrame(index=index), tables), tuple(tables))
    assert found is not None
    return found


def arrays_of(cohort: Cohort) -> Arrays:
    with np.load(io.BytesIO(background_bytes(cohort)), allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


def packed(arrays: Arrays) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def test_it_comes_back_as_it_went(background: Cohort) -> None:
    data = background_bytes(background)
    again = read_background(data, PATH)
    assert background_bytes(again) == data
    assert list(again.modalities) == ["labs", "scan / CT"]
    assert again.patients["patients"].tolist() == background.patients["patients"].tolist()
    for name in again.modalities:
        one, two = again.modalities[name], background.modalities[name]
        assert isinstance(one, Table) and isinstance(two, Table)
        pd.testing.assert_frame_equal(one.frame, two.frame)
        assert (one.kinds, one.units) == (two.kinds, two.units)


def _more(arrays: Arrays) -> Arrays:
    return arrays | {f"{i}/index": np.array(["a"]) for i in range(10, 9_000)}


def _changed(name: str, change: Callable[[Any], Any]) -> Callable[[Arrays], Arrays]:
    return lambda arrays: arrays | {name: change(arrays[name])}


def _infinite(values: Any) -> Any:
    values = values.copy()
    values[0, 0] = np.inf
    return values


def _huge(values: Any) -> Any:
    return np.full_like(values, 1e300)


FORGED: list[tuple[Callable[[Arrays], Arrays], str]] = [
    (_more, "more than any background has"),
    (lambda arrays: {k: v for k, v in arrays.items() if k != "0/units"}, "does not hold"),
    (lambda arrays: arrays | {"other": np.zeros(1)}, "does not hold"),
    (_changed("0/numbers", lambda v: np.zeros((2**12, 2**13))), "would unpack to"),
    (_changed("0/numbers", lambda v: v.astype(object)), "form that it cannot have"),
    (_changed("0/numbers", lambda v: v.astype(np.complex128)), "form that it cannot have"),
    (_changed("0/words", lambda v: v.astype(bytes)), "form that it cannot have"),
    (_changed("0/numbers", _infinite), "infinite numbers"),
    (_changed("0/numbers", _huge), "infinite numbers"),
    (_changed("0/numbers", lambda v: v[:, :1]), "another shape"),
    (_changed("0/words", lambda v: v[:-1]), "another shape"),
    (_changed("0/kinds", lambda v: np.array(["magic"] * len(v))), "kind that there is not"),
    (_changed("0/features", lambda v: np.array(["same"] * len(v))), "names a feature twice"),
    (_changed("0/index", lambda v: np.array(["stranger"] * len(v))), "not in the form"),
    (_changed("sizes", lambda v: -v), "counts patients wrongly"),
    (_changed("sizes", lambda v: v[:-1]), "counts patients wrongly"),
    (_changed("index", lambda v: v[:0]), "no list of patients"),
    (_changed("tables", lambda v: np.array(["labs", "labs"])), "names tables twice"),
    (_changed("tables", lambda v: v[:1]), "lacks tables"),
]


@pytest.mark.parametrize(("forge", "said"), FORGED)
def test_what_was_forged_is_refused_in_one_sentence(
    background: Cohort, forge: Callable[[Arrays], Arrays], said: str
) -> None:
    with pytest.raises(InputError) as caught:
        read_background(packed(forge(arrays_of(background))), PATH)
    assert said in str(caught.value)
    assert str(caught.value).startswith(str(PATH))
    assert "\n" not in str(caught.value)


def test_a_small_file_that_says_it_is_larger_is_refused_before_it_is_unpacked() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("index", "sizes", "tables"):
            archive.writestr(f"{name}.npy", b"\0" * 2**26)
    assert len(file.getvalue()) < 300_000
    with pytest.raises(InputError, match="would unpack to 201,326,592 bytes"):
        read_background(file.getvalue(), PATH)


def test_a_header_that_promises_more_than_there_is_is_refused(background: Cohort) -> None:
    data = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(background_bytes(background))) as old,
        zipfile.ZipFile(data, "w") as new,
    ):
        for name in old.namelist():
            held = old.read(name)
            new.writestr(
                name, held.replace(b"'shape': (", b"'shape': (9", 1) if "num" in name else held
            )
    with pytest.raises(InputError, match="not as long as it says|not in the form"):
        read_background(data.getvalue(), PATH)


def test_whatever_is_damaged_there_is_one_sentence_or_a_cohort(background: Cohort) -> None:
    """600 files with bytes changed or cut off: no other error, ever."""
    data, rng = background_bytes(background), np.random.default_rng(0)
    said = []
    for _ in range(600):
        bad = bytearray(data[: rng.integers(0, len(data))] if rng.random() < 0.2 else data)
        for place in rng.integers(0, max(len(bad), 1), rng.integers(1, 6)):
            if bad:
                bad[place % len(bad)] = rng.integers(256)
        try:
            read_background(bytes(bad), PATH)
        except InputError as reason:
            said.append(str(reason))
    assert len(said) > 300
    assert all(sentence.startswith(str(PATH)) for sentence in said)


def test_a_background_that_the_model_cannot_read_is_refused_when_it_is_loaded(
    tmp_path: Path,
) -> None:
    cohort, y = synthetic_cohort(60, modalities=2, features=3, seed=0)
    bundle = Bundle.of(EarlyFusion(LogisticRegression()).fit(cohort, y), cohort, Binary("y"))
    other, _ = synthetic_cohort(60, modalities=3, features=2, seed=1)
    for number, (names, said) in enumerate(
        [(("m1", "m2", "m3"), "'m3', which the model does not read"), (("m1",), "lacks 1 of the 3")]
    ):
        strange = dataclasses.replace(bundle, background=condensed(other, names))
        strange.save(tmp_path / str(number))
        with pytest.raises(InputError, match=said) as caught:
            Bundle.load(tmp_path / str(number))
        assert "background.npz" in str(caught.value)
