"""Bodies: bounded, plain, and JSON."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator

import pytest
from tests.clinic.hooks.calls import VIEW, House, request

from consilience.clinic.hooks import HookSettings
from consilience.clinic.hooks.body import parsed, read_body
from consilience.clinic.hooks.refusal import Refusal

JSON = {"content-type": "application/json"}


def read(chunks: list[bytes], headers: dict[str, str], most: int = 100) -> bytes:
    taken: list[bytes] = []

    async def coming() -> AsyncIterator[bytes]:
        for chunk in chunks:
            taken.append(chunk)
            yield chunk

    try:
        return asyncio.run(read_body(headers, coming(), most))
    finally:
        assert sum(map(len, taken[:-1])) <= most, "more was read than may be"


def status(chunks: list[bytes], headers: dict[str, str], most: int = 100) -> int:
    with pytest.raises(Refusal) as refused:
        read(chunks, headers, most)
    return refused.value.status


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "application/json; charset=utf-8",
        "application/fhir+json",
        "APPLICATION/JSON",
    ],
)
def test_json_is_read_under_its_names(kind):
    assert read([b'{"a":', b"1}"], {"content-type": kind}) == b'{"a":1}'


@pytest.mark.parametrize(
    "kind",
    ["", "text/plain", "application/xml", "application/json; charset=utf-16", "xapplication/json"],
)
def test_other_types_are_refused(kind):
    assert status([b"{}"], {"content-type": kind}) == 415


def test_an_oversized_body_is_refused_before_it_is_read():
    assert status([], JSON | {"content-length": "101"}) == 413
    assert status([], JSON | {"content-length": "9" * 30}) == 413


def test_an_oversized_body_without_a_length_is_read_no_further_than_the_limit():
    assert status([b"x" * 60] * 1000, JSON) == 413


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, identity", "GZIP"])
def test_packed_bodies_are_refused(coding):
    assert status([b"{}"], JSON | {"content-encoding": coding}) == 415


def test_a_decompression_bomb_is_refused_unopened(house: House):
    bomb = gzip.compress(b'{"a":"' + b"0" * 50_000_000 + b'"}')
    assert len(bomb) < 100_000
    headers = house.ehr.headers(VIEW) | JSON | {"content-encoding": "gzip"}
    answer = house.client.post(VIEW, content=bomb, headers=headers)
    assert answer.status_code == 415
    assert "error" in answer.json()


def test_an_oversized_call_is_refused(opened):
    house = opened(HookSettings(largest_body=2000))
    answer = house.view(request(extension={"x": "y" * 3000}))
    assert answer.status_code == 413
    assert list(answer.json()) == ["error"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"1",
        b"null",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1e999}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": "\\ud800"}',
        b'{"a": "\\u0000"}',
        b'{"a": "\xff"}',
        b"\xff\xfe{\x00}\x00",
        b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_what_is_no_usable_json_is_refused(body):
    with pytest.raises(Refusal) as refused:
        parsed(body)
    assert refused.value.status == 400


def test_text_of_all_kinds_is_taken():
    told = {"a": "😀 \\u0000 é", "b": 1e99, "c": [True, None]}
    assert parsed(json.dumps(told).encode()) == told
    assert parsed(json.dumps(told, ensure_ascii=False).encode()) == told
