"""One latent for all modalities, from which each can be rebuilt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from consilience.errors import InputError
from consilience.fusion.block_fusion import WIDEST, check_whole
from consilience.fusion.deep_head import Survival
from consilience.fusion.deep_imputing import DeepImputes
from consilience.nn.training import Training

if TYPE_CHECKING:
    from consilience.nn.network import FusionNetwork


class MultimodalAutoencoder(DeepImputes):
    """An autoencoder whose latent is the mean of what the modalities there say.

    An encoder brings each modality to a code of one width, the latent is the mean of the
    codes of the modalities that a patient has, and a decoder rebuilds each modality from it.
    In training some modalities are hidden and rebuilt too, from those left. A named
    outcome is learned from the latent, end to end.

    The loss is the mean negative log-likelihood of a value times `reconstruction`, every
    table counting the same, and that of the outcome. Numbers are Gaussian with a learned
    variance a feature, 0 / 1 Bernoulli, counts negative binomial, words categorical.

    Missing modalities: the mean is taken over those there. Values missing within a table
    are the training mean with an indicator beside, and are not asked of the decoder.

    Parameters
    ----------
    outcome : str, optional
        None learns the representation alone.
    latent : int
        Width of the latent.
    reconstruction : float
        Weight of the reconstruction beside the outcome.
    hidden : int
        Width of the hidden layer that each decoder has beside its linear map; 0: none.
    corruption : float
        Share of the features set to their mean in training, before they are encoded.
    width, modality_dropout, survival, members, training, random_state, modalities, encoders
        See `DeepFusion`; a table's own encoder is an `MLP` of one layer.

    References
    ----------
    Ngiam J, Khosla A, Kim M, Nam J, Lee H, Ng AY. Multimodal deep learning. ICML 2011.
    """

    def __init__(
        self,
        outcome: str | None = None,
        *,
        latent: int = 32,
        reconstruction: float = 1.0,
        hidden: int = 32,
        corruption: float = 0.5,
        width: int = 64,
        modality_dropout: float = 0.5,
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
        self.latent = latent
        self.reconstruction = reconstruction
        self.hidden = hidden
        self.corruption = corruption

    def check_settings(self) -> None:
        super().check_settings()
        check_whole("latent", self.latent, 1, WIDEST)
        check_whole("hidden", self.hidden, 0, WIDEST)
        if not 0 <= self.corruption < 1:
            raise InputError(f"corruption must be at least 0 and below 1, not {self.corruption!r}.")
        if not self.reconstruction >= 0:
            raise InputError(f"reconstruction must be at least 0, not {self.reconstruction!r}.")

    def _network(self) -> FusionNetwork:
        from consilience.fusion.networks.multimodal_autoencoder import AutoencoderNetwork

        self._network_checked()
        return AutoencoderNetwork(
            self.sources_,
            self.width,
            latent=self.latent,
            reconstruction=self.reconstruction,
            hidden=self.hidden,
            corruption=self.corruption,
            encoders=self._shallow(),
            modality_dropout=self.modality_dropout,
        )
