"""Every fusion method can be named in `study.toml`, with its settings and what it tries."""

from __future__ import annotations

import io
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest
from sklearn.ensemble import RandomForestClassifier

from consilience.cohort import Cohort, save_cohort, synthetic_cohort
from consilience.errors import InputError
from consilience.fusion import JointNMF
from consilience.fusion.tuned import Tuned
from consilience.fusion.tuned_fusion import TunedFusion
from consilience.study import Protocol, Study, load_study
from consilience.study.candidates import Candidate, without_one
from consilience.study.declaring import declared, methods
from consilience.study.draft import draft
from consilience.study.settings import CandidateSettings

KINDS = ("binary", "multiclass", "continuous", "survival")
COLUMNS = {"survival": ("event", "time")}
NAMED = [(name, kind) for name, method in methods().items() for kind in sorted(method.learns)]


def candidate(kind: str, **keys: Any) -> Candidate:
    settings = CandidateSettings(**{"name": "ours", **keys})
    return declared(settings, kind, Protocol(inner_folds=4, seed=5))  # type: ignore[arg-type]


def test_there_are_methods_with_and_without_a_learner() -> None:
    learners = {"learner" in method._get_param_names() for method in methods().values()}
    assert learners == {True, False}
    assert TunedFusion not in methods().values()


@pytest.mark.parametrize(("name", "kind"), NAMED)
def test_every_method_can_be_named_for_every_outcome_it_learns(name: str, kind: str) -> None:
    made = candidate(kind, method=name)
    grid = methods()[name].grid
    assert isinstance(made.estimator, TunedFusion) == bool(grid)
    if grid:
        assert made.estimator.grid == {key: list(values) for key, values in grid.items()}
        assert (made.estimator.folds, made.estimator.random_state) == (4, 5)
    if "learner" in made.method.get_params(deep=False):
        assert isinstance(made.method.learner, Tuned)  # ridge, with the penalty chosen


def test_a_grid_of_ones_own_replaces_the_usual() -> None:
    own = candidate("binary", method="JointNMF", grid={"l1": [0.0, 0.2]}, learner="random_forest")
    assert own.estimator.grid == {"l1": [0.0, 0.2]}
    assert isinstance(candidate("binary", method="JointNMF", grid={}).estimator, JointNMF)
    assert isinstance(own.method.learner, RandomForestClassifier)


def test_what_is_fixed_is_not_tried() -> None:
    fixed = candidate("binary", method="JointNMF", options={"n_components": 3})
    assert isinstance(fixed.estimator, JointNMF) and fixed.estimator.n_components == 3


