"""A bundle's networks: a safetensors file beside the model, exact, and read as a stranger's."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from tests.laws.cohorts import gappy_cohort
from torch import nn

from consilience.cohort import Binary
from consilience.errors import InputError
from consilience.fusion.intermediate import IntermediateFusion
from consilience.nn.encoders import MLP, TorchModule
from consilience.nn.training import Training
from consilience.study.bundle import Bundle
from consilience.study.bundle.audit import Refused
from consilience.study.bundle.tensors import check_tensors, dump_tensors, load_tensors

COHORT, Y = gappy_cohort("binary", 60)
NAME = "weights.safetensors"


def fitted(**options):
    training = Training(4, batch_size=32, accelerator="cpu")
    return IntermediateFusion("binary", training=training, width=4, **options).fit(COHORT, Y)


@pytest.fixture(scope="module")
def model():
    return fitted(members=2, encoders={"beta": MLP(depth=1, dropout=0.1)})


@pytest.fixture(scope="module")
def original(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("deep") / "bundle"
    Bundle.of(model, COHORT, Binary("y")).save(folder)
    return folder


@pytest.fixture
def bundle(original, tmp_path):
    """A copy to spoil."""
    return Path(shutil.copytree(original, tmp_path / "bundle"))


def put(folder: Path, data: bytes, file: str = NAME) -> None:
    (folder / file).write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][file] = hashlib.sha256(data).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_the_loaded_model_says_exactly_the_same(model, original):
    back = Bundle.load(original)
    np.testing.assert_array_equal(back.model.values(COHORT), model.values(COHORT))
    np.testing.assert_array_equal(back.model.transform(COHORT), model.transform(COHORT))
    assert back.predict(COHORT) == Bundle.of(model, COHORT, Binary("y")).predict(COHORT)
    assert back.model.encoders["beta"].dropout == 0.1


def test_all_weights_are_in_the_file_and_none_in_the_model(model, original):
    from safetensors.numpy import load_file

    arrays = load_file(original / NAME)
    for number, member in enumerate(model.members_):
        for name, array in member.weights_.arrays_.items():
            np.testing.assert_array_equal(arrays[f"{number}/{name}"], array)
    assert len(arrays) == sum(len(m.weights_.arrays_) for m in model.members_)
    manifest = json.loads((original / "manifest.json").read_text())
    digest = hashlib.sha256((original / NAME).read_bytes()).hexdigest()
    assert manifest["files"][NAME] == digest


def test_the_same_fit_gives_the_same_files():
    bundles = [Bundle.of(fitted(), COHORT, Binary("y")) for _ in range(2)]
    assert bundles[0].data == bundles[1].data
    assert bundles[0].weights == bundles[1].weights
    assert bundles[0].fingerprint == bundles[1].fingerprint
    other = Bundle.of(fitted(random_state=1), COHORT, Binary("y"))
    assert other.fingerprint != bundles[0].fingerprint


def test_a_loaded_bundle_is_saved_again_the_same(original, tmp_path):
    Bundle.load(original).save(tmp_path / "again")
    for name in ("model.skops", NAME):
        assert (tmp_path / "again" / name).read_bytes() == (original / name).read_bytes()


def spoilt(data: bytes) -> dict[str, bytes]:
    length = int.from_bytes(data[:8], "little")
    header, numbers = json.loads(data[8 : 8 + length]), data[8 + length :]
    first = min(header, key=lambda name: header[name]["data_offsets"])

    def written(head: dict | str, body: bytes = numbers) -> bytes:
        text = (head if isinstance(head, str) else json.dumps(head)).encode()
        return len(text).to_bytes(8, "little") + text + body

    def with_first(**change) -> bytes:
        return written({**header, first: {**header[first], **change}})

    begin, end = header[first]["data_offsets"]
    twice = json.dumps(header)[:-1] + f", {json.dumps(first)}: {json.dumps(header[first])}}}"
    return {
        "empty": b"",
        "cut short": data[:-4],
        "something more": data + b"\0\0\0\0",
        "a header beyond the file": (2**40).to_bytes(8, "little") + data[8:],
        "a header that is none": written("[1, 2]"),
        "no JSON": written("{"),
        "nested": written("[" * 100_000),
        "a name twice": written(twice),
        "a shape that lies": with_first(shape=[10**12]),
        "a shape that overflows": with_first(shape=[2**40, 2**40]),
        "a negative size": with_first(shape=[-1]),
        "a size that is no number": with_first(shape=["1"]),
        "an unknown type": with_first(dtype="O"),
        "a type of another width": with_first(dtype="F16"),
        "offsets that overlap": with_first(data_offsets=[begin + 4, end + 4]),
        "something that is no array": with_first(more=1),
        "an array in the place of remarks": written(
            {**header, "__metadata__": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}
        ),
        "one array fewer": written({n: e for n, e in header.items() if n != first}),
    }


WAYS = list(spoilt(dump_tensors({"a": np.zeros(2, np.float32), "b": np.zeros(1, np.int64)})))


@pytest.mark.parametrize("way", WAYS)
def test_a_file_that_does_not_hold_together_is_refused(bundle, way):
    put(bundle, spoilt((bundle / NAME).read_bytes())[way])
    with pytest.raises(InputError) as caught:
        Bundle.load(bundle)
    assert str(bundle / NAME) in str(caught.value) and "\n" not in str(caught.value)


def test_weights_that_nobody_asks_for_are_refused(bundle):
    arrays = load_tensors((bundle / NAME).read_bytes())
    put(bundle, dump_tensors({**arrays, "9/more": np.zeros(3, np.float32)}))
    with pytest.raises(InputError, match="does not use all the weights"):
        Bundle.load(bundle)


@pytest.mark.parametrize("change", [lambda a: a[:, :-1], lambda a: a.astype(np.int32)])
def test_weights_of_another_form_or_type_are_refused(bundle, change):
    arrays = load_tensors((bundle / NAME).read_bytes())
    name = next(n for n in arrays if arrays[n].ndim == 2)
    put(bundle, dump_tensors({**arrays, name: change(arrays[name])}))
    with pytest.raises(InputError, match="model.skops: the weights are not those of this network"):
        Bundle.load(bundle)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(bundle, value):
    arrays = load_tensors((bundle / NAME).read_bytes())
    name = next(n for n in arrays if arrays[n].ndim == 2)
    put(bundle, dump_tensors({**arrays, name: np.full_like(arrays[name], value)}))
    with pytest.raises(InputError, match=f"not finite, in '{name}'"):
        Bundle.load(bundle)


@pytest.mark.parametrize("width", ["-1", "null"])
def test_settings_of_which_no_network_can_be_made_are_refused(bundle, width):
    with ZipFile(bundle / "model.skops") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    pattern = rb'("width":\{[^}]*"content":")\d+'
    files["schema.json"], count = re.subn(pattern, rb"\g<1>" + width.encode(), files["schema.json"])
    assert count == 1
    with ZipFile(bundle / "model.skops", "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    put(bundle, (bundle / "model.skops").read_bytes(), "model.skops")
    with pytest.raises(InputError, match="model.skops: "):
        Bundle.load(bundle)


def test_a_torch_module_of_the_user_s_cannot_leave():
    model = fitted(encoders={"beta": TorchModule(nn.Linear(4, 3))})
    model.predict(COHORT)
    with pytest.raises(InputError, match=r"torch module of your own \(Linear\)") as caught:
        Bundle.of(model, COHORT, Binary("y"))
    assert "\n" not in str(caught.value)


def test_the_folder_of_checkpoints_stays_at_home(tmp_path):
    training = Training(2, batch_size=32, accelerator="cpu", checkpoints=str(tmp_path / "mine"))
    model = IntermediateFusion("binary", training=training, width=4).fit(COHORT, Y)
    bundle = Bundle.of(model, COHORT, Binary("y"))
    assert bundle.model.training.checkpoints is None
    assert model.training.checkpoints == str(tmp_path / "mine")
    with ZipFile(io.BytesIO(bundle.data)) as archive:
        assert str(tmp_path).encode() not in archive.read("schema.json")


def test_a_missing_or_changed_file_is_named(bundle):
    data = (bundle / NAME).read_bytes()
    (bundle / NAME).write_bytes(data[:-1] + b"\x55")
    with pytest.raises(InputError, match="SHA-256"):
        Bundle.load(bundle)
    (bundle / NAME).unlink()
    with pytest.raises(InputError, match=f"{NAME}: the bundle lacks"):
        Bundle.load(bundle)
    manifest = json.loads((bundle / "manifest.json").read_text())
    del manifest["files"][NAME]
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="not where the model says"):
        Bundle.load(bundle)


def test_numbers_of_every_type_and_shape_come_back():
    rng = np.random.default_rng(0)
    arrays = {
        "f": rng.normal(size=(3, 1, 2)).astype(np.float32),
        "empty": np.zeros((0, 4), np.float32),
        "scalar": np.array(7, dtype=np.int64),
        "flags": np.array([True, False, True]),
        "transposed": rng.normal(size=(4, 3)).T,
    }
    data = dump_tensors(arrays)
    assert data == dump_tensors(dict(reversed(arrays.items())))
    back = load_tensors(data)
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype and back[name].shape == array.shape
        np.testing.assert_array_equal(back[name], array)


def test_the_check_lets_the_library_s_own_files_pass():
    check_tensors(dump_tensors({}))
    with pytest.raises(Refused):
        check_tensors(b"\0" * 7)


WITHOUT = """
import sys
class Barred:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {barred}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Barred())
from consilience.errors import InputError
from consilience.study.bundle import Bundle
try:
    Bundle.load({folder!r})
except InputError as reason:
    print(reason)
"""


@pytest.mark.parametrize("barred", [("safetensors",), ("torch",), ("torch", "safetensors")])
def test_without_the_extra_it_says_what_to_install(original, root, barred):
    script = WITHOUT.format(barred=set(barred), folder=str(original))
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "pip install 'consilience[deep]'" in done.stdout


def test_a_bundle_without_networks_needs_no_torch(tmp_path, root):
    from sklearn.linear_model import LogisticRegression

    from consilience.fusion import EarlyFusion

    linear = EarlyFusion(LogisticRegression()).fit(COHORT, Y)
    Bundle.of(linear, COHORT, Binary("y")).save(tmp_path / "linear")
    assert not (tmp_path / "linear" / NAME).exists()
    # skops walks through scikit-learn, which imports torch where it is: so it must not be there.
    barred = {"torch", "lightning", "safetensors"}
    script = WITHOUT.format(barred=barred, folder=str(tmp_path / "linear")) + "print('loaded')"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().endswith("loaded") and "install" not in done.stdout
