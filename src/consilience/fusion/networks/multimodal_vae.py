"""The network of `MultimodalVAE`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from consilience.fusion.networks.decoding import DecodingNetwork
from consilience.fusion.networks.experts import EXPERTS, Posterior
from consilience.nn.batch import Batch, Part
from consilience.nn.losses import (
    ModalityDiscriminator,
    contrastive_loss,
    cycle_loss,
    divergence,
    product_of_experts,
    total_correlation,
)
from consilience.nn.sources import Sources

SPREADS = (-8.0, 3.0)  # log variances beyond which a posterior runs away


class Said(NamedTuple):
    """What the modalities say, each for itself, (n, n_modalities, ...).

    Where one is absent its private latent is the prior, and what it says of the shared
    one is of no account.
    """

    mean: Tensor
    log_variance: Tensor
    private_mean: Tensor
    private_log_variance: Tensor
    present: Tensor


class VAENetwork(DecodingNetwork):
    """Gaussian experts for a shared latent, private latents, and decoders from both.

    Parameters
    ----------
    sources, width
        See `FusionNetwork`.
    experts : str
        One of `EXPERTS`.
    latent, private : int
        Widths of the shared latent and of each modality's own.
    weights : dict of str to float
        Of the terms of the loss: reconstruction, beta, adversarial, cycle, contrastive,
        total_correlation.
    """

    def __init__(
        self,
        sources: Sources,
        width: int,
        *,
        experts: str,
        latent: int,
        private: int,
        weights: dict[str, float],
        **options: Any,
    ) -> None:
        super().__init__(
            sources, width, code=2 * (latent + private), latent=latent + private, **options
        )
        n_modalities = len(self.names)
        self.latent, self.private, self.weights = latent, private, weights
        self.experts = EXPERTS[experts](n_modalities)
        self.embedding_width = latent + n_modalities * private
        self.judge: nn.Module | None = None
        if weights["adversarial"] > 0:
            self.judge = ModalityDiscriminator(latent, n_modalities)

    def said(self, batch: Batch) -> Said:
        """Return what each modality says of each patient."""
        codes, present = self.codes(batch)
        shared, private = codes[..., : 2 * self.latent], codes[..., 2 * self.latent :]
        mean, spread = shared.chunk(2, dim=2)
        own_mean, own_spread = private.chunk(2, dim=2)  # 0, the prior, where absent
        return Said(mean, spread.clamp(*SPREADS), own_mean, own_spread.clamp(*SPREADS), present)

    def embed(self, batch: Batch) -> Tensor:
        said = self.said(batch)
        return self._embedded(said, self.kept(said.present))

    def _embedded(self, said: Said, kept: Tensor) -> Tensor:
        """Return the posterior means, the private ones after the shared."""
        shared = self.experts(said.mean, said.log_variance, kept).centre()
        own = said.private_mean * kept[:, :, None]
        return torch.cat([shared, own.flatten(1)], dim=1)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        said = self.said(batch)
        kept = self.kept(said.present)
        terms: dict[str, Tensor] = {}
        if self.decoders and self.weights["reconstruction"] > 0:
            told = self._training(batch, said, kept) if self.training else self._judged(batch, said)
            terms.update(told)
        if self.head is not None:
            outputs = self.head(self._embedded(said, kept))
            terms["outcome"] = self.head.loss(outputs, batch.targets)
        return terms

    def _judged(self, batch: Batch, said: Said) -> dict[str, Tensor]:
        """Return how well each modality is rebuilt from the others, without noise."""
        shown, total = self.shown(said.present, said.present), said.mean.sum() * 0.0
        for column in self.rebuildable(batch):
            rows = batch.parts[self.names[column]].rows
            seen = shown[column, rows]
            centre = self.experts(said.mean[rows], said.log_variance[rows], seen).centre()
            own = said.private_mean[rows, column] * seen[:, column, None]
            latent = torch.cat([centre, own], dim=1)
            total = total + self.misfit(batch, column, latent).mean() * self._share(column)
        return {"reconstruction": self.weights["reconstruction"] * total}

    def _training(self, batch: Batch, said: Said, kept: Tensor) -> dict[str, Tensor]:
        members = self.experts.training_sets(said.present, kept)
        weight = members.any(dim=2).to(said.mean.dtype)
        weight = weight / weight.sum(dim=0).clamp(min=1.0)
        posterior = Posterior(
            *product_of_experts(said.mean, said.log_variance, members, self.experts.prior),
            weight,
            members,
        )
        shared = drawn(posterior.mean, posterior.log_variance)
        own = drawn(said.private_mean, said.private_log_variance)
        terms = {
            "reconstruction": self._rebuilding(batch, posterior, shared, own),
            "beta": self._divergence(posterior, said),
            **self._regularisers(said, posterior, shared, own),
        }
        return {name: self.weights[name] * term for name, term in terms.items()}

    def _rebuilding(
        self, batch: Batch, posterior: Posterior, shared: Tensor, own: Tensor
    ) -> Tensor:
        """Return the misfit of every modality from every component.

        A component that does not know the modality knows nothing of its private latent:
        the prior's mean stands for it (Palumbo et al. 2023 draw from a prior).
        """
        total = shared.sum() * 0.0
        for column in self.rebuildable(batch):
            rows = batch.parts[self.names[column]].rows
            known = posterior.members[:, rows, column, None]
            latent = torch.cat([shared[:, rows], own[rows, column] * known], dim=2)
            loss = (self.misfit(batch, column, latent) * posterior.weight[:, rows]).sum(dim=0)
            total = total + loss.mean() * self._share(column)
        return total

    def _share(self, column: int) -> float:
        """Return the weight of a modality's misfit."""
        every = [self.n_features(int(key)) for key in self.decoders]
        return float((self.n_features(column) * sum(every) / len(every)) ** -0.5)

    def _divergence(self, posterior: Posterior, said: Said) -> Tensor:
        """Return the divergence from the prior: of a mixture the mean over its components.

        By convexity that of the mixture is at most that.
        """
        shared = (divergence(posterior.mean, posterior.log_variance) * posterior.weight).sum(dim=0)
        own = divergence(said.private_mean, said.private_log_variance).sum(dim=1)
        return (shared + own).mean() / sum(self.n_features(int(key)) for key in self.decoders)

    def _regularisers(
        self, said: Said, posterior: Posterior, shared: Tensor, own: Tensor
    ) -> dict[str, Tensor]:
        terms: dict[str, Tensor] = {}
        if self.weights["contrastive"] > 0:
            terms["contrastive"] = contrastive_loss(said.mean, said.present)
        if self.judge is not None:
            terms["adversarial"] = self.judge(said.mean, said.present)
        if self.weights["cycle"] > 0:
            terms["cycle"] = self._cycle(posterior)
        if self.weights["total_correlation"] > 0:
            terms["total_correlation"] = self._correlation(said, posterior, shared, own)
        return terms

    def _cycle(self, posterior: Posterior) -> Tensor:
        """Return how far from a component's latent its reconstructions lead.

        Counted is, of the last component, what it does not know: missing or hidden.
        """
        left, hidden = posterior.mean[-1], ~posterior.members[-1]
        back = torch.zeros(*hidden.shape, self.latent, device=left.device)
        everyone = torch.arange(len(left), device=left.device)
        latent = torch.cat([left, left.new_zeros(len(left), self.private)], dim=1)
        for key, decoder in self.decoders.items():
            column = int(key)
            part = Part(decoder.rebuilt(decoder(latent)), everyone)  # type: ignore[operator]
            mean, spread = self.code_of(column, part)[:, : 2 * self.latent].chunk(2, dim=1)
            alone = torch.ones_like(everyone, dtype=torch.bool)[:, None]
            spread = spread.clamp(*SPREADS)
            found, _ = product_of_experts(mean[:, None], spread[:, None], alone, self.experts.prior)
            back = back.index_put((everyone, torch.full_like(everyone, column)), found)
        rebuilt = torch.tensor([str(c) in self.decoders for c in range(len(self.names))])
        counted = hidden & rebuilt.to(hidden.device) & posterior.members[-1].any(1, keepdim=True)
        return cycle_loss(left[:, None, :].expand_as(back), back, counted)

    def _correlation(self, said: Said, posterior: Posterior, shared: Tensor, own: Tensor) -> Tensor:
        """Return the total correlation of all dimensions, one component drawn a patient."""
        place = torch.multinomial(posterior.weight.T.clamp(min=1e-12), 1)[:, 0]
        who = torch.arange(len(place), device=place.device)

        def whole(first: Tensor, second: Tensor) -> Tensor:
            return torch.cat([first[place, who], second.flatten(1)], dim=1)

        return total_correlation(
            whole(shared, own),
            whole(posterior.mean, said.private_mean),
            whole(posterior.log_variance, said.private_log_variance),
        )

    def posterior(self, batch: Batch) -> tuple[Posterior, Said]:
        """Return the posterior of the shared latent from all that is there, and what was said."""
        said = self.said(batch)
        return self.experts(said.mean, said.log_variance, said.present), said

    def rebuilt(self, batch: Batch) -> dict[str, Tensor]:
        posterior, said = self.posterior(batch)
        return self.decoded(posterior.centre(), said.private_mean)

    def decoded(
        self, shared: Tensor, own: Tensor, names: Sequence[str] | None = None
    ) -> dict[str, Tensor]:
        """Return what decoders say of latents.

        Parameters
        ----------
        shared : Tensor of shape (n, latent)
        own : Tensor of shape (n, n_modalities, private)
        names : sequence of str, optional
            The tables; all by default.
        """
        found = {}
        for name in self.tables() if names is None else names:
            latent = torch.cat([shared, own[:, self.names.index(name)]], dim=1)
            found[name] = self.decoder_of(name)(latent)
        return found


def drawn(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return one draw of Gaussians, through which gradients pass."""
    return mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
