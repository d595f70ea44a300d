"""A clean clone, and files made by hand, as a new user would have them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(sys.executable).parent


@dataclass(frozen=True)
class Clone:
    """A clone of the last commit; what runs in it imports the clone's source."""

    root: Path

    def run(
        self, *command: str, folder: Path | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a command with the clone's source and this environment's libraries."""
        done = subprocess.run(
            command,
            cwd=folder or self.root,
            env={
                **os.environ,
                "PYTHONPATH": str(self.root / "src"),
                "PATH": str(SCRIPTS) + os.pathsep + os.environ["PATH"],
                "NO_COLOR": "1",
                "COLUMNS": "100",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done


@pytest.fixture(scope="session")
def clone(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """The clone."""
    if not (root / ".git").exists():
        pytest.skip("the project is not under version control here")
    target = tmp_path_factory.mktemp("clone") / "consilience"
    made = subprocess.run(
        ["git", "clone", "--quiet", str(root), str(target)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    here = Clone(target)
    where = here.run("python", "-c", "import consilience; print(consilience.__file__)").stdout
    assert where.startswith(str(target))
    return here


@pytest.fixture
def files_made_by_hand(tmp_path: Path) -> Path:
    """A folder with clinical.csv, rna.csv and protein.csv of 150 made-up patients.

    Seventeen of them have no RNA and 49 no protein; a cell is empty here and there; both
    tables tell something of their own about the risk of dying.
    """
    rng = np.random.default_rng(7)
    ids = [f"p{i:03d}" for i in range(1, 151)]
    risk, other = rng.standard_normal(150), rng.standard_normal(150)
    death = 900 * rng.exponential(size=150) * np.exp(-1.2 * (risk + other))
    censored = rng.uniform(200, 2500, 150)
    lines = ["patient,died,days,age,sex"]
    for i, name in enumerate(ids):
        age = "" if i == 11 else f"{60 + 5 * risk[i] + 8 * rng.standard_normal():.0f}"
        days = max(1, round(min(death[i], censored[i])))
        lines.append(f"{name},{int(death[i] <= censored[i])},{days},{age},{'fm'[i % 2]}")
    (tmp_path / "clinical.csv").write_text("\n".join(lines) + "\n")
    genes = ["TP53", "MYC", "KRAS", "EGFR"]
    lines = ["patient," + ",".join(genes)]
    for i in [i for i in range(150) if i % 9]:
        values = [5 + w * risk[i] + rng.normal(0, 0.5) for w in (1.0, 0.7, 0.0, 0.0)]
        cells = [f"{value:.2f}" for value in values]
        cells[2] = "" if i == 40 else cells[2]
        lines.append(f"{ids[i]}," + ",".join(cells))
    (tmp_path / "rna.csv").write_text("\n".join(lines) + "\n")
    lines = ["patient,AKT,PTEN,BCL2"]
    for i in [i for i in range(150) if i % 20 < 13]:
        values = [w * other[i] + rng.normal(0, 0.5) for w in (1.0, 0.6, 0.0)]
        lines.append(f"{ids[i]}," + ",".join(f"{value:.2f}" for value in values))
    (tmp_path / "protein.csv").write_text("\n".join(lines) + "\n")
    return tmp_path
