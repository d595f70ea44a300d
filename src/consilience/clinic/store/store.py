"""All that decision support keeps, in one database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from consilience.clinic.store.records import StoreUnavailable
from consilience.extras import require

if TYPE_CHECKING:
    from consilience.clinic.store.access import Access
    from consilience.clinic.store.answers import Answers
    from consilience.clinic.store.assessments import Assessments
    from consilience.clinic.store.cards import Cards
    from consilience.clinic.store.counts import CountsKept
    from consilience.clinic.store.patients import Patients
    from consilience.clinic.store.sessions import Sessions
    from consilience.clinic.store.tokens import Tokens
    from consilience.clinic.store.users import Users


class Store:
    """Records in a SQLite file or on a PostgreSQL server; opened by `Store.open`.

    What a method has kept is on the disk when it returns. It may be shared by threads;
    several processes may open one database.

    Attributes
    ----------
    access : Access
        For the audit log and the counts of monitoring.
    patients : Patients
    assessments : Assessments
    answers : Answers
    cards : Cards
    users : Users
    sessions : Sessions
    tokens : Tokens
    counts : CountsKept

    Examples
    --------
    >>> import tempfile
    >>> from consilience.clinic.store import Store
    >>> with tempfile.TemporaryDirectory() as place:
    ...     with Store.open(f"sqlite:///{place}/records.db") as store:
    ...         kept = store.patients.keep(
    ...             "local", "p1", "Ada", {"resourceType": "Bundle"}, "2026-01-31T08:00:00Z"
    ...         )
    ...         store.patients.by_key("local", kept.key).name
    'Ada'
    """

    patients: Patients
    assessments: Assessments
    answers: Answers
    cards: Cards
    users: Users
    sessions: Sessions
    tokens: Tokens
    counts: CountsKept

    def __init__(self, access: Access) -> None:
        from consilience.clinic.store.answers import Answers
        from consilience.clinic.store.assessments import Assessments
        from consilience.clinic.store.cards import Cards
        from consilience.clinic.store.counts import CountsKept
        from consilience.clinic.store.patients import Patients
        from consilience.clinic.store.sessions import Sessions
        from consilience.clinic.store.tokens import Tokens
        from consilience.clinic.store.users import Users

        self.access = access
        self.patients, self.assessments = Patients(access), Assessments(access)
        self.answers, self.cards = Answers(access), Cards(access)
        self.users, self.sessions = Users(access), Sessions(access)
        self.tokens, self.counts = Tokens(access), CountsKept(access)

    @classmethod
    def open(cls, url: str, *, create: bool = True) -> Self:
        """Open a database, and make its tables if it is new.

        Parameters
        ----------
        url : str
            ``sqlite:///file.db`` or ``postgresql://user@server/name``.
        create : bool
            Whether a SQLite file that is not there is made, readable by its owner alone.

        Raises
        ------
        InputError
            If it cannot be used: not there, locked, full, damaged, of a newer version.
        """
        require("sqlalchemy", extra="clinic", purpose="decision support")
        require("argon2", extra="clinic", purpose="decision support")
        from consilience.clinic.store.access import Access
        from consilience.clinic.store.engine import engine_of, made
        from consilience.clinic.store.place import place_of

        place = place_of(url)
        place.prepare(create=create)
        engine = engine_of(place)
        return cls(Access(engine, place, made(engine, place, create=create)))

    @property
    def database(self) -> str:
        """The database's own id, which its audit chain begins with."""
        return self.access.database

    def healthy(self) -> bool:
        """Say whether records can be written now, by writing one."""
        from consilience.clinic.store.tables import about

        row = {"name": "heartbeat", "value": "alive"}
        beat = self.access.insert(about).values(**row)
        beat = beat.on_conflict_do_update(index_elements=["name"], set_={"value": "alive"})
        try:
            self.access.write(lambda connection: connection.execute(beat))
        except StoreUnavailable:
            return False
        return True

    def close(self) -> None:
        """Write what waits, and close."""
        self.access.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
