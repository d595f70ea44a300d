"""YAML of others: nothing runs, nothing grows, and what is wrong is said."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from consilience.clinic.rules.yaml_files import LARGEST, yaml_of
from consilience.errors import InputError

BOMB = "a: &a [x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 8)}]" for i in range(12)
)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (BOMB, "line 1: anchors and aliases"),
        ("a: !!python/object/apply:os.system ['true']", "tags such as"),
        ("a: !!python/name:os.system", "tags such as"),
        ("a: !mine 1", "tags such as"),
        ("[" * 2000, "nested deeper than"),
        ("a: 1\nb: 2\na: 3", "line 3: 'a' is written twice"),
        ("a: [1, 2", "line"),
        ("a: 2026-02-30", "day is out of range"),
        ("a: \x00", "it is not YAML"),
        ("a: " + "x" * LARGEST, "larger than 128 KiB"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text, encoding="utf-8")
    began = time.process_time()
    with pytest.raises(InputError, match=why) as caught:
        yaml_of(file)
    assert time.process_time() - began < 2
    assert "bad.yaml" in str(caught.value)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_bytes(b"a: \xff\xfe")
    with pytest.raises(InputError, match="not UTF-8"):
        yaml_of(tmp_path / "bad.yaml")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        yaml_of(tmp_path)
