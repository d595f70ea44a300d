"""How fast the hook patient-view answers, from a second process on this machine.

    python bench/clinic_load.py                       100 calls a second for 60 s, then 20,000 calls
    python bench/clinic_load.py --seconds 5 --calls 0      a short look
    python bench/clinic_load.py --bundle results/bundle    on a bundle of your own

The service runs in a process of its own, as `consilience serve` starts it; every call carries
a token of its own and is written down before it is answered. A call's time runs from the moment
it was due, not from when it could be sent, so that a service that falls behind is not flattered.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np

ISSUER = "https://ehr.example.org/"
PATH = "/cds-services/consilience-patient-view"
STARTS = 90.0  # seconds that a service may take to start
LIMIT = 0.5  # seconds, 99 % of calls


@dataclass
class Figures:
    """What was measured.

    Attributes
    ----------
    seconds : array, (n_calls,)
        From when a call was due to when it was answered.
    failed : int
        Answered with anything but cards.
    late : int
        Answered with a link to where the answer will be.
    """

    seconds: np.ndarray
    failed: int
    late: int
    rate: float

    def told(self) -> str:
        """Return them in a line."""
        middle, most, worst = np.percentile(self.seconds, [50, 99, 100]) * 1000
        return (
            f"{len(self.seconds):,} calls, {self.rate:.0f} a second: median {middle:.0f} ms, "
            f"99 % within {most:.0f} ms, slowest {worst:.0f} ms; "
            f"{self.failed} failed, {self.late} answered with a link"
        )


class Calls:
    """Calls of patient-view, each with a token of its own.

    Parameters
    ----------
    bundle : Path
    patients : int
        Different ones; beyond 512 each is new to the service whenever he is opened.
    """

    def __init__(self, bundle: Path, patients: int, key: Any) -> None:
        from consilience.clinic.fhir import synthetic_patients
        from consilience.clinic.hooks.prefetch import prefetched
        from consilience.study.bundle import Bundle

        self._key, self._counter = key, itertools.count()
        now = datetime.now(UTC)
        self.bodies = []
        for fhir in synthetic_patients(Bundle.load(bundle).schema, patients, 1, now=now):
            resources = [entry["resource"] for entry in fhir["entry"]]
            patient = next(one for one in resources if one["resourceType"] == "Patient")
            call = {
                "hook": "patient-view",
                "hookInstance": str(uuid.uuid4()),
                "context": {"userId": "Practitioner/1", "patientId": patient["id"]},
                "prefetch": prefetched(resources),
            }
            self.bodies.append(json.dumps(call).encode())

    def headers(self, address: str) -> dict[str, str]:
        """Return the headers of a call."""
        from joserfc import jwt

        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": address + PATH,
            "iat": now,
            "exp": now + 300,
            "jti": str(uuid.uuid4()),
        }
        token = jwt.encode({"alg": "ES256", "kid": "k", "typ": "JWT"}, claims, self._key)
        return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    async def call(self, client: httpx.AsyncClient, address: str) -> tuple[bool, bool]:
        """Call once; return whether it failed, and whether the answer was a link."""
        body = self.bodies[next(self._counter) % len(self.bodies)]
        try:
            answer = await client.post(address + PATH, content=body, headers=self.headers(address))
        except httpx.HTTPError:
            return True, False
        if answer.status_code != httpx.codes.OK or "cards" not in answer.text:
            print(f"a call failed with {answer.status_code}: {answer.text[:200]}", file=sys.stderr)
            return True, False
        return False, "takes longer than usual" in answer.text


async def steady(calls: Calls, address: str, rate: float, seconds: float) -> Figures:
    """Call at a rate, whether or not the answers keep up."""
    taken: list[float] = []
    results: list[tuple[bool, bool]] = []
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
    async with httpx.AsyncClient(limits=limits, timeout=30.0) as client:

        async def one(due: float) -> None:
            results.append(await calls.call(client, address))
            taken.append(time.perf_counter() - due)

        begun = time.perf_counter()
        running = []
        for number in range(int(rate * seconds)):
            due = begun + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            running.append(asyncio.create_task(one(due)))
        await asyncio.gather(*running)
        lasted = time.perf_counter() - begun
    return _figures(taken, results, lasted)


async def busy(calls: Calls, address: str, count: int, hands: int, watched: int) -> list[float]:
    """Call as fast as answers come; return the service's memory, MiB, ten times on the way."""
    memory = []
    async with httpx.AsyncClient(timeout=60.0) as client:

        async def hand(share: int) -> None:
            for _ in range(share):
                failed, _ = await calls.call(client, address)
                if failed:
                    raise RuntimeError("a call failed while memory was watched")

        for _ in range(10):
            await asyncio.gather(*(hand(count // (10 * hands)) for _ in range(hands)))
            memory.append(resident(watched))
    return memory


def resident(process: int) -> float:
    """Return the memory that a process holds, MiB."""
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


@contextmanager
def service(bundle: Path, folder: Path, keys: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Run `consilience serve` in a process of its own; yield its address and process id."""
    (folder / "keys.json").write_text(json.dumps(keys), encoding="utf-8")
    port = _free_port()
    address = f"http://127.0.0.1:{port}"
    command = [str(Path(sys.executable).with_name("consilience")), "serve", str(bundle)]
    command += ["--port", str(port), "--db", f"sqlite:///{folder}/clinic.db"]
    command += ["--issuer", f"{ISSUER}={folder}/keys.json"]
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
        try:
            _wait(address, process, folder / "log.txt")
            yield address, process.pid
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + STARTS
    while time.monotonic() < ends:
        if process.poll() is not None:
            break
        try:
            httpx.get(address + "/cds-services", timeout=5.0)
        except httpx.HTTPError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"the service did not start: {log.read_text(encoding='utf-8')[-2000:]}")


def _free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _figures(taken: list[float], results: list[tuple[bool, bool]], lasted: float) -> Figures:
    failed = sum(failed for failed, _ in results)
    late = sum(late for _, late in results)
    return Figures(np.array(taken), failed, late, len(taken) / lasted)


def small_bundle(folder: Path) -> Path:
    """Fit and save a survival model on what a clinician knows of the embedded cohort."""
    from sksurv.linear_model import CoxPHSurvivalAnalysis

    from consilience.cohort import Survival, open_cohort
    from consilience.fusion import LateFusion
    from consilience.study.bundle import Bundle

    cohort = open_cohort("tcga-acc").only(["clinical"])
    outcome = Survival("vital_status", "days", positive=1, label="death")
    target = outcome.of(cohort)
    model = LateFusion(CoxPHSurvivalAnalysis(alpha=10.0)).fit(target.cohort, target.y)
    Bundle.of(model, target.cohort, outcome).save(folder)
    return folder


def measured(
    bundle: Path, *, rate: float, seconds: float, calls: int, patients: int
) -> tuple[Figures | None, list[float]]:
    """Return speed and memory of a service on a bundle.

    Parameters
    ----------
    bundle : Path
    rate : float
        Calls a second.
    seconds : float
        How long.
    calls : int
        While memory is watched; 0 for none.
    patients : int
        Different ones.
    """
    from joserfc.jwk import ECKey

    key = ECKey.generate_key("P-256", {"kid": "k"})
    keys = {"keys": [key.as_dict(private=False)]}
    made = Calls(bundle, patients, key)
    with tempfile.TemporaryDirectory() as place, service(bundle, Path(place), keys) as running:
        address, process = running
        asyncio.run(steady(made, address, min(rate, 20.0), min(3.0, seconds)))  # warm
        speed = asyncio.run(steady(made, address, rate, seconds)) if seconds else None
        memory = asyncio.run(busy(made, address, calls, 8, process)) if calls else []
    return speed, memory


def main() -> None:
    """Measure, and say whether it is fast enough."""
    asked = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    asked.add_argument("--bundle", type=Path, help="a bundle's folder; a small one by default")
    asked.add_argument("--rate", type=float, default=100.0, help="calls a second")
    asked.add_argument("--seconds", type=float, default=60.0)
    asked.add_argument("--calls", type=int, default=20_000, help="while memory is watched")
    asked.add_argument(
        "--patients",
        type=int,
        default=40,
        help="different ones; above 512 each call is of a new one",
    )
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as place:
        bundle = given.bundle or small_bundle(Path(place) / "bundle")
        speed, memory = measured(
            bundle,
            rate=given.rate,
            seconds=given.seconds,
            calls=given.calls,
            patients=given.patients,
        )
    print(f"{given.patients:,} patients")
    if speed is not None:
        print(f"patient-view: {speed.told()}")
        good = speed.failed == 0 and np.percentile(speed.seconds, 99) < LIMIT
        print(f"99 % within {LIMIT * 1000:.0f} ms and no error: {'yes' if good else 'NO'}")
    if memory:
        tenths = " ".join(f"{mib:.0f}" for mib in memory)
        print(f"memory over {given.calls:,} calls, MiB after each tenth: {tenths}")


if __name__ == "__main__":
    main()
