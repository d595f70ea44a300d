"""What every door of decision support is opened onto: one object, the same functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from consilience.clinic.served import Served


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class ClinicSettings:
    """How decision support is run.

    Attributes
    ----------
    bundle : Path
        The bundle's folder.
    rules : tuple of Path
        Folders of the user's own rules, beside those shipped.
    database : str
        SQLAlchemy's URL.
    audience : str
        The service's own address, as it must stand in a token's `aud`.
    issuers : mapping of str to str
        Who may call the hooks: issuer to the address, or file, of its keys.
    open_hooks : bool
        Whether calls without a token are answered; for trying it out on loopback alone.
    budget : float
        Seconds within which a hook is answered; what takes longer goes to a link.
    now : callable
        The clock.
    """

    bundle: Path
    rules: tuple[Path, ...] = ()
    database: str = "sqlite:///consilience-clinic.db"
    audience: str = "http://127.0.0.1:8000"
    issuers: dict[str, str] = field(default_factory=dict)
    open_hooks: bool = False
    budget: float = 0.4
    now: Callable[[], datetime] = _now


class Clinic:
    """A bundle, rules and records, behind every door.

    Parameters
    ----------
    settings : ClinicSettings

    Raises
    ------
    InputError
        If the bundle, a rule or the database cannot be used; in one sentence.
    """

    def __init__(self, settings: ClinicSettings) -> None:
        self.settings = settings
        self._served = Served.load(settings.bundle)

    def served(self) -> Served:
        """Return the bundle as it is now; ask once an answer, so that versions never mix."""
        return self._served

    def replace(self, folder: Path) -> Served:
        """Serve another bundle from the next answer on; what is running ends with its own.

        Raises
        ------
        InputError
            If it cannot be read; the one served stays.
        """
        self._served = Served.load(folder)
        return self._served
