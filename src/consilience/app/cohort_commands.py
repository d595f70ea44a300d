"""``consilience cohort``: import files, describe what is in a cohort."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consilience.errors import InputError, InputWarning

if TYPE_CHECKING:
    from consilience.cohort.formats.sheet import Request
    from consilience.cohort.table import Kind
    from consilience.study.bundle.schema import Schema

app = typer.Typer(
    help="Make a cohort of your files, and see what is in it.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

Patients = Annotated[
    Path | None,
    typer.Option(
        "--patients",
        help="File with one row a patient: demographics, site, outcome. "
        "Without it the patients are those of the tables.",
    ),
]
Tables = Annotated[
    list[str],
    typer.Option(
        "--table",
        metavar="NAME=FILE",
        help="A table of measurements (.csv .tsv .txt .parquet .xlsx .npz .h5ad .h5mu) and what "
        "to call it; give one for each.",
    ),
]
Out = Annotated[Path | None, typer.Option("--out", help="Folder to write the cohort to.")]
Name = Annotated[str | None, typer.Option("--name", help="What reports call the cohort.")]
IdColumn = Annotated[
    str | None,
    typer.Option("--id-column", help="Column with the patient ids, in the files that have it."),
]
Missing = Annotated[
    list[str],
    typer.Option("--missing", help="Text that means missing, such as '?'; may be repeated."),
]
Categorical = Annotated[
    list[str],
    typer.Option("--categorical", help="Column of codes, not amounts; may be repeated."),
]
Units = Annotated[
    list[str],
    typer.Option("--unit", metavar="COLUMN=UNIT", help="Unit of a column, such as ldh=U/L."),
]
Ids = Annotated[
    str | None,
    typer.Option(
        "--ids",
        help="Change all ids so that they agree: 'strip blanks', 'upper case', 'dashes', "
        "'upper case, dashes', 'first three fields', 'upper case, first three fields', "
        "'no leading zeros', 'no trailing .0'.",
    ),
]
LeaveOut = Annotated[
    bool,
    typer.Option("--leave-out-unknown", help="Leave out, and list, who is not among the patients."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be made and left out; write nothing.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Replace the cohort that is already in the folder.")
]


@app.command("import")
def import_command(
    tables: Tables,
    patients: Patients = None,
    out: Out = None,
    name: Name = None,
    id_column: IdColumn = None,
    missing: Missing = [],  # noqa: B006 (typer reads the default and never changes it)
    categorical: Categorical = [],  # noqa: B006
    unit: Units = [],  # noqa: B006
    ids: Ids = None,
    leave_out_unknown: LeaveOut = False,
    dry_run: DryRun = False,
    force: Force = False,
) -> None:
    """Make a cohort of files, one file a table, rows by patient.

    The first column holds the patient ids if it has no name or is called patient, id,
    sample or the like. Nothing is changed, guessed or left out unless you ask for it.

    **Example**

    consilience cohort import --patients clinical.csv --table rna=rna.csv
    --table labs=labs.xlsx --missing '?' --out my-cohort
    """
    if out is None and not dry_run:
        raise InputError(
            "say where to write the cohort: --out DIR (or --dry-run to write nothing)."
        )
    if out is not None and not (dry_run or force):
        _check_empty(out)
    from consilience.app.cohort_view import show_import
    from consilience.cohort import save_cohort
    from consilience.cohort.assembling import Rules, assemble

    with _notes():
        request = _request(id_column, missing, categorical, _pairs(unit, "--unit", "ldh=U/L"))
        rules = Rules(request, "leave out" if leave_out_unknown else "refuse", ids)
        files = {n: Path(p) for n, p in _pairs(tables, "--table", "rna=rna.csv").items()}
        cohort = assemble(
            patients, files, rules, name=name or (out.resolve().name if out else None)
        )
        if out is not None and not dry_run:
            save_cohort(cohort, out, overwrite=force)
    show_import(cohort, None if dry_run else out)


@app.command("import-fhir")
def import_fhir_command(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="Folder of FHIR R4 files: Bundles of one patient each (.json), or a bulk export "
            "with one resource a line (.ndjson).",
        ),
    ],
    map_file: Annotated[
        Path | None,
        typer.Option("--map", help="File that says which codes are which features (TOML)."),
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", help="In place of a map: read what this bundle's model reads."),
    ] = None,
    out: Out = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first file that cannot be read.")
    ] = False,
    dry_run: DryRun = False,
    force: Force = False,
) -> None:
    r"""Make a cohort of patients' FHIR records.

    The map names each feature, the codes that mean it, and the unit it is wanted in:

    \[tables.labs.ldh]  codes = \["loinc|14804-9"]  unit = "U/L"

    \[index]  codes = \["snomed|363346000|Condition"]

    \[outcomes.death]  death = true

    Units are converted where that is certain. What cannot be mapped is counted and listed,
    never guessed. See what would be mapped with --dry-run first. Needs the extra 'clinic'.

    **Example**

    consilience cohort import-fhir records --map map.toml --out my-cohort
    """
    if (map_file is None) == (bundle is None):
        raise InputError("say what to read: either --map FILE or --bundle BUNDLE.")
    if out is None and not dry_run:
        raise InputError(
            "say where to write the cohort: --out DIR (or --dry-run to write nothing)."
        )
    if out is not None and not (dry_run or force):
        _check_empty(out)
    from consilience.app.cohort_view import show_import, show_values
    from consilience.clinic.fhir.population import read_population
    from consilience.clinic.fhir.population_map import read_map
    from consilience.cohort import save_cohort
    from consilience.study.progress import shown

    with _notes():
        wanted = read_map(map_file) if map_file else _schema_of(bundle)
        cohort = read_population(folder, wanted, strict=strict, progress=shown)
        if out is not None and not dry_run:
            save_cohort(cohort, out, overwrite=force)
    show_values(cohort)
    show_import(cohort, None if dry_run else out)


def _schema_of(bundle: Path | None) -> Schema:
    from consilience.study.bundle import Bundle

    assert bundle is not None
    return Bundle.load(bundle).schema


@app.command("describe")
def describe_command(
    cohort: Annotated[
        str, typer.Argument(metavar="NAME-OR-PATH", help="A cohort's name or folder.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Say who was measured by what, and what is missing or odd.

    **Example**

    consilience cohort describe tcga-acc
    """
    from consilience.app.cohort_view import show_description
    from consilience.cohort import describe, open_cohort

    with _notes():
        description = describe(open_cohort(cohort))
    if as_json:
        typer.echo(json.dumps(description.to_dict(), indent=2, allow_nan=False))
    else:
        show_description(description)


