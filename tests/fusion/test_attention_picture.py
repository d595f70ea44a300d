"""A painted slide: colours, places, and what cannot be painted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from consilience.errors import InputError
from consilience.fusion.attention_picture import paint


def attention(bags: tuple[str, ...] = ("slide",)) -> pd.DataFrame:
    rows = [
        {"patient": "patient-1", "modality": bag, "instance": i, "x": 10.0 * i, "y": 5.0 * i * i}
        | {"group": group, "weight": weight}
        for bag in bags
        for group, order in (("kinases", (0.1, 0.2, 0.7)), ("all others", (0.6, 0.3, 0.1)))
        for i, weight in enumerate(order)
    ]
    return pd.DataFrame(rows)


def test_the_places_are_the_coordinates_and_the_colours_the_ranks() -> None:
    figure = paint(attention(), "patient-1")
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert [panel.get_title() for panel in panels] == ["kinases", "all others"]
    for panel, ranks in zip(panels, ([1, 2, 3], [3, 2, 1]), strict=True):
        dots = panel.collections[0]
        places, colours = dots.get_offsets(), np.asarray(dots.get_array())
        by_place = dict(zip(places[:, 0], colours, strict=True))
        np.testing.assert_allclose([by_place[x] for x in (0, 10, 20)], np.array(ranks) / 3)
        np.testing.assert_allclose(places[:, 1], 5 * (places[:, 0] / 10) ** 2)
        assert colours[-1] == 1  # drawn last, so that nothing hides it
        assert panel.yaxis_inverted()
        assert panel.get_aspect() == 1.0


def test_it_can_be_drawn_over_the_image() -> None:
    image = np.full((60, 40, 3), 255, dtype=np.uint8)
    figure = paint(attention(), "patient-1", groups=["kinases"], image=image, extent=(0, 40, 60, 0))
    panel = figure.axes[0]
    assert panel.images[0].get_extent() == [0, 40, 60, 0]
    assert panel.yaxis_inverted()
    figure.canvas.draw()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"patient": "patient-2"}, "of patient 'patient-2'. Did you mean 'patient-1'"),
        ({"patient": "patient-1"}, "several bags: give modality, of 'slide', 'cells'"),
        ({"patient": "patient-1", "modality": "tiles"}, "'tiles' of patient 'patient-1'; there is"),
        ({"patient": "patient-1", "modality": "cells", "groups": ["x"]}, "group 'x'.*'kinases'"),
    ],
)
def test_what_is_not_there_is_refused(asked: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        paint(attention(("slide", "cells")), **asked)


def test_without_coordinates_nothing_is_painted() -> None:
    with pytest.raises(InputError, match="'slide' has no coordinates"):
        paint(attention().drop(columns=["x", "y"]), "patient-1")
