"""`consilience predict`: what a bundle says of new patients."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consilience.errors import InputError, listing

if TYPE_CHECKING:
    import pandas as pd

    from consilience.records import Prediction
    from consilience.study.bundle import Bundle, Notice


def predict(
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder, such as results/bundle.")],
    cohort: Annotated[
        str, typer.Argument(help="A cohort's folder, or the name of an embedded one.")
    ],
    out: Annotated[Path, typer.Option(help="Where to write: .csv, .parquet or .json.")],
    form: Annotated[
        str | None,
        typer.Option("--format", help="csv, parquet or json, where the name does not say."),
    ] = None,
    trust: Annotated[
        list[str] | None,
        typer.Option(help="A type in the model that you vouch for, such as my.package.Learner."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write over a file that is there.")
    ] = False,
) -> None:
    """Predict with a bundle, a row a patient.

    Example: `consilience predict results/bundle new-patients --out predictions.csv`

    Names, kinds and units of the features are compared with those that the model was
    trained on: where one is missing or differs, nothing is predicted and the reason is
    given. Values outside the training range, categories not seen and modalities not
    measured are predicted from, and told in the column `warnings` and in summary here.
    A patient with nothing measured gets what is known of everybody, and `informed` is
    False. A .json file holds the records whole, as the library gives them.
    """
    write = _writer(out, form)
    _check_place(out, force)

    from consilience.cohort import open_cohort
    from consilience.study.bundle import Bundle
    from consilience.study.bundle.sources import with_patient_columns

    model = Bundle.load(bundle, trust=trust or ())
    patients, made = with_patient_columns(open_cohort(cohort), model.schema)
    notices = model.check(patients)
    predictions = model.told(patients, notices)
    _write(out, write(predictions))
    _summarise(model, predictions, notices, out)
    for name in made:
        typer.echo(f"Note: {name!r} was read from the columns of the patients.", err=True)


def _as_csv(predictions: Sequence[Prediction]) -> bytes:
    return _frame(predictions).to_csv(index=False, lineterminator="\n").encode()


def _as_parquet(predictions: Sequence[Prediction]) -> bytes:
    data: bytes = _frame(predictions).to_parquet(index=False)
    return data


def _as_json(predictions: Sequence[Prediction]) -> bytes:
    records = [prediction.model_dump(mode="json") for prediction in predictions]
    return (json.dumps(records, indent=1, ensure_ascii=False) + "\n").encode()


FORMS: dict[str, Callable[[Sequence[Prediction]], bytes]] = {
    "csv": _as_csv,
    "parquet": _as_parquet,
    "json": _as_json,
}


def _writer(out: Path, form: str | None) -> Callable[[Sequence[Prediction]], bytes]:
    asked = (form or out.suffix.lstrip(".")).lower()
    if asked not in FORMS:
        raise InputError(
            f"--out {out}: {asked!r} is no form that predictions are written in; give "
            f"{listing(FORMS)} as the file's ending or with --format."
        )
    return FORMS[asked]


def _check_place(out: Path, force: bool) -> None:
    if out.is_dir():
        raise InputError(f"--out {out}: it is a folder; give the name of a file.")
    if out.exists() and not force:
        raise InputError(f"--out {out}: the file is there already; choose another, or add --force.")
    if not out.parent.is_dir():
        raise InputError(f"--out {out}: there is no folder {out.parent}; make it first.")


def _frame(predictions: Sequence[Prediction]) -> pd.DataFrame:
    """Return one row a patient; the columns of the values are named as in scores.parquet."""
    import pandas as pd

    rows = []
    for said in predictions:
        row: dict[str, object] = {"patient": said.patient, "informed": said.informed}
        row |= {f"probability:{part.label}": part.probability for part in said.probabilities}
        row |= {} if said.value is None else {"value": said.value}
        row |= {} if said.risk is None else {"risk": said.risk}
        row |= {f"survival:{point.time!r}": point.probability for point in said.survival}
        row |= {"sources": ";".join(said.sources), "warnings": " ".join(said.warnings)}
        rows.append({**row, "outcome": said.outcome, "unit": said.unit, "model": said.model})
    return pd.DataFrame(rows)


def _write(out: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    import os
    import tempfile

    handle, fresh = tempfile.mkstemp(prefix=f".{out.name}-", dir=out.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        Path(fresh).chmod(0o666 & ~mask)
        Path(fresh).replace(out)
    finally:
        Path(fresh).unlink(missing_ok=True)


def _summarise(
    model: Bundle, predictions: Sequence[Prediction], notices: Sequence[Notice], out: Path
) -> None:
    uninformed = sum(not said.informed for said in predictions)
    typer.echo(f"{out}: {model.manifest.outcome!r} for {len(predictions)} patients.")
    if uninformed:
        typer.echo(
            f"Warning: {uninformed} of {len(predictions)} patients have nothing measured that the "
            "model reads; they get what is known of everybody, and informed is False.",
            err=True,
        )
    for (modality, matter), members in _grouped(notices).items():
        patients = {notice.patient for notice in members if notice.patient}
        whom = f"{len(patients)} of {len(predictions)} patients" if patients else "all patients"
        place = f"{modality!r}, " if modality else ""
        typer.echo(f"Warning: {place}{matter}: {whom}. {_example(members[0])}", err=True)


def _grouped(notices: Sequence[Notice]) -> dict[tuple[str, str], list[Notice]]:
    groups: dict[tuple[str, str], list[Notice]] = {}
    for notice in notices:
        if notice.modality:  # "nothing measured" is told on its own
            groups.setdefault((notice.modality, notice.matter), []).append(notice)
    return groups


def _example(notice: Notice) -> str:
    return f"{notice.patient}: {notice.sentence}" if notice.patient else notice.sentence
