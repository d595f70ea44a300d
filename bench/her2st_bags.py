"""Co-attention on tiles of real breast sections: does it run from pixels to a painted slide?

    python bench/her2st_bags.py [picture.png]

Mechanics only. The six sections of her2st are cut into regions, each of which stands for
a patient: his bag holds colour and texture of the tiles around his spots, with their pixels
as coordinates; his table, the expression of his spots added up. **The outcome is synthetic**:
survival times are drawn with a hazard that rises with the share of dark tiles (many
nuclei) in a region. Nothing is said about these tumours or their prognosis, and regions of
one section are no independent patients. The data are for evaluation only: the picture is
written where you say, outside the project, and nowhere if you do not.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.model_selection import KFold

from consilience.cohort import Bag, Cohort, Table
from consilience.fusion.attention_picture import paint
from consilience.fusion.co_attention_survival import CoAttentionSurvival
from consilience.nn.training import Training
from loaders import data_folder

SECTIONS = ("B4", "C2", "C3", "C4", "C5", "C6")
SHRINK = 4  # pixels a pixel of the image as it is read
TILE = 256  # pixels of the slide, about the distance between spots
REGIONS = 8  # of each section
GENES = 30
SIGNAL = 2.0  # log hazard ratio a standard deviation of the planted risk
WHITE, DARK = 210.0, 0.9  # brightness of empty glass; quantile that a dark tile exceeds
TILE_FEATURES = (
    *(f"mean_{colour}" for colour in ("red", "green", "blue")),
    *(f"sd_{colour}" for colour in ("red", "green", "blue")),
    "darkness", "texture", "glass",
)  # fmt: skip


def section(name: str) -> tuple[pd.DataFrame, np.ndarray, pd.DataFrame]:
    """Return spots (pixel_x, pixel_y), tile features and counts of a section, row for row."""
    folder = data_folder("her2st")
    spots = pd.read_csv(folder / "spots" / f"{name}_selection.tsv", sep="\t")
    spots.index = pd.Index(spots["x"].astype(str) + "x" + spots["y"].astype(str))
    counts = pd.read_csv(folder / "counts" / f"{name}.tsv.gz", sep="\t", index_col=0)
    both = spots.index[(spots["selected"] == 1) & spots.index.isin(counts.index)]
    spots = spots.loc[both, ["pixel_x", "pixel_y"]]
    pixels = shrunk(folder / "images" / f"{name}.jpg")
    tiles = [tile_features(pixels, x, y) for x, y in spots.to_numpy()]
    return spots, np.array(tiles), counts.loc[both]


def shrunk(path: Path) -> np.ndarray:
    """Return an image at a quarter of its size, (height, width, 3)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # known and trusted
        with Image.open(path) as image:
            image.draft("RGB", (image.width // SHRINK, image.height // SHRINK))
            return np.asarray(image.convert("RGB"), dtype=np.float32)


def tile_features(pixels: np.ndarray, x: float, y: float) -> np.ndarray:
    """Return colour and texture of the tile around a spot, in the order of TILE_FEATURES."""
    half = TILE // SHRINK // 2
    row, column = round(y / SHRINK), round(x / SHRINK)
    tile = pixels[max(0, row - half) : row + half, max(0, column - half) : column + half]
    grey = tile.mean(axis=2)
    texture = np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean()
    mean, spread = tile.mean(axis=(0, 1)), tile.std(axis=(0, 1))
    return np.array([*mean, *spread, 255.0 - grey.mean(), texture, (grey > WHITE).mean()])


def regions(places: np.ndarray, parts: int) -> Iterator[np.ndarray]:
    """Yield the spots of regions of equal size: halves across the longer side, and so on."""
    rows = [np.arange(len(places))]
    while len(rows) < parts:
        largest = max(range(len(rows)), key=lambda i: len(rows[i]))
        own = rows.pop(largest)
        axis = int(np.argmax(np.ptp(places[own], axis=0)))
        order = own[np.argsort(places[own, axis], kind="stable")]
        rows += np.array_split(order, 2)
    yield from rows


def her2st(parts: int = REGIONS) -> Cohort:
    """Return regions of six sections as patients: bag ``tiles``, table ``expression``."""
    tiles, places, sums = {}, {}, {}
    for name in SECTIONS:
        spots, features, counts = section(name)
        for number, rows in enumerate(regions(spots.to_numpy(), parts), start=1):
            patient = f"{name}-{number}"
            tiles[patient], places[patient] = features[rows], spots.to_numpy()[rows]
            sums[patient] = counts.iloc[rows].sum()
    expression = pd.DataFrame(sums).T.fillna(0.0)
    per_million = np.log1p(1e6 * expression.div(expression.sum(axis=1), axis=0))
    varied = per_million.var().nlargest(GENES).index
    bag = Bag(
        pd.Index(list(tiles)),
        np.concatenate(list(tiles.values())),
        [len(rows) for rows in tiles.values()],
        coordinates=np.concatenate(list(places.values())),
        features=TILE_FEATURES,
    )
    patients = pd.DataFrame({"section": [p.split("-")[0] for p in tiles]}, index=list(tiles))
    return Cohort(patients, {"tiles": bag, "expression": Table(per_million[varied])}, name="her2st")


def dark_tiles(cohort: Cohort) -> list[np.ndarray]:
    """Return which tiles of each region are among the darkest tenth of all."""
    bag = cohort.modalities["tiles"]
    assert isinstance(bag, Bag)
    column = bag.features.index("darkness")
    darkness = [bag.instances(i)[:, column] for i in range(len(bag))]
    limit = np.quantile(np.concatenate(darkness), DARK)
    return [own > limit for own in darkness]


def synthetic_outcome(cohort: Cohort, seed: int = 0) -> np.ndarray:
    """Draw survival times whose hazard rises with the share of dark tiles. Not real."""
    rng = np.random.default_rng(seed)
    share = np.array([own.mean() for own in dark_tiles(cohort)])
    risk = SIGNAL * (share - share.mean()) / share.std()
    y = np.empty(len(risk), dtype=[("event", bool), ("time", float)])
    death, ends = 1000 * rng.exponential(np.exp(-risk)), rng.uniform(1000, 10_000, len(risk))
    y["event"], y["time"] = death <= ends, np.minimum(death, ends) + 1
    return y


def main() -> None:
    """Make the bags, train, predict, weigh, and paint the region at highest risk."""
    start = time.perf_counter()
    cohort = her2st()
    y, bag = synthetic_outcome(cohort), cohort.modalities["tiles"]
    print(f"{bag!r}, made in {time.perf_counter() - start:.1f} s; the outcome is synthetic")
    start = time.perf_counter()
    training = Training(60, 60, validation=0.0, learning_rate=3e-3)
    model = CoAttentionSurvival(groups=3, training=training)
    said = np.empty(len(y))
    for train, test in KFold(5, shuffle=True, random_state=0).split(said):
        model.fit(cohort[train], y[train])
        said[test] = model.predict(cohort[test])
    dark = np.array([own.mean() for own in dark_tiles(cohort)])
    rank = pd.Series(said).corr(pd.Series(dark), "spearman")
    print(f"five folds in {time.perf_counter() - start:.1f} s")
    print(f"rank correlation of the risk with the planted share of dark tiles: {rank:.2f}")
    attention = model.fit(cohort, y).attention(cohort)
    told = np.concatenate(dark_tiles(cohort))
    weights = attention.groupby(["patient", "instance"], sort=False)["weight"].mean()
    even = 1 / weights.groupby("patient", sort=False).transform("size")
    ratio = (weights / even).groupby(told).mean()
    print(f"attention over an even share: dark tiles {ratio[True]:.2f}, others {ratio[False]:.2f}")
    patient = cohort.index[int(np.argmax(model.predict(cohort)))]
    figure = paint(attention, patient)
    if len(sys.argv) > 1:
        figure.savefig(sys.argv[1], dpi=150)
    print(f"painted {patient}: {len(figure.axes) - 1} groups, {len(attention)} rows of attention")


if __name__ == "__main__":
    main()
