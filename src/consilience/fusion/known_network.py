"""A user's network of features: a file, a table or a list of edges, and which features it ties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator

from consilience.cohort.modality import FloatArray
from consilience.errors import InputError, listing, suggestion
from consilience.fusion.numerics.feature_graph import Key, Names, edges_between

Edges = list[tuple[str, str, float]]


class KnownNetwork(BaseEstimator):  # type: ignore[misc]
    """Which features a user's network ties, as one symmetric, degree-normalised matrix.

    Attributes
    ----------
    rows_, columns_ : ndarray of int, (n_entries,)
        Features that are tied, in the order of all modalities one after another.
    values_ : ndarray of float32, (n_entries,)
        a / sqrt(d d') for an edge of weight a between features of degree d and d'.
    unmatched_ : list of str
        Names in an edge list that no modality in use has; their edges are left out.
    """

    def fit(self, network: Any, features: Names) -> KnownNetwork:
        """Read a network.

        Parameters
        ----------
        network : str, path, DataFrame, list of edges, or mapping
            A CSV file with a header, or a DataFrame, whose first two columns are features
            and whose third, if there is one, is a weight of 0 or more; a list of
            (feature, feature[, weight]); or graphs by modality or pair of modalities, as
            `JointNMF` takes them. A name that several modalities have stands for all.
        features : mapping of str to sequence of str
            Of each modality.

        Raises
        ------
        InputError
            If it cannot be read, an edge is not one, or it ties no two features.
        """
        self.unmatched_: list[str] = []
        if isinstance(network, Mapping):
            matrix = edges_between(network, features)
        else:
            listed = edges_of(network, features)
            self.listed_ = [tuple(edge) for edge in listed.edges]
            matrix = edges_between(self._by_modality(*listed, features), features)
        entries = matrix.tocoo()
        self.rows_: npt.NDArray[np.int64] = entries.row.astype(np.int64)
        self.columns_: npt.NDArray[np.int64] = entries.col.astype(np.int64)
        self.values_: FloatArray = entries.data.astype(np.float32)
        return self

    def _by_modality(self, edges: Edges, what: str, features: Names) -> dict[Key, Any]:
        homes = _homes(features)
        named = sorted({name for edge in edges for name in edge[:2]})
        self.unmatched_ = [name for name in named if name not in homes]
        found: dict[Key, Any] = {}
        for first, second, weight in edges:
            for one in homes.get(first, ()):
                for other in homes.get(second, ()):
                    found.setdefault((one, other), []).append((first, second, weight))
        if not found:
            lost = self.unmatched_[0] if self.unmatched_ else ""
            raise InputError(
                f"{what} ties no two features that are measured; it names "
                f"{listing(named, most=3)}.{suggestion(lost, homes)}"
            )
        return found


def _homes(features: Names) -> dict[str, list[str]]:
    """Return the modalities that have each name."""
    homes: dict[str, list[str]] = {}
    for modality, names in features.items():
        for name in names:
            homes.setdefault(name, []).append(modality)
    return homes


class _Listed(NamedTuple):
    """Edges, and what they are called in errors."""

    edges: Edges
    what: str


def edges_of(network: Any, features: Names) -> _Listed:
    """Return the edges of a file, a table or a list.

    Raises
    ------
    InputError
        Naming the file, and the row or the feature.
    """
    if isinstance(network, str | PathLike):
        path = Path(network)
        what = f"the network {path.name!r}"
        return _Listed(_of_table(_read(path, what, features), what, "row", 2), what)
    if isinstance(network, pd.DataFrame):
        return _Listed(_of_table(network, "the network", "row", 1), "the network")
    if not isinstance(network, Sequence):
        raise InputError(
            "network must be a file, a DataFrame, a list of edges or a mapping of graphs, "
            f"not {type(network).__name__}."
        )
    for place, edge in enumerate(network):
        if isinstance(edge, str) or not isinstance(edge, Sequence) or len(edge) not in (2, 3):
            raise InputError(
                f"the network: edge {place} is {edge!r}; give (feature, feature) or "
                "(feature, feature, weight)."
            )
    frame = pd.DataFrame(
        [(edge[0], edge[1], edge[2] if len(edge) == 3 else 1.0) for edge in network],
        columns=["feature", "other", "weight"],
    )
    return _Listed(_of_table(frame, "the network", "edge", 0), "the network")


def _read(path: Path, what: str, features: Names) -> pd.DataFrame:
    if not path.is_file():
        raise InputError(f"{what}: there is no such file at {str(path)!r}.")
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as reason:
        raise InputError(f"{what} cannot be read as CSV ({reason}).") from reason
    homes = _homes(features)
    if all(str(column) in homes for column in frame.columns[:2]):
        raise InputError(
            f"{what}: its first row, {', '.join(frame.columns[:2])}, names two features; "
            "put a header such as 'feature,other,weight' above it."
        )
    return frame


def _of_table(frame: pd.DataFrame, what: str, unit: str, first: int) -> Edges:
    """Return the edges in the rows of a table; its first row is called number `first`."""
    if frame.shape[1] < 2:
        raise InputError(
            f"{what} has {frame.shape[1]} columns; give two of features, and perhaps a weight."
        )
    if not len(frame):
        raise InputError(f"{what} has no edge.")
    ends = frame.iloc[:, :2].astype("string").fillna("")
    empty = (ends == "").to_numpy().any(axis=1)
    if empty.any():
        place = int(np.argmax(empty))
        raise InputError(f"{what}: {unit} {place + first} lacks a feature.")
    ones = pd.Series(1.0, index=frame.index)
    given = frame.iloc[:, 2] if frame.shape[1] > 2 else ones
    weights = pd.to_numeric(given, errors="coerce").to_numpy(dtype=float)
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        place = int(np.argmax(wrong))
        one, other = ends.iloc[place]
        raise InputError(
            f"{what}: {unit} {place + first}, {one!r} and {other!r}, has the weight "
            f"{str(given.iloc[place])!r}; give a number of 0 or more."
        )
    pairs = zip(ends.iloc[:, 0], ends.iloc[:, 1], weights, strict=True)
    return [(str(one), str(other), float(weight)) for one, other, weight in pairs]
