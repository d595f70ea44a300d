"""What a person is told while a network is trained."""

from __future__ import annotations

import math

import numpy as np
from tests.nn.small_network import cohort_of, network_for, reader_of

from consilience.nn import progress
from consilience.nn.training import Training


def test_in_a_log_every_tenth_is_told_with_the_losses(capsys):
    with progress.told("network 1 of 2", 30, shown=True) as tell:
        for done in range(1, 31):
            tell(done, 1.0 / done, math.nan if done < 30 else 0.25)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[0] == "network 1 of 2: epoch 3 of 30, loss 0.3333"
    assert lines[-1] == "network 1 of 2: epoch 30 of 30, loss 0.0333, held back 0.2500"


def test_on_a_terminal_a_bar_shows_losses_and_time_left(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with progress.told("network 1 of 1", 10, shown=True) as tell:
        tell(5, 0.5, 0.75)
    shown = capsys.readouterr().err
    assert "network 1 of 1: loss 0.5000, held back 0.7500" in shown and "5/10" in shown
    assert "left" in shown


def test_nothing_is_shown_unless_asked_for(capsys):
    with progress.told("network", 10, shown=False) as tell:
        tell(10, 0.5, 0.5)
    assert capsys.readouterr() == ("", "")


def test_training_tells_on_standard_error_alone(capsys):
    reader = reader_of(*cohort_of(40))
    Training(10, progress=True, accelerator="cpu").run(
        network_for(reader), reader, np.arange(40), np.arange(0), 0, "network 2 of 3"
    )
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("network 2 of 3: epoch") == 10
