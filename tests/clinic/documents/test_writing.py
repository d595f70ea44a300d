"""Documents of real, small studies: filled with what was found, open where nobody knows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from consilience.clinic.documents import (
    document_bundle,
    hazards,
    open_places,
    write_documents,
)
from consilience.clinic.documents.facts import Facts, cell
from consilience.clinic.documents.writing import TEMPLATES
from consilience.clinic.rules import load_rules
from consilience.cohort import Binary, Cohort, synthetic_cohort
from consilience.errors import InputError
from consilience.study import Protocol, Study
from consilience.study.bundle import Bundle
from consilience.study.finding import Finding

QUICK = Protocol(folds=3, repeats=1, bootstrap=100, permutations=0, importance=False)
NASTY = 'Risk | of <script>alert("x")</script>'


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study whose title would break tables and pages."""
    out = tmp_path_factory.mktemp("study") / "out"
    cohort, _ = synthetic_cohort(90, modalities=2, features=3, seed=0)
    Study(cohort, Binary("outcome"), protocol=QUICK, title=NASTY).run(out)
    return out


@pytest.fixture(scope="module")
def texts(study: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Its documents."""
    out = tmp_path_factory.mktemp("documents") / "new" / "folder"
    document_bundle(study / "bundle", out, finding=study / "finding.json")
    return {path.name: path.read_text(encoding="utf-8") for path in out.iterdir()}


def test_every_document_is_written(texts: dict[str, str]) -> None:
    assert set(texts) == {"model-card.md", *TEMPLATES}


def test_what_the_run_knows_stands_in_them(study: Path, texts: dict[str, str]) -> None:
    finding, bundle = Finding.load(study / "finding.json"), Bundle.load(study / "bundle")
    found = finding.candidate(bundle.manifest.candidate)
    estimate = f"{found.estimate:.3g} ({found.low:.3g} to {found.high:.3g})"
    evaluation = texts["clinical-evaluation.md"]
    assert f"| {finding.metric_label} | {estimate} |" in evaluation
    assert bundle.provenance.data_fingerprint in evaluation
    for one in finding.reliability.coverage:
        assert f"| {one.level:.3g} | {one.coverage:.3g}" in evaluation
    assert estimate in texts["risk-management.md"]
    assert bundle.fingerprint in texts["risk-management.md"]
    assert f"learned from {len(synthetic_cohort(90)[0])} patients" in texts["intended-use.md"]


def test_what_only_persons_know_is_marked_and_counted(study: Path, texts: dict[str, str]) -> None:
    for name in TEMPLATES:
        assert open_places(texts[name]) > 8, name
    rows = hazards(Facts(Bundle.load(study / "bundle")))
    risk = texts["risk-management.md"]
    assert risk.count("| **A PERSON MUST WRITE** |") == len(rows) >= 12


def test_filling_a_place_lowers_the_count(texts: dict[str, str]) -> None:
    text = texts["intended-use.md"]
    filled = text.replace("**A PERSON MUST WRITE:** the disease and its stage.", "Cancer.")
    assert open_places(filled) == open_places(text) - 1
    assert open_places(re.sub(r"\*\*A PERSON MUST WRITE:\*\*", "", text)) == 0


def test_the_model_cards_own_marks_count(texts: dict[str, str]) -> None:
    assert open_places(texts["model-card.md"]) == 2


def test_none_claims_to_conform(texts: dict[str, str]) -> None:
    claim = re.compile(r"\b(conforms? to|complies with|compliant|CE.mark|certified|approved)\b")
    for name in TEMPLATES:
        assert "It does not say that anything conforms to a law" in texts[name]
        rest = texts[name].replace("It does not say that anything conforms to a law", "")
        assert not claim.search(rest), name


def test_what_the_law_asks_for_has_a_place(texts: dict[str, str]) -> None:
    evaluation, protection = texts["clinical-evaluation.md"], texts["data-protection.md"]
    for asked in ("Rule 11", "Article 61", "Annex XIV, Part A", "Annex XIV, Part B", "2024/1689"):
        assert asked in evaluation
    for part in ("(a)", "(b)", "(c)", "(d)"):
        assert f"\n## {part} " in protection
    for clause in ("4.4", "5.2", "5.4", "7.2", "8", "10"):
        assert clause in texts["risk-management.md"]


def test_titles_break_neither_table_nor_page(texts: dict[str, str]) -> None:
    for name in TEMPLATES:
        assert "<script" not in texts[name]
        for block in re.findall(r"(?:^\|.*\n)+", texts[name], re.MULTILINE):
            widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
            assert len(widths) == 1, block


def test_without_a_finding_what_is_not_known_is_said(study: Path, tmp_path: Path) -> None:
    written = write_documents(Bundle.load(study / "bundle"), None, None, tmp_path)
    texts = {one.path.name: one.text for one in written}
    assert "**Not known:** no finding" in texts["clinical-evaluation.md"]
    rows = hazards(Facts(Bundle.load(study / "bundle")))
    assert rows[0].known.startswith("Not known")
    assert rows[3].known.startswith("Not known")
    assert rows[10].known.startswith("Not known")


def test_rules_are_told(study: Path) -> None:
    rules = load_rules()
    rows = hazards(Facts(Bundle.load(study / "bundle"), rules=rules))
    assert any(f"{len(rules)} rules" in row.known for row in rows)


def test_a_document_that_is_there_is_never_written_over(study: Path, tmp_path: Path) -> None:
    (tmp_path / "risk-management.md").write_text("what a person wrote")
    with pytest.raises(InputError, match="there already"):
        document_bundle(study / "bundle", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["risk-management.md"]
    assert (tmp_path / "risk-management.md").read_text() == "what a person wrote"


def test_a_finding_of_other_patients_is_refused(study: Path, tmp_path: Path) -> None:
    other = json.loads((study / "finding.json").read_text())
    other["cohort"]["fingerprint"] = "0" * 64
    (tmp_path / "finding.json").write_text(json.dumps(other))
    with pytest.raises(InputError, match="other patients"):
        document_bundle(study / "bundle", tmp_path / "out", finding=tmp_path / "finding.json")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_said(study: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be made"):
        document_bundle(study / "bundle", tmp_path / "file")


def test_subgroups_that_differ_are_named(study: Path) -> None:
    """Facts of a finding in which one group is clearly worse."""
    finding = Finding.load(study / "finding.json")
    group = {
        "column": "sex",
        "group": "female",
        "patients": 40,
        "events": 9,
        "score": {"estimate": 0.6, "low": 0.5, "high": 0.7},
        "calibration": {"estimate": 1.0},
        "difference_to_rest": {"estimate": -0.2, "low": -0.3, "high": -0.1},
        "small": False,
    }
    raw = finding.model_dump() | {"subgroups": [group]}
    known = hazards(Facts(Bundle.load(study / "bundle"), Finding.model_validate(raw)))[3].known
    assert "Different from the rest: sex = female (40 patients): 0.6 (0.5 to 0.7)." in known


def test_a_cell_is_one_line_and_no_markup() -> None:
    assert cell("a|b\n<b>&") == "a\\|b &lt;b>&amp;"


def test_a_bundle_outside_a_study_has_documents_too(tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    from consilience.fusion import EarlyFusion

    cohort, y = synthetic_cohort(60, modalities=1, features=2, seed=1)
    assert isinstance(cohort, Cohort)
    model = EarlyFusion(LogisticRegression()).fit(cohort, y)
    bundle = Bundle.of(model, cohort, Binary("y"))
    written = write_documents(bundle, None, None, tmp_path)
    assert all(one.open_places for one in written)
    assert "did not learn who they are" in next(
        one.text for one in written if one.path.name == "intended-use.md"
    )
