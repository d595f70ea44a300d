"""A transformer over the tokens of every modality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from consilience.cohort import Cohort
from consilience.errors import InputError
from consilience.fusion.base import check_cohort
from consilience.fusion.block_fusion import check_whole
from consilience.fusion.deep import AT_ONCE, DeepFusion
from consilience.fusion.deep_head import DeepHead, Survival
from consilience.fusion.discovery import Discovery, Weights
from consilience.fusion.task import Y
from consilience.nn.training import Training

if TYPE_CHECKING:
    from consilience.fusion.networks.cross_modal_transformer import CrossModalNetwork
    from consilience.nn.network import FusionNetwork
    from consilience.nn.reading import Reader

READER = "prediction"  # the row of an attention map that is read for the outcome
MOST_PAIRS = 10  # of modalities shown


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
        self.tokens = tokens
        self.heads = heads
        self.depth = depth
        self.dropout = dropout

    def check_settings(self) -> None:
        super().check_settings()
        check_form(self)

    def _network(self) -> FusionNetwork:
        from consilience.fusion.networks.cross_modal_transformer import CrossModalNetwork

        return CrossModalNetwork(
            self.sources_,
            self.width,
            heads=self.heads,
            depth=self.depth,
            tokens=self.tokens,
            dropout=self.dropout,
            encoders=self.encoders,
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
        with torch.inference_mode():
            for each in self.networks():
                network = cast("CrossModalNetwork", each)
                for start in range(0, n, AT_ONCE):
                    rows = np.arange(start, min(n, start + AT_ONCE))
                    found = network.attention(reader.batch(rows), layer)
                    maps[rows] += found.maps.double().numpy()
                    has[rows, 1:] = found.present.numpy()
        return maps / max(1, len(self.members_)), has

    def discoveries(self) -> list[Discovery]:
        """Return the learning curves, and the mean attention of the training patients."""
        return [*super().discoveries(), *attention_found(self)]


def check_form(method: Any) -> None:
    """Refuse a form that no transformer can have: tokens, heads, depth, dropout.

    Raises
    ------
    InputError
        Naming the setting.
    """
    for name in ("tokens", "heads", "depth"):
        check_whole(name, getattr(method, name), 1)
    if method.width % method.heads:
        raise InputError(
            f"width is {method.width}, which {method.heads} heads cannot share equally; "
            "make it a multiple."
        )
    if not 0 <= method.dropout < 1:
        raise InputError(f"dropout must be at least 0 and below 1, not {method.dropout!r}.")


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
