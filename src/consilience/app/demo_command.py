"""`consilience demo`: a study on the embedded cohort."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("consilience-demo"),
    jobs: Annotated[int, typer.Option(help="Workers; 0 takes all cores.", min=0)] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run.")
    ] = False,
) -> None:
    """Ask of 92 adrenal cancer patients whether five omics and the clinic together know more.

    Survival after adrenocortical carcinoma (TCGA), from RNA, miRNA, copy number, protein,
    mutations and what a clinician knows at diagnosis; each alone, then early, late and
    stacked. One to two minutes on two cores.
    """
    import os

    from consilience.app.stopping import stoppable
    from consilience.app.telling import tell_finding
    from consilience.study.demo import demo_study
    from consilience.study.progress import shown

    study = demo_study()
    with stoppable(out):
        finding = study.run(out, jobs=jobs or os.cpu_count() or 1, resume=resume, progress=shown)
    tell_finding(finding, out)
