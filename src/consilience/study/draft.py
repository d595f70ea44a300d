"""A first `study.toml` for a cohort: commented, and one that runs as it is."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from consilience.cohort import (
    Binary,
    Cohort,
    Continuous,
    EventBy,
    Multiclass,
    Outcome,
    Survival,
    Table,
    open_cohort,
)
from consilience.errors import InputError
from consilience.study.examples import examples
from consilience.study.holding import make_folder
from consilience.study.protocol import rarest, strata_of
from consilience.study.toml_text import to_toml, toml_key

MOST_CLASSES = 12
USUAL_GROUPS = ("sex", "gender", "age", "age_at_diagnosis", "race", "ethnicity", "site", "hospital")


def draft(
    cohort: str,
    outcome: str,
    *,
    out: Path,
    time: str | None = None,
    by: float | None = None,
    positive: str | None = None,
    force: bool = False,
) -> None:
    """Write a study file for a cohort and an outcome.

    Raises
    ------
    InputError
        If the file exists, or the outcome cannot be read from the cohort.
    """
    if out.exists() and not force:
        raise InputError(f"{out} exists; --force writes over it.")
    if by is not None and time is None:
        raise InputError("--by needs --time, the column that says when.")
    opened = open_cohort(cohort)
    target = _outcome(opened, outcome, time, by, positive)
    text = _text(cohort, opened, target, out)
    make_folder(out.parent)
    out.write_text(text, encoding="utf-8")


def usual_groups(patients: pd.DataFrame, outcome: Outcome) -> list[str]:
    """Return the columns that groups are usually reported of, as far as they are there."""
    known = {str(name).lower(): str(name) for name in patients.columns}
    return [
        known[name] for name in USUAL_GROUPS if name in known and known[name] not in outcome.columns
    ]


def _outcome(
    cohort: Cohort, column: str, time: str | None, by: float | None, positive: str | None
) -> Outcome:
    """Return the outcome that the column's values suggest."""
    if time is not None and by is not None:
        return EventBy(column, time, by, positive)
    if time is not None:
        return Survival(column, time, positive)
    patients = cohort.patients
    values = patients[column].dropna() if column in patients.columns else pd.Series(dtype=object)
    if values.nunique() == 2 or positive is not None:
        return Binary(column, positive)
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > MOST_CLASSES:
        return Continuous(column)
    return Multiclass(column)