def test_options_may_be_tables_by_modality() -> None:
    kernels = {"m1": "rbf", "m2": ["linear", "rbf"]}
    made = candidate("survival", method="MultipleKernelLearning", options={"kernels": kernels})
    assert made.method.kernels == kernels and made.method.outcome == "survival"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"method": "JointNFM"}, "method: 'JointNFM' is none of .*Did you mean 'JointNMF'"),
        (
            {"method": "MultipleKernelLearning", "learner": "ridge"},
            "learner: MultipleKernelLearning learns the outcome itself and has no learner",
        ),
        (
            {"method": "MultipleKernelLearning", "tune": {"C": [1.0]}},
            "tune: MultipleKernelLearning learns the outcome itself",
        ),
        (
            {"method": "JointNMF", "grid": {"components": [2]}},
            "grid: JointNMF has no setting 'components'.*",
        ),
        ({"method": "JointNMF", "grid": {"n_components": []}}, "'n_components' is empty"),
        (
            {"method": "JointNMF", "grid": {"n_components": [4, 0]}},
            "grid: n_components = 0: n_components",
        ),
        (
            {"method": "JointNMF", "grid": {"l1": [0.1]}, "options": {"l1": 0.2}},
            "grid: 'l1' stands in options too",
        ),
        (
            {"method": "JointNMF", "options": {"learner": "ridge"}},
            "options: JointNMF has no option 'learner'",
        ),
        ({"method": "JointNMF", "options": {"l1": 2}}, "options: l1 must be"),
    ],
)
def test_what_cannot_be_is_named_with_its_key(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        candidate("binary", **keys)


@pytest.mark.parametrize("name", [n for n, m in methods().items() if len(m.learns) < 4])
def test_an_outcome_that_a_method_cannot_learn_is_refused(name: str) -> None:
    learns = methods()[name].learns
    for kind in set(KINDS) - learns:
        with pytest.raises(InputError, match=f"{name} cannot learn an outcome that is {kind}"):
            candidate(kind, method=name)


# --- leaving a modality out --------------------------------------------------------------


def test_what_options_say_of_a_modality_goes_with_it() -> None:
    made = candidate(
        "binary",
        method="MultipleKernelLearning",
        options={"kernels": {"m1": "rbf", "m2": "linear"}, "modalities": ["m1", "m2"]},
    )
    without = {v.name: v for v in without_one(made, ["m1", "m2", "m3"])}
    assert sorted(without) == ["ours without m1", "ours without m2"]
    left = without["ours without m1"]
    assert left.method.kernels == {"m2": "linear"}
    assert left.modalities == left.estimator._asked() == ["m2"]
    assert made.method.kernels == {"m1": "rbf", "m2": "linear"}  # the candidate's own stays


def test_pairs_and_grids_by_modality_lose_it_too() -> None:
    graph = [("a", "b")]
    nmf = JointNMF(graphs={"m1": graph, ("m1", "m2"): graph, "m2": graph}, weights={"m1": 2.0})
    tuned = TunedFusion(nmf, {"weights": [{"m1": 1.0, "m2": 2.0}, None]})
    left = without_one(Candidate("x", tuned), ["m1", "m2"])[0]
    assert left.method.graphs == {"m2": graph}
    assert left.method.weights is None  # nothing is said any more: as usual
    assert left.estimator.grid == {"weights": [{"m2": 2.0}, None]}


# --- the draft ---------------------------------------------------------------------------


def uncommented(text: str) -> str:
    before, after = text.split("# finds (pairs, modules, weights, subtypes) is shown", 1)
    lines = [line.removeprefix("# ") for line in after.splitlines()[1:]]
    return before + "\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize("kind", KINDS)
def test_every_example_of_a_draft_loads_when_it_is_uncommented(tmp_path: Path, kind: str) -> None:
    cohort, _ = synthetic_cohort(60, kind=kind, modalities=2, features=3, seed=0)
    save_cohort(cohort, tmp_path / "cohort")
    column, time = COLUMNS.get(kind, ("outcome", None))
    file = tmp_path / "study.toml"
    draft(str(tmp_path / "cohort"), column, time=time, out=file)
    plain = load_study(file)
    file.write_text(uncommented(file.read_text(encoding="utf-8")), encoding="utf-8")
    study = load_study(file)
    learning = {name for name, method in methods().items() if kind in method.learns}
    found = {type(candidate.method).__name__ for candidate in study.candidates}
    assert found == learning
    assert {type(c.method).__name__ for c in plain.candidates} == {
        "EarlyFusion", "LateFusion", "SingleModality", "StackedFusion",
    }  # fmt: skip


# --- a study of them ---------------------------------------------------------------------

TOML = """
cohort = "cohort"
[outcome]
kind = "binary"
column = "outcome"
[protocol]
folds = 2
repeats = 1
bootstrap = 100
permutations = 0
importance = false
primary = "network"
[[candidates]]
name = "network"
method = "SimilarityNetworkFusion"
options = { neighbours = 5 }
[[candidates]]
name = "kernels"
method = "MultipleKernelLearning"
options = { kernels = { m1 = "rbf", m2 = "linear" }, folds = 3 }
grid = { weighting = ["alignment", "easy"] }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cohort, _ = synthetic_cohort(60, modalities=2, features=4, missing=0.2, seed=0)
    save_cohort(cohort, tmp_path / "cohort")
    (tmp_path / "study.toml").write_text(TOML)
    return tmp_path


def test_a_study_of_them_ends_with_a_report_and_a_bundle_without_ids(folder: Path) -> None:
    study: Study = load_study(folder / "study.toml")
    finding = study.run(folder / "out")
    assert [c.failed for c in finding.candidates] == [None] * len(finding.candidates)
    kernels = finding.candidate("kernels")
    assert kernels.method == "MultipleKernelLearning"
    assert {s["method"]["weighting"] for s in kernels.settings.values()} <= {"alignment", "easy"}
    assert [c.name for c in finding.candidates if c.role == "leave one out"] == [
        "network without m1", "network without m2",
    ]  # fmt: skip
    assert "'network' is SimilarityNetworkFusion: similarity network fusion" in finding.methods
    assert "Nature Methods" in finding.methods
    assert {found.candidate for found in finding.discoveries} >= {"kernels"}
    card = (folder / "out" / "bundle" / "model-card.md").read_text(encoding="utf-8")
    assert "holds measurements of the patients it was trained on" in card
    model = (folder / "out" / "bundle" / "model.skops").read_bytes()
    assert not _ids_in(model, study.target.cohort)


def _ids_in(saved: bytes, cohort: Cohort) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(saved)) as archive:
        parts = [archive.read(name) for name in archive.namelist()]
    return [
        str(patient)
        for patient in cohort.index
        for code in ("utf-8", "utf-32-le")
        if any(str(patient).encode(code) in part for part in parts)
    ]


def test_a_candidate_that_the_data_refuse_says_why(folder: Path) -> None:
    """Joint NMF refuses negative values, which these standardised tables are full of."""
    text = TOML.partition("primary")[0] + '[[candidates]]\nname = "n"\nmethod = "JointNMF"\n'
    (folder / "study.toml").write_text(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        finding = load_study(folder / "study.toml").run(folder / "out")
    failed = str(finding.candidate("n").failed)
    assert "JointNMF could be fitted with none of the 2 combinations" in failed
    assert "negativ" in failed


def test_an_embedding_inside_a_method_is_named_too() -> None:
    named = candidate("survival", method="Subtypes", options={"embedding": "JointNMF"})
    assert isinstance(named.method.embedding, JointNMF)
    table = {"method": "JointNMF", "n_components": 3, "weights": {"m1": 2.0}}
    made = candidate("survival", method="Subtypes", options={"embedding": table})
    assert made.method.embedding.n_components == 3
    left = without_one(made, ["m1", "m2"])[0]
    assert left.method.embedding.weights is None and left.modalities == ["m2"]


@pytest.mark.parametrize(
    ("embedding", "said"),
    [
        ("JointNFM", "options: embedding: method: 'JointNFM' is none of"),
        ("EarlyFusion", "'EarlyFusion' is none of"),
        ({"n_components": 3}, "embedding: method: '' is none of"),
        ({"method": "JointNMF", "components": 3}, "options: embedding: JointNMF has no option"),
        ({"method": "JointNMF", "l1": 3}, "l1 must be"),
    ],
)
def test_an_embedding_that_cannot_be_is_named(embedding: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        candidate("binary", method="Subtypes", options={"embedding": embedding})
