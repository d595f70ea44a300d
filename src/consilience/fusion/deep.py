"""The base of all deep methods: sources, training, ensembles, prediction."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, clone
from sklearn.utils import TransformerTags
from sklearn.utils.validation import check_is_fitted

from consilience.cohort import Cohort
from consilience.cohort.modality import FloatArray
from consilience.cohort.outcome import OutcomeKind
from consilience.errors import InputError, listing
from consilience.fusion.attributions import Attributions, By, How, attribute
from consilience.fusion.base import ESTIMATOR_TYPES, Fusion, FusionTags
from consilience.fusion.block_fusion import MOST_MEMBERS, WIDEST, check_whole
from consilience.fusion.deep_head import DeepHead, Survival, head_for
from consilience.fusion.discovery import Discovery, Path
from consilience.fusion.task import Y
from consilience.nn.sources import Sources
from consilience.nn.training import History, Training, need_torch
from consilience.nn.weights import Weights

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from consilience.nn.network import FusionNetwork
    from consilience.nn.reading import Reader

AT_ONCE = 256  # patients a step when predicting, at most
OF_NO_ACCOUNT = ("training", "encoders", "members", "random_state", "modalities")
Taught: TypeAlias = Callable[[DeepHead, Cohort], DeepHead]
LEAST_HELD_BACK = 8  # fewer say nothing about when to stop


class Member(BaseEstimator):  # type: ignore[misc]
    """One trained network of an ensemble.

    Parameters
    ----------
    seed : int
        Of its first weights, of the patients held back, and of the order of the batches.

    Attributes
    ----------
    weights_ : Weights
    history_ : History
    head_ : DeepHead or None
        What its outputs mean.
    """

    weights_: Weights
    history_: History
    head_: DeepHead | None

    def __init__(self, seed: int) -> None:
        self.seed = seed


class DeepFusion(Fusion):
    """A method that trains networks; a subclass gives the network in `_network`.

    Networks are trained by the one loop of `consilience.nn.loop`. With several members
    each is trained from other first weights and with other patients held back, and the
    predictions are averaged.

    Missing modalities: see each method; modality dropout hides some in training, so
    that the network learns to do without.

    Parameters
    ----------
    outcome : str
        "binary", "multiclass", "continuous" or "survival"; `for_outcome` sets it.
    width : int
        Length of the vectors to which the encoders bring each modality.
    modality_dropout : float
        With what chance a modality that a patient has is hidden in training.
    survival : {"cox", "discrete"}
        For survival: Cox's partial likelihood, or the likelihood of hazards in intervals.
    members : int
        Networks in the ensemble.
    training : Training, optional
        Settings of the training loop.
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
    """

    embeds: ClassVar[bool] = True

    def __init__(
        self,
        outcome: str | None = "binary",
        *,
        width: int = 32,
        modality_dropout: float = 0.2,
        survival: Survival = "cox",
        members: int = 1,
        training: Training | None = None,
        random_state: int | None = 0,
        modalities: Sequence[str] | None = None,
        encoders: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(modalities=modalities, encoders=encoders)
        self.outcome = outcome
        self.width = width
        self.modality_dropout = modality_dropout
        self.survival = survival
        self.members = members
        self.training = training
        self.random_state = random_state

    @abstractmethod
    def _network(self) -> FusionNetwork:
        """Return an untrained network for `sources_`, without a head."""

    @classmethod
    def _options_for(cls, kind: OutcomeKind) -> dict[str, Any]:
        return {"outcome": kind}

    def _kind(self) -> str | None:
        if self.outcome not in self.learns:
            raise InputError(
                f"outcome must be {listing(sorted(self.learns), most=4)}, not {self.outcome!r}."
            )
        return ESTIMATOR_TYPES[self.outcome]

    def check_settings(self) -> None:
        super().check_settings()
        check_whole("width", self.width, 1, WIDEST)
        check_whole("members", self.members, 1, MOST_MEMBERS)
        if not 0 <= self.modality_dropout < 1:
            raise InputError(
                f"modality_dropout must be at least 0 and below 1, not {self.modality_dropout!r}."
            )
        if self.survival not in ("cox", "discrete"):
            raise InputError(f"survival must be 'cox' or 'discrete', not {self.survival!r}.")
        if self.training is not None:
            self.training.check()
        need_torch()
        from consilience.nn.encoders import EncoderSettings

        for given in (self.encoders or {}).values():
            if isinstance(given, EncoderSettings):
                given.check()

    def _check_encoder(self, name: str, encoder: Any) -> None:
        """Leave it to `encoder_for`, which knows the kind of modality."""

    def _fit(self, cohort: Cohort, y: Y) -> None:
        self._fit_on(Sources(self.modalities_).fit(cohort), cohort, y)

    def _fit_on(self, sources: Sources, cohort: Cohort, y: Y, taught: Taught | None = None) -> None:
        """Train on fitted sources, with the outcome's head or what `taught` makes of it."""
        self.__dict__.pop("_ready", None)
        self.sources_ = sources
        reader = self._reader(cohort)
        known = np.flatnonzero(reader.informed())
        y = y[known]
        self.silent_ = not (len(known) and self.task_.learnable(y))
        self.members_: list[Member] = []
        if self.silent_:
            return
        head = head_for(self.task_, self.survival)
        if taught is not None:
            head = taught(head, cohort[known])
        head.fit(y, self.task_)
        self._train(reader.of(known, head.targets(y)), self.task_.strata(y), head, y)

    def _train(
        self, reader: Reader, strata: Y, head: DeepHead | None = None, y: Any = None
    ) -> None:
        """Train all members on a reader's patients."""
        first = np.random.SeedSequence(self.random_state)
        self.members_ = []
        for number, seed in enumerate(first.generate_state(self.members), start=1):
            member = Member(int(seed))
            member.head_ = None if head is None else clone(head).fit(y, self.task_)
            label = f"network {number} of {self.members}"
            network = self._trained(member, reader, strata, label)
            if member.head_ is not None:
                outputs = self._ask(network, reader, np.arange(len(strata)))[1]
                member.head_.settle(outputs, y)
            self.members_.append(member)

    def _trained(self, member: Member, reader: Reader, strata: Y, label: str) -> FusionNetwork:
        training = self._training()
        train, held = held_back(strata, training.validation, member.seed)
        network = self._built(member)
        identity = "" if training.checkpoints is None else self._identity()
        member.history_ = training.run(network, reader, train, held, member.seed, label, identity)
        member.weights_ = Weights().of(network)
        return network

    def _training(self) -> Training:
        return self.training or Training()

    def _identity(self) -> str:
        """Return a hash of the settings that may change the training beside what it is given."""
        import joblib

        params = self.get_params(deep=False)
        own = {name: value for name, value in params.items() if name not in OF_NO_ACCOUNT}
        return f"{type(self).__qualname__} {joblib.hash(own)}"

    def _built(self, member: Member) -> FusionNetwork:
        """Return the untrained network of a member, its first weights drawn by its seed."""
        import torch

        from consilience.nn.memory import is_out_of_memory

        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(member.seed)
                network = self._network()
                if member.head_ is not None:
                    network.head = member.head_.module(network.embedding_width)
        except (MemoryError, RuntimeError) as reason:
            if not is_out_of_memory(reason):
                raise
            raise InputError(
                f"the network does not fit into memory: lower width ({self.width}) or the other "
                f"sizes of {type(self).__name__}, or use fewer features."
            ) from None
        return network

    def _reader(self, cohort: Cohort, targets: Mapping[str, Any] | None = None) -> Reader:
        from consilience.nn.reading import Reader

        return Reader(self.sources_, cohort, targets)

    def networks(self) -> list[FusionNetwork]:
        """Return the trained networks, one a member, ready to predict."""
        check_is_fitted(self, "members_")
        if "_ready" not in self.__dict__:
            need_torch()
            self._training().check()
            import torch

            with torch.inference_mode(False):  # gradients may be asked for later
                self._ready = [m.weights_.put(self._built(m)) for m in self.members_]
        return self._ready

    def _ask(
        self, network: FusionNetwork, reader: Reader, rows: npt.NDArray[np.intp]
    ) -> tuple[FloatArray, FloatArray]:
        """Return embeddings (n, k) and outputs (n, n_outputs) of patients."""
        return self._ask_all([network], reader, rows)[0]

    def _ask_all(
        self, networks: list[FusionNetwork], reader: Reader, rows: npt.NDArray[np.intp]
    ) -> list[tuple[FloatArray, FloatArray]]:
        """Return each network's answers; every patient is read once."""
        import torch

        from consilience.nn.threads import limited

        training = self._training()
        device = training.device()
        portions = reader.portions(rows, AT_ONCE)
        answers: list[list[tuple[FloatArray, FloatArray]]] = [[] for _ in networks]
        with limited(), torch.inference_mode(), moved(networks, device):
            for portion in portions:
                batch = reader.batch(portion)
                batch = batch if device.type == "cpu" else batch.to(device)
                for own, network in zip(answers, networks, strict=True):
                    own.append(_numbers(*network(batch)))
        return [
            (np.concatenate([e for e, _ in own]), np.concatenate([o for _, o in own]))
            for own in answers
        ]

    def _answers(self, cohort: Cohort) -> Iterator[tuple[Member, FloatArray, FloatArray]]:
        """Yield each member with its embeddings and outputs of all patients of the cohort."""
        answers = self._ask_all(self.networks(), self._reader(cohort), np.arange(len(cohort)))
        for member, (embeddings, outputs) in zip(self.members_, answers, strict=True):
            yield member, embeddings, outputs

    def _values(self, cohort: Cohort) -> FloatArray:
        said = [
            member.head_.values(outputs, self.task_)
            for member, _, outputs in self._answers(cohort)
            if member.head_ is not None
        ]
        return np.asarray(np.mean(said, axis=0))

    def _informed(self, cohort: Cohort) -> npt.NDArray[np.bool_]:
        if self.silent_:
            return np.zeros(len(cohort), dtype=bool)
        return self._reader(cohort).informed()

    def transform(self, cohort: Cohort) -> FloatArray:
        """Return the embedding, (n_patients, k); a row of NaN for one with nothing measured.

        The members' embeddings stand side by side.
        """
        known = self.informed(cohort)
        width = sum(network.embedding_width for network in self.networks())
        whole = np.full((len(cohort), width), np.nan)
        if known.any():
            found = [embedding for _, embedding, _ in self._answers(cohort[known])]
            whole[known] = np.hstack(found)
        return whole

    def attributions(
        self,
        cohort: Cohort,
        *,
        method: By = "gradient",
        steps: int = 32,
        repeats: int = 5,
        random_state: int | None = 0,
        maps: bool = False,
    ) -> Attributions:
        """Return what each modality and feature adds to the prediction of each patient.

        On the scale of the log-odds of each class, the predicted number, the log hazard
        ratio, or the expected time lost; the mean over the members.

        Parameters
        ----------
        cohort : Cohort
        method : {"gradient", "permutation"}
            Integrated gradients from the training mean, which add up to the prediction, or
            how the prediction falls when values are exchanged among the patients who have
            them (one pass of the network a feature and repeat).
        steps : int
            By gradient: points on the line from the mean to the patient.
        repeats : int
            By permutation: how often values are exchanged.
        random_state : int, optional
            By permutation: seed; None draws one.
        maps : bool
            By gradient: whether to keep a map a patient of what each pixel adds.

        Raises
        ------
        InputError
            If no outcome was learned, or a setting cannot be.
        """
        check_is_fitted(self, "members_")
        how = How(method, steps, repeats, random_state, maps)
        return attribute(self, cohort, self._reader, how)

    def discoveries(self) -> list[Discovery]:
        """Return the learning curves."""
        return [_curve(i, member.history_) for i, member in enumerate(self.members_)]

    def without_patients(self) -> Self:
        """Return the fitted method as a bundle holds it, without the folder of checkpoints."""
        own: Self = super().without_patients()
        if own.training is not None and own.training.checkpoints is not None:
            own.training = clone(own.training).set_params(checkpoints=None)
        return own

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_ready"}

    def __sklearn_tags__(self) -> FusionTags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags = TransformerTags()
        return tags