@app.command("list")
def list_command() -> None:
    """List the cohorts that come with consilience.

    **Example**

    consilience cohort list
    """
    from consilience.app.cohort_view import show_cohorts
    from consilience.cohort import embedded_cohorts

    show_cohorts(embedded_cohorts())


@contextmanager
def _notes() -> Iterator[None]:
    """Print what the user should know about usable input as one line each, on stderr."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", InputWarning)
        try:
            yield
        finally:
            for warning in caught:
                if issubclass(warning.category, InputWarning):
                    typer.echo(f"Note: {warning.message}", err=True)


def _check_empty(out: Path) -> None:
    if out.is_dir() and any(out.iterdir()):
        raise InputError(
            f"{out} is not empty; name another folder, or replace the cohort in it with --force."
        )


def _pairs(given: list[str], option: str, example: str) -> dict[str, str]:
    """Return the pairs of an option that is written NAME=VALUE."""
    found: dict[str, str] = {}
    for text in given:
        name, _, value = (part.strip() for part in text.partition("="))
        if not (name and value):
            raise InputError(
                f"{option} {text!r}: write it with a name, such as {option} {example}."
            )
        if name in found:
            raise InputError(f"{option}: {name!r} is given twice.")
        found[name] = value
    return found


def _request(
    id_column: str | None, missing: list[str], categorical: list[str], units: dict[str, str]
) -> Request:
    from consilience.cohort.reading import request_of

    kinds: dict[str, Kind] = dict.fromkeys(categorical, "categorical")
    request = request_of(id_column, kinds, missing)
    return replace(request, units=units, shared=True)
