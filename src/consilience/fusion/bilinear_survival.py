"""Bilinear fusion: every pair of modalities multiplied, to tell survival."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

from consilience.cohort import Cohort
from consilience.cohort.outcome import OutcomeKind
from consilience.errors import InputError
from consilience.fusion.attention_map import attention_frame
from consilience.fusion.block_fusion import WIDEST, check_whole
from consilience.fusion.deep import DeepFusion
from consilience.fusion.deep_head import Survival
from consilience.nn.training import Training

if TYPE_CHECKING:
    from consilience.nn.network import FusionNetwork


class BilinearSurvival(DeepFusion):
    """Survival from the Kronecker product of a bag's and a table's vectors.

    A bag becomes a vector by gated attention over its instances, a table by a
    self-normalising network. Each vector h_m is shortened and gated by all of them, and
    the products of all pairs of their entries, with a 1 put before each, are learned
    from (PORPOISE)::

        k_m = sigmoid(U_m [h_1, ..., h_M]) * GELU(W_m h_m)
        z = [1, k_1] (x) [1, k_2]

    so that z holds what each says alone and how they interact. A layer on z, and one on
    what it says beside the h_m, follow. The published model has
    two modalities. Of more, the products of all pairs are taken side by side, M (M - 1) / 2
    times (reduced + 1)^2 numbers: the terms up to second order of the product of all,
    whose size would be (reduced + 1)^M. Of one modality, z is [1, k_1]. The published
    gate is a bilinear form for a pair, or linear; here it is linear, and knows which
    modalities are there.

    Missing modalities: k_m is 0, so that of an absent modality only the 1 is left.

    Parameters
    ----------
    outcome : {"survival"}
    reduced : int
        Length of k_m.
    dropout : float
        Of the tables' networks, of the gated vectors and of the layer after the product.
    width, modality_dropout, members, training, random_state, modalities
        See `DeepFusion`.
    survival : {"discrete", "cox"}
        See `DeepFusion`.
    encoders : mapping of str to EncoderSettings, optional
        Encoders other than `SelfNormalising` for tables, and the kinds' own for others.

    References
    ----------
    Chen RJ, Lu MY, Williamson DFK, et al. Pan-cancer integrative histology-genomic
    analysis via multimodal deep learning. Cancer Cell 2022.
    """

    learns: ClassVar[frozenset[OutcomeKind]] = frozenset({"survival"})

    def __init__(
        self,
        outcome: str | None = "survival",
        *,
        reduced: int = 8,
        dropout: float = 0.25,
        width: int = 32,
        modality_dropout: float = 0.2,
        survival: Survival = "discrete",
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
        self.reduced = reduced
        self.dropout = dropout

    def check_settings(self) -> None:
        super().check_settings()
        check_whole("reduced", self.reduced, 1, WIDEST)
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout must be at least 0 and below 1, not {self.dropout!r}.")

    def _network(self) -> FusionNetwork:
        from consilience.fusion.networks.bilinear_survival import BilinearNetwork

        return BilinearNetwork(
            self.sources_,
            self.width,
            reduced=self.reduced,
            dropout=self.dropout,
            encoders=self.encoders,
            modality_dropout=self.modality_dropout,
        )

    def attention(self, cohort: Cohort) -> pd.DataFrame:
        """Return how much each instance of a bag counted, with its coordinates.

        Returns
        -------
        DataFrame
            See `attention_frame`; its group is "all". `paint` draws it.
        """
        return attention_frame(self, cohort)
