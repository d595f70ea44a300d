"""`consilience clinic`: decision support beside the service itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from consilience.app.serve_command import USUAL_DATABASE

app = typer.Typer(
    no_args_is_help=True,
    help="Decision support: try it, look after it. (`consilience serve` starts it.)",
    rich_markup_mode="markdown",
)
rules_app = typer.Typer(no_args_is_help=True, help="Rules from guidelines, shipped and your own.")
audit_app = typer.Typer(no_args_is_help=True, help="The audit trail.")
users_app = typer.Typer(no_args_is_help=True, help="Who may sign in.")
app.add_typer(rules_app, name="rules")
app.add_typer(audit_app, name="audit")
app.add_typer(users_app, name="users")

BundleFolder = Annotated[Path, typer.Argument(help="The bundle's folder, such as results/bundle.")]
Rules = Annotated[
    list[Path] | None, typer.Option(help="A folder of your own rules; may be repeated.")
]
Database = Annotated[str, typer.Option(help="The service's database, an SQLAlchemy URL.")]


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for bundle and database.")] = Path(
        "consilience-clinic-demo"
    ),
    patients: Annotated[int, typer.Option(help="How many are invented.", min=1, max=500)] = 24,
    port: Annotated[int, typer.Option(help="0 takes a free one.", min=0, max=65535)] = 8000,
) -> None:
    """Decision support on invented patients, to look at: prints an address and a password.

    The first start runs a short study of the embedded cohort for the bundle (half a
    minute) and keeps it. The patients are invented, seeded, and marked as such; hooks are
    open without a token, on loopback alone.
    """
    from consilience.clinic.demo import demo_clinic
    from consilience.clinic.monitoring import log_json
    from consilience.clinic.serving import Place, opened, serve
    from consilience.study.progress import shown

    place, listening = opened(Place(port=port))
    clinic, password = demo_clinic(out, patients=patients, address=place.address, progress=shown)
    log_json(sys.stderr)

    def ready() -> None:
        typer.echo(f"Open {place.address} and sign in as 'demo' with the password: {password}")
        typer.echo(f"Hooks: {place.address}/cds-services")
        typer.echo(f"Everybody here is invented. Stop with Ctrl-C; {out} may be deleted.")

    serve(clinic, place, listening, ready=ready)


@app.command()
def assess(
    bundle: BundleFolder,
    patient: Annotated[Path, typer.Argument(help="A FHIR Bundle of one patient, JSON.")],
    rules: Rules = None,
    json: Annotated[bool, typer.Option("--json", help="The whole record, as the hooks see it.")] = (
        False
    ),
) -> None:
    """Say of one patient what the pages and the hooks would say; nothing is kept.

    Example: `consilience clinic assess results/bundle patient.json`
    """
    from consilience.app.telling_assessment import tell_assessment
    from consilience.clinic.consulting import assessed_file

    assessment = assessed_file(bundle, patient, tuple(rules or ()))
    if json:
        typer.echo(assessment.model_dump_json(indent=1))
    else:
        tell_assessment(assessment)


@app.command()
def example(
    bundle: BundleFolder,
    out: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("clinic-example"),
    seed: Annotated[int, typer.Option(help="Another one, another patient.")] = 0,
) -> None:
    """Write an invented patient (patient.json) and a request of the hook about him (request.json).

    Example: `consilience clinic example results/bundle --out clinic-example`
    """
    from consilience.clinic.demo import write_example

    for path in write_example(bundle, out, seed=seed):
        typer.echo(f"Wrote {path}")


@app.command()
def notes(
    bundle: BundleFolder,
    out: Annotated[Path, typer.Option(help="The file to fill in.")] = Path("notes.toml"),
) -> None:
    """Write a file in which to say what features are called, their codes, ranges and costs."""
    from consilience.study.bundle import Bundle
    from consilience.study.bundle.annotation import notes_template
    from consilience.study.store import write_atomically

    _check_free(out)
    write_atomically(out, notes_template(Bundle.load(bundle)).encode())
    typer.echo(f"Wrote {out}. Fill it in, then: consilience clinic annotate {bundle} {out} --out …")


@app.command()
def annotate(
    bundle: BundleFolder,
    notes: Annotated[Path, typer.Argument(help="Notes on its features, TOML or YAML.")],
    out: Annotated[Path, typer.Option(help="Folder of the new bundle.")],
) -> None:
    """Put notes on features (names, codes, reference ranges, what care can change) into a bundle.

    The model is the same, and so is its fingerprint; the bundle given is left as it is.
    """
    from consilience.study.bundle.annotation import annotate_bundle

    annotate_bundle(bundle, notes, out)
    typer.echo(f"Wrote {out}.")


@app.command()
def documents(
    bundle: BundleFolder,
    out: Annotated[Path, typer.Option(help="Folder for the documents.")] = Path("documents"),
    finding: Annotated[
        Path | None, typer.Option(help="The study's finding.json, for what it found.")
    ] = None,
    rules: Rules = None,
) -> None:
    """Write intended use, risk file, clinical evaluation, data protection: filled as far as known.

    What only a person can know is marked, and counted here.
    """
    from consilience.clinic.documents import document_bundle

    for path, open_places in document_bundle(
        bundle, out, finding=finding, rules=tuple(rules or ())
    ):
        typer.echo(f"{path}: {open_places} places for a person to write")


@rules_app.command("list")
def list_rules(rules: Rules = None) -> None:
    """List every rule with its source, and whether a medical professional has reviewed it."""
    from consilience.clinic.rules import load_rules, rules_table

    domain = ""
    for name, title, own, _, source, reviewer in rules_table(load_rules(tuple(rules or ())))[1:]:
        if own != domain:
            domain = own
            typer.echo(f"\n{domain}")
        typer.echo(f"  {name}: {title}. {source}; reviewed by: {reviewer}")


@rules_app.command("check")
def check_rules(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Your own; without any those shipped.")
    ] = None,
) -> None:
    """Read rules and run the vignettes beside them: patients who must, and must not, trigger."""
    from consilience.clinic.rules import check_rules as checked

    outcomes = checked(folders or (), shipped=not folders)
    failed = [one for one in outcomes if not one.passed]
    for one in failed:
        typer.echo(f"{one.rule}: {one.vignette}: {one.problem}")
    rules = len({one.rule for one in outcomes})
    typer.echo(
        f"{rules} rule{'' if rules == 1 else 's'}, {len(outcomes)} vignettes, {len(failed)} failed."
    )
    if failed:
        raise typer.Exit(1)


@audit_app.command()
def verify(
    db: Database = USUAL_DATABASE,
    head: Annotated[
        str | None, typer.Option(help="What `audit head` printed: shows whether the end was cut.")
    ] = None,
) -> None:
    """Recompute the chain of the audit trail, and say whether anything in it was changed."""
    from consilience.clinic.audit import Head
    from consilience.clinic.audit import verify as verified
    from consilience.clinic.store import Store

    noted = [] if head is None else [Head.read(head)]
    with Store.open(db, create=False) as store:
        found = verified(store, noted)
    typer.echo(found.sentence)
    if found.broken_at is not None:
        raise typer.Exit(1)


@audit_app.command()
def head(db: Database = USUAL_DATABASE) -> None:
    """Print what the trail ends with; keep it elsewhere, and give it to `verify` later."""
    from consilience.clinic.audit import Audit
    from consilience.clinic.store import Store

    with Store.open(db, create=False) as store:
        typer.echo(Audit(store).head())


@audit_app.command()
def export(
    out: Annotated[Path, typer.Argument(help="Where to write: JSON lines.")],
    db: Database = USUAL_DATABASE,
) -> None:
    """Write every entry as a line of JSON."""
    from consilience.clinic.audit import lines
    from consilience.clinic.store import Store

    _check_free(out)
    count = 0
    with Store.open(db, create=False) as store, out.open("x", encoding="utf-8") as file:
        for line in lines(store):
            file.write(line + "\n")
            count += 1
    typer.echo(f"{out}: {count} entries.")


@users_app.command("add")
def add_user(
    name: Annotated[str, typer.Argument(help="What he signs in as.")],
    role: Annotated[str, typer.Option(help="clinician, auditor or administrator.")] = "clinician",
    tenant: Annotated[str, typer.Option(help="Whose patients he sees.")] = "local",
    db: Database = USUAL_DATABASE,
) -> None:
    """Add somebody, and print the one-time password."""
    from consilience.clinic.first_user import with_one_time_password
    from consilience.clinic.store import Store

    with Store.open(db) as store:
        told = with_one_time_password(store, name, role, tenant)
    typer.echo(f"{told.name} ({role}) signs in once with: {told.password}")


@users_app.command("list")
def list_users(db: Database = USUAL_DATABASE) -> None:
    """List who may sign in."""
    from consilience.clinic.store import Store

    with Store.open(db, create=False) as store:
        for user in store.users.everyone():
            typer.echo(f"{user.name}\t{user.role}\t{user.tenant}")


def _check_free(out: Path) -> None:
    from consilience.errors import InputError

    if out.exists():
        raise InputError(f"{out}: a file is there already; choose another name.")
