"""What the first record would wait for is loaded before; what is wrong is said then."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.clinic.fhir.records import feature, schema

from consilience.clinic.fhir import prepare
from consilience.errors import InputError

LOADED = """
import sys
from consilience.clinic.fhir import prepare
from consilience.study.bundle.schema import Schema
names = ("fhir.resources.R4B.observation", "ucumvert")
print([name in sys.modules for name in names])
prepare(Schema(patients=1, modalities=()))
print([name in sys.modules for name in names])
"""


def test_heavy_libraries_come_with_it_and_not_before() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[:2] == ["[False, False]", "[True, True]"]


def test_a_code_that_is_none_is_said_with_its_feature() -> None:
    with pytest.raises(InputError, match=r"feature clinical/ldh: '2532-0' is no code"):
        prepare(schema(feature("ldh", codes=("2532-0",))))
