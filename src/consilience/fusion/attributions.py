"""What each modality and feature adds to a deep method's prediction of each patient."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import singledispatch
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from consilience.cohort import Cohort
from consilience.cohort.modality import FloatArray
from consilience.errors import InputError, listing, suggestion
from consilience.fusion.block_fusion import check_whole
from consilience.fusion.deep_head import (
    ClassesDeepHead,
    CoxDeepHead,
    DeepHead,
    DiscreteTimeDeepHead,
    NumberDeepHead,
    between,
)
from consilience.fusion.task import Classification, SurvivalTask, Task

if TYPE_CHECKING:
    from torch import Tensor

    from consilience.nn.attribution import Attributed, Share
    from consilience.nn.reading import Reader

By = Literal["gradient", "permutation"]
AT_ONCE = 256  # patients a step
AT_ONCE_STREAMED = 16  # where a modality may be larger than memory


@dataclass(frozen=True)
class Attributions:
    """What each modality and each feature adds to the prediction of each patient.

    An output is what is predicted of a patient: a class, the number, the risk. What is
    added to a patient by a modality that he lacks, by a value that is missing, and by a
    feature that the networks do not use, is 0.

    Attributes
    ----------
    label : str
        What the numbers are: "log-odds", "predicted number", "log hazard ratio" or
        "expected time lost".
    outputs : tuple of str
        Names of the outputs: the second of two classes, each of several, or one.
    modalities : DataFrame of shape (n_patients, n_outputs * n_modalities)
        Columns (output, modality).
    features : DataFrame of shape (n_patients, n_outputs * n_features)
        Columns (output, modality, feature).
    output : DataFrame of shape (n_patients, n_outputs)
        The prediction that is explained; NaN for a patient told no more than the prior.
    base : DataFrame of shape (n_patients, n_outputs)
        By gradient: the prediction with every value that the patient has at its baseline,
        from which the contributions lead to `output`. In `GraphFusion` he keeps his
        neighbours there, and what they say is part of it. By permutation: the mean output.
    instances : dict of str to DataFrame
        For bags: a row an instance, with ``patient``, ``instance`` (its position among his)
        and a column an output.
    maps : dict of str to dict of str to ndarray
        For images, where asked for: by patient, an array of the shape of what the network
        read, with the outputs last.
    """

    label: str
    outputs: tuple[str, ...]
    modalities: pd.DataFrame
    features: pd.DataFrame
    output: pd.DataFrame
    base: pd.DataFrame
    instances: dict[str, pd.DataFrame]
    maps: dict[str, dict[str, FloatArray]]

    @property
    def gap(self) -> pd.DataFrame:
        """What the contributions leave unexplained: output less base less their sum.

        By gradient it is near 0 where `steps` are enough; by permutation it has no meaning.
        """
        total = self.modalities.T.groupby(level="output", sort=False).sum().T
        return self.output - self.base - total[list(self.outputs)]

    def strongest(self, patient: str, output: str | None = None, most: int = 10) -> pd.Series:
        """Return the features that add most to a patient's prediction, whatever the sign.

        Parameters
        ----------
        patient : str
            His id.
        output : str, optional
            The last one by default.
        most : int

        Returns
        -------
        Series
            By (modality, feature).

        Raises
        ------
        InputError
            If there is no such patient or output.
        """
        if patient not in self.features.index:
            raise InputError(f"no patient {patient!r} was explained.")
        wanted = self.outputs[-1] if output is None else output
        if wanted not in self.outputs:
            raise InputError(
                f"there is no output {wanted!r}; there is {listing(self.outputs)}."
                f"{suggestion(wanted, self.outputs)}"
            )
        row: pd.Series = self.features[wanted].loc[patient]
        order = np.argsort(-np.abs(row.to_numpy()), kind="stable")[:most]
        strongest: pd.Series = row.iloc[order].rename(self.label)
        return strongest


class Scale(NamedTuple):
    """On what scale outputs are explained: their names, what they are, and how to get there."""

    outputs: tuple[str, ...]
    label: str
    said: Callable[[Tensor], Tensor]


@singledispatch
def scale_of(head: DeepHead, task: Task) -> Scale:
    """Return the scale for a kind of head; register one to add a kind.

    Raises
    ------
    InputError
        If none is registered.
    """
    raise InputError(f"the outputs of {type(head).__name__} cannot be explained yet.")


@scale_of.register
def _(head: ClassesDeepHead, task: Task) -> Scale:
    import torch

    assert isinstance(task, Classification)
    names = tuple(str(each) for each in task.classes)

    def odds(outputs: Tensor) -> Tensor:
        own = torch.eye(len(names), dtype=torch.bool)
        others = outputs[:, None, :].expand(-1, len(names), -1).masked_fill(own, -torch.inf)
        found: Tensor = outputs - torch.logsumexp(others, dim=2)
        return found[:, 1:] if len(names) == 2 else found

    return Scale(names[1:] if len(names) == 2 else names, "log-odds", odds)


@scale_of.register
def _(head: NumberDeepHead, task: Task) -> Scale:
    return Scale(("number",), "predicted number", lambda out: out[:, :1] * head.scale_ + head.mean_)


@scale_of.register
def _(head: CoxDeepHead, task: Task) -> Scale:
    centre = head.hazard_.centre_
    return Scale(("risk",), "log hazard ratio", lambda out: out[:, :1] - centre)


@scale_of.register
def _(head: DiscreteTimeDeepHead, task: Task) -> Scale:
    import torch

    assert isinstance(task, SurvivalTask)
    # The time lost is linear in survival at the ends of the intervals: ask for its terms.
    units = np.concatenate([np.zeros((1, head.n_outputs_)), np.eye(head.n_outputs_)])
    lost = task.decide(between(units, head.edges_, task.times))
    weights = torch.as_tensor((lost[1:] - lost[0]).astype(np.float32))

    def time_lost(outputs: Tensor) -> Tensor:
        ends = torch.cumprod(torch.sigmoid(-outputs), dim=1)
        return (ends @ weights)[:, None] + float(lost[0])

    return Scale(("risk",), "expected time lost", time_lost)


@dataclass(frozen=True)
class How:
    """How attributions are found (see `DeepFusion.attributions`)."""

    method: By = "gradient"
    steps: int = 32
    repeats: int = 5
    random_state: int | None = 0
    maps: bool = False

    def check(self) -> None:
        """Refuse what cannot be.

        Raises
        ------
        InputError
            Naming the setting.
        """
        if self.method not in ("gradient", "permutation"):
            raise InputError(f"method must be 'gradient' or 'permutation', not {self.method!r}.")
        check_whole("steps", self.steps, 1)
        check_whole("repeats", self.repeats, 1)


def attribute(
    model: Any, cohort: Cohort, reader_of: Callable[[Cohort], Reader], how: How
) -> Attributions:
    """Return the attributions of a fitted deep method; see `DeepFusion.attributions`."""
    how.check()
    if getattr(model, "task_", None) is None:
        raise InputError(f"{type(model).__name__} has learned no outcome that could be explained.")
    known = model.informed(cohort)
    features = {name: source.features_ for name, source in model.sources_.fitted_.items()}
    sheet = _Sheet(cohort.index, np.flatnonzero(known), features)
    if not known.any():
        return sheet.result(Scale((), "nothing was learned", lambda out: out), 1)
    own = cohort[known]
    reader = reader_of(own)
    streams = any(source.streams for source in model.sources_.fitted_.values())
    size = AT_ONCE_STREAMED if streams else AT_ONCE
    for number, (member, network) in enumerate(zip(model.members_, model.networks(), strict=True)):
        scale = scale_of(member.head_, model.task_)
        ask = _asker(model, network, scale, how, number)
        for batch in reader.batches(np.arange(len(own)), size):
            sheet.add(batch.patients.numpy(), ask(batch), how.maps)
    return sheet.result(scale, len(model.members_))


def _asker(
    model: Any, network: Any, scale: Scale, how: How, number: int
) -> Callable[[Any], Attributed]:
    from consilience.nn.attribution import integrated_gradients, permuted

    def by_gradient(batch: Any) -> Attributed:
        return integrated_gradients(network, model.sources_, batch, scale.said, how.steps)

    seed = np.random.SeedSequence(how.random_state, spawn_key=(number,))
    rng = np.random.default_rng(seed)

    def by_permutation(batch: Any) -> Attributed:
        return permuted(network, model.sources_, batch, scale.said, how.repeats, rng)

    return {"gradient": by_gradient, "permutation": by_permutation}[how.method]


class _Sheet:
    """Sums over members, patient by patient."""

    def __init__(
        self,
        index: pd.Index,
        rows: npt.NDArray[np.intp],
        features: dict[str, tuple[str, ...]],
    ) -> None:
        self.index, self.rows, self.names = index, rows, features
        self.output: dict[int, FloatArray] = {}
        self.base: dict[int, FloatArray] = {}
        self.whole: dict[tuple[str, int], FloatArray] = {}
        self.single: dict[tuple[str, int], FloatArray] = {}
        self.instances: dict[tuple[str, int, int], FloatArray] = {}
        self.maps: dict[tuple[str, int], FloatArray] = {}

    def add(self, patients: npt.NDArray[np.intp], found: Attributed, maps: bool) -> None:
        """Add what one member says of a batch; `patients` are positions among `rows`."""
        rows = self.rows[patients]
        _gather(self.output, rows.tolist(), found.output.numpy())
        _gather(self.base, rows.tolist(), found.base.numpy())
        for name, share in found.shares.items():
            own = rows[share.rows.numpy()]
            keys = [(name, int(row)) for row in own]
            _gather(self.whole, keys, share.whole.numpy())
            _gather(self.single, keys, share.features.numpy())
            if share.instances is not None:
                _gather(self.instances, _places(name, share, own), share.instances.numpy())
            if maps and share.pixels is not None:
                _gather(self.maps, keys, share.pixels.numpy())

    def result(self, scale: Scale, members: int) -> Attributions:
        """Return the means over members as tables."""
        n, k = len(self.index), len(scale.outputs)
        output, base = (np.full((n, k), np.nan) for _ in range(2))
        for row in self.output:
            output[row], base[row] = self.output[row] / members, self.base[row] / members
        whole = np.zeros((n, k, len(self.names)))
        places = {name: i for i, name in enumerate(self.names)}
        for (name, row), values in self.whole.items():
            whole[row, :, places[name]] = values / members
        modalities = pd.MultiIndex.from_product(
            [scale.outputs, list(self.names)], names=["output", "modality"]
        )
        return Attributions(
            label=scale.label,
            outputs=scale.outputs,
            modalities=pd.DataFrame(whole.reshape(n, -1), self.index, modalities),
            features=self._features(scale, members),
            output=pd.DataFrame(output, self.index, list(scale.outputs)),
            base=pd.DataFrame(base, self.index, list(scale.outputs)),
            instances=self._instances(scale, members),
            maps=self._maps(members),
        )

    def _features(self, scale: Scale, members: int) -> pd.DataFrame:
        starts, total = {}, 0
        for name, features in self.names.items():
            starts[name], total = total, total + len(features)
        values = np.zeros((len(self.index), len(scale.outputs), total))
        for (name, row), own in self.single.items():
            start = starts[name]
            values[row, :, start : start + len(own)] = own.T / members
        pairs = [(name, feature) for name, own in self.names.items() for feature in own]
        columns = pd.MultiIndex.from_tuples(
            [(output, *pair) for output in scale.outputs for pair in pairs],
            names=["output", "modality", "feature"],
        )
        return pd.DataFrame(values.reshape(len(self.index), -1), self.index, columns)

    def _instances(self, scale: Scale, members: int) -> dict[str, pd.DataFrame]:
        found: dict[str, pd.DataFrame] = {}
        for name in dict.fromkeys(key[0] for key in self.instances):
            keys = sorted(key for key in self.instances if key[0] == name)
            values = np.stack([self.instances[key] / members for key in keys])
            frame = pd.DataFrame(values, columns=list(scale.outputs))
            frame.insert(0, "patient", [self.index[row] for _, row, _ in keys])
            frame.insert(1, "instance", [place for _, _, place in keys])
            found[name] = frame
        return found

    def _maps(self, members: int) -> dict[str, dict[str, FloatArray]]:
        found: dict[str, dict[str, FloatArray]] = {}
        for (name, row), values in self.maps.items():
            found.setdefault(name, {})[str(self.index[row])] = values / members
        return found


def _places(name: str, share: Share, rows: npt.NDArray[np.intp]) -> list[tuple[str, int, int]]:
    assert share.owner is not None
    owner = share.owner.numpy()
    if share.place is not None:
        places = share.place.numpy()
    else:
        places = np.arange(len(owner)) - np.searchsorted(owner, owner)
    return [(name, int(rows[o]), int(p)) for o, p in zip(owner, places, strict=True)]


def _gather(kept: dict[Any, FloatArray], keys: Iterable[Any], values: FloatArray) -> None:
    for key, own in zip(keys, values.astype(float), strict=True):
        kept[key] = kept[key] + own if key in kept else own
