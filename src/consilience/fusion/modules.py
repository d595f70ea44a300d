"""Modules: features of several modalities, and patients, that go together; what they mean."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from consilience.cohort.modality import FloatArray
from consilience.errors import InputError, InputWarning, listing, suggestion
from consilience.fusion.discovery import Component, Components, Loading

STRONGEST = 10  # loadings of a modality shown for a module
COLUMNS = ("module", "modality", "gene_set", "overlap", "in_module", "in_set", "background")


@dataclass(frozen=True)
class Module:
    """A module: which features of which modality, and which patients, it is made of.

    Attributes
    ----------
    name : str
        Such as "module 1"; module 1 is the strongest.
    loadings : tuple of Loading
        Its features, those of a modality together and the strongest first. The weight is
        the z-score, with a minus where it is the feature's low values that take part.
    patients : tuple of str
        Ids of its patients, the strongest first.
    strength : float
        Its share of what all modules together explain.
    """

    name: str
    loadings: tuple[Loading, ...]
    patients: tuple[str, ...]
    strength: float

    def features(self, modality: str) -> tuple[str, ...]:
        """Return the names of its features of one modality, each once."""
        own = [item.feature for item in self.loadings if item.modality == modality]
        return tuple(dict.fromkeys(own))

    def component(self) -> Component:
        """Return it as a report shows it: the strongest features of each modality."""
        counts: dict[str, int] = {}
        shown = []
        for item in self.loadings:
            counts[item.modality] = counts.get(item.modality, 0) + 1
            if counts[item.modality] <= STRONGEST:
                shown.append(item)
        sizes = ", ".join(f"{count} of {name}" for name, count in counts.items())
        notes = f"features: {sizes or 'none stands out'}; {len(self.patients)} patients"
        return Component(self.name, tuple(shown), strength=self.strength, notes=notes)


def as_discovery(modules: Sequence[Module]) -> Components:
    """Return modules as a report shows them."""
    return Components(
        "Modules", tuple(m.component() for m in modules), "share of what is explained"
    )


def z_scores(values: FloatArray) -> FloatArray:
    """Return each column less its mean, over its standard deviation; 0 for a constant column.

    Zhang et al. (2012) read the members of a module off the rows of each H_m and the
    columns of W like this.
    """
    spread = values.std(axis=0)
    spread[spread == 0] = 1.0
    return np.asarray((values - values.mean(axis=0)) / spread)


def strongest(scores: FloatArray, threshold: float) -> npt.NDArray[np.intp]:
    """Return the places of the scores above a threshold, largest first."""
    order = np.argsort(-scores, kind="stable")
    return order[scores[order] > threshold]


def read_gmt(path: str | Path) -> dict[str, tuple[str, ...]]:
    """Read gene sets from a .gmt file: a line a set, with name, description and genes, by tabs.

    Raises
    ------
    InputError
        If the file is not there, a line has no name or no gene, or a set comes twice;
        names the file and the line.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as reason:
        raise InputError(f"{path}: {reason.strerror or reason}.") from reason
    except UnicodeDecodeError as reason:
        raise InputError(f"{path} is not a text file in UTF-8 ({reason}).") from reason
    sets: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        name, *rest = (part.strip() for part in line.split("\t"))
        genes = tuple(dict.fromkeys(gene for gene in rest[1:] if gene))
        if not name or not genes:
            raise InputError(
                f"{path}, line {number}: give a name, a description and at least one gene, "
                "separated by tabs."
            )
        if name in sets:
            raise InputError(f"{path}, line {number}: the gene set {name!r} is there twice.")
        sets[name] = genes
    if not sets:
        raise InputError(f"{path} holds no gene set.")
    return sets


