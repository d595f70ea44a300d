"""A variational autoencoder for many modalities, with products and mixtures of experts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

from consilience.errors import InputError, listing
from consilience.fusion.block_fusion import WIDEST, check_whole
from consilience.fusion.deep_drawing import DeepDraws
from consilience.fusion.deep_head import Survival
from consilience.nn.training import Training

if TYPE_CHECKING:
    from consilience.nn.network import FusionNetwork

Experts = Literal["product", "mixture", "mixture-of-products"]
EXPERTS: tuple[Experts, ...] = get_args(Experts)
TERMS = ("reconstruction", "beta", "adversarial", "cycle", "contrastive", "total_correlation")


class MultimodalVAE(DeepDraws):
    """A variational autoencoder whose posterior is made of one Gaussian expert a modality.

    What the modalities there say of the shared latent is multiplied ("product"; Wu and
    Goodman 2018), is a mixture ("mixture"; Shi et al. 2019), or a mixture of the products
    of all subsets ("mixture-of-products"; Sutter et al. 2021; with more than five
    modalities of each one, all but each one, and all). From a draw of the posterior every
    modality is rebuilt, with the likelihood of each feature's kind: Gaussian with
    a learned variance, Bernoulli, negative binomial, categorical. A named outcome is
    learned from the posterior mean, end to end.

    The loss, divided by the mean number of features of the M modalities that are rebuilt::

        reconstruction * sum_m sqrt(mean n_features / n_features_m) * -log p(x_m | z)
            + beta * KL(q(z | x) || N(0, 1)) / M

    so that ``beta = M`` weighs the divergence as the evidence lower bound does, and 1 less;
    plus the regularisers whose weight is above 0, plus the outcome's own. The root keeps
    a small modality from being drowned by large ones.

    Missing modalities: only the experts of the modalities there take part; whoever has
    none has the prior. What a patient lacks does not count in the loss.

    Parameters
    ----------
    outcome : str, optional
        None learns the representation alone.
    experts : {"product", "mixture", "mixture-of-products"}
        How the modalities' experts become one posterior.
    latent : int
        Dimensions of the shared latent.
    private : int
        Dimensions of a latent that each modality has beside, that no other can see; 0: none.
    beta, reconstruction : float
        Weights of the divergence and of the misfit.
    adversarial : float
        Weight of a discriminator from which the experts' means hide their modality.
    cycle : float
        Weight of the distance between a latent and what its reconstruction of a missing
        or hidden modality is encoded as.
    contrastive : float
        Weight of InfoNCE between the experts' means of one patient.
    total_correlation : float
        Weight of the dependence among all latent dimensions, shared and private.
    hidden : int
        Width of the hidden layer that each decoder has beside its linear map; 0: none.
    corruption : float
        Share of the features set to their mean in training, before they are encoded.
    width, modality_dropout, survival, members, training, random_state, modalities, encoders
        See `DeepFusion`; a table's own encoder is an `MLP` of one layer.

    References
    ----------
    Wu M, Goodman N. Multimodal generative models for scalable weakly-supervised learning.
    NeurIPS 2018. Shi Y et al. Variational mixture-of-experts autoencoders for multi-modal
    deep generative models. NeurIPS 2019. Sutter TM, Daunhawer I, Vogt JE. Generalized
    multimodal ELBO. ICLR 2021.
    """

    def __init__(
        self,
        outcome: str | None = None,
        *,
        experts: Experts = "product",
        latent: int = 32,
        private: int = 4,
        beta: float = 1.0,
        reconstruction: float = 1.0,
        adversarial: float = 0.0,
        cycle: float = 0.0,
        contrastive: float = 0.0,
        total_correlation: float = 0.0,
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
        self.experts = experts
        self.latent = latent
        self.private = private
        self.beta = beta
        self.reconstruction = reconstruction
        self.adversarial = adversarial
        self.cycle = cycle
        self.contrastive = contrastive
        self.total_correlation = total_correlation
        self.hidden = hidden
        self.corruption = corruption

    def check_settings(self) -> None:
        super().check_settings()
        check_whole("latent", self.latent, 1, WIDEST)
        check_whole("private", self.private, 0, WIDEST)
        check_whole("hidden", self.hidden, 0, WIDEST)
        if not 0 <= self.corruption < 1:
            raise InputError(f"corruption must be at least 0 and below 1, not {self.corruption!r}.")
        if self.experts not in EXPERTS:
            raise InputError(f"experts must be one of {listing(EXPERTS)}, not {self.experts!r}.")
        for name in TERMS:
            if not getattr(self, name) >= 0:
                raise InputError(f"{name} must be at least 0, not {getattr(self, name)!r}.")

    def _network(self) -> FusionNetwork:
        from consilience.fusion.networks.multimodal_vae import VAENetwork

        self._network_checked()
        return VAENetwork(
            self.sources_,
            self.width,
            experts=self.experts,
            latent=self.latent,
            private=self.private,
            weights={name: float(getattr(self, name)) for name in TERMS},
            hidden=self.hidden,
            corruption=self.corruption,
            encoders=self._shallow(),
            modality_dropout=self.modality_dropout,
        )
