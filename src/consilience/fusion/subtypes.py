"""Subtypes: consensus clustering on any embedding."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import softmax
from sklearn.base import clone
from sklearn.utils import check_random_state

from consilience.cohort import Cohort, Survival
from consilience.cohort.modality import FloatArray
from consilience.errors import InputError, InputWarning
from consilience.fusion.block_fusion import check_whole
from consilience.fusion.discovery import Discovery, Groups
from consilience.fusion.embedding import Embedding
from consilience.fusion.numerics.consensus import (
    Resampling,
    ambiguity,
    area,
    chance,
    consensus,
    gain,
    partition,
    without_clusters,
)
from consilience.fusion.similarity_network import SimilarityNetworkFusion
from consilience.fusion.subtype_enrichment import patient_enrichment
from consilience.fusion.subtype_profiles import feature_profiles
from consilience.fusion.subtype_survival import SurvivalDifference, survival_difference

LEVEL = 0.05  # above it, subtypes are not told from a cloud without any


class Subtypes(Embedding):
    r"""Groups of patients that come back when patients are resampled (Monti et al. 2003).

    Patients are placed by an embedding. For each number of subtypes, k-means is run on many
    resamples of them; a good number puts each pair of patients together nearly always or
    nearly never. The share of pairs that are in between is the ambiguity (PAC, Senbabaoglu
    et al. 2014). Ambiguity falls with the number of clusters even where there are none, so
    it is held against that of Gaussian clouds of the same shape (John et al. 2020): the
    number chosen is the one with the largest gain, ``mean log PAC of the clouds - log
    PAC``, and `p_value_` tells how often a cloud has as large a gain at any number. Above
    .05 the patients may as well be a continuum cut into pieces, and `verdict_` says so.

    The consensus of the chosen number gives the centres (average linkage). A patient,
    of the training ones or new, belongs to the nearest; how surely is given by
    Gaussians of one common variance around the centres, and that is the embedding
    that `transform` gives and a learner is given.

    Missing values and missing modalities: as the embedding has them. A patient without
    a place in it has no subtype.

    Parameters
    ----------
    learner, modalities, encoders
        See `Embedding`.
    embedding : Embedding, optional
        An instance without a learner; `SimilarityNetworkFusion` by default.
    n_clusters : int, optional
        How many subtypes; by default the most stable number from 2 to `most`.
    most : int
        The largest number tried.
    resamples : int
        How often patients are resampled.
    share : float
        Share of the patients in a resample.
    references : int
        Clouds without clusters. The smallest possible p-value is ``1 / (references + 1)``.
        With 0 the number of least ambiguity is taken and nothing is tested.
    random_state : int, optional
        Seed of the resampling.

    Attributes
    ----------
    n_clusters_ : int
        How many subtypes there are.
    p_value_ : float
        See above; for the given number alone where `n_clusters` is given. NaN without
        references.
    labels_ : ndarray of str
        Subtype of each of `patients_`: "1" is the largest.
    coordinates_ : ndarray of shape (n_training, n_coordinates)
        The training patients in the embedding.
    centres_ : ndarray of shape (n_clusters, n_coordinates)
    consensus_ : dict of int to ndarray of shape (n_training, n_training)
        The consensus matrix of each number. A bundle does not hold them.
    embedding_ : Embedding
        Fitted.

    References
    ----------
    Monti, S. et al. (2003). Consensus clustering. Machine Learning 52, 91-118.

    Senbabaoglu, Y., Michailidis, G. and Li, J. Z. (2014). Critical limitations of consensus
    clustering in class discovery. Scientific Reports 4, 6207.

    John, C. R. et al. (2020). M3C: Monte Carlo reference-based consensus clustering.
    Scientific Reports 10, 1816.
    """

    def __init__(
        self,
        learner: Any = None,
        *,
        modalities: Sequence[str] | None = None,
        encoders: Mapping[str, Any] | None = None,
        embedding: Embedding | None = None,
        n_clusters: int | None = None,
        most: int = 6,
        resamples: int = 50,
        share: float = 0.8,
        references: int = 19,
        random_state: int | None = 0,
    ) -> None:
        super().__init__(learner, modalities=modalities, encoders=encoders)
        self.embedding = embedding
        self.n_clusters = n_clusters
        self.most = most
        self.resamples = resamples
        self.share = share
        self.references = references
        self.random_state = random_state

    def check_settings(self) -> None:
        """Refuse numbers out of their range, and what is no embedding or has a learner."""
        super().check_settings()
        if self.n_clusters is not None:
            check_whole("n_clusters", self.n_clusters, 2)
        for name, least in (("most", 2), ("resamples", 2), ("references", 0)):
            check_whole(name, getattr(self, name), least)
        if not 0 < self.share <= 1:
            raise InputError(f"share must be above 0 and at most 1, not {self.share!r}.")
        inside = self._template()
        if not isinstance(inside, Embedding):
            raise InputError(f"embedding must be an instance of an Embedding, not {inside!r}.")
        if inside.learner is not None:
            raise InputError(
                "the embedding of Subtypes has a learner of its own; give the learner to Subtypes."
            )

    def _template(self) -> Any:
        return SimilarityNetworkFusion() if self.embedding is None else self.embedding

    def _asked(self) -> Sequence[str] | None:
        if self.modalities is None and self.embedding is not None:
            return self.embedding.modalities
        return self.modalities

    def _keeps_patients(self) -> bool:
        return bool(self._template()._keeps_patients())

    def _learn_from(self, cohort: Cohort) -> None:
        inside = clone(self._template())
        encoders = self.encoders if self.encoders is not None else inside.encoders
        used = {name: one for name, one in (encoders or {}).items() if name in self.modalities_}
        self.embedding_ = inside.set_params(modalities=None, encoders=used or None).fit(cohort)
        places = self.embedding_.transform(cohort)
        known = np.isfinite(places).all(axis=1)
        self.patients_ = cohort.index[known].to_numpy(dtype=str)
        self.coordinates_ = np.ascontiguousarray(places[known])
        counts = self._counts(len(self.patients_))
        self._choose(counts)
        self._settle()
        if self.learner is None and self.p_value_ > LEVEL:
            warnings.warn(self.verdict_, InputWarning, stacklevel=4)

    def _counts(self, n: int) -> range:
        """Return the numbers of clusters to try."""
        if (self.n_clusters or 0) > n:
            raise InputError(
                f"n_clusters is {self.n_clusters}, more than the {n} patients to learn from."
            )
        if n < 3:
            raise InputError(f"subtypes need at least 3 patients to learn from, not {n}.")
        return range(2, min(max(self.most, self.n_clusters or 2), n) + 1)

    def _choose(self, counts: range) -> None:
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31))
        how = Resampling(self.resamples, self.share)
        matrices = consensus(self.coordinates_, counts, how, rng)
        own = np.array([ambiguity(matrix) for matrix in matrices.values()])
        reference = without_clusters(self.coordinates_, counts, how, self.references, rng)
        tested = [i for i, k in enumerate(counts) if self.n_clusters in (None, k)]
        if self.references:
            gains = gain(own, reference)
            self.p_value_ = chance(own[tested], reference[:, tested])
        else:
            gains, self.p_value_ = np.full(len(own), np.nan), np.nan
        merit = gains if self.references else -own
        self.n_clusters_ = int(counts[max(tested, key=lambda i: merit[i])])
        areas = np.array([area(matrix) for matrix in matrices.values()])
        self.figures_ = {
            "n_clusters": np.array(counts),
            "ambiguity": own,
            "without_clusters": reference.mean(axis=0) if self.references else gains,
            "gain": gains,
            "delta_area": np.diff(areas, prepend=0.0) / np.append(1.0, areas[:-1]),
        }
        self.consensus_ = {k: matrix.astype(np.float32) for k, matrix in matrices.items()}

    def _settle(self) -> None:
        """Learn the centres, and whom each is nearest to."""
        found = partition(self.consensus_[self.n_clusters_], self.n_clusters_)
        groups = [self.coordinates_[found == group] for group in np.unique(found)]
        within = sum(float(((group - group.mean(axis=0)) ** 2).sum()) for group in groups)
        freedom = max(len(found) - len(groups), 1) * self.coordinates_.shape[1]
        self.variance_ = max(within / freedom, float(np.finfo(float).tiny))
        self.centres_ = np.array([group.mean(axis=0) for group in groups])
        nearest = self._membership(self.coordinates_).argmax(axis=1)
        sizes = np.bincount(nearest, minlength=len(groups))
        order = np.argsort(-sizes, kind="stable")
        self.centres_ = self.centres_[order]
        self.names_ = np.array([str(rank + 1) for rank in range(len(order))])
        self.labels_ = self.names_[np.argsort(order)[nearest]]

    def _membership(self, places: FloatArray) -> FloatArray:
        squares = ((places[:, None, :] - self.centres_) ** 2).sum(axis=2)
        return np.asarray(softmax(-squares / (2.0 * self.variance_), axis=1))

    def _embed_cohort(self, cohort: Cohort) -> FloatArray:
        return self._membership(self.embedding_.transform(cohort))

    def _located(self, cohort: Cohort) -> npt.NDArray[np.bool_]:
        located: npt.NDArray[np.bool_] = self.embedding_._located(cohort)
        return located

    @property
    def stability_(self) -> pd.DataFrame:
        """How stable each number of subtypes is, a row a number.

        ``ambiguity`` (PAC; 0 is best), ``without_clusters`` (its mean in clouds without
        any), ``gain`` (the mean log of that less the own; the largest is chosen), and
        ``delta_area`` (Monti's relative change of the area under the distribution of the
        consensus).
        """
        return pd.DataFrame(self.figures_).set_index("n_clusters")

    @property
    def verdict_(self) -> str:
        """Whether these are subtypes or pieces of a continuum, in a sentence."""
        k, p = self.n_clusters_, self.p_value_
        if np.isnan(p):
            return f"{k} subtypes; not tested against patients without any."
        if p > LEVEL:
            number = f"from 2 to {self.most}" if self.n_clusters is None else f"{k}"
            return (
                f"no number of subtypes {number} is more stable than among patients without any "
                f"(p = {p:.2g}); the {k} given may be pieces of a continuum."
            )
        return f"{k} subtypes, more stable than among patients without any (p = {p:.2g})."

    def assign(self, cohort: Cohort) -> pd.Series:
        """Return each patient's subtype, missing where nothing that counts was measured.

        Parameters
        ----------
        cohort : Cohort
            Training patients or others.

        Returns
        -------
        Series of str
            By patient, in the cohort's order.
        """
        membership = self.transform(cohort)
        known = np.isfinite(membership).all(axis=1)
        found = np.full(len(cohort), pd.NA, dtype=object)
        found[known] = self.names_[membership[known].argmax(axis=1)]
        return pd.Series(found, index=cohort.index, dtype="string", name="subtype")

    def profiles(self, cohort: Cohort) -> pd.DataFrame:
        """Return which features tell a subtype from the other patients; see `feature_profiles`."""
        return feature_profiles(cohort.only(self.modalities_), self.assign(cohort))

    def enrichment(self, cohort: Cohort, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return how patient columns differ between subtypes; see `patient_enrichment`."""
        return patient_enrichment(cohort, self.assign(cohort), columns)

    def survival(self, cohort: Cohort, outcome: Survival) -> SurvivalDifference:
        """Return how survival differs between subtypes; see `survival_difference`."""
        return survival_difference(cohort, self.assign(cohort), outcome)

    def discoveries(self) -> list[Discovery]:
        """Return the groups of the training patients, and what the embedding found."""
        inner: list[Discovery] = self.embedding_.discoveries()
        if not hasattr(self, "patients_"):
            return inner
        labels = {
            who: f"subtype {name}" for who, name in zip(self.patients_, self.labels_, strict=True)
        }
        table = self.stability_
        stability = {str(k): 1.0 - float(pac) for k, pac in table["ambiguity"].items()}
        return [Groups(f"Subtypes: {self.verdict_}", labels, stability), *inner]

    def without_patients(self) -> Self:
        """Return the fitted method without patients' ids and the matrices between them."""
        own = super().without_patients()
        for name in ("labels_", "coordinates_", "consensus_"):
            if hasattr(own, name):
                delattr(own, name)
        return own
