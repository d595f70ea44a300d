"""The command `consilience`: every door to the same functions."""

from __future__ import annotations

import errno
import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from consilience import __version__
from consilience.app import (
    clinic_commands,
    cohort_commands,
    demo_command,
    predict_command,
    serve_command,
    study_commands,
)
from consilience.errors import InputError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Bring together what was measured in many ways, and learn whether together it
    knows more than the best source alone.

    Start with `consilience demo`. With your own files:

    1. `consilience cohort import --patients clinical.csv --table rna=rna.csv --out my-cohort`
    2. `consilience study init my-cohort --outcome died --time days --out study.toml`
    3. `consilience study run study.toml --out results`
    4. `consilience predict results/bundle new-patients --out predictions.csv`
    5. `consilience serve results/bundle` makes it decision support; `consilience clinic demo`
       shows that on invented patients
    """,
)
app.add_typer(cohort_commands.app, name="cohort")
app.add_typer(study_commands.app, name="study")
app.add_typer(clinic_commands.app, name="clinic")
app.command()(predict_command.predict)
app.command()(serve_command.serve)
app.command()(demo_command.demo)

# What a file system may refuse: the user's to mend, unlike other defects.
_PLACES = {
    errno.ENOSPC: " Make room or choose another place; what is whole was kept.",
    errno.EDQUOT: " Make room or choose another place; what is whole was kept.",
    errno.EFBIG: " Choose a place that takes larger files; what is whole was kept.",
    errno.EROFS: " Choose a place that can be written to.",
    errno.EACCES: " Choose a place that you may read and write.",
    errno.EPERM: " Choose a place that you may read and write.",
    errno.ENOTDIR: " Choose another place.",
    errno.EISDIR: " Choose another place.",
    errno.ENOENT: " It is not there, or was taken away while in use.",
    errno.ENAMETOOLONG: " Choose a shorter name.",
    errno.ELOOP: " Choose another place.",
}


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    pass


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; a user's mistake is one sentence and exit status 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal may lack a name's letters
    try:
        app(args=arguments)
    except InputError as mistake:
        typer.echo(f"Error: {mistake}", err=True)
        sys.exit(2)
    except OSError as reason:
        if reason.errno not in _PLACES:
            raise
        where = f"{reason.filename}: " if reason.filename else ""
        typer.echo(f"Error: {where}{reason.strerror}.{_PLACES[reason.errno]}", err=True)
        sys.exit(2)
