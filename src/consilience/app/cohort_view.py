"""A cohort on the terminal: what was imported, who has what, what is odd."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from consilience.cohort import Cohort, Description, Table
from consilience.cohort.description import ColumnDescription, ModalityDescription

_MOST = 12


def show_import(cohort: Cohort, out: Path | None) -> None:
    """Print what a cohort became of the files, what was left out, and where it is."""
    console = Console()
    console.print(f"[bold]{escape(cohort.name)}[/]: {len(cohort)} patients")
    grid = _grid("modality", "patients", "features", title="Measured by")
    for name, modality in cohort.modalities.items():
        grid.add_row(escape(name), str(len(modality)), str(modality.n_features))
    console.print(grid)
    unmeasured = int((~cohort.measured.to_numpy().any(axis=1)).sum())
    if unmeasured:
        console.print(f"Patients measured by nothing: {unmeasured}; they stay, and are counted.")
    _print_left_out(console, cohort)
    if out is None:
        console.print("Nothing was written (--dry-run).")
    else:
        console.print(f"Written to {escape(str(out))}", soft_wrap=True)
        console.print(f"Next: consilience cohort describe {escape(str(out))}", soft_wrap=True)


def show_values(cohort: Cohort) -> None:
    """Print how many patients have a value of each feature, of tables that are not too wide."""
    console = Console()
    for name, modality in cohort.modalities.items():
        if not isinstance(modality, Table) or modality.n_features > 5 * _MOST:
            continue
        grid = _grid("feature", "unit", "patients", title=f"Values in {escape(name)}")
        for feature, known in modality.frame.notna().sum().items():
            unit = modality.units.get(str(feature), "")
            grid.add_row(escape(str(feature)), escape(unit), f"{known} of {len(cohort)}")
        console.print(grid)


def show_description(description: Description) -> None:
    """Print who was measured by what, what is missing, and what is odd."""
    console = Console()
    console.print(
        f"[bold]{escape(description.name)}[/]: {description.n_patients} patients; "
        f"{description.n_complete} measured by every modality, "
        f"{description.n_unmeasured} by none."
    )
    _print_modalities(console, description)
    _print_patterns(console, description)
    _print_patients(console, description.patients)
    _print_outcomes(console, description)
    _print_odd(console, description)
    if description.left_out:
        console.print("\n[bold]Left out while reading[/]")
        for reason, n in description.left_out.items():
            console.print(f"  {n} × {escape(reason)}", soft_wrap=True)


def show_cohorts(names: Iterable[str]) -> None:
    """Print the names of the cohorts that come with the package."""
    console = Console()
    for name in names:
        console.print(escape(name))
    console.print("See one with: consilience cohort describe NAME", style="dim")


def _print_left_out(console: Console, cohort: Cohort) -> None:
    left_out = cohort.left_out
    if left_out.empty:
        console.print("Nothing was left out.")
        return
    console.print(f"[bold]{len(left_out)} left out[/] (all are listed in the cohort):")
    for (source, reason), rows in left_out.groupby(["source", "reason"], sort=False):
        who = ", ".join(rows["patient"].astype(str).head(5))
        more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
        text = f"  {len(rows)} × {source}: {reason}: {who}{more}"
        console.print(escape(text), soft_wrap=True)


def _print_modalities(console: Console, description: Description) -> None:
    grid = _grid("modality", "kind", "patients", "features", "missing", "what is in it")
    for m in description.modalities:
        share = f"{m.n_patients} ({m.n_patients / max(description.n_patients, 1):.0%})"
        missing = f"{m.missing:.1%}" if m.kind == "table" else ""
        grid.add_row(escape(m.name), m.kind, share, str(m.n_features), missing, _kinds(m))
    console.print(grid)


def _kinds(modality: ModalityDescription) -> str:
    if not modality.columns:
        return modality.note
    counts = Counter(column.kind for column in modality.columns)
    return ", ".join(f"{n} {kind}" for kind, n in counts.most_common())


def _print_patterns(console: Console, description: Description) -> None:
    grid = _grid("patients", "measured by exactly", title="Who has what")
    for pattern in description.patterns[:_MOST]:
        has = ", ".join(pattern.modalities) or "nothing"
        grid.add_row(str(pattern.n_patients), escape(has))
    console.print(grid)
    _print_more(console, len(description.patterns), "patterns")


def _print_patients(console: Console, columns: Sequence[ColumnDescription]) -> None:
    if not columns:
        return
    grid = _grid("column", "kind", "missing", "values", title="Patients")
    for column in columns[:40]:
        grid.add_row(escape(column.name), column.kind, f"{column.missing:.0%}", _values(column))
    console.print(grid)
    _print_more(console, len(columns), "columns", most=40)


def _values(column: ColumnDescription) -> str:
    if column.median is not None:
        unit = f" {column.unit}" if column.unit else ""
        return f"{column.low:g} to {column.high:g}, median {column.median:g}{escape(unit)}"
    shown = ", ".join(f"{level} {n}" for level, n in list(column.levels.items())[:4])
    more = f" and {column.n_levels - 4} more" if column.n_levels > 4 else ""
    return escape(shown + more)


def _print_outcomes(console: Console, description: Description) -> None:
    if not description.outcomes:
        return
    console.print("\n[bold]Columns that could be an outcome[/] (by values and names only)")
    for hint in description.outcomes[:_MOST]:
        text = f"  {hint.kind}: {', '.join(hint.columns)} ({hint.why})"
        console.print(escape(text), soft_wrap=True)
    _print_more(console, len(description.outcomes), "columns")


def _print_odd(console: Console, description: Description) -> None:
    """Print oddities grouped by what they are, so that a wide table stays readable."""
    sources = [("patients", description.patients)]
    sources += [(m.name, m.columns) for m in description.modalities]
    grid = _grid("where", "what", "columns", "such as", title="Look at")
    for where, columns in sources:
        found: dict[str, list[tuple[str, str]]] = {}
        for column in columns:
            for odd in column.suspicious:
                found.setdefault(odd.what, []).append((column.name, odd.why))
        for what, cases in found.items():
            shown = "; ".join(f"{name}: {why}" for name, why in cases[:3])
            grid.add_row(escape(where), what, str(len(cases)), escape(shown))
    for m in description.modalities:
        if m.equal_columns:
            shown = " = ".join(m.equal_columns[0][:4])
            grid.add_row(escape(m.name), "equal columns", str(len(m.equal_columns)), escape(shown))
    for where, pairs in _alike(description).items():
        grid.add_row(escape(where), "patients alike", str(len(pairs)), escape("; ".join(pairs[:3])))
    if grid.row_count:
        console.print(grid)
    else:
        console.print("\nNothing odd was found.")


def _alike(description: Description) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for pair in description.alike:
        word = "equals" if pair.distance == 0 else "is close to"
        found.setdefault(pair.modality, []).append(f"{pair.first} {word} {pair.second}")
    return found


def _print_more(console: Console, n: int, what: str, *, most: int = _MOST) -> None:
    if n > most:
        console.print(f"  and {n - most} more {what} (--json shows all)", style="dim")


def _grid(*columns: str, title: str | None = None) -> Grid:
    grid = Grid(title=title, title_justify="left", box=None, pad_edge=False, title_style="bold")
    numbers = {"patients", "features", "missing", "columns"}
    for column in columns:
        grid.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return grid
