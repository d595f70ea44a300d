"""What ends a visit early: a sentence in plain words, and never anything of a patient."""

from __future__ import annotations

from consilience.errors import InputError


class Refused(InputError):  # noqa: N818 - it is an answer, and no fault
    """A request that is not answered.

    Parameters
    ----------
    sentence : str
        Why, and what to do; shown as it stands.
    status : int
        Of HTTP.
    title : str
        The heading of the page that says so.
    """

    def __init__(self, sentence: str, *, status: int = 400, title: str = "Not possible") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.status = status
        self.title = title


class NotSignedIn(Refused):
    """Nobody is signed in, or no longer: the visitor is sent to sign in."""

    def __init__(self) -> None:
        super().__init__("Please sign in.", status=401, title="Please sign in")


class NotAllowed(Refused):
    """The visitor's role does not allow it."""

    def __init__(self) -> None:
        super().__init__(
            "Your role does not include this page. An administrator can change your role.",
            status=403,
            title="Not allowed",
        )


class NotFound(Refused):
    """There is nothing here, or nothing that this visitor may know of: both look the same."""

    def __init__(self) -> None:
        super().__init__(
            "There is nothing at this address. Open the patient from the worklist.",
            status=404,
            title="Not found",
        )
