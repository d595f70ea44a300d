import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from consilience.cohort import Cohort, Table
from consilience.records import Contribution, Explanation
from consilience.trust.number import EventWithin, Number, PredictedValue, ProbabilityOf
from consilience.trust.words import OTHERS, FeatureNote, worded

ONE = ProbabilityOf("probability of relapse", "1")
LDH = {("labs", "ldh"): FeatureNote("LDH", "U/L", (135, 225))}


def part(effect, feature="ldh", value="612 U/L", modality="labs") -> Contribution:
    return Contribution(modality=modality, feature=feature, value=value, effect=effect)


def explained(*parts: Contribution, baseline: float, scale: str = "log odds") -> Explanation:
    return Explanation(
        patient="p", outcome="o", model="m", method="by hand", scale=scale,
        baseline=baseline, contributions=parts,
    )  # fmt: skip


def sentences(explanation, number: Number = ONE, notes=LDH, group=None, **options) -> list[str]:
    told = worded(explanation, notes, number, group, **options)
    return [one.sentence for one in told.contributions]


def between(low: float, high: float) -> float:
    return float(logit(high) - logit(low))


def test_a_value_beyond_its_reference_raises_the_number():
    why = explained(part(between(0.18, 0.27)), baseline=float(logit(0.18)))
    told = worded(why, LDH, ONE)
    own = told.contributions[0]
    assert own.sentence == (
        "LDH 612 U/L, high (usual 135 to 225), raises the probability from 18 % to 27 %."
    )
    assert (own.value, own.usual, own.effect) == ("612 U/L", "135 to 225", between(0.18, 0.27))


def test_a_risk_is_called_a_risk_and_may_be_lowered():
    number = EventWithin("probability of death", 365.0)
    at = [float(number.linked(np.array([p]))[0]) for p in (0.30, 0.22)]
    why = explained(part(at[1] - at[0], value="100 U/L"), baseline=at[0])
    assert sentences(why, number) == [
        "LDH 100 U/L, low (usual 135 to 225), lowers the risk from 30 % to 22 %."
    ]


@pytest.mark.parametrize(
    ("reference", "words"),
    [((None, 225.0), "high (usual up to 225)"), ((700.0, None), "low (usual 700 or more)"),
     ((500, 700), "normal (usual 500 to 700)"), ((None, None), None)],
)  # fmt: skip
def test_ranges_may_have_one_end(reference, words):
    notes = {("labs", "ldh"): FeatureNote("LDH", "U/L", reference)}
    said = sentences(explained(part(1.0), baseline=0.0), notes=notes)[0]
    assert said.startswith(f"LDH 612 U/L, {words}, raises" if words else "LDH 612 U/L raises")


def test_the_chain_leads_from_the_baseline_to_the_number():
    effects = [between(0.1, 0.2), between(0.2, 0.6), between(0.6, 0.3)]
    parts = [part(e, f"f{i}", "1") for i, e in enumerate(effects)]
    said = sentences(explained(*parts, baseline=float(logit(0.1))), notes={})
    # The largest first: 1.79, then -1.25, then 0.81.
    assert said == [
        "f1 1 raises the probability from 10 % to 40 %.",
        "f2 1 lowers the probability from 40 % to 16 %.",
        "f0 1 raises the probability from 16 % to 30 %.",
    ]


def test_small_ones_are_summed_up_without_loss_and_zeros_go_unsaid():
    rng = np.random.default_rng(0)
    effects = [*rng.normal(size=40).tolist(), 0.0, 0.0]
    parts = [part(e, f"f{i}", "1") for i, e in enumerate(effects)]
    why = explained(*parts, baseline=-1.0)
    told = worded(why, {}, ONE, most=5)
    assert len(told.contributions) == 6
    last = told.contributions[-1]
    assert (last.modality, last.feature, last.value) == (OTHERS, None, "35 features")
    assert last.sentence.startswith("The other 35 features together ")
    assert sum(c.effect for c in told.contributions) == pytest.approx(sum(effects), abs=1e-12)
    whole = worded(why, {}, ONE, most=39)  # one that would be left alone is said itself
    assert len(whole.contributions) == 40


