"""Intermediate fusion: an encoder a modality, joined before the outcome is learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consilience.fusion.deep import DeepFusion

if TYPE_CHECKING:
    from consilience.nn.network import FusionNetwork


class IntermediateFusion(DeepFusion):
    """Networks that encode each modality and learn the outcome from all codes together."""

    def _network(self) -> FusionNetwork:
        from consilience.fusion.networks.intermediate import IntermediateNetwork

        return IntermediateNetwork(
            self.sources_,
            self.width,
            encoders=self.encoders,
            modality_dropout=self.modality_dropout,
        )
