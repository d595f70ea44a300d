"""What every door of decision support is opened onto: one object, the same functions."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from consilience.clinic.recent import Recent
from consilience.clinic.served import Served
from consilience.errors import InputError

if TYPE_CHECKING:
    from consilience.clinic.consulting import Consultation
    from consilience.clinic.web.settings import OidcSettings

log = logging.getLogger("consilience.clinic")


def _now() -> datetime:
    """Return the time."""
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
    fhir_servers : tuple of str
        FHIR servers that a hook may name, to fetch what it did not send.
    origins : tuple of str
        Web pages that a browser may call the hooks from (CORS).
    open_hooks : bool
        Whether calls without a token are answered; for trying it out on loopback alone.
    secure : bool
        Whether it is reached by TLS: cookies are then sent by no other way.
    oidc : OidcSettings, optional
        Who else tells us who somebody is.
    budget : float
        Seconds within which a hook is answered; what takes longer goes to a link.
    now : callable
        The clock.
    """

    bundle: Path
    rules: tuple[Path, ...] = ()
    database: str = "sqlite:///consilience-clinic.db"
    audience: str = "http://127.0.0.1:8000"
    issuers: Mapping[str, str] = field(default_factory=dict)
    fhir_servers: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    open_hooks: bool = False
    secure: bool = False
    oidc: OidcSettings | None = None
    budget: float = 0.4
    now: Callable[[], datetime] = _now


class Clinic:
    """A bundle, rules and records, behind every door.

    Parameters
    ----------
    settings : ClinicSettings

    Attributes
    ----------
    rules : RuleSet
    store : Store
    audit : Audit
    monitor : Monitor

    Raises
    ------
    InputError
        If the bundle, a rule or the database cannot be used; in one sentence.
    MissingExtraError
        If the extra `clinic` is not installed.
    """

    def __init__(self, settings: ClinicSettings) -> None:
        from consilience.extras import require

        require("sqlalchemy", extra="clinic", purpose="decision support")
        from consilience.clinic.audit import Audit
        from consilience.clinic.monitoring import Monitor
        from consilience.clinic.rules import load_rules
        from consilience.clinic.store import Store

        self.settings = settings
        self._stamp = _stamp(settings.bundle)
        self._served = Served.load(settings.bundle)
        self._served.prepare()
        self.rules = load_rules(settings.rules)
        self.store = Store.open(settings.database)
        self.audit = Audit(self.store)
        self.monitor = Monitor(self.store)
        self._recent: Recent[Consultation] = Recent()
        self._replacing = threading.Lock()

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
        with self._replacing:
            fresh = Served.load(folder)
            fresh.prepare()
            self.audit.write(
                "service",
                "bundle replaced",
                tenant="service",
                model=fresh.fingerprint,
                detail={"before": self._served.fingerprint},
                at=self.now(),
            )
            self._served = fresh
        return fresh

    def refresh(self) -> None:
        """Serve what stands in the bundle's folder now, if it is another one than before."""
        from consilience.clinic.store import StoreUnavailable

        seen = _stamp(self.settings.bundle)
        if seen == self._stamp:
            return
        try:
            self.replace(self.settings.bundle)
        except StoreUnavailable as reason:
            log.error("the new bundle is not served yet, and tried again: %s", reason)
            return
        except InputError as reason:
            log.error("the bundle in the folder cannot be served; the one before stays: %s", reason)
        self._stamp = seen

    def now(self) -> str:
        """Return the time, as it is kept."""
        from consilience.clinic.consulting import stamp

        return stamp(self.settings.now())

    def look(
        self, fhir: dict[str, Any], *, hook: str | None = None, quick: bool = False
    ) -> Consultation:
        """Return what is said of the patient of a FHIR Bundle; nothing is kept or written down.

        The same record asked about again within a minute is answered from memory.

        Raises
        ------
        InputError
            If the record cannot be read, or is not of one patient.
        """
        return self._looked(written(fhir), fhir, hook, quick)

    def _looked(
        self, text: str, fhir: dict[str, Any], hook: str | None, quick: bool
    ) -> Consultation:
        from consilience.clinic.consulting import consulted

        served = self.served()

        def answered() -> Consultation:
            now = self.settings.now()
            return consulted(served, self.rules, fhir, now=now, hook=hook, quick=quick)

        # By the bundle itself, which its answers keep: two may have one model, and so one
        # fingerprint, and say other things (names, calibration, when to be silent).
        return self._recent.get((id(served), hook, quick), text, answered)

    def consult(
        self,
        tenant: str,
        who: str,
        fhir: dict[str, Any],
        *,
        hook: str | None = None,
        quick: bool = False,
    ) -> Consultation:
        """Return what is said of the patient of a FHIR Bundle, kept and written down before.

        Parameters
        ----------
        tenant : str
            Whose patient he is.
        who : str
            Who asks.
        fhir : dict
            A FHIR R4 Bundle of one patient.
        hook, quick
            As `consulted`.

        Raises
        ------
        InputError
            If the record cannot be read, or is not of one patient.
        StoreUnavailable
            If it cannot be kept; then nothing is said.
        """
        begun = time.perf_counter()
        text = written(fhir)  # once: a record may be large
        found = self._looked(text, fhir, hook, quick)
        said, mapped = found.assessment, found.mapped
        entry = self.audit.writing(
            who,
            "assessed",
            tenant=tenant,
            patient=said.patient,
            model=said.model,
            detail={
                "door": hook or "page",
                "number": said.number,
                "silent": list(said.silent),
                "rules": [advice.rule for advice in said.advice],
                "rule set": self.rules.fingerprint,
            },
            at=said.at,
        )
        kept = self.store.patients.keeping(tenant, said.patient, mapped.name, text, said.at)
        self.store.access.write_all(
            [kept, self.store.assessments.keeping(tenant, said), entry]  # all, or none
        )
        self.monitor.seen(
            said,
            time.perf_counter() - begun,
            hook or "page",
            patient=mapped.cohort,
            reference=found.served.bundle.reliability.distributions,
            tenant=tenant,
        )
        return found

    def close(self) -> None:
        """Finish what is being written, and let go of the database."""
        self.monitor.close()
        self.store.close()


def written(fhir: dict[str, Any]) -> str:
    """Return a record as it is kept: JSON without blanks."""
    return json.dumps(fhir, separators=(",", ":"))


def _stamp(folder: Path) -> frozenset[tuple[str, int, int, int]]:
    """Return what changes when another bundle is put into a folder, and with each of its files.

    Files are copied one after another: one that was read half there is read again.
    """
    found = set()
    with suppress(OSError):  # the folder is being replaced
        for path in folder.iterdir():
            status = path.lstat()
            found.add((path.name, status.st_ino, status.st_mtime_ns, status.st_size))
    return frozenset(found)