def test_what_hardly_changes_it_says_so():
    why = explained(part(between(0.300, 0.302)), baseline=float(logit(0.3)))
    assert sentences(why, notes={}) == ["Ldh 612 U/L hardly changes the probability (30 %)."]
    rare = explained(part(between(0.011, 0.0114)), baseline=float(logit(0.011)))
    assert sentences(rare, notes={}) == ["Ldh 612 U/L hardly changes the probability (1.1 %)."]


def test_digits_are_added_until_the_numbers_differ():
    why = explained(part(between(0.301, 0.3071)), baseline=float(logit(0.301)))
    assert "from 30 % to 31 %" in sentences(why)[0]
    why = explained(part(between(0.011, 0.0174)), baseline=float(logit(0.011)))
    assert "from 1 % to 2 %" in sentences(why)[0]
    why = explained(part(between(0.2951, 0.3049)), baseline=float(logit(0.2951)))
    assert "from 29.5 % to 30.5 %" in sentences(why)[0]


def test_gaps_categories_and_whole_modalities():
    why = explained(
        part(3.0, "stage", "III"), part(2.0, "ldh", "not measured"),
        part(1.5, None, "not measured", "mri"), part(-1.2, None, "measured", "rna"),
        baseline=-4.0,
    )  # fmt: skip
    said = sentences(why)
    assert said[0].startswith("Stage III raises")
    assert said[1].startswith("LDH, not measured, raises")
    assert said[2].startswith("That mri was not measured raises")
    assert said[3].startswith("That rna was measured lowers")


def test_without_a_range_a_value_is_set_against_the_group():
    ids = [f"p{i}" for i in range(50)]
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"ldh": rng.normal(200, 20, 50), "mutated": [1.0] * 10 + [0.0] * 40}, index=ids
    )
    group = Cohort(pd.DataFrame(index=ids), {"labs": Table(frame)})
    mean = f"{frame['ldh'].mean():.3g}"
    for value, words in [
        (612, "high for"), (50, "low for"), (230, "rather high for"), (170, "rather low for"),
        (200, "usual for"),
    ]:  # fmt: skip
        why = explained(part(1.0, value=f"{value}"), baseline=0.0)
        said = sentences(why, notes={("labs", "ldh"): FeatureNote("LDH")}, group=group)[0]
        assert said.startswith(f"LDH {value}, {words} comparable patients ({mean} on average),")
    for value, share in [(1, 20), (0, 80)]:
        why = explained(part(1.0, "mutated", f"{value}"), baseline=0.0)
        said = sentences(why, group=group)[0]
        assert said.startswith(f"Mutated {value}, as {share} % of comparable patients, raises")
    frame["mutated"] = [1.0] + [0.0] * 49
    rare = Cohort(
        pd.DataFrame(index=[f"p{i}" for i in range(500)]),
        {
            "labs": Table(
                pd.concat([frame, *[frame.assign(mutated=0.0)] * 9]).set_axis(
                    [f"p{i}" for i in range(500)]
                )
            )
        },
    )
    why = explained(part(1.0, "mutated", "1"), baseline=0.0)
    assert sentences(why, group=rare)[0].startswith("Mutated 1, as under 1 % of comparable")
    unknown = explained(part(1.0, "other", "3"), baseline=0.0)
    assert sentences(unknown, group=group)[0].startswith("Other 3 raises")


def test_values_are_told_in_their_unit():
    number = PredictedValue("length of stay", "days")
    why = explained(part(1.5), part(-0.001, "age", "70"), baseline=4.0, scale="days")
    said = sentences(why, number)
    assert said[0] == (
        "LDH 612 U/L, high (usual 135 to 225), raises the prediction from 4 days to 5.5 days."
    )
    assert said[1] == "Age 70 hardly changes the prediction (5.5 days)."
