"""The command `consilience`: every door to the same functions."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from consilience import __version__
from consilience.app import cohort_commands, demo_command, predict_command, study_commands
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
    """,
)
app.add_typer(cohort_commands.app, name="cohort")
app.add_typer(study_commands.app, name="study")
app.command()(predict_command.predict)
app.command()(demo_command.demo)


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
    try:
        app(args=arguments)
    except InputError as mistake:
        typer.echo(f"Error: {mistake}", err=True)
        sys.exit(2)
