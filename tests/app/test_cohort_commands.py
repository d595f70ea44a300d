"""`consilience cohort`: what a user types, and what he is told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from consilience.app.main import main
from consilience.cohort import describe, open_cohort, read_cohort, tcga_acc

CLINICAL = "patient,died,age\np1,1,50\np2,0,60\np3,0,70\n"
RNA = "patient,TP53,stage\np1,1.5,1\np3,0.5,2\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with clinical.csv and rna.csv."""
    (tmp_path / "clinical.csv").write_text(CLINICAL)
    (tmp_path / "rna.csv").write_text(RNA)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]):
    """A function that types a command and returns status, stdout and stderr."""

    def typed(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main(["cohort", *words])
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out, said.err

    return typed


FILES = ("--patients", "clinical.csv", "--table", "rna=rna.csv")


def test_import_makes_what_the_library_makes(folder, run) -> None:
    status, out, err = run("import", *FILES, "--out", "mine")
    assert (status, err) == (0, "")
    assert "3 patients" in out
    assert "Patients measured by nothing: 1;" in out
    assert "Nothing was left out" in out
    cohort = open_cohort(folder / "mine")
    assert cohort.name == "mine"
    theirs = read_cohort(folder / "clinical.csv", {"rna": folder / "rna.csv"})
    assert cohort.modalities["rna"].frame.equals(theirs.modalities["rna"].frame)
    assert cohort.patients.equals(theirs.patients)


def test_a_dry_run_writes_nothing(folder, run) -> None:
    (folder / "rna.csv").write_text(RNA + "stranger,1,1\np2,,\n")
    status, out, err = run("import", *FILES, "--leave-out-unknown", "--dry-run", "--out", "mine")
    assert status == 0
    assert "2 left out" in out
    assert "stranger" in out
    assert "Nothing was written" in out
    assert err.startswith("Note: ")
    assert not (folder / "mine").exists()


def test_kinds_units_missing_and_ids(folder, run) -> None:
    (folder / "rna.csv").write_text(RNA.upper().replace("0.5", "?") + "P2,1,1\n")
    command = ("import", *FILES, "--out", "mine", "--name", "acc")
    assert run(*command)[0] == 2
    options = ("--ids", "upper case", "--missing", "?", "--categorical", "STAGE")
    status, _, err = run(*command, *options, "--unit", "TP53=log2 RPKM", "--id-column", "PATIENT")
    assert (status, err) == (0, "")
    cohort = open_cohort(folder / "mine")
    rna = cohort.modalities["rna"]
    assert cohort.name == "acc"
    assert list(cohort.index) == ["P1", "P2", "P3"]
    assert rna.kinds == {"TP53": "continuous", "STAGE": "categorical"}
    assert rna.units == {"TP53": "log2 RPKM"}
    assert rna.frame["TP53"].isna().tolist() == [False, True, False]


def test_a_cohort_is_replaced_only_when_asked(folder, run) -> None:
    assert run("import", *FILES, "--out", "mine")[0] == 0
    status, _, err = run("import", *FILES, "--out", "mine")
    assert status == 2
    assert "--force" in err
    assert run("import", *FILES, "--out", "mine", "--force", "--name", "new")[0] == 0
    assert open_cohort(folder / "mine").name == "new"
    (folder / "thesis").mkdir()
    (folder / "thesis" / "chapter.txt").write_text("years of work")
    assert run("import", *FILES, "--out", "thesis", "--force")[0] == 2
    assert (folder / "thesis" / "chapter.txt").read_text() == "years of work"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--patients", "clinical.csv", "--table", "rna=rnaa.csv"), "Did you mean 'rna.csv'?"),
        (("--patients", "clinical.csv", "--table", "rna.csv"), "rna=rna.csv"),
        ((*FILES, "--table", "rna=clinical.csv"), "given twice"),
        ((*FILES, "--ids", "uper case"), "Did you mean 'upper case'?"),
        ((*FILES, "--categorical", "stge"), "Did you mean 'stage'?"),
        ((*FILES, "--unit", "stage"), "--unit"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(folder, run, words, said) -> None:
    status, out, err = run("import", *words, "--out", "mine")
    assert status == 2
    assert out == ""
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    assert said in err
    assert not (folder / "mine").exists()


def test_it_must_be_told_where_to(folder, run) -> None:
    status, _, err = run("import", *FILES)
    assert status == 2
    assert "--out" in err


def test_describe_says_what_the_library_says(folder, run) -> None:
    status, out, _ = run("describe", "tcga-acc", "--json")
    assert status == 0
    assert json.loads(out) == json.loads(json.dumps(describe(tcga_acc()).to_dict()))


def test_describe_in_words(folder, run) -> None:
    rows = "".join(f"p{i},{i % 40 + 30},{i % 2},[b]x,n{i}\n" for i in range(4, 60))
    (folder / "rna.csv").write_text("patient,age,flag,tag,note\n" + rows + "p1,999,1,[b]x,n1\n")
    run("import", "--table", "labs=rna.csv", "--out", "mine", "--unit", "age=years")
    status, out, _ = run("describe", "mine")
    assert status == 0
    assert "57 patients; 57 measured by every modality, 0 by none" in out
    assert "code for missing?" in out
    assert "age: 999 stands apart" in out
    assert "tag: always [b]x" in out
    assert "ids?" in out


def test_describe_refuses_what_is_not_there(folder, run) -> None:
    status, _, err = run("describe", "tcga-ac")
    assert status == 2
    assert "tcga-acc" in err


def test_list(run) -> None:
    status, out, _ = run("list")
    assert status == 0
    assert "tcga-acc" in out


@pytest.mark.parametrize("command", [(), ("import",), ("describe",), ("list",)])
def test_help_teaches_by_example(run, command) -> None:
    status, out, _ = run(*command, "--help")
    assert status == 0
    if command:
        assert "consilience cohort " + command[0] in " ".join(out.split())


def test_help_imports_no_heavy_library() -> None:
    script = (
        "import sys\nfrom consilience.app import cohort_commands\n"
        "print(sorted({'pandas', 'numpy', 'pyarrow', 'sklearn', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
