"""Joint NMF: planted modules found, gaps filled, modalities balanced, mistakes told."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.decomposition import NMF
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from tests.fusion.planted_modules import NAMES, Planted, f1, planted, recovery
from tests.laws.cohorts import gappy_cohort

from consilience.cohort import Cohort, Table
from consilience.errors import InputError, InputWarning
from consilience.fusion.joint_nmf import JointNMF
from consilience.study.bundle.safe_model import dump_model, load_model

GAPS = {
    "whole": {},
    "values missing": {"scattered": 0.25},
    "modalities missing": {"missing": 0.3},
    "both": {"scattered": 0.2, "missing": 0.3},
}


@cache
def truth(gap: str, seed: int = 0) -> Planted:
    return planted(seed=seed, **GAPS[gap])


@cache
def fitted(gap: str, seed: int = 0) -> JointNMF:
    """Five modules for four planted: what noise is above 0 has a level, which takes one."""
    return JointNMF(n_components=5).fit(truth(gap, seed).cohort)


def tables(cohort: Cohort) -> dict[str, pd.DataFrame]:
    return {name: modality.frame for name, modality in cohort.modalities.items()}


def cohort_of(frames: dict[str, pd.DataFrame]) -> Cohort:
    ids = sorted(set().union(*(frame.index for frame in frames.values())))
    return Cohort(pd.DataFrame(index=ids), {name: Table(frame) for name, frame in frames.items()})


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("gap", GAPS)
def test_planted_modules_are_found(gap: str, seed: int) -> None:
    found = recovery(fitted(gap, seed).modules(), truth(gap, seed))
    assert min(found[name] for name in (*NAMES, "all")) >= 0.9
    assert found["patients"] >= 0.8  # a fifth of the patients each: few stand out by 1.5
    lower = recovery(fitted(gap, seed).modules(z=1.0), truth(gap, seed))
    assert min(lower.values()) >= 0.9


def test_sparsity_keeps_the_modules_and_drops_the_rest() -> None:
    whole = truth("both")
    dense = JointNMF(n_components=5, l1=0).fit(whole.cohort)
    thin = JointNMF(n_components=5, l1=0.1).fit(whole.cohort)
    assert recovery(thin.modules(), whole)["all"] >= 0.9
    zeros = [np.mean(np.vstack(list(model.H_.values())) == 0) for model in (dense, thin)]
    assert zeros[0] < 0.1 < 0.5 < zeros[1]


def test_a_penalty_that_leaves_nothing_of_a_modality_is_told() -> None:
    frames = tables(truth("whole").cohort)
    frames["rna"] = frames["rna"].iloc[:24]  # a fifth of the patients
    with pytest.warns(InputWarning, match=r"l1 = 0\.3 leaves no feature of 'rna' in any module"):
        model = JointNMF(n_components=5, l1=0.3).fit(cohort_of(frames))
    assert not model.H_["rna"].any()
    assert all(model.H_[name].any() for name in frames if name != "rna")


@pytest.mark.parametrize("gap", ["values missing", "modalities missing", "both"])
def test_imputation_beats_the_mean(gap: str) -> None:
    cohort, whole = truth(gap).cohort, truth("whole").cohort
    filled = fitted(gap).impute(cohort)
    for name in NAMES:
        given = tables(cohort)[name]
        guess = tables(filled)[name]
        real = tables(whole)[name].loc[guess.index]
        gaps = given.reindex(guess.index).isna().to_numpy()
        assert not guess.isna().to_numpy().any()
        error = np.mean((guess - real).to_numpy()[gaps] ** 2)
        of_mean = np.mean((real - given.mean()).to_numpy()[gaps] ** 2)
        assert error < 0.6 * of_mean
        kept = guess.to_numpy()[~gaps]
        np.testing.assert_array_equal(kept, given.reindex(guess.index).to_numpy()[~gaps])


def test_new_patients_are_placed_by_what_they_have() -> None:
    """Projected on modules learned from others, with one modality of three, as by the truth."""
    whole = truth("whole")
    model = JointNMF(n_components=5).fit(whole.cohort[np.arange(80)])
    new = whole.cohort[np.arange(80, 120)]
    for kept in NAMES:
        W = model.transform(new.only([kept]))
        correlation = np.corrcoef(W.T, whole.shares[80:].T)[:5, 5:]
        assert correlation.max(axis=0).min() > 0.85


def test_one_modality_is_scikit_learns_nmf() -> None:
    frame = tables(truth("whole").cohort)["rna"]
    model = JointNMF(n_components=4, restarts=10, l1=0, tol=1e-8, max_iter=20_000)
    model.fit(cohort_of({"rna": frame}))
    X = frame.to_numpy() / np.sqrt(np.mean(frame.to_numpy() ** 2, axis=0))
    best = min(
        NMF(4, init="random", random_state=seed, tol=1e-7, max_iter=5000).fit(X).reconstruction_err_
        for seed in range(10)
    )
    ours = np.linalg.norm(X[np.argsort(frame.index)] - model.W_ @ _in_order(model, frame).T)
    assert ours <= best * (1 + 1e-3)


def _in_order(model: JointNMF, frame: pd.DataFrame) -> np.ndarray:
    H = pd.DataFrame(model.H_["rna"], index=model.columns_.features_["rna"])
    return H.loc[frame.columns].to_numpy()


def test_a_modality_counts_the_same_however_wide_and_in_whatever_unit() -> None:
    frames = tables(truth("both").cohort)
    again = frames["rna"].add_suffix(" again")
    wider = {**frames, "rna": pd.concat([frames["rna"], again], axis=1) * 1000.0}
    model = JointNMF(n_components=5).fit(cohort_of(wider))
    np.testing.assert_allclose(model.W_, fitted("both").W_, atol=1e-6)


def test_a_weight_lets_a_modality_count_more() -> None:
    cohort = truth("whole").cohort
    errors = []
    for weight in (0.1, 1.0, 10.0):
        model = JointNMF(n_components=3, weights={"mirna": weight}).fit(cohort)
        matrix = model.columns_.columns(model.blocks_.matrices(cohort))["mirna"]
        errors.append(np.linalg.norm(matrix - model.transform(cohort) @ model.H_["mirna"].T))
    assert errors[0] > errors[1] > errors[2]


def faint(seed: int) -> tuple[Cohort, list[range]]:
    """Three modules of ten features in each of two modalities, twice as much noise as signal."""
    rng = np.random.default_rng(seed)
    W, H = np.zeros((40, 3)), np.zeros((60, 3))
    groups = [range(10 * k, 10 * k + 10) for k in range(3)]
    for k, group in enumerate(groups):
        W[rng.choice(40, 12, replace=False), k] = rng.uniform(1, 2, 12)
        H[group, k] = 1.0
    ids = [f"p{i:02d}" for i in range(40)]
    frames = {}
    for name in ("rna", "mirna"):
        values = W @ H.T + 2.0 * np.abs(rng.normal(size=(40, 60)))
        frames[name] = pd.DataFrame(values, ids, [f"{name}{j}" for j in range(60)])
    return cohort_of(frames), groups


def _faint_recovery(model: JointNMF, groups: list[range]) -> float:
    found = [set(module.features("mirna")) for module in model.modules(z=1.0)]
    real = [{f"mirna{j}" for j in group} for group in groups]
    return float(np.mean([max(f1(own, wanted) for own in found) for wanted in real]))


@pytest.mark.parametrize("where", ["within", "between"])
def test_what_is_known_of_features_brings_out_faint_modules(where: str) -> None:
    scores = {"alone": [], "tied": []}
    for seed in range(5):
        cohort, groups = faint(seed)
        every = [*groups, range(30, 60)]  # the rest have each other as neighbours
        pairs = [(i, j) for group in every for i in group for j in group]
        graphs = {
            "within": {
                name: [(f"{name}{i}", f"{name}{j}") for i, j in pairs] for name in ("rna", "mirna")
            },
            "between": {("rna", "mirna"): [(f"rna{i}", f"mirna{j}") for i, j in pairs]},
        }[where]
        for name, known in {"alone": None, "tied": graphs}.items():
            model = JointNMF(n_components=4, graphs=known).fit(cohort)
            scores[name].append(_faint_recovery(model, groups))
    assert np.mean(scores["alone"]) < 0.9
    assert np.mean(scores["tied"]) > 0.97


def test_graph_takes_edges_frames_and_matrices_alike() -> None:
    cohort = truth("whole").cohort.only(["mirna"])
    names = list(tables(cohort)["mirna"].columns)
    frame = pd.DataFrame(0.0, index=names, columns=names)
    frame.loc["mirna3", "mirna7"] = 1.0
    forms = ([("mirna3", "mirna7")], frame, frame.to_numpy())
    ours = [JointNMF(graphs={"mirna": form}).fit(cohort).H_["mirna"] for form in forms]
    np.testing.assert_array_equal(ours[0], ours[1])
    np.testing.assert_array_equal(ours[0], ours[2])
    assert not np.array_equal(ours[0], JointNMF().fit(cohort).H_["mirna"])


@pytest.mark.parametrize("negatives", ["split", "centre", "shift"])
def test_values_below_zero_are_imputed_in_their_own_unit(negatives: str) -> None:
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(150, 2))
    frames = {}
    for name in ("a", "b"):
        values = 50 * hidden @ rng.normal(size=(2, 12)) + 5 * rng.normal(size=(150, 12))
        ids = [f"p{i:03d}" for i in range(150)]
        frames[name] = pd.DataFrame(values, ids, [f"{name}{j}" for j in range(12)])
    gaps = rng.random((150, 12)) < 0.2
    given = {**frames, "b": frames["b"].mask(gaps)}
    cohort = cohort_of(given)
    guess = JointNMF(n_components=6, negatives=negatives).fit(cohort).impute(cohort)
    real = frames["b"].to_numpy()[gaps]
    error = np.mean((tables(guess)["b"].to_numpy()[gaps] - real) ** 2)
    assert error < 0.4 * np.mean((real - frames["b"].mean(axis=0).mean()) ** 2)


@pytest.mark.parametrize("gap", ["values missing", "both"])
def test_too_many_modules_do_not_run_away_where_values_are_missing(gap: str) -> None:
    """Without any penalty they do, which is why there is one by default."""
    cohort, whole = truth(gap).cohort, truth("whole").cohort
    filled = tables(JointNMF(n_components=25, restarts=1).fit(cohort).impute(cohort))
    for name in NAMES:
        real = tables(whole)[name].loc[filled[name].index]
        assert np.mean((filled[name] - real).to_numpy() ** 2) < np.mean(real.var())


def test_a_part_below_zero_is_shown_with_a_minus() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60, 20))
    values[:12, :3] -= 8.0
    frame = pd.DataFrame(values, [f"p{i:02d}" for i in range(60)], [f"f{j:02d}" for j in range(20)])
    model = JointNMF(n_components=2, negatives="split").fit(cohort_of({"m": frame}))
    below = [item for module in model.modules() for item in module.loadings if item.weight < 0]
    assert {"f00", "f01", "f02"} <= {item.feature for item in below}


def test_the_restart_kept_is_the_lowest() -> None:
    model = fitted("both")
    assert len(model.objectives_) == 5
    assert model.objective_[-1] == pytest.approx(model.objectives_.min(), rel=1e-8)
    assert np.all(np.diff(model.objective_) <= 1e-9)


def test_consensus_is_clear_where_there_are_modules_and_not_where_there_are_none() -> None:
    rng = np.random.default_rng(0)
    ids = [f"p{i:03d}" for i in range(100)]
    noise = pd.DataFrame(rng.random((100, 60)), ids, [f"f{j}" for j in range(60)])
    chance = JointNMF(n_components=5, restarts=20).fit(cohort_of({"noise": noise}))
    clear = JointNMF(n_components=5, restarts=20).fit(truth("whole").cohort)
    assert clear.consensus_.shape == (120, 120)
    assert clear.cophenetic_ > chance.cophenetic_
    assert clear.dispersion_ > chance.dispersion_ + 0.2


def test_planted_modules_are_enriched_for_what_was_planted() -> None:
    whole = truth("both")
    sets = {f"planted {i}": sorted(module["rna"]) for i, module in enumerate(whole.features)}
    rng = np.random.default_rng(0)
    every = sorted(tables(whole.cohort)["rna"].columns)
    sets |= {f"random {i}": list(rng.choice(every, 20, replace=False)) for i in range(30)}
    table = fitted("both").enrichment(sets, modalities=["rna"])
    found = table[table.q_value < 1e-6]
    assert set(found.gene_set) == {f"planted {i}" for i in range(4)}
    assert found.module.nunique() == 4


def test_modules_of_other_patients() -> None:
    whole = truth("whole")
    some = whole.cohort[np.arange(30)]
    for module in fitted("whole").modules(some):
        assert set(module.patients) <= set(some.index)


def test_discoveries_are_the_modules() -> None:
    (found,) = fitted("whole").discoveries()
    assert [part.name for part in found.components] == [f"module {k}" for k in range(1, 6)]
    assert sum(part.strength for part in found.components) == pytest.approx(1.0)
    assert all(len(part.loadings) <= 30 for part in found.components)


def test_what_a_bundle_holds_tells_no_training_patient() -> None:
    model = fitted("whole")
    bare = model.without_patients()
    assert not {"patients_", "W_", "assignments_"} & set(vars(bare))
    cohort = truth("both").cohort
    np.testing.assert_array_equal(bare.transform(cohort), model.transform(cohort))
    assert [module.loadings for module in bare.modules()] == [m.loadings for m in model.modules()]
    assert all(module.patients == () for module in bare.modules())


def test_a_model_with_graphs_and_weights_is_saved_whole() -> None:
    cohort = truth("both").cohort
    graphs = {"mirna": [("mirna1", "mirna2", 2.0)], "rna": {"mirna": [("rna1", "mirna2")]}}
    model = JointNMF(graphs=graphs, l1=0.1, weights={"rna": 2.0}).fit(cohort)
    loaded = load_model(dump_model(model.without_patients()), "a model")
    np.testing.assert_array_equal(loaded.transform(cohort), model.transform(cohort))
    np.testing.assert_array_equal(clone(loaded).fit(cohort).W_, model.W_)


def test_an_outcome_is_learned_in_the_space_of_modules() -> None:
    whole = truth("both")
    y = np.array([patient in whole.patients[0] for patient in whole.cohort.index], dtype=int)
    model = JointNMF(LogisticRegression(), n_components=5).fit(whole.cohort[:80], y[:80])
    assert model.score(whole.cohort[80:], y[80:]) >= 0.9


def test_it_warns_if_it_did_not_settle() -> None:
    with pytest.warns(ConvergenceWarning, match="still falling after 2 iterations"):
        JointNMF(max_iter=2).fit(truth("whole").cohort)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n_components": 121}, "n_components is 121, but 120 patients and 380 columns"),
        ({"n_components": 0}, "n_components must be a whole number of at least 1"),
        ({"n_components": 2.5}, "n_components must be a whole number"),
        ({"restarts": 0}, "restarts must be a whole number of at least 1"),
        ({"max_iter": 0}, "max_iter must be"),
        ({"l1": -0.1}, "l1 must be at least 0 and below 1"),
        ({"l1": 1.0}, "l1 must be at least 0 and below 1"),
        ({"l1": 0.999}, r"l1 = 0\.999 leaves no feature in any module"),
        ({"graph_weight": -1}, "graph_weight must be a number from 0"),
        ({"tol": -1e-4}, "tol must be a number from 0"),
        ({"negatives": "splt"}, "negatives must be .* Did you mean 'split'"),
        ({"weights": {"rnaa": 1}}, "weights names 'rnaa', .* Did you mean 'rna'"),
        ({"weights": {"rna": 0}}, "the weight of 'rna' must be above 0"),
        ({"graphs": {"rna": np.eye(3)}}, "the graph of 'rna' has shape"),
        ({"graphs": {"rn": np.eye(3)}}, "graphs names 'rn'"),
    ],
)
def test_mistakes_are_told(options, said) -> None:
    with pytest.raises(InputError, match=said):
        JointNMF(**options).fit(truth("whole").cohort)


def test_values_below_zero_are_refused_by_default() -> None:
    frames = tables(truth("whole").cohort)
    frames["meth"] = frames["meth"].assign(meth5=frames["meth"]["meth5"] - 100)
    with pytest.raises(InputError, match="modality 'meth', feature 'meth5'"):
        JointNMF().fit(cohort_of(frames))


def test_enrichment_in_a_modality_that_is_not_there() -> None:
    with pytest.raises(InputError, match="'rnaa' is no modality in use; .* Did you mean 'rna'"):
        fitted("whole").enrichment({"a": ["rna1"]}, modalities=["rnaa"])


@pytest.mark.parametrize("z", [np.nan, "a", None])
def test_a_threshold_that_is_no_number_is_refused(z):
    cohort, _ = gappy_cohort("binary")
    model = JointNMF(n_components=2, negatives="split").fit(cohort)
    with pytest.raises(InputError, match="z must be a number"):
        model.modules(z=z)
