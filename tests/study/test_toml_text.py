"""What is written as TOML is read back by a reader of TOML."""

from __future__ import annotations

import tomllib

import pytest

from consilience.study.toml_text import to_toml, toml_key


@pytest.mark.parametrize(
    "value", ["plain", 'a "quoted" \\ text\n', "µ\x7f", 1, 2.5, True, [1, "two"], {"a b": [1.0]}]
)
def test_values_come_back(value: object) -> None:
    assert tomllib.loads(f"x = {to_toml(value)}") == {"x": value}


@pytest.mark.parametrize("name", ["ldh", "smoking status", "a.b", "", 'with "quotes"', "µ"])
def test_keys_come_back(name: str) -> None:
    assert tomllib.loads(f"[features.{toml_key(name)}]") == {"features": {name: {}}}
