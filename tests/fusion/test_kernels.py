import numpy as np
import pytest

from consilience.errors import InputError
from consilience.fusion.kernels import (
    Kernel,
    LinearKernel,
    PrecomputedKernel,
    RBFKernel,
    centre,
    check_kernel,
    log_rbf,
    median_gamma,
)

KINDS = (LinearKernel, RBFKernel)


def standardised(n: int, p: int, seed: int, *, missing: float = 0.0, absent: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    X[rng.random(X.shape) < missing] = np.nan
    X[rng.permutation(n)[:absent]] = np.nan
    return (X - np.nanmean(X, axis=0)) / np.nanstd(X, axis=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("missing", "absent"), [(0.0, 0), (0.3, 0), (0.0, 20), (0.4, 25)])
def test_a_gram_is_psd_centred_and_of_mean_diagonal_1(kind, missing, absent):
    X = standardised(60, 5, 1, missing=missing, absent=absent)
    gram = kind().gram(X)
    has = np.isfinite(X).any(axis=1)
    np.testing.assert_array_equal(gram, gram.T)
    assert np.linalg.eigvalsh(gram)[0] > -1e-12 * len(X)
    np.testing.assert_allclose(gram.sum(axis=0), 0, atol=1e-10)
    np.testing.assert_allclose(np.diag(gram)[has].mean(), 1.0)
    np.testing.assert_array_equal(gram[~has], 0)


def test_distances_rescaled_to_the_shared_features_would_not_be_psd():
    """Why missing values of the RBF kernel are integrated out and not rescaled away."""
    X = standardised(60, 5, 1, missing=0.4)
    known = np.isfinite(X).astype(float)
    filled = np.nan_to_num(X)
    squared = filled**2 @ known.T + known @ (filled**2).T - 2 * filled @ filled.T
    rescaled = np.exp(-0.1 * squared * 5 / np.maximum(known @ known.T, 1))
    assert np.linalg.eigvalsh(rescaled)[0] < -1e-3
    assert np.linalg.eigvalsh(np.exp(log_rbf(X, X, 0.1)))[0] > -1e-12


def test_rbf_with_missing_values_is_the_mean_over_draws():
    rng = np.random.default_rng(0)
    one = np.array([[0.5, np.nan, 1.0, np.nan]])
    other = np.array([[1.5, 0.7, np.nan, np.nan]])
    gamma, draws = 0.3, 400_000

    def filled(row: np.ndarray) -> np.ndarray:
        return np.where(np.isnan(row), rng.normal(size=(draws, row.shape[1])), row)

    kernels = np.exp(-gamma * ((filled(one) - filled(other)) ** 2).sum(axis=1))
    expected = np.exp(log_rbf(one, other, gamma))[0, 0]
    assert abs(kernels.mean() - expected) < 4 * kernels.std() / np.sqrt(draws)


def test_rbf_without_missing_values_is_the_gaussian_kernel():
    from sklearn.metrics.pairwise import rbf_kernel

    X = standardised(40, 6, 2)
    kernel = RBFKernel(gamma=0.2)
    np.testing.assert_allclose(
        kernel.gram(X) * kernel.scale_, centre(rbf_kernel(X, gamma=0.2)), atol=1e-12
    )


def test_the_median_heuristic():
    X = standardised(50, 3, 3)
    squared = ((X[:, None] - X[None]) ** 2).sum(axis=2)[np.triu_indices(50, k=1)]
    np.testing.assert_allclose(median_gamma(X), 1 / (2 * np.median(squared)), rtol=1e-12)
    # A quarter of the values lost: about the same width.
    np.testing.assert_allclose(
        median_gamma(standardised(300, 20, 4, missing=0.25)),
        median_gamma(standardised(300, 20, 4)),
        rtol=0.1,
    )


def test_the_median_heuristic_where_most_patients_are_alike():
    X = np.zeros((30, 1))
    X[0] = 1.0
    assert 0 < median_gamma(X) < np.inf


@pytest.mark.parametrize("kind", [*KINDS, PrecomputedKernel])
def test_the_collapsed_function_is_the_weighted_sum_of_centred_kernels(kind):
    weights = np.random.default_rng(5).normal(size=(50, 2))
    X = standardised(50, 4, 6, missing=0.2, absent=10)
    if kind is PrecomputedKernel:
        X = _with_itself(X)
    kernel: Kernel = kind()
    gram = kernel.gram(X)
    kernel.collapse(X, weights)
    np.testing.assert_allclose(kernel.say(X), gram @ weights, atol=1e-10)


def _with_itself(X: np.ndarray) -> np.ndarray:
    """Return the linear kernel with the measured patients; NaN for the others."""
    has = np.isfinite(X).any(axis=1)
    filled = np.nan_to_num(X)
    out = filled @ filled[has].T
    out[~has] = np.nan
    return out


def test_a_linear_kernel_given_or_made_says_the_same_of_new_patients():
    X, new = standardised(50, 4, 7), standardised(20, 4, 8)
    weights = np.random.default_rng(9).normal(size=(50, 1))
    made, given = LinearKernel(), PrecomputedKernel("labs")
    np.testing.assert_allclose(made.gram(X), given.gram(X @ X.T), atol=1e-12)
    made.collapse(X, weights)
    given.collapse(X @ X.T, weights)
    np.testing.assert_allclose(made.say(new), given.say(new @ X.T), atol=1e-10)
    assert not made.keeps_patients
    assert not hasattr(made, "points_")
    assert given.keeps_patients


@pytest.mark.parametrize("kind", KINDS)
def test_a_patient_not_measured_gets_nothing(kind):
    X = standardised(30, 3, 10, absent=5)
    kernel = kind()
    kernel.gram(X)
    kernel.collapse(X, np.ones((30, 1)) * np.arange(30)[:, None])
    new = standardised(4, 3, 11)
    new[1] = np.nan
    said = kernel.say(new)
    assert said[1] == 0
    assert (said[[0, 2, 3]] != 0).all()
    assert kernel.say(new[[1]]) == 0
    assert kernel.say(new[:0]).shape == (0, 1)


def test_the_less_is_known_of_a_patient_the_less_is_said():
    """The row of a patient whose values go missing one by one goes to 0."""
    X = standardised(200, 30, 12)
    kernel = RBFKernel()
    gram = kernel.gram(X)
    weights = np.random.default_rng(0).normal(size=(200, 1))
    kernel.collapse(X, weights - weights.mean())
    sizes = []
    for lost in (0, 15, 29):
        part = X.copy()
        part[:, :lost] = np.nan
        sizes.append(float(np.sqrt((kernel.say(part) ** 2).mean())))
    assert sizes[0] > sizes[1] > sizes[2]
    assert gram.shape == (200, 200)


def test_a_kernel_with_a_negative_eigenvalue_is_refused_with_the_eigenvalue():
    vectors, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))
    bad = vectors @ np.diag([3.0, 2.0, 1.0, 0.5, 0.1, -0.25]) @ vectors.T
    with pytest.raises(InputError, match=r"'images'.*not positive semi-definite.*-0\.25.* 3\."):
        check_kernel(bad, "images")
    check_kernel(vectors @ np.diag([3.0, 2, 1, 0, 0, -1e-12]) @ vectors.T, "images")


def test_a_kernel_that_is_not_symmetric_is_refused():
    with pytest.raises(InputError, match=r"'images' is not symmetric.*0\.5.*0\.25"):
        check_kernel(np.array([[1.0, 0.5], [0.25, 1.0]]), "images")
