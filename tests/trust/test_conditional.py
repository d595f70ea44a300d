"""What was not measured, given what was: planted distributions come out of condensed patients."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from consilience.cohort import Cohort, Table
from consilience.cohort.modality import FloatArray
from consilience.errors import InputError
from consilience.study.bundle.background import condensed
from consilience.trust.conditional import Conditionals, conditional
from consilience.trust.plausible import Plausible

MIDDLE, SPREAD = 50.0, 10.0


def correlated(n: int, width: int, rho: float, seed: int) -> tuple[pd.DataFrame, FloatArray]:
    """Return patients of a normal distribution in which all pairs are correlated alike."""
    covariance = np.full((width, width), rho) + np.eye(width) * (1 - rho)
    values = np.random.default_rng(seed).multivariate_normal(np.zeros(width), covariance, size=n)
    names = [f"x{i}" for i in range(width)]
    frame = pd.DataFrame(values * SPREAD + MIDDLE, columns=names)
    return frame.set_axis([f"p{i:04d}" for i in range(n)]), covariance


def cohort_of(**frames: pd.DataFrame) -> Cohort:
    index = next(iter(frames.values())).index
    return Cohort(pd.DataFrame(index=index), {name: Table(f) for name, f in frames.items()})


def background_of(cohort: Cohort) -> Cohort:
    found = condensed(cohort, tuple(cohort.modalities))
    assert found is not None
    return found


def ranges(cohort: Cohort) -> dict[tuple[str, str], Plausible]:
    found = {}
    for name, table in cohort.modalities.items():
        assert isinstance(table, Table)
        for feature in table.numeric_features:
            low, high = np.nanquantile(table.frame[feature].to_numpy(float), (0.01, 0.99))
            found[name, feature] = Plausible(float(low), float(high))
    return found


def patient_of(frame: pd.DataFrame) -> Cohort:
    return cohort_of(labs=frame.set_axis(["new"]))


@pytest.mark.parametrize("width", [2, 5, 20])
@pytest.mark.parametrize("rho", [0.0, 0.5, 0.8])
def test_the_conditional_normal_distribution_is_recovered(width: int, rho: float) -> None:
    """Mean within 0.15, deviation within 15 % of the truth, averaged over five cohorts."""
    said = []
    for seed in range(5):
        frame, covariance = correlated(400, width, rho, seed)
        cohort = cohort_of(labs=frame)
        new = pd.DataFrame([[np.nan] + [MIDDLE + SPREAD] * (width - 1)], columns=frame.columns)
        found = conditional(
            patient_of(new), background_of(cohort), [("labs", "x0")], ranges(cohort)
        )
        key = ("labs", "x0")
        said.append([(found.middle(key) - MIDDLE) / SPREAD, found.deviation(key) / SPREAD])
        drawn = np.asarray(found.draws(400)[key], dtype=float)
        assert abs(drawn.mean() - found.middle(key)) < 0.2 * SPREAD
    slope = np.linalg.solve(covariance[1:, 1:], covariance[1:, 0])
    mean, deviation = np.mean(said, axis=0)
    assert mean == pytest.approx(slope.sum(), abs=0.15)
    assert deviation == pytest.approx(np.sqrt(1 - slope @ covariance[1:, 0]), rel=0.15)


def test_condensed_patients_alone_would_say_too_little_spread() -> None:
    frame, _ = correlated(400, 20, 0.2, seed=0)
    cohort = cohort_of(labs=frame)
    new = frame.iloc[:1].assign(x0=np.nan)
    asked = (patient_of(new), background_of(cohort), [("labs", "x0")])
    without, within = conditional(*asked), conditional(*asked, ranges(cohort))
    truth = 0.82 * SPREAD  # residual of one of 20 with correlation 0.2
    assert without.deviation(("labs", "x0")) < 0.7 * truth
    assert within.deviation(("labs", "x0")) == pytest.approx(truth, rel=0.2)


def test_of_a_patient_of_whom_nothing_is_known_everybody_is_told() -> None:
    frame, _ = correlated(300, 3, 0.5, seed=1)
    cohort = cohort_of(labs=frame, other=frame[["x0"]])
    new = cohort_of(other=pd.DataFrame({"x0": [np.nan]}, index=["new"]))
    found = conditional(new, background_of(cohort), [("labs", "x1")], ranges(cohort))
    assert found.middle(("labs", "x1")) == pytest.approx(frame["x1"].mean(), abs=1.0)
    assert found.deviation(("labs", "x1")) == pytest.approx(frame["x1"].std(), rel=0.1)


def test_features_of_a_whole_modality_are_drawn_together() -> None:
    frame, _ = correlated(600, 6, 0.7, seed=2)
    cohort = cohort_of(labs=frame[["x0", "x1"]], rna=frame[["x2", "x3", "x4", "x5"]])
    new = cohort_of(labs=frame[["x0", "x1"]].iloc[:1].set_axis(["new"]))
    keys = [("rna", f"x{i}") for i in range(2, 6)]
    drawn = conditional(new, background_of(cohort), keys, ranges(cohort)).draws(2000)
    together = np.corrcoef([np.asarray(drawn[key], dtype=float) for key in keys])
    # Two of them explain this share of each other one's variance, and of their covariance.
    explained = 2 * 0.7**2 / 1.7
    partial = (0.7 - explained) / (1 - explained)
    off = together[np.triu_indices(4, 1)]
    assert off.mean() == pytest.approx(partial, abs=0.1)


def test_shares_of_yes_and_of_levels_follow_what_is_known() -> None:
    rng = np.random.default_rng(3)
    marker = rng.normal(size=800)
    high = rng.random(800) < 1 / (1 + np.exp(-3 * marker))
    frame = pd.DataFrame(
        {
            "marker": marker,
            "yes": high.astype(float),
            "stage": np.where(rng.random(800) < 1 / (1 + np.exp(-3 * marker)), "late", "early"),
        },
        index=[f"p{i:03d}" for i in range(800)],
    )
    cohort = cohort_of(labs=frame)
    shares = {}
    for value in (-1.5, 1.5):
        new = pd.DataFrame({"marker": [value], "yes": [np.nan], "stage": [None]}, index=["new"])
        table = Table(new, kinds={"yes": "binary", "stage": "categorical"})
        patient = Cohort(pd.DataFrame(index=new.index), {"labs": table})
        keys = [("labs", "yes"), ("labs", "stage")]
        drawn = conditional(patient, background_of(cohort), keys, ranges(cohort)).draws(1000)
        assert set(np.unique(drawn["labs", "yes"])) <= {0.0, 1.0}
        assert set(drawn["labs", "stage"]) <= {"early", "late"}
        late = np.mean([level == "late" for level in drawn["labs", "stage"]])
        shares[value] = (float(np.mean(drawn["labs", "yes"])), float(late))
    for low, up in zip(shares[-1.5], shares[1.5], strict=True):
        assert low < 0.2  # the truth is 0.01 and 0.99; a line is fitted to a curve
        assert up > 0.8


def test_counts_are_whole_and_draws_stay_in_range() -> None:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(
        {"visits": rng.poisson(3, 200).astype(float), "age": rng.normal(60, 10, 200)},
        index=[f"p{i:03d}" for i in range(200)],
    )
    cohort = cohort_of(labs=frame)
    new = Table(frame.iloc[:1].assign(visits=np.nan).set_axis(["new"]), kinds={"visits": "count"})
    patient = Cohort(pd.DataFrame(index=["new"]), {"labs": new})
    known = ranges(cohort)
    drawn = conditional(patient, background_of(cohort), [("labs", "visits")], known).draws(300)
    values = np.asarray(drawn["labs", "visits"], dtype=float)
    low, high = known["labs", "visits"][:2]
    assert (values == np.rint(values)).all()
    assert low is not None and high is not None
    assert values.min() >= np.floor(low) and values.max() <= np.ceil(high)


def test_the_same_patient_has_the_same_draws() -> None:
    frame, _ = correlated(100, 4, 0.5, seed=5)
    background = background_of(cohort_of(labs=frame))
    patient = patient_of(frame.iloc[:1].assign(x0=np.nan))
    one, two = (
        conditional(patient, background, [("labs", "x0")]).draws(50, seed=7)["labs", "x0"]
        for _ in range(2)
    )
    assert np.array_equal(one, two)


def test_who_is_far_out_does_not_carry_the_mean_out_of_the_world() -> None:
    frame, _ = correlated(200, 3, 0.8, seed=6)
    cohort = cohort_of(labs=frame)
    new = pd.DataFrame([[np.nan, 1e6, 1e6]], columns=frame.columns)
    found = conditional(patient_of(new), background_of(cohort), [("labs", "x0")], ranges(cohort))
    assert found.middle(("labs", "x0")) < MIDDLE + 6 * SPREAD


def test_an_unknown_feature_and_several_patients_are_refused() -> None:
    frame, _ = correlated(60, 3, 0.5, seed=7)
    cohort = cohort_of(labs=frame)
    background = background_of(cohort)
    with pytest.raises(InputError, match="have no 'ldh' in 'labs'"):
        conditional(patient_of(frame.iloc[:1]), background, [("labs", "ldh")])
    with pytest.raises(InputError, match="one patient is asked about at a time, not 60"):
        Conditionals(cohort, background)
