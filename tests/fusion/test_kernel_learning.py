import numpy as np
import pandas as pd
import pytest
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import cross_val_score
from sklearn.utils import get_tags
from tests.laws.cohorts import NAMES, gappy_cohort

from consilience.cohort import Cohort, Table
from consilience.errors import InputError
from consilience.fusion.discovery import Path, Weights
from consilience.fusion.kernel_learning import MultipleKernelLearning
from consilience.fusion.numerics.kernel_path import BALANCES
from consilience.study.bundle.safe_model import dump_model, load_model


def cohort_of(**tables: np.ndarray) -> Cohort:
    """Return a cohort of complete tables."""
    n = len(next(iter(tables.values())))
    ids = pd.Index([f"p{i:04d}" for i in range(n)])
    frames = {
        name: pd.DataFrame(X, index=ids, columns=[f"{name}{j}" for j in range(X.shape[1])])
        for name, X in tables.items()
    }
    patients = pd.DataFrame({"age": np.arange(n)}, index=ids)
    return Cohort(patients, {name: Table(frame) for name, frame in frames.items()})


def regression(**options) -> MultipleKernelLearning:
    return MultipleKernelLearning(outcome="continuous", random_state=0, **options)


# --- known limits -----------------------------------------------------------------------------


def test_one_linear_kernel_is_ridge_regression():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 5)) * [1, 2, 3, 4, 5] + 7, rng.normal(size=60)
    y += X[:, 0]
    standardised = (X - X.mean(axis=0)) / X.std(axis=0)
    model = regression(penalties=0.1).fit(cohort_of(labs=X), y)
    # Its diagonal has mean 5 before it is brought to 1.
    ridge = Ridge(alpha=0.1 * 60 * 5).fit(standardised, y)
    new = rng.normal(size=(10, 5)) + 7
    expected = ridge.predict((new - X.mean(axis=0)) / X.std(axis=0))
    np.testing.assert_allclose(model.predict(cohort_of(labs=new)), expected, rtol=1e-9)


def test_one_gaussian_kernel_is_kernel_ridge_regression():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(60, 3))
    y = np.sin(2 * X[:, 0]) + 0.1 * rng.normal(size=60)
    model = regression(kernels="rbf", penalties=0.01).fit(cohort_of(labs=X), y)
    kernel = model.kernels_["labs"][0]
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    raw = rbf_kernel(Z, gamma=kernel.gamma_)
    centring = np.eye(60) - 1 / 60
    peer = KernelRidge(alpha=0.01 * 60, kernel="precomputed")
    peer.fit(centring @ raw @ centring / kernel.scale_, y - y.mean())
    expected = centring @ raw @ centring / kernel.scale_ @ peer.dual_coef_ + y.mean()
    np.testing.assert_allclose(model.predict(cohort_of(labs=X)), expected, atol=1e-8)


def test_equal_kernels_share_the_weight_and_change_nothing():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(60, 5))
    y = X[:, 0] + 0.5 * rng.normal(size=60)
    once = regression(penalties=0.1).fit(cohort_of(a=X), y)
    twice = regression(penalties=0.1, weighting="separate").fit(cohort_of(a=X, b=X), y)
    np.testing.assert_allclose(list(twice.weights_.values()), 0.5)
    np.testing.assert_allclose(
        twice.predict(cohort_of(a=X, b=X)), once.predict(cohort_of(a=X)), atol=1e-9
    )


# --- what it is for ---------------------------------------------------------------------------


@pytest.mark.parametrize("weighting", ["alignment", "simple", "easy"])
def test_a_circle_is_seen_by_the_gaussian_kernel_and_not_by_the_linear(weighting):
    rng = np.random.default_rng(3)
    X, noise = rng.normal(size=(300, 2)), rng.normal(size=(300, 2))
    y = ((X**2).sum(axis=1) > 1.4).astype(int)
    cohort = cohort_of(circle=X, noise=noise)
    scores = {}
    for kernels in ("linear", ("linear", "rbf")):
        model = MultipleKernelLearning(kernels=kernels, weighting=weighting, random_state=0)
        scores[kernels] = model.fit(cohort[:200], y[:200]).score(cohort[200:], y[200:])
    assert scores["linear"] < 0.65
    assert scores["linear", "rbf"] > 0.9
    assert max(model.weights_, key=model.weights_.get) == "circle (rbf)"