@contextmanager
def moved(networks: Sequence[FusionNetwork], device: torch.device) -> Iterator[None]:
    """Have networks on a device, and back on the processor afterwards."""
    if device.type == "cpu":
        yield
        return
    try:
        for network in networks:
            network.to(device)
        yield
    finally:
        for network in networks:
            network.to("cpu")


def _numbers(embedding: Tensor, outputs: Tensor | None) -> tuple[FloatArray, FloatArray]:
    said = np.empty((len(embedding), 0)) if outputs is None else outputs.cpu().numpy()
    return embedding.cpu().numpy(), said


def held_back(
    strata: Y, share: float, seed: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return training patients and those held back, with equal shares of each stratum.

    Nobody is held back where fewer than `LEAST_HELD_BACK` patients would be, a stratum
    has a single patient, or one side would have fewer patients than there are strata.
    """
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(strata))
    counts = np.unique(strata, return_counts=True)[1]
    held_count = math.ceil(share * len(rows))
    one_side = min(held_count, len(rows) - held_count)
    if share * len(rows) < LEAST_HELD_BACK or counts.min() < 2 or one_side < len(counts):
        return rows, rows[:0]
    train, held = train_test_split(rows, test_size=share, random_state=seed, stratify=strata)
    return np.sort(train), np.sort(held)


def _curve(number: int, history: History) -> Path:
    held = bool(len(history.validation_))
    losses = history.validation_ if held else history.training_
    return Path(
        title=f"Learning curve of member {number + 1}" if number else "Learning curve",
        x=tuple(float(epoch) for epoch in range(1, len(losses) + 1)),
        y=tuple(float(loss) for loss in losses),
        x_label="epoch",
        y_label="loss of patients held back" if held else "training loss",
        chosen=float(history.best_epoch_ + 1),
    )
