"""Deep methods that draw what was not measured, and patients who never were."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from consilience.cohort import Cohort, Table
from consilience.cohort.modality import FloatArray
from consilience.cohort.table import Kind
from consilience.fusion.block_fusion import check_whole
from consilience.fusion.deep import AT_ONCE, Member, held_back
from consilience.fusion.deep_imputing import DeepImputes
from consilience.fusion.task import Y

if TYPE_CHECKING:
    from consilience.fusion.networks.drawing import Drawer
    from consilience.fusion.networks.multimodal_vae import VAENetwork
    from consilience.nn.decoders import Measured
    from consilience.nn.network import FusionNetwork
    from consilience.nn.reading import Reader


class Latents(NamedTuple):
    """Where patients are in a latent space; a row of NaN where nothing is known.

    Attributes
    ----------
    shared : ndarray of shape (n_patients, latent)
        What all modalities tell; the members' stand side by side.
    private : dict of str to ndarray, (n_patients, private)
        What each modality alone tells.
    """

    shared: FloatArray
    private: dict[str, FloatArray]


class DeepDraws(DeepImputes):
    """A deep method with a posterior: draws, spreads, and new patients.

    How far draws of a modality that is missing spread is set right on the patients held
    back: the spread of what a network draws is multiplied so that their own
    modalities, hidden one at a time, lie as far from what was expected as they should.
    """

    def _trained(self, member: Member, reader: Reader, strata: Y, label: str) -> FusionNetwork:
        from consilience.fusion.networks.drawing import widening
        from consilience.fusion.networks.multimodal_vae import VAENetwork

        network = super()._trained(member, reader, strata, label)
        assert isinstance(network, VAENetwork)
        train, held = held_back(strata, self._training().validation, member.seed)
        rows = held if len(held) else train
        member.widening_ = widening(network, reader.batch(rows), member.seed)
        return network

    def sample_imputations(
        self, cohort: Cohort, n: int = 10, random_state: int | None = 0
    ) -> list[Cohort]:
        """Return cohorts with what is missing drawn, each by another draw (multiple imputation).

        Measured values are the same in all. Draws are of latents and of the likelihood:
        numbers scatter, counts are whole, a category is a level drawn.

        Parameters
        ----------
        cohort : Cohort
        n : int
        random_state : int, optional

        Returns
        -------
        list of Cohort
        """
        known = self._known(cohort)
        drawn = self._draws(cohort[known], n, random_state) if len(known) else iter([{}] * n)
        return [self._put(cohort, known, found) for found in drawn]

    def impute_with_uncertainty(
        self, cohort: Cohort, n: int = 50, random_state: int | None = 0
    ) -> tuple[Cohort, dict[str, pd.DataFrame]]:
        """Return the filled cohort, and the standard deviation of what was filled in.

        Parameters
        ----------
        cohort : Cohort
        n : int
            Draws from which the standard deviations are taken.
        random_state : int, optional

        Returns
        -------
        Cohort
            As `impute` gives it.
        dict of str to DataFrame
            By table: a row a patient of whom anything is known, a column a number, in its
            own unit; NaN where it was measured.
        """
        check_whole("n", n, 2)
        known = self._known(cohort)
        if not len(known):
            return cohort, {}
        some = cohort[known]
        sums: dict[str, list[FloatArray]] = {}
        for found in self._draws(some, n, random_state):
            for name, drawn in found.items():
                total = sums.setdefault(name, [np.zeros(drawn.numbers.shape) for _ in range(2)])
                total[0] += drawn.numbers
                total[1] += drawn.numbers**2
        spreads = {}
        for name, (first, second) in sums.items():
            variance = np.maximum(second - first**2 / n, 0.0) / (n - 1)
            frame = pd.DataFrame(np.sqrt(variance), some.index, self._source(name).numbers_)
            spreads[name] = frame.mask(_measured(some, name, frame).notna())
        return self._put(cohort, known, self._rebuilt(some)), spreads

    def denoise(self, cohort: Cohort) -> Cohort:
        """Return the cohort with measured numbers of tables replaced by what is expected.

        What is missing stays missing; categories stay as they are.

        Parameters
        ----------
        cohort : Cohort
        """
        known = self._known(cohort)
        found = self._rebuilt(cohort[known]) if len(known) else {}
        for name, estimate in found.items():
            table = cohort.modalities.get(name)
            if not isinstance(table, Table) or not cohort.has(name).any():
                continue
            rows = cohort.index[cohort.has(name)]
            frame = table.take(cohort.positions(name)[cohort.has(name)]).frame.set_axis(rows)
            clean = pd.DataFrame(estimate.numbers, cohort.index[known], self._source(name).numbers_)
            shared = [feature for feature in clean.columns if feature in frame.columns]
            clean = clean[shared].reindex(rows)
            there = frame[shared].notna() & clean.notna()
            frame[shared] = frame[shared].astype(float).mask(there, clean)
            words = dict.fromkeys(table.categorical_features, "categorical")
            kinds: Any = {**dict.fromkeys(frame, "continuous"), **words}
            cohort = cohort.with_modality(name, Table(frame, kinds=kinds, units=table.units))
        return cohort

    def generate(
        self, n: int = 100, given: Cohort | None = None, random_state: int | None = 0
    ) -> Cohort:
        """Return patients who never were: drawn from the prior, or like given ones.

        Parameters
        ----------
        n : int
            How many; with `given`, how many of each given patient.
        given : Cohort, optional
            Patients with some modalities: all modalities are drawn anew from what is known of
            each. One of whom nothing is known makes draws of the prior.
        random_state : int, optional

        Returns
        -------
        Cohort
            All tables that the method rebuilds; with `given`, its column ``given``
            holds whom each one is drawn from.
        """
        check_whole("n", n, 1)
        rng = np.random.default_rng(random_state)
        parts = self._from_prior(n, rng) if given is None else self._like(given, n, rng)
        size = n if given is None else n * len(given)
        patients = pd.DataFrame(
            index=pd.Index([f"generated {i + 1}" for i in range(size)], name="patient")
        )
        if given is not None:
            patients["given"] = np.tile(given.index.to_numpy(dtype=str), n)
        tables = {}
        for name in self.tables():
            frame = pd.concat([self._frame(name, part[name]) for part in parts])
            tables[name] = Table(frame.set_axis(patients.index), kinds=self._kinds_of(name))
        return Cohort(patients, tables, name="generated")

    def _from_prior(self, n: int, rng: np.random.Generator) -> list[dict[str, Measured]]:
        """Return draws of the prior, each network's share of them."""
        from consilience.fusion.networks.drawing import Drawer, nowhere

        networks = self._rebuilders()
        shares = [len(part) for part in np.array_split(np.arange(n), len(networks))]
        return [
            Drawer(network, nowhere(network, share), {}).draw(rng)
            for network, share in zip(networks, shares, strict=True)
            if share
        ]

    def _like(self, given: Cohort, n: int, rng: np.random.Generator) -> list[dict[str, Measured]]:
        drawers = self._drawers(given)
        return [drawers[i % len(drawers)].draw(rng) for i in range(n)]

    def latents(self, cohort: Cohort) -> Latents:
        """Return the posterior means of the shared and of the private latents.

        A private latent of a modality that a patient lacks is at its prior's mean, 0.

        Parameters
        ----------
        cohort : Cohort
        """
        whole = self.transform(cohort)
        networks = self._rebuilders()
        widths = np.cumsum([network.embedding_width for network in networks])[:-1]
        shared, own = [], []
        for network, part in zip(networks, np.split(whole, widths, axis=1), strict=True):
            shared.append(part[:, : network.latent])
            own.append(np.split(part[:, network.latent :], len(network.names), axis=1))
        names = list(self.sources_.fitted_)
        return Latents(
            np.hstack(shared),
            {name: np.hstack([o[i] for o in own]) for i, name in enumerate(names)},
        )

    def _draws(self, cohort: Cohort, n: int, seed: int | None) -> Iterator[dict[str, Measured]]:
        """Yield n draws of every table, the networks in turn; all patients are informed."""
        rng, drawers = np.random.default_rng(seed), self._drawers(cohort)
        for i in range(n):
            yield drawers[i % len(drawers)].draw(rng)

    def _drawers(self, cohort: Cohort) -> list[Drawer]:
        from consilience.fusion.networks.drawing import Drawer, located

        reader, everyone = self._reader(cohort), np.arange(len(cohort))
        batches = list(reader.batches(everyone, AT_ONCE))
        return [
            Drawer(network, located(network, batches), member.widening_)
            for network, member in zip(self._rebuilders(), self.members_, strict=True)
        ]

    def _kinds_of(self, name: str) -> dict[str, Kind]:
        source = self._source(name)
        numbers = {feature: source.kinds_[feature] for feature in source.numbers_}
        return {**numbers, **dict.fromkeys(source.texts_, "categorical")}

    def _rebuilders(self) -> list[VAENetwork]:
        from consilience.fusion.networks.multimodal_vae import VAENetwork

        return [network for network in self.networks() if isinstance(network, VAENetwork)]


def _measured(cohort: Cohort, name: str, like: pd.DataFrame) -> pd.DataFrame:
    """Return a table's numbers as measured, of the rows and columns of a frame."""
    table = cohort.modalities.get(name)
    if not isinstance(table, Table):
        return like * np.nan
    has = np.flatnonzero(cohort.has(name))
    frame = table.take(cohort.positions(name)[has]).frame.set_axis(cohort.index[has])
    return frame.reindex(index=like.index, columns=like.columns)
