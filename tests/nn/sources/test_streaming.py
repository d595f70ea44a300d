"""Bags and images on disk: trained on and predicted from without ever being in memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from consilience.cohort import Bag, Cohort, Images, Table, bag_of, open_cohort, save_cohort
from consilience.errors import InputError, InputWarning
from consilience.fusion import IntermediateFusion
from consilience.nn.training import Training

QUICK = Training(max_epochs=3, batch_size=8)
PATIENTS, INSTANCES, FEATURES = 32, 8_000, 160  # 164 MB

MEASURE = """
import json, resource, sys
import numpy as np
from consilience.cohort import open_cohort
from consilience.fusion import IntermediateFusion
from consilience.nn.reading import Reader
from consilience.nn.training import Training
Reader.portions.__defaults__ = (2**24,)  # bytes at once when nothing is trained: 256 MB is usual
cohort = open_cohort(sys.argv[1])
y = np.arange(len(cohort)) % 2
training = Training(max_epochs=1, batch_size=2)
few = cohort[:4]
IntermediateFusion("binary", width=8, training=training).fit(few, y[:4]).predict_proba(few)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
model = IntermediateFusion("binary", width=8, training=training).fit(cohort, y)
model.predict_proba(cohort)
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
"""


@pytest.mark.slow
def test_a_bag_larger_than_the_memory_allowed_is_trained_on(tmp_path, root) -> None:
    """Eight times as many patients take little more memory, and far less than their bags."""
    pieces = np.random.default_rng(0).normal(size=(INSTANCES, FEATURES)).astype(np.float32)
    index = pd.Index([f"p{i:02}" for i in range(PATIENTS)])
    bag = Bag(index, _Repeated(pieces, PATIENTS), [INSTANCES] * PATIENTS)
    folder = save_cohort(Cohort(pd.DataFrame(index=index), {"tiles": bag}), tmp_path / "cohort")
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(folder)],
        cwd=root,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    unit = 1 if sys.platform == "darwin" else 1024
    assert json.loads(done.stdout) * unit < PATIENTS * pieces.nbytes / 3


class _Repeated:
    """The same instances for every patient, made when they are asked for."""

    def __init__(self, piece: np.ndarray, times: int) -> None:
        self.piece, self.shape = piece, (len(piece) * times, piece.shape[1])

    def __getitem__(self, rows: slice) -> np.ndarray:
        return self.piece


def test_on_disk_and_in_memory_are_the_same(tmp_path) -> None:
    rng = np.random.default_rng(0)
    patients = {f"p{i:02}": rng.normal(size=(5 + i % 3, 4)) for i in range(24)}
    index = pd.Index(list(patients))
    images = Images(index, [rng.normal(size=(8, 8 + i % 2)) for i in range(24)])
    cohort = Cohort(pd.DataFrame(index=index), {"tiles": bag_of(patients), "mri": images})
    y = np.arange(24) % 2
    stored = open_cohort(save_cohort(cohort, tmp_path / "cohort"))
    model = IntermediateFusion("binary", training=QUICK)
    np.testing.assert_array_equal(
        model.fit(cohort, y).predict_proba(cohort), model.fit(stored, y).predict_proba(stored)
    )


def with_a_broken_image() -> tuple[Cohort, np.ndarray]:
    """Return a cohort in which the only thing known of the last patient is a broken image."""
    rng = np.random.default_rng(0)
    index = pd.Index([f"p{i:02}" for i in range(24)])
    arrays = [rng.normal(size=(8, 8)) for _ in index]
    arrays[3] = arrays[23] = np.full((8, 8), np.nan)
    table = Table(pd.DataFrame(rng.normal(size=(23, 3)), index=index[:23], columns=list("abc")))
    modalities = {"mri": Images(index, arrays), "labs": table}
    return Cohort(pd.DataFrame(index=index), modalities), np.arange(24) % 2


def test_whose_only_image_cannot_be_read_has_the_prior() -> None:
    cohort, y = with_a_broken_image()
    with pytest.warns(InputWarning, match="'mri': 2 images count as missing.*'p03'.*'p23'") as told:
        model = IntermediateFusion("binary", training=QUICK).fit(cohort, y)
    assert len([w for w in told if issubclass(w.category, InputWarning)]) == 1
    with pytest.warns(InputWarning, match="'mri': 2 images count as missing") as told:
        values = model.predict_proba(cohort)
    assert len([w for w in told if issubclass(w.category, InputWarning)]) == 1
    np.testing.assert_allclose(values[23], model.task_.prior)
    assert np.abs(values[3] - model.task_.prior).max() > 1e-6
    without = cohort.only(["labs"])
    np.testing.assert_allclose(values[3], model.predict_proba(without)[3], atol=1e-6)


def test_a_bag_without_instances_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="patient 'b' has no instance"):
        bag_of({"a": np.ones((2, 3)), "b": np.empty((0, 3))})
