"""Images are read when they are looked at, with the size of their own voxels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from consilience.cohort import Images
from consilience.errors import InputError


class Lazy:
    """An image that counts how often it was read."""

    def __init__(self, number: float) -> None:
        self.number, self.shape, self.read = number, (2, 3), 0

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        self.read += 1
        return np.full(self.shape, self.number)


def test_nothing_is_read_before_it_is_looked_at() -> None:
    stored = [Lazy(1.0), Lazy(2.0), Lazy(3.0)]
    images = Images(pd.Index(["a", "b", "c"]), stored, spacing=[[1, 1], [2, 2], [3, 3]])
    view = images.take(np.array([2, 0, 2])).take(np.array([2, 1]))
    assert list(view.index) == ["c", "a"]
    assert view.n_features == 6
    assert sum(image.read for image in stored) == 0
    assert view.image(0).tolist() == [[3.0] * 3] * 2
    assert [image.read for image in stored] == [0, 0, 1]
    assert view.spacing(0).tolist() == [3, 3]
    assert view.spacing(1).tolist() == [1, 1]


def test_one_spacing_serves_all_and_none_is_none() -> None:
    arrays = [np.zeros((2, 2)), np.zeros((4, 4))]
    one = Images(pd.Index(["a", "b"]), arrays, spacing=[0.5, 0.7])
    assert one.spacing(1).tolist() == [0.5, 0.7]
    assert Images(pd.Index(["a", "b"]), arrays).spacing(0) is None


def test_wrong_images_are_refused() -> None:
    ids, arrays = pd.Index(["a", "b"]), [np.zeros((2, 2))] * 2
    with pytest.raises(InputError, match="1 images for 2 patients"):
        Images(ids, arrays[:1])
    with pytest.raises(InputError, match="3 spacings for 2 patients"):
        Images(ids, arrays, spacing=np.ones((3, 2)))
    with pytest.raises(InputError, match="not positive"):
        Images(ids, arrays, spacing=[1.0, 0.0])
    with pytest.raises(InputError, match="'a' stands in more than one row"):
        Images(pd.Index(["a", "a"]), arrays)
