"""Intermediate fusion: an encoder a modality, joined before the outcome is learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from consilience.cohort import Cohort
from consilience.errors import InputError
from consilience.fusion.block_fusion import DEEPEST, WIDEST, check_whole
from consilience.fusion.deep import AT_ONCE, DeepFusion
from consilience.fusion.deep_head import Survival
from consilience.fusion.discovery import Discovery, Weights
from consilience.fusion.task import Y
from consilience.nn.training import Training

if TYPE_CHECKING:
    from consilience.nn.network import FusionNetwork

Way = Literal["concatenation", "gating", "bilinear"]
LINEAR = 4  # combinations in the linear path: enough for five classes


class IntermediateFusion(DeepFusion):
    """Networks that encode each modality and learn the outcome from all codes together.

    An encoder brings each modality to a code of `width` numbers. The codes are joined to
    one representation, and a linear head on it tells the outcome; encoders, fusion and
    head are trained together. The codes are joined

    - by *concatenation*: a linear layer on all codes and on who has what;
    - by *gating*: a weighted mean, whose weights a patient's own codes tell [1]_;
    - by *bilinear* fusion: all products of entries of different codes, through a
      weight tensor of low rank [2]_.

    `stages` says at which depths: 0 is right behind the encoders, k after k more layers
    that each modality has for itself. With several stages the representation grows: at
    each stage the codes as they are there are joined, and added to what came from the
    stage before. Beside all this runs a linear path from the features of each table to
    the head, as in wide and deep learning [3]_, so that the network need not learn
    a linear effect through its layers.

    Missing modalities: a patient's code of a modality that he lacks is zero, and counts
    for nothing: it has no weight (gating), leaves the products without it (bilinear), or is
    told apart by an indicator (concatenation). Modality dropout hides some in training.

    Parameters
    ----------
    outcome : str
        "binary", "multiclass", "continuous" or "survival"; `for_outcome` sets it.
    fusion : {"concatenation", "gating", "bilinear"}
        How codes are joined.
    stages : sequence of int
        At which depths, rising; ``(0,)`` early, ``(2,)`` late, ``(0, 1, 2)`` gradually.
    rank : int
        Of the bilinear weight tensor.
    linear_path : bool
        Whether the linear path runs beside the network.
    width : int
        Length of the codes and of the joint representation.
    dropout : float
        Share of the joint representation set to 0 in training; the encoders have their own.
    modality_dropout : float
        With what chance a modality that a patient has is hidden in training.
    survival : {"cox", "discrete"}
        For survival: Cox's partial likelihood, or the likelihood of hazards in intervals.
    members : int
        Networks in the ensemble.
    training : Training, optional
        Settings of the training loop; by default its own, but batches of 128 and a
        learning rate of 0.003.
    random_state : int, optional
        Seed; None draws one.
    modalities : sequence of str, optional
        Which modalities to use; all by default.
    encoders : mapping of str to EncoderSettings, optional
        Encoders of `consilience.nn.encoders` other than the kinds' own.

    Attributes
    ----------
    sources_ : Sources
        How each modality is brought to the network.
    members_ : list of Member
        The trained networks, with their learning curves.
    gates_ : dict of str to float
        With gating: the mean weight of each modality over the training patients who
        have it, and over the members.

    References
    ----------
    .. [1] Arevalo J et al. Gated multimodal units for information fusion. ICLR workshop
       2017, arXiv:1702.01992.
    .. [2] Liu Z et al. Efficient low-rank multimodal fusion with modality-specific factors.
       ACL 2018, arXiv:1806.00064.
    .. [3] Cheng H-T et al. Wide & deep learning for recommender systems. 2016,
       arXiv:1606.07792.

    Examples
    --------
    >>> from consilience.cohort import synthetic_cohort
    >>> from consilience.fusion import IntermediateFusion
    >>> cohort, y = synthetic_cohort(120, missing=0.2, seed=0)
    >>> model = IntermediateFusion("binary", fusion="gating").fit(cohort, y)
    >>> model.predict_proba(cohort).shape
    (120, 2)
    """

    grid: ClassVar[Mapping[str, Sequence[Any]]] = {}

    def __init__(
        self,
        outcome: str | None = "binary",
        *,
        fusion: Way = "concatenation",
        stages: Sequence[int] = (0,),
        rank: int = 4,
        linear_path: bool = True,
        width: int = 16,
        dropout: float = 0.2,
        modality_dropout: float = 0.4,
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
        self.fusion = fusion
        self.stages = stages
        self.rank = rank
        self.linear_path = linear_path
        self.dropout = dropout

    def check_settings(self) -> None:
        super().check_settings()
        if self.fusion not in ("concatenation", "gating", "bilinear"):
            raise InputError(
                f"fusion must be 'concatenation', 'gating' or 'bilinear', not {self.fusion!r}."
            )
        stages = list(self.stages)
        if not stages or stages[0] < 0 or stages != sorted(set(stages)):
            raise InputError(
                f"stages must be rising whole numbers from 0, such as (0, 1), not {self.stages!r}."
            )
        if stages[-1] > DEEPEST:
            raise InputError(f"stages must be at most {DEEPEST}, not {self.stages!r}.")
        check_whole("rank", self.rank, 1, WIDEST)
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout must be at least 0 and below 1, not {self.dropout!r}.")

    def _network(self) -> FusionNetwork:
        from consilience.fusion.networks import intermediate as own

        fusers: dict[str, Callable[[int, int], own.Fuser]] = {
            "concatenation": own.Concatenation,
            "gating": own.Gating,
            "bilinear": partial(own.Bilinear, rank=self.rank),
        }
        return own.IntermediateNetwork(
            self.sources_,
            self.width,
            fuse=fusers[self.fusion],
            stages=tuple(self.stages),
            dropout=self.dropout,
            linear=LINEAR if self.linear_path else 0,
            encoders=self.encoders,
            modality_dropout=self.modality_dropout,
        )

    def _fit(self, cohort: Cohort, y: Y) -> None:
        super()._fit(cohort, y)
        self.__dict__.pop("gates_", None)
        if self.fusion == "gating" and not self.silent_:
            self.gates_ = self._mean_gates(cohort)

    def _training(self) -> Training:
        # Large steps and batches: a batch must hold a risk set, and a cohort is a few of them.
        return self.training or Training(batch_size=128, learning_rate=3e-3)

    def _mean_gates(self, cohort: Cohort) -> dict[str, float]:
        import torch

        from consilience.fusion.networks.intermediate import IntermediateNetwork

        reader = self._reader(cohort)
        rows = np.flatnonzero(reader.informed())
        total = np.zeros(len(self.sources_.fitted_))
        owners = np.zeros(len(total))
        networks = self.networks()  # made here: weights made in inference mode take no gradient
        with torch.inference_mode():
            for network in networks:
                assert isinstance(network, IntermediateNetwork)
                for batch in reader.batches(rows, AT_ONCE):
                    total += network.gates(batch).sum(dim=0).numpy()
                    owners += batch.present().sum(dim=0).numpy()
        means = total / np.maximum(owners, 1.0)
        return dict(zip(self.sources_.fitted_, means.tolist(), strict=True))

    def discoveries(self) -> list[Discovery]:
        """Return the learning curves and, with gating, the mean weight of each modality."""
        found = super().discoveries()
        if hasattr(self, "gates_"):
            title = "Weights of the modalities"
            found.append(Weights(title, self.gates_, "mean gate of patients who have it"))
        return found
