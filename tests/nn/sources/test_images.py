"""Images as arrays: one shape, one scale, comparable voxels; what cannot be read is named."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest

from consilience.cohort import Cohort, Images, open_cohort, save_cohort
from consilience.errors import InputError, InputWarning
from consilience.nn.reading import Reader
from consilience.nn.sources import ImageSource, Sources

IDS = [f"p{i}" for i in range(5)]


class Broken:
    """An image whose file is cut short."""

    shape = (9, 9)

    def __array__(self, dtype=None, copy=None):
        raise OSError("truncated file")


def some(shape: tuple[int, ...], seed: int = 0, n: int = 5) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(50.0, 10.0, size=shape) for _ in range(n)]


def read(images: Images, source: ImageSource | None = None) -> np.ndarray:
    source = source or ImageSource().fit(images)
    return source.read(images, np.arange(len(images))).arrays["pixels"]


def test_intensities_are_standardised_a_channel() -> None:
    arrays = [image * [1.0, 100.0] for image in some((20, 24, 2))]
    pixels = read(Images(pd.Index(IDS), arrays, channels=2))
    assert pixels.shape == (5, 2, 20, 24)
    assert pixels.dtype == np.float32
    np.testing.assert_allclose(pixels.mean(axis=(0, 2, 3)), 0, atol=1e-3)
    np.testing.assert_allclose(pixels.std(axis=(0, 2, 3)), 1, atol=1e-3)


def test_an_image_of_the_right_shape_is_left_as_it_is() -> None:
    arrays = some((20, 24))
    images = Images(pd.Index(IDS), arrays)
    source = ImageSource().fit(images)
    expected = (np.stack(arrays) - source.mean_) / source.scale_
    np.testing.assert_allclose(read(images, source)[:, 0], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("shape", "size"), [((200, 40), (64, 40)), ((80, 20, 70), (32, 20, 32)), ((3, 3), (3, 3))]
)
def test_size_is_the_median_shape_and_bounded(shape, size) -> None:
    images = Images(pd.Index(IDS), some(shape))
    assert ImageSource().fit(images).size_ == size


def test_images_of_other_shapes_show_the_same_thing() -> None:
    """A smooth picture sampled at two resolutions comes out the same."""
    arrays = [_wave(n) for n in (40, 40, 40, 80, 160)]
    pixels = read(Images(pd.Index(IDS), arrays))
    assert np.abs(pixels[3] - pixels[0]).max() < 0.1
    assert np.abs(pixels[4] - pixels[0]).max() < 0.1


def test_voxels_are_comparable_where_their_size_is_known() -> None:
    """A ball of 12 mm covers as many points at whatever resolution it was taken."""
    voxels = np.array([[1.0, 1.0, 2.0]] * 3 + [[0.5, 1.0, 1.0], [1.0, 2.0, 2.0]])
    extents = np.array([[32.0, 32, 32]] * 3 + [[24, 40, 32], [40, 24, 28]])
    arrays = [_ball(e, v) for e, v in zip(extents, voxels, strict=True)]
    images = Images(pd.Index(IDS), arrays, spacing=voxels)
    source = ImageSource().fit(images)
    inside = read(images, source)[:, 0] > (0.5 - source.mean_[0]) / source.scale_[0]
    volumes = inside.reshape(5, -1).sum(axis=1) * np.prod(source.step_)
    np.testing.assert_allclose(volumes, 4 / 3 * np.pi * 6**3, rtol=0.2)


def test_coarse_points_do_not_alias() -> None:
    """Stripes finer than the grid can show come out as their mean, not as false stripes."""
    stripes = np.tile([0.0, 1.0], (640, 320))
    pixels = read(Images(pd.Index(IDS), [stripes] * 5))
    assert np.abs(pixels[..., 8:-8, 8:-8]).max() < 0.05


def test_what_cannot_be_used_is_named_once_and_counts_as_missing() -> None:
    arrays = [*some((9, 9), n=1), Broken(), *some((9, 9, 9), n=1), np.full((9, 9), np.nan)]
    arrays += some((12, 7), n=1)
    cohort = Cohort(pd.DataFrame(index=IDS), {"mri": Images(pd.Index(IDS), arrays)})
    reader = Reader(Sources(["mri"]).fit(cohort), cohort)
    said = (
        "'mri': 3 images count as missing: that of 'p1' cannot be read: truncated file; that of "
        "'p2' has 3 axes of space, not 2; that of 'p3' has no finite value"
    )
    with pytest.warns(InputWarning, match=said) as told:
        informed = reader.informed()
    assert len(told) == 1
    assert list(informed) == [True, False, False, False, True]
    assert reader.batch(np.arange(5)).parts["mri"].rows.tolist() == [0, 4]


def test_other_channels_are_named() -> None:
    arrays = [*some((9, 9, 3), n=4), *some((9, 9, 1), n=1)]
    images = Images(pd.Index(IDS), arrays, channels=3)
    warning = ImageSource().fit(images).survey(images, np.arange(5)).warning
    assert "'p4' has 1 values in its last axis where 3 channels are told" in warning


def test_a_modality_of_which_no_image_can_be_read_is_said_to_tell_nothing() -> None:
    cohort = Cohort(pd.DataFrame(index=IDS), {"mri": Images(pd.Index(IDS), [Broken()] * 5)})
    with pytest.warns(InputWarning, match="'mri' tells nothing: 5 images count as missing"):
        assert not Sources(["mri"]).fit(cohort).fitted_


def test_single_missing_values_are_means() -> None:
    arrays = some((9, 9))
    arrays[2][4, 4] = np.nan
    pixels = read(Images(pd.Index(IDS), arrays))
    assert pixels[2, 0, 4, 4] == 0
    assert np.isfinite(pixels).all()


def test_channels_and_spacing_must_be_as_they_were() -> None:
    known = Images(pd.Index(IDS), some((9, 9)), spacing=[1.0, 1.0])
    source = ImageSource().fit(known)
    with pytest.raises(InputError, match="give `spacing`"):
        source.read(Images(pd.Index(IDS), some((9, 9))), np.arange(5))
    with pytest.raises(InputError, match="2 channels, and had none"):
        source.read(Images(pd.Index(IDS), some((9, 9, 2)), channels=2), np.arange(5))


def test_a_damaged_file_on_disk_is_named(tmp_path) -> None:
    arrays = [*some((9, 9), n=4), *some((7, 7), n=1)]
    cohort = Cohort(pd.DataFrame(index=IDS), {"mri": Images(pd.Index(IDS), arrays)})
    folder = save_cohort(cohort, tmp_path / "cohort")
    chunks = next(path for path in folder.rglob("images1") if path.is_dir()) / "c"
    stored = open_cohort(folder)
    shutil.rmtree(chunks)
    reader = Reader(Sources(["mri"]).fit(stored), stored)
    with pytest.warns(InputWarning, match="that of 'p4' cannot be read: .*images1"):
        assert list(reader.informed()) == [True, True, True, True, False]


def _wave(n: int) -> np.ndarray:
    at = (np.arange(n) + 0.5) / n
    return np.sin(2 * np.pi * at)[:, None] * np.cos(2 * np.pi * at)


def _ball(extent: np.ndarray, voxel: np.ndarray) -> np.ndarray:
    """A ball of radius 6 mm in the middle of a box, as the share of each voxel inside it."""
    shape = (extent / voxel).astype(int)
    axes = [(np.arange(n) - (n - 1) / 2) * v for n, v in zip(shape, voxel, strict=True)]
    distance = np.sqrt(sum(a**2 for a in np.meshgrid(*axes, indexing="ij")))
    return np.clip(6.5 - distance, 0, 1)