def _text(name: str, cohort: Cohort, outcome: Outcome, out: Path) -> str:
    target = outcome.of(cohort)
    level, count = rarest(strata_of(target.y))
    if count < 2:
        raise InputError(
            f"outcome {outcome.name!r}: {level} has {count} patient, too few for any study; "
            "choose another outcome, or put rare classes together."
        )
    folds = max(2, min(5, count, len(target.y) // 2))
    groups = usual_groups(cohort.patients, outcome)
    columns = [c for c in cohort.patients.columns if c not in outcome.columns]
    spare = ", ".join(map(to_toml, columns)) or "none"
    folder = Path(name)
    place = str(folder.resolve()) if folder.is_dir() else name
    if folder.is_dir() and folder.resolve().is_relative_to(out.resolve().parent):
        place = str(folder.resolve().relative_to(out.resolve().parent))
    return "\n".join(
        [
            f"# A study of {outcome.name!r} in {cohort.name!r}: {len(target.y)} patients analysed, "
            f"{len(target.left_out)} left out.",
            "# Run it with: consilience study run <this file> --out results --jobs 2",
            "",
            "# A cohort's folder (relative to this file), or the name of an embedded cohort.",
            f"cohort = {to_toml(place)}",
            f"title = {to_toml(f'{outcome.name} in {cohort.name}')}",
            "",
            *_outcome_lines(outcome, cohort.patients),
            "",
            "[sources]",
            "# Modalities that take part; all of the cohort's if this line is left out.",
            f"modalities = {to_toml(list(cohort.modalities))}",
            "# Columns of the patients to use as one source more. Take none that was known only",
            f"# after the time of prediction. There are: {spare}",
            "patient_columns = []",
            "",
            *_protocol_lines(folds, groups, outcome),
            "",
            *_notes_lines(cohort),
            *_CANDIDATES,
            *examples(outcome.kind),
        ]
    )


def _notes_lines(cohort: Cohort) -> list[str]:
    """Return an example of notes on a feature, for a cohort that has a table."""
    tables = ((n, m) for n, m in cohort.modalities.items() if isinstance(m, Table))
    name, table = next(tables, (None, None))
    if name is None or table is None or not table.features:
        return []
    return [
        "# What decision support says of a feature beside its value, for any feature:",
        f"# [features.{toml_key(name)}.{toml_key(table.features[0])}]",
        '# label = "..."                           # what a clinician calls it',
        '# codes = ["http://loinc.org|..."]        # of FHIR, any of which means it',
        "# reference = [0, 1]                      # usual in the healthy",
        "# actionable = true                       # care can change it",
        "# treatment = true                        # levels, or 0 and 1, to choose from",
        "# cost = 0.0                              # of measuring it",
        "",
        "[bundle]",
        "background = true  # holds means of at least 5 patients each, to explain against",
        "",
    ]


def _outcome_lines(outcome: Outcome, patients: pd.DataFrame) -> list[str]:
    lines = ["[outcome]", "# binary | multiclass | continuous | survival | event by"]
    by = getattr(outcome, "by", None)
    lines.append(f"kind = {to_toml('event by' if by is not None else outcome.kind)}")
    lines.append(f"column = {to_toml(outcome.columns[0])}")
    lines.append('# label = "death"   # what reports call it')
    if len(outcome.columns) > 1:
        lines += [f"time = {to_toml(outcome.columns[1])}", 'unit = "days"']
    if by is not None:
        lines.append(f"by = {float(by)!r}")
    if outcome.kind in ("binary", "survival"):
        level = outcome.level(patients)  # type: ignore[attr-defined]  # these kinds have one
        lines.append(
            f"positive = {to_toml(level)}   # the value that means it happened: is it this?"
        )
    return lines


def _protocol_lines(folds: int, groups: list[str], outcome: Outcome) -> list[str]:
    lines = [
        "[protocol]",
        "folds = " + str(folds) + "          # outer folds, stratified",
        "repeats = 3        # drawn anew so often",
        "inner_folds = 3    # on which learners choose their settings",
        "seed = 0           # one seed reproduces every number",
        "bootstrap = 2000   # resamples of patients for intervals",
        "permutations = 10  # on a shuffled outcome, which must score as chance; 0, or at least 3",
        "leave_one_out = true   # what each source adds when the others are there",
        "importance = true      # which source and which features matter",
        "discoveries = true     # what each method finds, as pictures",
        "robustness = true      # scores as measurements go missing: 20, 40, 60 % removed",
        f"subgroups = {to_toml(groups)}",
        '# group = "family"       # patients who share a value stay together',
        '# leave_out = "site"     # each site in turn is the test set, in place of folds',
        '# primary = "late mean"  # declare beforehand what the verdict is about',
    ]
    if outcome.kind == "survival":
        lines.append("# horizon = 1825         # time at which calibration is judged")
    return lines


_CANDIDATES = [
    "# Each modality alone and the late mean are always compared, and whatever stands here.",
    "# `method` says how sources are brought together, `learner` what learns the outcome from",
    "# them: ridge, elastic_net, random_forest, gradient_boosting; `options` are settings of the",
    "# method.",
    "# Tried on inner folds: in `tune` settings of the learner, in `grid` the method's own; where",
    "# a line is left out, the usual values.",
    "[[candidates]]",
    'name = "early"',
    'method = "EarlyFusion"',
    'learner = "ridge"',
    "",
    "[[candidates]]",
    'name = "late weighted"',
    'method = "LateFusion"',
    'learner = "ridge"',
    'options = { weights = "validated", folds = 3 }',
    "",
    "[[candidates]]",
    'name = "stacked"',
    'method = "StackedFusion"',
    'learner = "ridge"',
    "options = { folds = 3 }",
    "",
]