def test_the_modality_that_knows_gets_the_weight_whatever_its_width():
    rng = np.random.default_rng(4)
    X, noise = rng.normal(size=(150, 3)), rng.normal(size=(150, 300)) * 100
    y = X.sum(axis=1) + 0.5 * rng.normal(size=150)
    model = regression().fit(cohort_of(narrow=X, wide=noise), y)
    assert model.weights_["narrow"] > 0.8
    new = rng.normal(size=(100, 3)), rng.normal(size=(100, 300)) * 100
    predicted = model.predict(cohort_of(narrow=new[0], wide=new[1]))
    assert np.corrcoef(predicted, new[0].sum(axis=1))[0, 1] > 0.9


@pytest.mark.parametrize("weighting", ["alignment", "simple", "easy"])
def test_the_penalty_chosen_is_the_best_of_the_path(weighting):
    cohort, y = gappy_cohort("binary")
    model = MultipleKernelLearning(weighting=weighting, random_state=0).fit(cohort, y)
    assert model.path_[model.penalty_] == min(model.path_.values())
    assert sorted(model.path_) == sorted({0.0001, 0.001, 0.01, 0.1, 1.0, 10.0})
    assert model.balance_ in (BALANCES if weighting == "easy" else (0.0,))


def test_one_penalty_is_taken_as_it_is():
    cohort, y = gappy_cohort("binary")
    model = MultipleKernelLearning(penalties=0.3).fit(cohort, y)
    assert model.penalty_ == 0.3
    assert model.path_ == {}
    assert [type(d) for d in model.discoveries()] == [Weights]


def test_it_shows_its_weights_and_the_path_of_penalties():
    cohort, y = gappy_cohort("survival")
    model = MultipleKernelLearning.for_outcome("survival", random_state=0).fit(cohort, y)
    weights, path = model.discoveries()
    assert isinstance(weights, Weights)
    assert weights.weights == model.weights_
    assert set(weights.weights) == set(NAMES)
    assert isinstance(path, Path)
    assert list(path.x) == sorted(path.x)
    assert path.chosen == model.penalty_


# --- missing ----------------------------------------------------------------------------------


def test_a_lacking_modality_counts_as_its_mean_and_the_others_for_more():
    cohort, y = gappy_cohort("continuous", missing=0.0, nobody=0.0)
    model = regression(kernels="linear").fit(cohort, y)
    frame = cohort.modalities["beta"].frame
    means = frame.copy()
    means[:] = frame.mean().to_numpy()
    at_mean = model.predict(cohort.with_modality("beta", Table(means)))
    without = model.predict(cohort.only(["alpha", "gamma"]))
    more = (1 - model.weights_["beta"]) ** -0.5
    middle = model.intercept_[0]
    assert more > 1.01
    np.testing.assert_allclose(without - middle, more * (at_mean - middle), atol=1e-9)


def test_what_is_said_of_training_patients_is_what_was_fitted_with_modalities_missing():
    """Ridge regression by hand on the features, stretched for what a patient lacks."""
    rng = np.random.default_rng(8)
    one, other = rng.normal(size=(90, 3)), rng.normal(size=(60, 4))
    y = one[:, 0] + rng.normal(size=90)
    cohort = cohort_of(one=one)
    ids = list(cohort.index[:60])
    frame = pd.DataFrame(other, index=ids, columns=[f"o{j}" for j in range(4)])
    cohort = cohort.with_modality("other", Table(frame))
    model = regression(weighting="separate", penalties=0.05).fit(cohort, y)
    w = np.array([model.weights_["one"], model.weights_["other"]])
    Z = np.zeros((90, 7))
    Z[:, :3] = (one - one.mean(axis=0)) / one.std(axis=0) * np.sqrt(w[0] / 3)
    Z[:60, 3:] = (other - other.mean(axis=0)) / other.std(axis=0) * np.sqrt(w[1] / 4)
    Z[60:] /= np.sqrt(w[0])
    expected = Ridge(alpha=0.05 * 90).fit(Z, y).predict(Z)
    np.testing.assert_allclose(model.predict(cohort), expected, atol=1e-9)


def test_who_has_only_a_modality_of_weight_0_gets_the_prior():
    rng = np.random.default_rng(5)
    X = rng.normal(size=(100, 2))
    y = X[:, 0]
    cohort = cohort_of(known=X, idle=rng.normal(size=(100, 40)))
    model = regression(weighting="simple", penalties=1.0).fit(cohort, y)
    assert model.weights_["idle"] == 0.0
    only = cohort.only(["idle"])
    assert not model.informed(only).any()
    np.testing.assert_allclose(model.predict(only), y.mean())


