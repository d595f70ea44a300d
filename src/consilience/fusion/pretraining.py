"""A cross-modal transformer learned from patients without an outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sklearn.utils.validation import check_is_fitted

from consilience.errors import InputError
from consilience.fusion.deep_embedding import DeepEmbedding
from consilience.fusion.deep_head import Survival
from consilience.fusion.transformer_form import check_form
from consilience.nn.training import Training

if TYPE_CHECKING:
    from consilience.nn.network import FusionNetwork

TERMS = ("masked_features", "masked_modalities", "contrastive")


class Pretraining(DeepEmbedding):
    """Representation learning on unlabelled patients, to start a `CrossModalTransformer` from.

    In each step a patient's modalities are parted in two halves at random, and a share of
    the features is hidden. From the state of the reader on one half the network is to tell

    - the features that were hidden in it (*masked features*, as in BERT [1]_);
    - all features of the other half (*masked modalities*);
    - which patient of the batch the other half belongs to (*contrastive*, InfoNCE [2]_).

    The first two are mean negative log-likelihoods a value, by the kind of feature
    (`consilience.nn.decoders`), averaged over modalities. All goes through the one vector
    of the reader, which is what `transform` gives and what a head is put on later. Bags and
    images are read and contrasted, and not told.

    Missing modalities: as in `CrossModalTransformer`. A patient with a single modality
    takes part in masked features alone.

    Parameters
    ----------
    outcome : str, optional
        None learns without an outcome; with one named, its head is trained beside.
    masked_features, masked_modalities, contrastive : float
        Weights of the terms; 0 leaves one out.
    hidden : float
        Share of the features hidden.
    temperature : float
        Of the contrastive term.
    tokens, heads, depth, dropout, width
        The transformer's form; see `CrossModalTransformer`.
    modality_dropout : float
        With an outcome: see `DeepFusion`.
    survival, members, training, random_state, modalities, encoders
        See `DeepFusion`.

    References
    ----------
    .. [1] Devlin J et al. BERT: pre-training of deep bidirectional transformers. NAACL 2019.
    .. [2] van den Oord A, Li Y, Vinyals O. Representation learning with contrastive
       predictive coding. 2018.
    """

    grid: ClassVar[Mapping[str, Sequence[Any]]] = {}

    def __init__(
        self,
        outcome: str | None = None,
        *,
        masked_features: float = 1.0,
        masked_modalities: float = 1.0,
        contrastive: float = 0.1,
        hidden: float = 0.3,
        temperature: float = 0.2,
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
        self.masked_features = masked_features
        self.masked_modalities = masked_modalities
        self.contrastive = contrastive
        self.hidden = hidden
        self.temperature = temperature
        self.tokens = tokens
        self.heads = heads
        self.depth = depth
        self.dropout = dropout

    def check_settings(self) -> None:
        super().check_settings()
        check_form(self)
        weights = {name: getattr(self, name) for name in TERMS}
        for name, weight in weights.items():
            if not weight >= 0:
                raise InputError(f"{name} must be at least 0, not {weight!r}.")
        if not any(weights.values()):
            raise InputError(f"{', '.join(TERMS)} are all 0: there is nothing to learn.")
        if not 0 < self.hidden < 1:
            raise InputError(f"hidden must be between 0 and 1, not {self.hidden!r}.")
        if not self.temperature > 0:
            raise InputError(f"temperature must be above 0, not {self.temperature!r}.")

    def _network(self) -> FusionNetwork:
        from consilience.fusion.networks.pretraining import Objectives, PretrainingNetwork

        objectives = Objectives(
            masked_features=self.masked_features,
            masked_modalities=self.masked_modalities,
            contrastive=self.contrastive,
            hidden=self.hidden,
            temperature=self.temperature,
        )
        return PretrainingNetwork(
            self.sources_,
            self.width,
            objectives=objectives,
            heads=self.heads,
            depth=self.depth,
            tokens=self.tokens,
            dropout=self.dropout,
            encoders=self.encoders,
            modality_dropout=self.modality_dropout,
        )

    def save(self, folder: str | Path) -> None:
        """Write the representation to a folder, as JSON and safetensors, without any head.

        Parameters
        ----------
        folder : path
            Made if it is not there; a pretraining in it is overwritten.

        Raises
        ------
        InputError
            If the folder cannot be written, or an encoder is not one of the package's.
        """
        from consilience.fusion.pretraining_file import write

        check_is_fitted(self, "members_")
        write(self, Path(folder))

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Return what `save` wrote.

        Raises
        ------
        InputError
            If the folder holds no pretraining, or a damaged one.
        """
        from consilience.fusion.pretraining_file import read

        model = read(Path(folder))
        if not isinstance(model, cls):
            raise InputError(f"{folder}: it holds a {type(model).__name__}, not a {cls.__name__}.")
        return model
