"""Tiles of real sections as bags: from pixels to attention with coordinates."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from consilience.fusion.attention_picture import paint
from consilience.fusion.co_attention_survival import CoAttentionSurvival
from consilience.nn.training import Training


@pytest.fixture(scope="module")
def her2st(root: Path, data: Path) -> ModuleType:
    pytest.importorskip("PIL", reason="Pillow reads the slides")
    if not (data / "her2st").is_dir():
        pytest.skip("her2st is not among the real data beside the project")
    spec = importlib.util.spec_from_file_location("her2st_bags", root / "bench" / "her2st_bags.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(root / "bench"))
        spec.loader.exec_module(module)
        patch.setattr(module, "SECTIONS", ("C2", "C6"))
        yield module


def test_regions_are_even_and_hold_every_spot_once(her2st: ModuleType) -> None:
    places = np.random.default_rng(0).uniform(0, 100, (50, 2))
    parts = list(her2st.regions(places, 8))
    assert sorted(np.concatenate(parts)) == list(range(50))
    assert {len(part) for part in parts} <= {6, 7}


def test_a_tile_of_one_colour_has_no_texture(her2st: ModuleType) -> None:
    pixels = np.zeros((100, 100, 3), dtype=np.float32) + np.array([240, 120, 0], dtype=np.float32)
    values = dict(zip(her2st.TILE_FEATURES, her2st.tile_features(pixels, 200, 200), strict=True))
    assert (values["mean_red"], values["mean_green"], values["mean_blue"]) == (240, 120, 0)
    assert values["darkness"] == 255 - 120
    assert values["texture"] == values["sd_red"] == values["glass"] == 0


def test_from_pixels_to_a_painted_region(her2st: ModuleType) -> None:
    cohort = her2st.her2st(parts=8)
    bag = cohort.modalities["tiles"]
    assert len(cohort) == 16
    assert bag.counts.sum() == sum(len(her2st.section(name)[0]) for name in ("C2", "C6"))
    y = her2st.synthetic_outcome(cohort)
    model = CoAttentionSurvival(training=Training(5, 5)).fit(cohort, y)
    assert np.isfinite(model.predict(cohort)).all()
    attention = model.attention(cohort)
    assert len(attention) == bag.counts.sum()
    assert attention[["x", "y"]].to_numpy().min() > 0
    assert attention[["x", "y"]].to_numpy().max() < 10_000  # pixels of the slide
    np.testing.assert_allclose(attention.groupby("patient").weight.sum(), 1, atol=1e-6)
    figure = paint(attention, cohort.index[0])
    assert len(figure.axes[0].collections[0].get_offsets()) == bag.counts[0]