def test_breast_cancers_without_protein_are_told_by_the_rest():
    """150 tumours to train on, 70 who all lack a modality; chance is 0.5."""
    loaders = pytest.importorskip("bench.loaders")
    try:
        train, test = loaders.breast_tcga()
    except InputError as reason:
        pytest.skip(str(reason))
    y, truth = (part.patients["subtype"].to_numpy() for part in (train, test))
    model = MultipleKernelLearning.for_outcome("multiclass", random_state=0).fit(train, y)
    assert model.weights_["protein"] > 0.1
    assert model.score(test, truth) >= 0.9


# --- what is kept -----------------------------------------------------------------------------


def test_linear_kernels_keep_a_weight_a_feature_and_no_patient():
    cohort, y = gappy_cohort("binary")
    model = MultipleKernelLearning(random_state=0).fit(cohort, y)
    assert not get_tags(model).keeps_patients
    sizes = [
        value.shape[0]
        for several in model.kernels_.values()
        for kernel in several
        for value in vars(kernel).values()
        if isinstance(value, np.ndarray) and value.ndim
    ]
    assert sizes
    assert max(sizes) < 10


def test_gaussian_and_given_kernels_say_that_they_keep_patients():
    cohort, y = gappy_cohort("binary")
    assert get_tags(MultipleKernelLearning(kernels="rbf")).keeps_patients
    assert get_tags(MultipleKernelLearning(kernels={"a": "precomputed"})).keeps_patients
    model = MultipleKernelLearning(kernels=("linear", "rbf"), random_state=0).fit(cohort, y)
    assert any(model.weights_[f"{name} (rbf)"] > 0 for name in NAMES)
    assert get_tags(model).keeps_patients


@pytest.mark.parametrize("kind", ["binary", "multiclass", "continuous", "survival"])
@pytest.mark.parametrize("weighting", ["alignment", "separate", "simple"])
def test_every_kernel_and_weighting_learns_and_can_be_saved(kind, weighting):
    cohort, y = gappy_cohort(kind)
    kernels = {"alpha": ["linear", "rbf"], "beta": "rbf", "gamma": "linear"}
    model = MultipleKernelLearning.for_outcome(
        kind, kernels=kernels, weighting=weighting, penalties=(0.01, 0.1), random_state=0
    ).fit(cohort, y)
    assert list(model.weights_) == ["alpha (linear)", "alpha (rbf)", "beta", "gamma"]
    assert model.score(cohort, y) > {"continuous": 0.3, "survival": 0.6}.get(kind, 0.5)
    back = load_model(dump_model(model), "model.skops")
    np.testing.assert_array_equal(back.values(cohort), model.values(cohort))


# --- precomputed ------------------------------------------------------------------------------


def given_and_made(kind: str = "continuous") -> tuple[Cohort, Cohort, np.ndarray]:
    """Return a cohort with a modality as features, and as a kernel of them; some lack it."""
    made, y = gappy_cohort(kind, 80, missing=0.0, nobody=0.0)
    rng = np.random.default_rng(6)
    X = pd.DataFrame(rng.normal(size=(80, 3)), index=made.index)
    X[0] += made.modalities["alpha"].frame["alpha0"].fillna(0).loc[X.index]
    X = X[rng.random(80) < 0.8]
    X = (X - X.mean()) / X.std(ddof=0)
    X.columns = ["x0", "x1", "x2"]
    kernel = pd.DataFrame(X.to_numpy() @ X.to_numpy().T, index=X.index, columns=list(X.index))
    return (
        made.only(["alpha"]).with_modality("image", Table(kernel)),
        made.only(["alpha"]).with_modality("image", Table(X)),
        y,
    )


PRECOMPUTED = {"alpha": "linear", "image": "precomputed"}


@pytest.mark.parametrize("kind", ["binary", "continuous", "survival"])
def test_a_given_kernel_is_as_good_as_the_features_it_is_made_of(kind):
    given, made, y = given_and_made(kind)
    one = MultipleKernelLearning.for_outcome(kind, kernels=PRECOMPUTED, random_state=0)
    other = MultipleKernelLearning.for_outcome(kind, random_state=0)
    one.fit(given, y)
    other.fit(made, y)
    np.testing.assert_allclose(
        list(one.weights_.values()), list(other.weights_.values()), atol=1e-6
    )
    np.testing.assert_allclose(one.values(given), other.values(made), atol=1e-6)
    back = load_model(dump_model(one), "model.skops")
    np.testing.assert_array_equal(back.values(given), one.values(given))


