"""Whether a known vulnerability is in what `constraints.txt` pins: `python checks/advisories.py`.

pip-audit asks the advisory source about each package. Where the source cannot be reached it
calls a package skipped and ends well; here that is told as what it is.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SECONDS = 300
AUDIT = (
    *(sys.executable, "-m", "pip_audit", "--requirement", "constraints.txt", "--no-deps"),
    *("--disable-pip", "--progress-spinner", "off", "--timeout", "10", "--format", "json"),
)


def judged(report: dict[str, Any]) -> tuple[bool, str]:
    """Return whether nothing stands against the packages, and a sentence."""
    packages = report["dependencies"]
    asked = [one for one in packages if "skip_reason" not in one]
    found = [
        f"  {one['name']} {one['version']}: {hole['id']}"
        + (f", mended in {hole['fix_versions'][0]}" if hole["fix_versions"] else "")
        for one in asked
        for hole in one["vulns"]
    ]
    if found:
        return False, "\n".join(["advisories: known vulnerabilities:", *found])
    if not asked:
        return True, "advisories: skipped, for the advisory source cannot be reached"
    left = len(packages) - len(asked)
    told = f", {left} it does not know" if left else ""
    return True, f"advisories: none against {len(asked)} packages{told}"


def main() -> int:
    """Ask, tell, and return the exit status."""
    root = Path(__file__).parents[1]
    try:
        done = subprocess.run(
            AUDIT, cwd=root, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        print("advisories: skipped, for the advisory source does not answer")
        return 0
    if not done.stdout.startswith("{"):
        unreachable = "ConnectionError" in done.stderr or "Connection" in done.stderr
        reason = "cannot be reached" if unreachable else "gave no answer"
        print(f"advisories: skipped, for the advisory source {reason}")
        return 0 if unreachable else 1
    fine, sentence = judged(json.loads(done.stdout))
    print(sentence)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
