"""`consilience study`: declare a study, run it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True, help="Declare and run a study.", rich_markup_mode="markdown"
)


@app.command()
def init(
    cohort: Annotated[
        str, typer.Argument(help="A cohort's folder, or the name of an embedded one.")
    ],
    outcome: Annotated[
        str, typer.Option(help="Column of the patients to predict, or whose event is.")
    ],
    out: Annotated[Path, typer.Option(help="Where to write the file.")] = Path("study.toml"),
    time: Annotated[
        str | None,
        typer.Option(help="Column with the time to the event or last contact: survival."),
    ] = None,
    by: Annotated[
        float | None, typer.Option(help="With --time: predict whether the event came by then.")
    ] = None,
    positive: Annotated[
        str | None, typer.Option(help="The value of the outcome that means it happened.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Write over a file that is there.")] = False,
) -> None:
    """Write a commented study.toml that runs as it is.

    Example: `consilience study init tcga-acc --outcome vital_status --time days --out study.toml`
    """
    from consilience.study.draft import draft

    draft(cohort, outcome, out=out, time=time, by=by, positive=positive, force=force)
    typer.echo(f"Wrote {out}. Look through it, then: consilience study run {out} --out results")


@app.command()
def run(
    file: Annotated[Path, typer.Argument(help="The study's file.")],
    out: Annotated[Path, typer.Option(help="Folder for finding, report, scores and bundle.")],
    jobs: Annotated[int, typer.Option(help="Workers. The numbers do not depend on it.", min=1)] = 1,
    engine: Annotated[str, typer.Option(help="Where they run: local, ray or dask.")] = "local",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, say what would run, and stop.")
    ] = False,
) -> None:
    """Compare the candidates on held-out patients, and write the finding and the report.

    Example: `consilience study run study.toml --out results --jobs 2`
    """
    from consilience.app.stopping import stoppable
    from consilience.app.telling import tell_finding, tell_plan
    from consilience.study.progress import shown
    from consilience.study.settings import load_study

    study = load_study(file)
    if dry_run:
        tell_plan(study)
        return
    with stoppable(out):
        finding = study.run(out, jobs=jobs, engine=engine, resume=resume, progress=shown)  # type: ignore[arg-type]
    tell_finding(finding, out)