def test_a_given_kernel_in_cross_validation():
    """Rows are the fold's patients, columns all patients: the training ones are used."""
    given, made, y = given_and_made()
    one = cross_val_score(regression(kernels=PRECOMPUTED, penalties=0.01), given, y, cv=3)
    other = cross_val_score(regression(penalties=0.01), made, y, cv=3)
    # The features are standardised anew in each fold; the kernel is what it is.
    np.testing.assert_allclose(one, other, atol=0.1)
    assert np.mean(one) > 0.1


def altered(given: Cohort, change) -> Cohort:
    frame = given.modalities["image"].frame
    return given.with_modality("image", Table(change(frame)))


def lowered(frame: pd.DataFrame) -> pd.DataFrame:
    return frame - 2.0 * np.eye(len(frame))


def skewed(frame: pd.DataFrame) -> pd.DataFrame:
    frame.iloc[0, 1] += 1.0
    return frame


def holed(frame: pd.DataFrame) -> pd.DataFrame:
    frame.iloc[3, 5] = np.nan
    return frame


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lowered, r"'image' is not positive semi-definite: its smallest eigenvalue is -2"),
        (skewed, r"'image' is not symmetric"),
        (holed, r"'image'.*must be complete, but patient 'p\d+' has no value with 'p\d+'"),
        (lambda frame: frame.iloc[:, 2:], r"'image'.*one column a training patient.*2 of \d+ have"),
        (lambda frame: frame.assign(note="text"), r"'image' must be a table of numbers"),
    ],
)
def test_a_given_kernel_that_is_none_is_refused(change, sentence):
    given, _, y = given_and_made()
    with pytest.raises(InputError, match=sentence):
        regression(kernels=PRECOMPUTED).fit(altered(given, change), y)


def test_a_new_patient_needs_a_column_a_training_patient():
    given, _, y = given_and_made()
    model = regression(kernels=PRECOMPUTED).fit(given, y)
    with pytest.raises(InputError, match=r"'image'.*lacks 1: 'p\d+'"):
        model.predict(altered(given, lambda frame: frame.iloc[:, 1:]))


# --- settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"outcome": "binery"}, r"outcome must be one of .*'binery'.* Did you mean 'binary'"),
        ({"weighting": "aligned"}, r"weighting must be one of .*Did you mean 'alignment'"),
        ({"weighting": "easy", "outcome": "survival"}, r"'easy' is a margin between classes"),
        ({"kernels": "linaer"}, r"a kernel must be one of .*'linaer'.*Did you mean 'linear'"),
        ({"kernels": ["rbf", "rbf"]}, r"each kernel of a modality once"),
        ({"kernels": []}, r"each kernel of a modality once"),
        ({"kernels": ["rbf", "precomputed"]}, r"give it alone"),
        ({"kernels": {"alpha": "rbf", "beta": "rbf"}}, r"no entry for modality 'gamma'"),
        (
            {"kernels": dict.fromkeys([*NAMES, "gama"], "rbf")},
            r"names modality 'gama', which .*Did you mean 'gamma'",
        ),
        ({"penalties": 0.0}, r"penalties must be positive numbers, but one is 0"),
        ({"penalties": (0.1, -1.0)}, r"one is -1"),
        ({"penalties": (0.1, float("inf"))}, r"one is inf"),
        ({"penalties": ()}, r"penalties is empty"),
        ({"penalties": ("0.1",)}, r"must be a number or a list of numbers, not .'0.1',"),
        ({"folds": 1}, r"folds must be a whole number of at least 2"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(options, sentence):
    cohort, y = gappy_cohort("binary")
    with pytest.raises(InputError, match=sentence):
        MultipleKernelLearning(**options).fit(cohort, y)


@pytest.mark.parametrize("weighting", ["alignment", "separate", "simple", "easy"])
def test_a_class_of_one_patient_is_learned_though_folds_lack_it(weighting):
    cohort, _ = gappy_cohort("multiclass", 40)
    y = np.array(["many"] * 30 + ["few"] * 9 + ["one"])
    model = MultipleKernelLearning(outcome="multiclass", weighting=weighting, random_state=0)
    probabilities = model.fit(cohort, y).predict_proba(cohort)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    one = probabilities[:, list(model.classes_).index("one")]
    assert one.max() <= 1
    assert one[:30].mean() < 0.2
