"""How long `import consilience` and `consilience --help` take, as whole processes.

python bench/startup.py
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time

RUNS = 7


def seconds(command: list[str]) -> float:
    """Return the median wall time of a command."""
    subprocess.run(command, check=True, capture_output=True)  # warm the disk's cache
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Print the figures; bare Python is the floor."""
    script = shutil.which("consilience") or f"{sys.prefix}/bin/consilience"
    for name, command in {
        "python -c pass": [sys.executable, "-c", "pass"],
        "import consilience": [sys.executable, "-c", "import consilience"],
        "consilience --help": [script, "--help"],
    }.items():
        print(f"{name:20} {seconds(command):.3f} s")


if __name__ == "__main__":
    main()
