"""Bodies that are too large, or packed, are refused before they are read."""

from __future__ import annotations

import gzip

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from consilience.clinic.limits import Limits


@pytest.fixture(scope="module")
def client():
    app = FastAPI()

    @app.post("/")
    async def length(request: Request) -> dict[str, int]:
        return {"length": len(await request.body())}

    app.add_middleware(Limits, largest=1000)
    return TestClient(app)


def test_what_fits_is_read(client):
    assert client.post("/", content=b"x" * 1000).json() == {"length": 1000}


def test_what_says_it_is_too_large_is_refused(client):
    found = client.post("/", content=b"x" * 1001)
    assert found.status_code == 413
    assert found.json() == {"error": "At most 1,000 bytes are read."}


def test_what_comes_in_pieces_is_counted(client):
    def pieces():
        for _ in range(11):
            yield b"x" * 100

    assert client.post("/", content=pieces()).status_code == 413


@pytest.mark.parametrize("length", ["-1", "+1", "1e3", "5, 5", "9" * 400, "9" * 5000])
def test_a_length_that_is_no_number_or_an_endless_one_is_refused(client, length):
    assert client.post("/", content=b"x", headers={"content-length": length}).status_code == 413


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, gzip"])
def test_what_is_packed_is_refused(client, encoding):
    bomb = gzip.compress(b"0" * 10_000_000)[:900]
    found = client.post("/", content=bomb, headers={"content-encoding": encoding})
    assert found.status_code == 415
