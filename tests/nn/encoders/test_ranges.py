"""Settings of encoders: each that cannot be is refused in one sentence, before any training."""

from __future__ import annotations

import numpy as np
import pytest

from consilience.cohort import synthetic_cohort
from consilience.errors import InputError
from consilience.fusion import BilinearSurvival, CrossModalTransformer, IntermediateFusion
from consilience.nn import encoders
from consilience.nn.encoders import MLP, EncoderSettings

KINDS = [
    thing
    for name in encoders.__all__
    if isinstance(thing := getattr(encoders, name), type) and issubclass(thing, EncoderSettings)
]
WRONG = [-1, 2.5, float("nan"), float("inf"), 10**400, "x", True, [], np.array([1, 2]), object()]
NOT = {"frozen": [0, 1, "yes", None]}


@pytest.mark.parametrize("kind", [k for k in KINDS if k is not EncoderSettings])
def test_every_setting_that_cannot_be_is_named(kind):
    settings = kind(None) if kind is encoders.TorchModule else kind()
    settings.check()
    for name in kind._get_param_names():
        if name == "module":
            continue
        for value in NOT.get(name, WRONG):
            other = type(settings)(**{**settings.get_params(deep=False), name: value})
            with pytest.raises(InputError, match=f"^{kind.__name__}: {name} must be") as caught:
                other.check()
            assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


def test_what_a_number_of_numpy_says_is_taken():
    MLP(depth=np.int64(2), hidden=np.int32(8), dropout=np.float32(0.5)).check()


def test_a_method_refuses_them_before_it_sees_a_cohort():
    model = IntermediateFusion(encoders={"a": MLP(dropout=1.0)})
    with pytest.raises(InputError, match="MLP: dropout must be a number of at least 0 and below"):
        model.check_settings()


def test_heads_share_the_width_equally():
    cohort, y = synthetic_cohort(20, modalities=2, features=3, seed=0)
    model = IntermediateFusion(width=6, encoders={"m1": encoders.FeatureTransformer(heads=4)})
    with pytest.raises(InputError, match="the width is 6, which 4 heads cannot share"):
        model.fit(cohort, y)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (IntermediateFusion(width=10**12), "width must be at most 65,536"),
        (IntermediateFusion(members=10**400), "members must be at most 1,000, not 1000.*[.]{3}"),
        (IntermediateFusion(stages=(0, 10**9)), "stages must be at most 256"),
        (CrossModalTransformer(depth=10**9), "depth must be at most 256"),
    ],
)
def test_sizes_that_no_network_has_are_refused(model, said):
    with pytest.raises(InputError, match=said):
        model.check_settings()


def test_a_network_that_memory_does_not_hold_is_told_with_its_settings():
    cohort, _ = synthetic_cohort(20, modalities=3, features=3, seed=0)
    y = np.array(
        [(i % 2 == 0, i + 1.0) for i in range(20)], dtype=[("event", bool), ("time", float)]
    )
    # The product of three vectors of 65,537 numbers is more than can be addressed.
    with pytest.raises(InputError, match="does not fit into memory: lower width"):
        BilinearSurvival(reduced=65_536).fit(cohort, y)
