"""What there is to look at."""

from __future__ import annotations

import pytest
from tests.clinic.hooks.calls import labs_bundle

from consilience.clinic.demo import write_example
from consilience.errors import InputError


def test_an_example_is_written_into_a_folder_and_over_nothing(tmp_path):
    bundle = labs_bundle(tmp_path / "bundle")
    written = write_example(bundle, tmp_path / "example")
    before = [path.read_bytes() for path in written]
    with pytest.raises(InputError, match="a file is there already"):
        write_example(bundle, tmp_path / "example")
    with pytest.raises(InputError, match="name a folder"):
        write_example(bundle, written[0])
    assert [path.read_bytes() for path in written] == before
