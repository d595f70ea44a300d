"""Names of columns: which one carries the patient ids, and which cannot be used."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from consilience.errors import InputError, listing, suggestion

_UNNAMED = re.compile(r"^(|unnamed: 0|index|__index_level_0__|row\.?names|x\.?1?)$")
_OF_WHOM = r"(patient|pat|case|subject|sample|participant|record|person|donor|study)"
_ID = re.compile(
    rf"^(id|ids|pid|mrn|eid|usubjid|barcode|{_OF_WHOM}(_?(id|ids|no|nr|number|barcode))?"
    rf"|(bcr_)?patient_barcode|(case_)?submitter_id|{_OF_WHOM}s|_index)$"
)
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
"""Characters that no editor shows and no id or name should hold."""


def is_id_name(name: str) -> bool:
    """Whether a column's name says that it carries patient ids."""
    return bool(_ID.match(re.sub(r"[\s.\-]+", "_", name.strip().lower())))


def id_column_of(names: Sequence[str], wanted: str | None, path: Path) -> str:
    """Return the column with the patient ids.

    It is the one the user named; else the first, if it has no name or is called
    patient, patient_id, id, sample or the like.

    Raises
    ------
    InputError
        If the named column is not there, or the first one is called otherwise.
    """
    if wanted is not None:
        if wanted in names:
            return wanted
        raise InputError(
            f"{path} has no column {wanted!r} for the patient ids; its columns are "
            f"{listing(names, most=8)}.{suggestion(wanted, names)}"
        )
    first = names[0]
    if is_id_name(first) or _UNNAMED.match(first.strip().lower()):
        return first
    others = [name for name in names if is_id_name(name)]
    hint = f" Did you mean {others[0]!r}?" if others else ""
    raise InputError(
        f"{path}: which column carries the patient ids? Give the option id_column "
        f"(--id-column); the columns are {listing(names, most=8)}.{hint}"
    )


def check_names(names: Sequence[str], path: Path) -> None:
    """Refuse names of columns that cannot be told apart or are data.

    Raises
    ------
    InputError
        If a name stands twice, holds a control character, or most names are numbers.
    """
    if _is_number(names[0]) and sum(map(_is_number, names)) > len(names) / 2:
        raise InputError(
            f"{path}, line 1: {listing(names, most=3)} are numbers where names of columns are due; "
            "put a line with the names on top."
        )
    for position, name in enumerate(names):
        if CONTROL.search(name):
            raise InputError(
                f"{path}, line 1: the name of column {position + 1}, {name!r}, holds a control "
                "character; rename it."
            )
    repeated = [name for name, times in Counter(names).items() if times > 1 and name]
    if repeated:
        places = [str(i + 1) for i, name in enumerate(names) if name == repeated[0]]
        raise InputError(
            f"{path}, line 1: column {repeated[0]!r} stands {len(places)} times "
            f"(columns {', '.join(places[:5])}); rename or remove all but one."
        )


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True