def enrichment(
    modules: Sequence[Module],
    gene_sets: Mapping[str, Collection[str]] | str | Path,
    background: Mapping[str, Collection[str]],
) -> pd.DataFrame:
    """Test whether a module's features of a modality are in a gene set more often than by chance.

    The p-value is the upper tail of the hypergeometric distribution: drawing as many
    features as the module has from all features of the modality. All tests (modules ×
    modalities × gene sets) are corrected together for the false discovery rate
    (Benjamini and Hochberg 1995).

    Parameters
    ----------
    modules : sequence of Module
    gene_sets : mapping of str to collection of str, or path
        The genes of each set, or a .gmt file. Sets of which a modality has no gene are not
        tested there; those that no modality has are counted in a warning.
    background : mapping of str to collection of str
        By modality to be tested, all its features: what could have been in the module.

    Returns
    -------
    DataFrame
        A row a test, the smallest p-value first: module, modality, gene_set, overlap (how
        many of the module's features are in the set), in_module, in_set and background
        (how many features the module, the set and the modality have), expected, p_value,
        q_value, and features, which are the overlap.

    Raises
    ------
    InputError
        If there is no gene set, one is empty, or none has a gene among the features.
    """
    sets = _checked_sets(gene_sets)
    rows = []
    met: set[str] = set()
    for modality, features in background.items():
        every = set(features)
        here = {name: genes & every for name, genes in sets.items() if genes & every}
        met |= set(here)
        for module in modules:
            own = module.features(modality)
            for name, genes in here.items():
                both = tuple(feature for feature in own if feature in genes)
                sizes = (len(both), len(own), len(genes), len(every))
                rows.append((module.name, modality, name, *sizes, both))
    _say_unmet(sets, met, background)
    return _tested(pd.DataFrame(rows, columns=[*COLUMNS, "features"]))


def _checked_sets(gene_sets: Mapping[str, Collection[str]] | str | Path) -> dict[str, set[str]]:
    if not isinstance(gene_sets, Mapping | str | Path):
        raise InputError(
            "gene_sets must be lists of genes by name, or the path of a .gmt file, not "
            f"{type(gene_sets).__name__}."
        )
    given = gene_sets if isinstance(gene_sets, Mapping) else read_gmt(gene_sets)
    if not given:
        raise InputError("gene_sets is empty; give a set of gene names by name.")
    for name, genes in given.items():
        if isinstance(genes, str):
            raise InputError(f"gene set {name!r} is one word; give a list of genes.")
        if not isinstance(genes, Collection):
            raise InputError(f"gene set {name!r} is {genes!r}; give a list of genes.")
        if not genes:
            raise InputError(f"gene set {name!r} is empty; leave it out.")
    return {name: set(genes) for name, genes in given.items()}


def _say_unmet(
    sets: Mapping[str, set[str]], met: set[str], background: Mapping[str, Collection[str]]
) -> None:
    unmet = [name for name in sets if name not in met]
    if len(unmet) == len(sets):
        gene = sorted(next(iter(sets.values())))[0]
        features = sorted(feature for own in background.values() for feature in own)
        raise InputError(
            f"no gene of any gene set is among the features of {listing(background)}; the sets "
            f"say, for example, {gene!r}, the features {listing(features, most=1)}."
            f"{suggestion(gene, features)}"
        )
    if unmet:
        warnings.warn(
            f"{len(unmet)} of {len(sets)} gene sets have no gene among the features and were not "
            f"tested: {listing(unmet)}.",
            InputWarning,
            stacklevel=3,
        )


def _tested(table: pd.DataFrame) -> pd.DataFrame:
    from scipy.stats import false_discovery_control, hypergeom

    tail = hypergeom.sf(table.overlap - 1, table.background, table.in_set, table.in_module)
    p_value = np.clip(tail, 0.0, 1.0)
    place = len(COLUMNS)  # before the features
    table.insert(place, "expected", table.in_module * table.in_set / table.background)
    table.insert(place + 1, "p_value", p_value)
    table.insert(place + 2, "q_value", false_discovery_control(p_value))
    return table.sort_values("p_value", kind="stable", ignore_index=True)
