"""Many patients' FHIR records as one cohort, so that a study can be run on them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from consilience.clinic.fhir.events import index_time, outcome_columns
from consilience.clinic.fhir.folder import Export, bundle_in, records_in
from consilience.clinic.fhir.patient import Mapped, map_patient
from consilience.clinic.fhir.population_map import PopulationMap
from consilience.clinic.fhir.resources import FhirBundle
from consilience.cohort import Cohort, Modality, Table
from consilience.cohort.cohort import LEFT_OUT_COLUMNS
from consilience.cohort.table import Blocks, TableSource
from consilience.errors import InputError
from consilience.study.bundle.schema import ModalitySchema, Schema
from consilience.study.progress import Progress, silent


def read_population(
    folder: str | Path,
    wanted: Schema | PopulationMap,
    *,
    now: datetime | None = None,
    strict: bool = False,
    progress: Progress = silent,
) -> Cohort:
    """Read a folder of FHIR records.

    Parameters
    ----------
    folder : path
        Bundles of one patient each (.json), or a bulk export with one resource a line
        (.ndjson), in it or below it.
    wanted : Schema or PopulationMap
        A bundle's schema, or a map made by `read_map`; that has outcomes too.
    now : datetime, optional
        When patients are looked at, where the map has no index time. The clock by default.
    strict : bool
        Whether a file that cannot be read ends the import; else it is listed.
    progress : callable
        As for `Study.run`.

    Returns
    -------
    Cohort
        Patients' columns: sex, and each outcome with its days. `left_out` lists per patient
        what was not taken over, and files that could not be read.

    Raises
    ------
    InputError
        If nothing can be read, or with `strict` if one file cannot; naming it.
    """
    plan = wanted if isinstance(wanted, PopulationMap) else PopulationMap(wanted)
    reading = _Population(plan, now or datetime.now(UTC), strict)
    files, lines = records_in(Path(folder))
    progress("Bundles", len(files), reading.files(files))
    if lines:
        export = Export()
        progress("Export", len(lines), _read_all(export, lines, reading))
        progress(
            "Patients", len(export.by_patient), reading.records(export.bundles(reading.refuse))
        )
    return reading.cohort(str(folder))


def _read_all(export: Export, lines: Sequence[Path], reading: _Population) -> Iterator[str]:
    for path in lines:
        export.read(path, reading.refuse)
        yield path.name


class _Population:
    """Patients as they are read."""

    def __init__(self, plan: PopulationMap, now: datetime, strict: bool) -> None:
        self._plan, self._now, self._strict = plan, now, strict
        self._people: dict[str, dict[str, Any]] = {}
        self._tables: dict[str, list[Table]] = {m.name: [] for m in plan.schema.modalities}
        self._left_out: list[tuple[str, str, str]] = []

    def files(self, paths: Iterable[Path]) -> Iterator[str]:
        """Read Bundles, and give the name of each file."""
        for path in paths:
            try:
                self._add(bundle_in(path), path.name)
            except InputError as reason:
                self.refuse(path.name, str(reason).removeprefix(f"{path.name}: "))
            yield path.name

    def records(self, bundles: Iterable[FhirBundle]) -> Iterator[str]:
        """Take records, and give the id of each patient."""
        for bundle in bundles:
            try:
                self._add(bundle, "bulk export")
            except InputError as reason:
                self.refuse("bulk export", str(reason).removeprefix("bulk export: "))
            yield bundle.patient_id

    def refuse(self, source: str, reason: str) -> None:
        """List a file, or a part of one, that cannot be used; or stop there."""
        if self._strict:
            raise InputError(f"{source}: {reason}")
        self._left_out.append(("", source, reason))

    def _add(self, bundle: FhirBundle, source: str) -> None:
        patient, plan = bundle.patient_id, self._plan
        if patient in self._people:
            raise InputError(f"{source}: its patient was read before, from another file.")
        at, reason = index_time(bundle, plan, self._now)
        if at is None:
            self._left_out.append((patient, source, reason))
            return
        mapped = map_patient(
            bundle,
            plan.schema,
            now=at,
            window_days=plan.window_days,
            looking_back=bool(plan.index_date or plan.index_codes),
        )
        columns, reasons = outcome_columns(bundle, plan, at)
        self._people[patient] = {"sex": mapped.sex or None, **columns}
        self._left_out += [(patient, f"outcome {name}", why) for name, why in reasons.items()]
        self._keep(mapped)

    def _keep(self, mapped: Mapped) -> None:
        for one in mapped.unmapped:
            self._left_out.append((mapped.patient, _sort_of(one.resource), one.reason))
        for name, table in mapped.cohort.modalities.items():
            assert isinstance(table, Table)
            self._tables[name].append(table)

    def cohort(self, folder: str) -> Cohort:
        """Return all that was read."""
        if not self._people:
            first = (
                f" The first: {self._left_out[0][1]}: {self._left_out[0][2]}"
                if self._left_out
                else ""
            )
            raise InputError(f"{folder}: it holds no patient that can be read.{first}")
        modalities: dict[str, Modality] = {
            due.name: _stacked(self._tables[due.name], due)
            for due in self._plan.schema.modalities
            if self._tables[due.name]
        }
        if not modalities:
            raise InputError(
                f"{folder}: of its {len(self._people)} patients nothing could be mapped; compare "
                "the codes and units of the map with those in the files."
            )
        patients = pd.DataFrame.from_dict(self._people, orient="index")
        left_out = pd.DataFrame(self._left_out, columns=list(LEFT_OUT_COLUMNS), dtype=object)
        return Cohort(patients, modalities, name=self._plan.name, left_out=left_out)


def _sort_of(resource: str) -> str:
    """Return what a line of a patient's list is about, without its id and how often."""
    plain = re.sub(r" \(\d+ times\)$", "", resource)
    return re.sub(r"^([A-Za-z]+)/\S*$", r"\1", plain)


def _stacked(tables: Sequence[Table], due: ModalitySchema) -> Table:
    """Return the tables of one patient each as one."""
    index = pd.Index([table.index[0] for table in tables], name="patient")
    numeric = np.concatenate([np.asarray(table.numeric, dtype=float) for table in tables])
    numeric.flags.writeable = False
    text = pd.concat([table.categorical for table in tables]).set_axis(index, axis=0)
    kinds, units = tables[0].kinds, {f.name: f.unit for f in due.features if f.unit}
    source = TableSource(index, kinds, units, partial(_itself, Blocks(numeric, text)))
    return Table.from_source(source)


def _itself(blocks: Blocks) -> Blocks:
    return blocks
