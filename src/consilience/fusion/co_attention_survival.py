"""Co-attention: groups of features look at the instances of a bag, to tell survival."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import pandas as pd

from consilience.cohort import Bag, Cohort, Table
from consilience.cohort.outcome import OutcomeKind
from consilience.errors import InputError, listing
from consilience.fusion.attention_map import attention_frame
from consilience.fusion.block_fusion import DEEPEST, WIDEST, check_whole
from consilience.fusion.deep import DeepFusion
from consilience.fusion.deep_head import DeepHead, Survival
from consilience.fusion.signatures import (
    FeatureGroups,
    check_signatures,
    group_features,
    read_signatures,
)
from consilience.fusion.task import Y
from consilience.nn.sources import TableSource
from consilience.nn.training import Training

if TYPE_CHECKING:
    from consilience.nn.network import FusionNetwork
    from consilience.nn.reading import Reader


class CoAttentionSurvival(DeepFusion):
    """Survival from bags and tables; each group of features says which instances count.

    Features are grouped, by gene families for instance, and a self-normalising network
    makes a vector g_1 ... g_N of each group. Each looks at all instances h of a patient's
    bag (co-attention, MCAT, equation 2)::

        A = softmax((G W_q) (H W_k)' / sqrt(d)),   what group n saw = sum_i A_ni (h_i W_v)

    What the groups saw, and the groups themselves, are each put through a set
    transformer and a gated-attention mean; both means together tell the hazards in ten
    intervals of time. With several bags the groups look at each; what is neither table
    nor bag, such as images, is looked at as a bag of the vectors that its encoder
    returns. The published model has one bag and its groups from one set of tables.

    Missing modalities: a group of which a patient has no table looks at the bag with a
    query learned for that case, and is left out among the groups; what a bag he lacks
    would say is 0, and an indicator a modality tells. A cohort may have tables alone, or
    bags alone (then one learned query looks at them, which is attention-based
    multiple-instance learning).

    Parameters
    ----------
    outcome : {"survival"}
    signatures : str or mapping of str to sequence of str, optional
        The groups: a CSV file with a column a group and a name a cell, or a mapping. A
        name stands for the features of that name in all tables, and for those that have
        it before their last underscore (``TP53``: ``TP53_mut``, ``TP53_rnaseq``).
        Features in no group are not used, which a warning counts; a table without any
        feature in a group is a group of its own.
    groups : int
        Into how many groups a table is split that is in no signature.
    depth : int
        Layers of each group's network.
    layers, heads : int
        Of each set transformer; the width is a multiple of the heads.
    dropout : float
    width, modality_dropout, members, training, random_state, modalities
        See `DeepFusion`.
    survival : {"discrete", "cox"}
        See `DeepFusion`.
    encoders : mapping of str to EncoderSettings, optional
        Of modalities that are neither tables nor bags.

    Attributes
    ----------
    groups_ : dict
        Group to table to features, as used.
    sources_, members_
        See `DeepFusion`.

    References
    ----------
    Chen RJ, Lu MY, Weng W-H, Chen TY, Williamson DFK, Manz T, Shady M, Mahmood F.
    Multimodal co-attention transformer for survival prediction in gigapixel whole slide
    images. ICCV 2021.
    """

    learns: ClassVar[frozenset[OutcomeKind]] = frozenset({"survival"})

    def __init__(
        self,
        outcome: str | None = "survival",
        *,
        signatures: str | Mapping[str, Sequence[str]] | None = None,
        groups: int = 1,
        depth: int = 2,
        layers: int = 1,
        heads: int = 4,
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
        self.signatures = signatures
        self.groups = groups
        self.depth = depth
        self.layers = layers
        self.heads = heads
        self.dropout = dropout

    def check_settings(self) -> None:
        super().check_settings()
        check_whole("groups", self.groups, 1, WIDEST)
        for name in ("depth", "layers", "heads"):
            check_whole(name, getattr(self, name), 1, DEEPEST)
        if self.width % self.heads:
            raise InputError(f"width must be a multiple of heads, {self.heads}, not {self.width}.")
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout must be at least 0 and below 1, not {self.dropout!r}.")
        if self.signatures is not None:
            read_signatures(self.signatures)

    def _used(self, cohort: Cohort) -> list[str]:
        names = super()._used(cohort)
        own = [n for n in self.encoders or {} if isinstance(cohort.modalities[n], Table | Bag)]
        if own:
            raise InputError(
                f"{type(self).__name__} reads tables and bags by networks of its own: take "
                f"{listing(own)} out of encoders."
            )
        if self.signatures is not None:
            asked = self._asked() or list(cohort.modalities)
            # Also those that measured nobody here: their features are known all the same.
            parts = {name: cohort.modalities[name] for name in asked}
            tables = {name: m.features for name, m in parts.items() if isinstance(m, Table)}
            check_signatures(read_signatures(self.signatures), tables)
        return names

    def _train(
        self, reader: Reader, strata: Y, head: DeepHead | None = None, y: Any = None
    ) -> None:
        tables = {
            name: source.features_
            for name, source in self.sources_.fitted_.items()
            if isinstance(source, TableSource)
        }
        self.signatures_ = None if self.signatures is None else read_signatures(self.signatures)
        self.groups_: FeatureGroups = group_features(tables, self.signatures_, self.groups)
        super()._train(reader, strata, head, y)

    def without_patients(self) -> Self:
        """Return the fitted method as a bundle holds it: the signatures, not their file's name."""
        own: Self = super().without_patients()
        if getattr(self, "signatures_", None) is not None:
            own.signatures = self.signatures_
        return own

    def _network(self) -> FusionNetwork:
        from consilience.fusion.networks.co_attention_survival import CoAttentionNetwork, Shape

        return CoAttentionNetwork(
            self.sources_,
            self.width,
            groups=self.groups_,
            shape=Shape(self.depth, self.layers, self.heads, self.dropout),
            encoders=self.encoders,
            modality_dropout=self.modality_dropout,
        )

    def attention(self, cohort: Cohort) -> pd.DataFrame:
        """Return how much each instance counted for each group, with its coordinates.

        Returns
        -------
        DataFrame
            See `attention_frame`; `paint` draws it.
        """
        return attention_frame(self, cohort)
