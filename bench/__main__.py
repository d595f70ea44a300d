"""Run every benchmark, or those named, one after the other, each in a fresh process.

    make bench
    make bench BENCH="startup cohort_scale"

What each prints goes to the terminal and to ``bench/results/NAME.txt``, with the machine
and the versions that it ran on.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
NOT_A_BENCHMARK = {"__main__", "loaders", "candidates"}
LIBRARIES = ("consilience", "numpy", "pandas", "scikit-learn", "scikit-survival")


def benchmarks() -> dict[str, Path]:
    """Return every benchmark by name."""
    files = sorted(HERE.glob("*.py"))
    return {path.stem: path for path in files if path.stem not in NOT_A_BENCHMARK}


def heading() -> str:
    """Return what the figures were measured on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return f"{platform.machine()}, {cores} cores, Python {platform.python_version()}; {libraries}"


def run(name: str, path: Path) -> bool:
    """Run one benchmark; return whether it ended well."""
    start = time.perf_counter()
    lines = []
    process = subprocess.Popen(
        [sys.executable, str(path)], cwd=HERE.parent, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        print(line, end="", flush=True)
        lines.append(line)
    failed = process.wait() != 0
    seconds = time.perf_counter() - start
    print(f"-- {name}: {'failed' if failed else 'done'} in {seconds:.0f} s\n", flush=True)
    if not failed:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.txt").write_text(heading() + "\n\n" + "".join(lines), encoding="utf-8")
    return not failed


def main() -> int:
    """Run what was asked for."""
    known = benchmarks()
    asked = sys.argv[1:] or list(known)
    unknown = [name for name in asked if name not in known]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}.", file=sys.stderr)
        return 2
    print(heading(), end="\n\n", flush=True)
    ended_well = [run(name, known[name]) for name in asked]
    return 0 if all(ended_well) else 1


if __name__ == "__main__":
    sys.exit(main())
