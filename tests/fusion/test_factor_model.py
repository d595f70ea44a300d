"""MOFA: planted factors come back, unseen patients land where mofapy2 would put them."""

from __future__ import annotations

import random
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from tests.laws.cohorts import gappy_cohort

from consilience.cohort import Cohort, Table
from consilience.errors import InputError
from consilience.fusion.factor_model import MOFA
from consilience.fusion.numerics import mofapy2_training
from consilience.fusion.numerics.mofapy2_training import Options, train

WIDTHS = {"rna": 60, "protein": 40, "blood": 30}
# Which factor is at work where: the second in RNA alone, the third in protein and blood.
AT_WORK = {"rna": (1, 1, 0), "protein": (1, 0, 1), "blood": (1, 0, 1)}
OPTIONS = Options(5, False, True, 1000, "medium", 0)


def planted(
    n: int = 150, *, seed: int = 0, noise: float = 1.0
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return three factors, and modalities made of them with noise of their own."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(n, 3))
    matrices = {
        name: factors @ (rng.normal(size=(width, 3)) * AT_WORK[name]).T
        + noise * rng.normal(size=(n, width))
        for name, width in WIDTHS.items()
    }
    return factors, matrices


def with_gaps(
    matrices: dict[str, np.ndarray], *, seed: int = 1, values: float = 0.1, absent: float = 0.2
) -> dict[str, np.ndarray]:
    """Return copies with values and whole modalities of patients lost, never all of them."""
    rng = np.random.default_rng(seed)
    gone = rng.random((len(next(iter(matrices.values()))), len(matrices))) < absent
    gone[gone.all(axis=1), 0] = False
    gappy = {}
    for m, (name, matrix) in enumerate(matrices.items()):
        gappy[name] = np.where(rng.random(matrix.shape) < values, np.nan, matrix)
        gappy[name][gone[:, m]] = np.nan
    return gappy


def cohort_of(matrices: dict[str, np.ndarray], prefix: str = "p") -> Cohort:
    n = len(next(iter(matrices.values())))
    ids = [f"{prefix}{i:04d}" for i in range(n)]
    tables = {}
    for name, matrix in matrices.items():
        columns = [f"{name}{j:03d}" for j in range(matrix.shape[1])]
        tables[name] = Table(pd.DataFrame(matrix, index=ids, columns=columns).dropna(how="all"))
    return Cohort(pd.DataFrame(index=ids), tables)


def canonical(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the canonical correlations of two sets of columns."""
    bases = [np.linalg.qr(x - x.mean(axis=0))[0] for x in (a, b)]
    return np.linalg.svd(bases[0].T @ bases[1], compute_uv=False)


def own_matrices(model: MOFA, cohort: Cohort) -> tuple[list[str], list[np.ndarray]]:
    """Return modalities and matrices as mofapy2 is given them; names here are in order."""
    blocks = model.blocks_.matrices(cohort)
    return sorted(blocks), [blocks[name] for name in sorted(blocks)]


class TestTruth:
    @pytest.mark.parametrize("sparse_weights", [False, True])
    @pytest.mark.parametrize("seed", [0, 1, 2])
    def test_planted_factors_are_recovered(self, seed, sparse_weights):
        factors, matrices = planted(seed=seed)
        model = MOFA(n_factors=5, sparse_weights=sparse_weights).fit(cohort_of(matrices))
        found = model.transform(cohort_of(matrices))
        assert canonical(factors, found[:, :3]).min() > 0.95

    @pytest.mark.parametrize("seed", [0, 1, 2])
    def test_a_factor_explains_only_where_it_is_at_work(self, seed):
        factors, matrices = planted(seed=seed)
        model = MOFA(n_factors=5).fit(cohort_of(with_gaps(matrices)))
        found = model.transform(cohort_of(matrices))
        likeness = np.abs(np.corrcoef(factors.T, found.T)[:3, 3:])
        in_rna_alone, elsewhere = likeness[1].argmax(), likeness[2].argmax()
        explained = model.variance_explained_
        assert explained["rna"][in_rna_alone] > 0.15
        assert max(explained["protein"][in_rna_alone], explained["blood"][in_rna_alone]) < 0.02
        assert min(explained["protein"][elsewhere], explained["blood"][elsewhere]) > 0.15
        assert explained["rna"][elsewhere] < 0.02

    def test_factors_that_are_not_needed_explain_nothing(self):
        model = MOFA(n_factors=6).fit(cohort_of(planted()[1]))
        for explained in model.variance_explained_.values():
            assert explained[3:].max() < 0.02

    def test_noise_is_measured_feature_by_feature(self):
        rng = np.random.default_rng(3)
        spread = rng.uniform(0.5, 3.0, 60)
        factors = rng.normal(size=(400, 2))
        matrix = 2 * factors @ rng.normal(size=(60, 2)).T + spread * rng.normal(size=(400, 60))
        model = MOFA(n_factors=3).fit(cohort_of({"rna": matrix}))
        measured = model.blocks_.scale_["rna"] / np.sqrt(model.noise_precision_["rna"])
        np.testing.assert_allclose(measured, spread, rtol=0.2)

    def test_hidden_values_are_imputed_better_than_by_the_mean(self):
        _, matrices = planted(noise=0.7)
        gappy = with_gaps(matrices)
        filled = MOFA().fit(cohort_of(gappy)).impute(cohort_of(gappy))
        for name, matrix in matrices.items():
            lost = np.isnan(gappy[name])
            by_mean = (matrix - np.nanmean(gappy[name], axis=0))[lost]
            by_factors = (matrix - filled.modalities[name].frame.to_numpy())[lost]
            assert np.mean(by_factors**2) < 0.8 * np.mean(by_mean**2)


class TestMissingModality:
    def test_factors_that_others_know_are_carried_over(self):
        factors, matrices = planted(400)
        model = MOFA(n_factors=3).fit(cohort_of(with_gaps(matrices)))
        found = model.transform(cohort_of(matrices))
        likeness = np.abs(np.corrcoef(factors.T, found.T)[:3, 3:])
        shared, _, elsewhere = likeness.argmax(axis=1)
        assert model.carried_["rna"][shared] > 0.9
        assert model.carried_["protein"][elsewhere] > 0.9

    def test_what_is_believed_too_firmly_is_shrunk(self):
        """Features share noise that the model does not know, so it believes them too firmly."""
        rng = np.random.default_rng(5)
        groups = rng.normal(size=(150, 12)) @ np.kron(np.eye(12), np.ones((1, 10)))
        rna = groups + 0.3 * rng.normal(size=groups.shape)
        protein = rng.normal(size=(150, 12)) @ np.kron(np.eye(12), np.ones((1, 10)))
        lost = np.where(np.arange(150)[:, None] < 40, np.nan, protein)
        gappy = cohort_of({"rna": rna, "protein": lost})
        model = MOFA(n_factors=4).fit(gappy)

        def error() -> float:
            filled = model.impute(gappy).modalities["protein"].frame.to_numpy()
            return float(np.mean((filled[:40] - protein[:40]) ** 2))

        by_mean = np.mean((np.nanmean(lost, axis=0) - protein[:40]) ** 2)
        worse = error() - by_mean
        model.carried_ = dict.fromkeys(model.carried_, np.ones(4))
        assert worse < 0.5 * (error() - by_mean)

    def test_a_lost_modality_is_imputed_from_the_others(self):
        _, matrices = planted(noise=0.7)
        lost = dict(matrices, blood=matrices["blood"].copy())
        lost["blood"][:50] = np.nan
        filled = MOFA().fit(cohort_of(lost)).impute(cohort_of(lost)).modalities["blood"]
        truth = matrices["blood"][:50]
        by_factors = np.mean((filled.frame.to_numpy()[:50] - truth) ** 2)
        assert by_factors < 0.6 * np.mean((np.nanmean(lost["blood"], axis=0) - truth) ** 2)


class TestProjection:
    def test_training_patients_land_on_mofapys_own_factors(self):
        cohort = cohort_of(with_gaps(planted()[1]))
        model = MOFA(n_factors=3, convergence="medium").fit(cohort)
        names, matrices = own_matrices(model, cohort)
        options = Options(3, False, True, 1000, "medium", 0)
        theirs = train(matrices, options)
        ours = model.transform(cohort)
        explained = sum(model.variance_explained_[name] for name in names)
        assert (np.diff(explained) <= 0).all()
        likeness = np.corrcoef(ours.T, theirs.factors.T)[:3, 3:]
        partner = np.abs(likeness).argmax(axis=1)
        assert sorted(partner) == [0, 1, 2]
        signs = np.sign(likeness[np.arange(3), partner])
        np.testing.assert_allclose(ours, theirs.factors[:, partner] * signs, atol=1e-3)

    def test_sparse_weights_too(self):
        cohort = cohort_of(with_gaps(planted()[1]))
        model = MOFA(n_factors=3, sparse_weights=True, convergence="medium").fit(cohort)
        theirs = train(own_matrices(model, cohort)[1], Options(3, True, True, 1000, "medium", 0))
        assert canonical(model.transform(cohort), theirs.factors).min() > 0.9999

    def test_it_is_the_mean_of_the_gaussian_posterior(self):
        """Against the joint Gaussian of factors and features, its conditional mean."""
        cohort = cohort_of(with_gaps(planted()[1]))
        model = MOFA(n_factors=3).fit(cohort)
        names, matrices = own_matrices(model, cohort)
        row = np.concatenate([matrix[5] for matrix in matrices])
        known = np.isfinite(row)
        assert 0 < known.sum() < len(row)
        weights = np.vstack([model.weights_[name] for name in names])[known]
        tau = np.concatenate([model.noise_precision_[name] for name in names])[known]
        spread = np.vstack([model.weight_variances_[name] for name in names])[known]
        prior = np.linalg.inv(np.eye(3) + np.diag(tau @ spread))
        gain = prior @ weights.T @ np.linalg.inv(weights @ prior @ weights.T + np.diag(1 / tau))
        np.testing.assert_allclose(model.transform(cohort)[5], gain @ row[known], atol=1e-9)

    def test_unseen_patients_land_where_a_fit_with_them_puts_them(self):
        factors, matrices = planted(300)
        old = cohort_of({name: matrix[:200] for name, matrix in matrices.items()})
        new = cohort_of({name: matrix[200:] for name, matrix in matrices.items()}, "q")
        found = MOFA(n_factors=3).fit(old).transform(new)
        assert canonical(found, factors[200:]).min() > 0.95

    def test_one_modality_is_enough(self):
        factors, matrices = planted(300)
        old = cohort_of({name: matrix[:200] for name, matrix in matrices.items()})
        model = MOFA(n_factors=3).fit(old)
        new = cohort_of({"rna": matrices["rna"][200:]}, "q")
        found = model.transform(new)
        assert canonical(found, factors[200:, :2])[:2].min() > 0.95
        assert np.isfinite(found).all()

    def test_a_patient_with_nothing_measured_has_no_place(self):
        cohort = cohort_of(planted()[1])
        nobody = Cohort(
            pd.DataFrame(index=["x", "y"]),
            {"rna": Table(cohort.modalities["rna"].frame.iloc[:1].set_axis(["x"]))},
        )
        found = MOFA(n_factors=3).fit(cohort).transform(nobody)
        assert np.isfinite(found[0]).all()
        assert np.isnan(found[1]).all()


class TestOneAnswer:
    def test_fitted_twice_it_is_the_same_to_the_last_bit(self):
        cohort = cohort_of(with_gaps(planted()[1]))
        first, second = (MOFA().fit(cohort) for _ in range(2))
        np.testing.assert_array_equal(first.transform(cohort), second.transform(cohort))
        np.testing.assert_array_equal(first.bounds_, second.bounds_)

    def test_order_of_modalities_and_features_changes_nothing(self):
        matrices = with_gaps(planted()[1])
        cohort = cohort_of(matrices)
        turned = Cohort(
            cohort.patients,
            {
                name: Table(cohort.modalities[name].frame.iloc[:, ::-1])
                for name in reversed(list(cohort.modalities))
            },
        )
        one, other = MOFA().fit(cohort), MOFA().fit(turned)
        np.testing.assert_allclose(one.transform(cohort), other.transform(turned), atol=1e-12)
        for name, explained in one.variance_explained_.items():
            np.testing.assert_allclose(explained, other.variance_explained_[name], atol=1e-12)
        np.testing.assert_allclose(one.weights_["rna"], other.weights_["rna"][::-1], atol=1e-12)

    def test_the_largest_weight_of_a_factor_is_positive(self):
        model = MOFA(n_factors=4).fit(cohort_of(planted()[1]))
        stacked = np.vstack([model.weights_[name] for name in sorted(model.weights_)])
        largest = np.abs(stacked).argmax(axis=0)
        assert (stacked[largest, np.arange(4)] > 0).all()

    def test_the_bound_never_falls(self):
        bounds = MOFA(convergence="slow").fit(cohort_of(with_gaps(planted()[1]))).bounds_
        assert (np.diff(bounds) > -1e-6 * np.abs(bounds[0])).all()

    def test_it_says_whether_it_settled(self):
        cohort = cohort_of(planted()[1])
        assert MOFA().fit(cohort).converged_
        assert not MOFA(max_iter=4).fit(cohort).converged_


class TestMofapyIsContained:
    def test_nothing_is_printed(self, capfd):
        MOFA().fit(cohort_of(planted()[1]))
        assert capfd.readouterr() == ("", "")

    def test_warnings_and_random_numbers_are_left_alone(self, monkeypatch):
        for module in [name for name in sys.modules if name.partition(".")[0] == "mofapy2"]:
            monkeypatch.delitem(sys.modules, module)  # imported anew, it silences all warnings
        filters = list(warnings.filters)
        np.random.seed(4)  # noqa: NPY002
        expected = np.random.random(3)  # noqa: NPY002
        np.random.seed(4)  # noqa: NPY002
        random.seed(4)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            MOFA().fit(cohort_of(planted()[1]))
        np.testing.assert_array_equal(np.random.random(3), expected)  # noqa: NPY002
        assert warnings.filters == filters

    def test_the_matrices_are_left_alone(self):
        matrices = list(with_gaps(planted()[1]).values())
        before = [matrix.copy() for matrix in matrices]
        train(matrices, OPTIONS)
        for matrix, copy in zip(matrices, before, strict=True):
            np.testing.assert_array_equal(matrix, copy)

    def test_where_it_gives_up_its_last_line_is_told(self):
        matrices = list(planted()[1].values())
        with pytest.raises(RuntimeError, match="gave up: Convergence mode not recognised"):
            train(matrices, Options(3, False, True, 1000, "never", 0))

    def test_without_mofapy2_the_extra_is_named(self, monkeypatch):
        for module in [name for name in sys.modules if name.partition(".")[0] == "mofapy2"]:
            monkeypatch.delitem(sys.modules, module)
        monkeypatch.setattr(sys, "path", [])
        monkeypatch.setattr(sys, "meta_path", [])
        with pytest.raises(InputError, match=r"MOFA needs the extra 'mofa': pip install"):
            mofapy2_training.train([np.eye(3)], OPTIONS)


class TestBadInput:
    @pytest.mark.parametrize(
        ("settings", "sentence"),
        [
            ({"n_factors": 0}, "n_factors must be a whole number of at least 1, not 0"),
            ({"n_factors": 2.5}, "n_factors must be a whole number"),
            ({"max_iter": 1}, "max_iter must be a whole number of at least 2, not 1"),
            ({"convergence": "fats"}, "convergence must be one of .* Did you mean 'fast'"),
        ],
    )
    def test_a_setting_is_refused(self, settings, sentence):
        with pytest.raises(InputError, match=sentence):
            MOFA(**settings).fit(cohort_of(planted()[1]))

    def test_fewer_patients_than_factors(self):
        few = cohort_of({name: matrix[:5] for name, matrix in planted()[1].items()})
        with pytest.raises(InputError, match="cannot find 5 factors in 5 patients with 130 feat"):
            MOFA(n_factors=5).fit(few)

    def test_more_factors_than_features(self):
        with pytest.raises(InputError, match="cannot find 4 factors in 150 patients with 3 feat"):
            MOFA(n_factors=4).fit(cohort_of({"rna": planted()[1]["rna"][:, :3]}))

    def test_features_that_repeat_one_another(self):
        on = np.arange(20.0)[:, None] % 2
        cohort = cohort_of({"rna": np.hstack([on, 1 - on])})
        with pytest.raises(InputError, match="no 2 independent directions .* lower n_factors"):
            MOFA(n_factors=2).fit(cohort)
        assert np.isfinite(MOFA(n_factors=1).fit(cohort).transform(cohort)).all()


class TestDiscoveries:
    def test_factors_come_with_their_strongest_weights(self):
        cohort = cohort_of(planted()[1])
        model = MOFA(n_factors=4).fit(cohort)
        factors, totals = model.discoveries()
        assert [factor.name for factor in factors.components][:3] == [
            "factor 1",
            "factor 2",
            "factor 3",
        ]
        strengths = [factor.strength for factor in factors.components]
        assert strengths == sorted(strengths, reverse=True)
        first = [loading for loading in factors.components[0].loadings if loading.modality == "rna"]
        weights = model.weights_["rna"][:, 0]
        assert len(first) == 10
        assert first[0].feature == f"rna{np.abs(weights).argmax():03d}"
        assert abs(first[0].weight) == np.abs(weights).max()
        assert totals.weights["rna"] == pytest.approx(
            model.variance_explained_["rna"].clip(0).sum()
        )

    def test_a_factor_is_not_told_of_where_it_does_nothing(self):
        factors, _ = MOFA(n_factors=5).fit(cohort_of(planted()[1])).discoveries()
        where = [{loading.modality for loading in factor.loadings} for factor in factors.components]
        assert {"rna"} in where or {"protein", "blood"} in where
        assert all(where)

    def test_a_factor_that_is_one_patient_is_told(self):
        _, matrices = planted()
        odd = {name: matrix.copy() for name, matrix in matrices.items()}
        odd["rna"][7] += 40 * np.sign(np.arange(60) - 29.5)
        model = MOFA(n_factors=5).fit(cohort_of(odd))
        factors, _ = model.discoveries()
        told = [f.name for f in factors.components if "of it is one patient" in f.notes]
        outlier = int(model.largest_patient_.argmax())
        assert told == [f"factor {outlier + 1}"]
        scores = model.transform(cohort_of(odd))[:, outlier] ** 2
        assert scores.argmax() == 7
        assert model.largest_patient_[outlier] == pytest.approx(scores[7] / scores.sum(), rel=0.01)

    def test_a_small_cohort_with_text_and_gaps(self):
        cohort, _ = gappy_cohort("binary")
        model = MOFA().fit(cohort)
        assert model.discoveries()[1].weights.keys() == set(cohort.modalities)
