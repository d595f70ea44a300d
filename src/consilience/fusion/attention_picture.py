"""A slide painted with attention."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from consilience.errors import InputError, listing, suggestion

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure

COLOURS = "cividis"  # even in lightness, and the same to colour-blind eyes
INCHES = 4.0  # a panel's side


def paint(
    attention: pd.DataFrame,
    patient: str,
    *,
    modality: str | None = None,
    groups: list[str] | None = None,
    image: np.ndarray | None = None,
    extent: tuple[float, float, float, float] | None = None,
) -> Figure:
    """Return a figure of a patient's instances where they lie, coloured by their weight.

    Colours show the rank of the weight among the patient's instances, from 0 to 1, for
    a few instances often have nearly all of it. Coordinates have equal scales, and y
    goes down, as in images.

    Parameters
    ----------
    attention : DataFrame
        As ``method.attention(cohort)`` returns it.
    patient : str
    modality : str, optional
        Which bag; needed where the patient has several.
    groups : list of str, optional
        Which groups, a panel each; all by default.
    image : ndarray of shape (height, width, 3) or (height, width), optional
        What is drawn beneath.
    extent : (left, right, bottom, top), optional
        Where the image's edges lie in the coordinates of the bag; its pixels by default.

    Raises
    ------
    InputError
        If there is nothing of the patient, of the bag or of a group, or no coordinates.
    """
    rows = _of_bag(attention, patient, modality)
    shown = _chosen(rows, groups, patient)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(INCHES * len(shown) + 1, INCHES), layout="constrained")
    panels = figure.subplots(1, len(shown), squeeze=False)[0]
    for panel, group in zip(panels, shown, strict=True):
        if image is not None:
            panel.imshow(image, extent=extent, cmap="gray", origin="upper")
        drawn = _panel(panel, rows[rows["group"] == group], beneath=image is not None)
        panel.set_title(group)
    figure.colorbar(drawn, ax=panels.tolist(), label="rank of the attention, 1 = most")
    figure.suptitle(f"{rows['modality'].iloc[0]} of {patient}")
    return figure


def _of_bag(attention: pd.DataFrame, patient: str, modality: str | None) -> pd.DataFrame:
    rows = attention[attention["patient"] == patient]
    if not len(rows):
        known = attention["patient"].unique()
        raise InputError(f"no attention of patient {patient!r}.{suggestion(patient, known)}")
    bags = list(rows["modality"].unique())
    if modality is None and len(bags) > 1:
        raise InputError(
            f"patient {patient!r} has several bags: give modality, of {listing(bags)}."
        )
    name = bags[0] if modality is None else modality
    if name not in bags:
        raise InputError(
            f"no attention to {name!r} of patient {patient!r}; there is {listing(bags)}."
        )
    rows = rows[rows["modality"] == name]
    if not {"x", "y"} <= set(rows) or rows[["x", "y"]].isna().any(axis=None):
        raise InputError(f"bag {name!r} has no coordinates x and y, so it cannot be painted.")
    return rows


def _chosen(rows: pd.DataFrame, groups: list[str] | None, patient: str) -> list[str]:
    there = list(rows["group"].unique())
    asked = there if groups is None else list(groups)
    unknown = [group for group in asked if group not in there]
    if unknown or not asked:
        raise InputError(
            f"no attention of group {listing(unknown)} for patient {patient!r}; there is "
            f"{listing(there, most=20)}."
        )
    return asked


def _panel(panel: Axes, rows: pd.DataFrame, beneath: bool) -> PathCollection:
    """Draw one group's instances; return what a colour bar is made of."""
    ranks = rows["weight"].rank(pct=True)
    order = np.argsort(ranks.to_numpy(), kind="stable")  # the heaviest on top
    drawn = panel.scatter(
        rows["x"].to_numpy()[order],
        rows["y"].to_numpy()[order],
        c=ranks.to_numpy()[order],
        s=max(2.0, 6000.0 / len(rows)) if len(rows) > 150 else 40.0,
        cmap=COLOURS,
        vmin=0.0,
        vmax=1.0,
        alpha=0.7 if beneath else 1.0,
        linewidths=0,
    )
    panel.set_aspect("equal")
    if not panel.yaxis_inverted():
        panel.invert_yaxis()
    panel.set_xlabel("x")
    panel.set_ylabel("y")
    return drawn
