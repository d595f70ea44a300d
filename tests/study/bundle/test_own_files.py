"""What a user's own files gave a network is in its bundle; where they lie is not."""

from __future__ import annotations

import io
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
from tests.laws.cohorts import gappy_cohort

from consilience.cohort import Bag, Binary, Survival
from consilience.fusion import CoAttentionSurvival, FeatureGraphFusion
from consilience.nn.training import Training
from consilience.study.bundle import Bundle

SHORT = Training(2, batch_size=32, accelerator="cpu")
EDGES = pd.DataFrame({"one": ["alpha0", "beta1"], "other": ["beta0", "gamma1"]})


def schema(bundle: Bundle) -> str:
    with ZipFile(io.BytesIO(bundle.data)) as archive:
        return archive.read("schema.json").decode()


@pytest.mark.parametrize("form", ["name", "path", "table"])
def test_a_network_of_features_is_bundled_as_its_edges(tmp_path: Path, form: str) -> None:
    cohort, y = gappy_cohort("binary", 40)
    EDGES.to_csv(tmp_path / "edges.csv", index=False)
    forms = {"name": str(tmp_path / "edges.csv"), "path": tmp_path / "edges.csv", "table": EDGES}
    model = FeatureGraphFusion("binary", network=forms[form], training=SHORT, width=4)
    bundle = Bundle.of(model.fit(cohort, y), cohort, Binary("y"))
    bundle.save(tmp_path / "bundle")
    back = Bundle.load(tmp_path / "bundle").model
    assert np.array_equal(back.predict_proba(cohort), model.predict_proba(cohort))
    assert [edge[:2] for edge in back.network] == [tuple(row) for row in EDGES.to_numpy()]
    assert str(tmp_path) not in schema(bundle)
    assert model.network is forms[form]


def test_signatures_are_bundled_as_groups(tmp_path: Path) -> None:
    cohort, y = gappy_cohort("survival", 40)
    rng = np.random.default_rng(0)
    cohort = cohort.with_modality("slide", Bag(cohort.index, rng.normal(size=(80, 3)), [2] * 40))
    place = tmp_path / "groups.csv"
    pd.DataFrame({"first": ["alpha0", "beta0"], "second": ["gamma0", "gamma1"]}).to_csv(
        place, index=False
    )
    model = CoAttentionSurvival("survival", signatures=str(place), training=SHORT, width=4)
    model.fit(cohort, y)
    place.unlink()
    bundle = Bundle.of(model, cohort, Survival("event", "time"))
    bundle.save(tmp_path / "bundle")
    back = Bundle.load(tmp_path / "bundle").model
    assert np.array_equal(back.predict(cohort), model.predict(cohort))
    assert set(back.signatures) == {"first", "second"}
    assert str(tmp_path) not in schema(bundle)
