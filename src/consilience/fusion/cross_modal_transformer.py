"""A transformer over the tokens of every modality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, cast

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from consilience.cohort import Cohort
from consilience.errors import InputError, listing
from consilience.fusion.base import check_cohort
from consilience.fusion.deep import AT_ONCE, DeepFusion, Member
from consilience.fusion.deep_head import DeepHead, Survival
from consilience.fusion.discovery import Discovery, Weights
from consilience.fusion.fine_tuning import (
    check_pretrained,
    known_to,
    put_start,
    settings_of,
    sources_of,
    started,
    starting_weights,
)
from consilience.fusion.task import Y
from consilience.fusion.transformer_form import check_form, check_same_form
from consilience.nn.training import Training

if TYPE_CHECKING:
    from consilience.fusion.networks.cross_modal_transformer import CrossModalNetwork
    from consilience.nn.network import FusionNetwork
    from consilience.nn.reading import Reader

READER = "prediction"  # the row of an attention map that is read for the outcome
MOST_PAIRS = 10  # of modalities shown
Freeze = Literal["none", "encoders", "all"]
FROZEN: dict[str, tuple[str, ...]] = {  # how the names of weights begin that stay as they are
    "none": (),
    "encoders": ("encoders.", "labels."),
    "all": ("encoders.", "labels.", "transformer."),
}


class CrossModalTransformer(DeepFusion):
    """Attention between all that a patient was measured by.

    Every modality is a few tokens, vectors of one length: a token a feature of a small
    table (the FT-Transformer [1]_), a token a group of features of a wide one, those of
    the encoder for bags and images. To each the label of its modality is added, which is
    learned too. In every block each token attends to all tokens of the patient, of
    whatever modality [2]_; a first token, the reader, gathers what the head predicts from.

    Missing modalities: their tokens are not there, and nothing attends to them, so that
    nothing stands in for what was not measured; a feature missing within a table likewise.
    Modality dropout hides some in training.

    Parameters
    ----------
    outcome : str
        "binary", "multiclass", "continuous" or "survival"; `for_outcome` sets it.
    pretrained : Pretraining, FrozenEstimator or str, optional
        What to start from. A `Pretraining` as it is set up is first fitted on the training
        patients; a fitted one inside scikit-learn's `FrozenEstimator`, or the folder to
        which one was saved, is taken as it is. The form (width, tokens, heads, depth) must
        be the same; encoders, and how features are standardised, are the pretraining's, and a
        feature that it knows may not be missing from a table. A modality that it does not
        know is left out, with a warning.
    freeze : {"none", "encoders", "all"}
        What of the pretraining stays as it is while the outcome is learned: nothing, the
        encoders, or all but the head. Of no account without a pretraining.
    tokens : int
        Most tokens of a table. The cost of attention goes with the square of all tokens.
    heads : int
        Of the attention; `width` must be a multiple.
    depth : int
        Number of blocks.
    dropout : float
        In the blocks, in training.
    width : int
        Length of the tokens.
    modality_dropout, survival, members, training, random_state, modalities, encoders
        See `DeepFusion`.

    Attributes
    ----------
    attention_ : ndarray of shape (1 + n_modalities, n_modalities)
        Mean attention map of the training patients: first the row of the prediction, then
        those of the modalities of `sources_`, each a mean over the patients who have it.

    References
    ----------
    .. [1] Gorishniy Y et al. Revisiting deep learning models for tabular data. NeurIPS 2021.
    .. [2] Vaswani A et al. Attention is all you need. NeurIPS 2017.
    """

    grid: ClassVar[Mapping[str, Sequence[Any]]] = {}

    def __init__(
        self,
        outcome: str | None = "binary",
        *,
        pretrained: Any = None,
        freeze: Freeze = "none",
        tokens: int = 8,
        heads: int = 4,
        depth: int = 2,
        dropout: float = 0.2,
        width: int = 32,
        modality_dropout: float = 0.2,
        survival: Survival = "cox",
        members: int = 1,
        training: Training | None = None,
        random_state: int | None = 0,
        modalities: Sequence[str] | None = None,
        encoders: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            outcome,
            width=width,
            modality_dropout=modality_dropout,
            survival=survival,
            members=members,
            training=training,
            random_state=random_state,
            modalities=modalities,
            encoders=encoders,
        )
        self.pretrained = pretrained
        self.freeze = freeze
        self.tokens = tokens
        self.heads = heads
        self.depth = depth
        self.dropout = dropout

    def check_settings(self) -> None:
        super().check_settings()
        check_form(self)
        if self.freeze not in FROZEN:
            raise InputError(f"freeze must be {listing(FROZEN, most=4)}, not {self.freeze!r}.")
        if self.pretrained is not None:
            check_pretrained(self.pretrained)
            if self.encoders:
                raise InputError(
                    "encoders are given beside pretrained, whose encoders are used: give them "
                    "to the Pretraining."
                )

    def _fit(self, cohort: Cohort, y: Y) -> None:
        self.__dict__.pop("_start", None)
        if self.pretrained is None:
            super()._fit(cohort, y)
            return
        pretraining = started(self.pretrained, cohort)
        check_same_form(self, pretraining, "the pretraining")
        self.modalities_ = known_to(pretraining, self.modalities_, self.modalities)
        self.n_features_in_ = cohort.only(self.modalities_).shape[1]
        sources = sources_of(pretraining, self.modalities_)
        self.starting_encoders_ = dict(pretraining.encoders or {})
        self._start = starting_weights(pretraining, list(sources.fitted_))
        try:
            self._fit_on(sources, cohort.only(self.modalities_), y)
        finally:
            del self._start

    def _built(self, member: Member) -> FusionNetwork:
        network = super()._built(member)
        if "_start" in self.__dict__:
            number = len(self.members_) % len(self._start)
            put_start(network, self._start[number], FROZEN[self.freeze])
        return network

    def _network(self) -> FusionNetwork:
        from consilience.fusion.networks.cross_modal_transformer import CrossModalNetwork

        return CrossModalNetwork(
            self.sources_,
            self.width,
            heads=self.heads,
            depth=self.depth,
            tokens=self.tokens,
            dropout=self.dropout,
            encoders=self.__dict__.get("starting_encoders_", self.encoders),
            modality_dropout=self.modality_dropout,
        )

    def _train(
        self, reader: Reader, strata: Y, head: DeepHead | None = None, y: Any = None
    ) -> None:
        super()._train(reader, strata, head, y)
        maps, has = self._maps(reader, len(strata), None)
        self.attention_ = maps.sum(axis=0) / np.maximum(1, has.sum(axis=0))[:, None]

    def attention_maps(self, cohort: Cohort, layer: int | None = None) -> pd.DataFrame:
        """Return how much each modality of each patient attends to each other.

        Averaged over heads and members. Attention tells where the network looked, not
        what would change its mind: for that, permute or remove a modality.

        Parameters
        ----------
        cohort : Cohort
        layer : int, optional
            The attention within this block, from 0. By default rollout: how much a last
            state rests on each modality's tokens through all blocks.

        Returns
        -------
        DataFrame
            Index (patient, modality), of what each patient has, the first row of a patient
            being "prediction"; columns the modalities. Rows sum to 1. Patients with
            nothing measured have no row.

        Raises
        ------
        InputError
            If there is no such block.
        """
        check_is_fitted(self, "members_")
        check_cohort(cohort)
        if layer is not None and not 0 <= layer < self.depth:
            raise InputError(f"layer must be from 0 to {self.depth - 1}, not {layer!r}.")
        known = cohort[np.flatnonzero(self.informed(cohort))]
        names = list(self.sources_.fitted_)
        maps, has = self._maps(self._reader(known), len(known), layer)
        rows = pd.MultiIndex.from_product(
            [known.index, [READER, *names]], names=["patient", "modality"]
        )
        frame = pd.DataFrame(maps.reshape(-1, len(names)), index=rows, columns=names)
        return frame[has.ravel()]

    def _maps(
        self, reader: Reader, n: int, layer: int | None
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Return maps, (n, 1 + n_modalities, n_modalities), and which rows a patient has."""
        import torch

        names = self.sources_.fitted_
        maps = np.zeros((n, 1 + len(names), len(names)))
        has = np.ones(maps.shape[:2], dtype=bool)
        networks = self.networks()  # made here: weights made in inference mode take no gradient
        with torch.inference_mode():
            for each in networks:
                network = cast("CrossModalNetwork", each)
                for start in range(0, n, AT_ONCE):
                    rows = np.arange(start, min(n, start + AT_ONCE))
                    found = network.attention(reader.batch(rows), layer)
                    maps[rows] += found.maps.double().numpy()
                    has[rows, 1:] = found.present.numpy()
        return maps / max(1, len(self.members_)), has

    def without_patients(self) -> Self:
        """Return the fitted method as a bundle holds it.

        The weights are its own; of a pretraining that it started from, the settings stay:
        fitted again, it is first pretrained on the patients it is given.
        """
        own: Self = super().without_patients()
        if self.pretrained is not None:
            own.pretrained = settings_of(self.pretrained)
        return own

    def discoveries(self) -> list[Discovery]:
        """Return the learning curves, and the mean attention of the training patients."""
        return [*super().discoveries(), *attention_found(self)]


def attention_found(method: CrossModalTransformer) -> list[Discovery]:
    """Return the mean attention as a report can draw it: for the outcome, and between."""
    if method.silent_:
        return []
    names, (read, *rows) = list(method.sources_.fitted_), method.attention_.round(4).tolist()
    title = "What the prediction attends to"
    found: list[Discovery] = [
        Weights(title, dict(zip(names, read, strict=True)), "mean attention, training patients")
    ]
    pairs = {
        f"{one} to {other}": share
        for one, row in zip(names, rows, strict=True)
        for other, share in zip(names, row, strict=True)
        if one != other
    }
    strongest = sorted(pairs, key=lambda pair: -pairs[pair])[:MOST_PAIRS]
    if strongest:
        weights = {pair: pairs[pair] for pair in strongest}
        found.append(Weights("Attention between modalities", weights, "mean attention"))
    return found
