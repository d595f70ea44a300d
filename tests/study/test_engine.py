"""Where jobs run is checked before anything is made."""

from __future__ import annotations

import sys

import pytest

from consilience.errors import InputError
from consilience.study.engine import MOST_WORKERS, check_engine


@pytest.mark.parametrize(("engine", "module"), [("ray", "ray"), ("dask", "distributed")])
def test_an_engine_that_is_not_installed_names_its_extra(
    monkeypatch: pytest.MonkeyPatch, engine: str, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=rf"consilience\[{engine}\]"):
        check_engine(engine, 1)


def test_an_unknown_engine_is_named_with_those_there_are() -> None:
    with pytest.raises(InputError, match="Did you mean 'dask'"):
        check_engine("dusk", 1)


@pytest.mark.parametrize("workers", [0, -1, MOST_WORKERS + 1, 10**12])
def test_workers_that_no_machine_has_are_refused(workers: int) -> None:
    with pytest.raises(InputError, match="jobs is"):
        check_engine("local", workers)
