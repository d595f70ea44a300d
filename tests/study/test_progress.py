"""What a person sees of the progress."""

from __future__ import annotations

import pytest

from consilience.study.progress import shown


def test_a_log_file_gets_a_line_for_every_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    shown("comparing", 54, iter("x" * 54))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[0].startswith("comparing: 6 of 54, ")
    assert lines[-1].startswith("comparing: 54 of 54, ")


def test_a_few_pieces_are_told_one_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    shown("comparing", 3, iter("abc"))
    assert len(capsys.readouterr().err.splitlines()) == 3
    shown("comparing", 0, iter(()))
    assert capsys.readouterr().err == ""
