"""A call that is not answered: a status and one plain sentence, without patient data."""

from __future__ import annotations

from collections.abc import Mapping


class Refusal(Exception):  # noqa: N818 - it says an answer, not a defect
    """A call that cannot be answered.

    Parameters
    ----------
    status : int
        Of HTTP.
    sentence : str
        What is wrong and what to do; it never repeats what was sent.
    headers : mapping of str to str
        Beside it, such as ``WWW-Authenticate``.
    """

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None):
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = dict(headers or {})
