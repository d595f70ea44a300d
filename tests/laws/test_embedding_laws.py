"""What every embedding must hold beside what every method must: found by its export alone."""

from __future__ import annotations

import dataclasses
import itertools
import json
from functools import cache
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from tests.laws.cohorts import NAMES
from tests.laws.methods import SINGLE, build, data, methods

from consilience.cohort import Cohort
from consilience.fusion.deep import DeepFusion
from consilience.fusion.deep_embedding import DeepEmbedding
from consilience.fusion.discovery import Components, Groups, Path, Weights
from consilience.fusion.embedding import Embedding
from consilience.study.bundle.safe_model import dump_model, load_model

EMBEDDINGS = sorted(
    name for name, method in methods().items() if issubclass(method, Embedding | DeepEmbedding)
)
every_embedding = pytest.mark.parametrize("name", EMBEDDINGS)


@cache
def cohort() -> Cohort:
    return data("binary")[0]


def unfitted(name: str) -> Any:
    method = methods()[name]
    nothing = "outcome" if issubclass(method, DeepEmbedding) else "learner"
    return build(method, "binary", {nothing: None})


@cache
def fitted(name: str) -> Any:
    return unfitted(name).fit(cohort())


def same(name: str, one: Any, other: Any, exact: float) -> None:
    deep = issubclass(methods()[name], DeepFusion)
    np.testing.assert_allclose(one, other, rtol=0, atol=SINGLE if deep else exact)


@every_embedding
def test_no_outcome_is_needed_and_it_is_the_same_again(name):
    first = fitted(name).transform(cohort())
    same(name, clone(fitted(name)).fit(cohort()).transform(cohort()), first, 0.0)
    nothing = ~cohort().measured.to_numpy().any(axis=1)
    np.testing.assert_array_equal(np.isnan(first).any(axis=1), nothing)
    assert first[~nothing].std(axis=0).max() > 0


@every_embedding
def test_the_order_of_patients_changes_nothing(name):
    order = np.random.default_rng(1).permutation(len(cohort()))
    shuffled = unfitted(name).fit(cohort()[order])
    same(name, shuffled.transform(cohort()), fitted(name).transform(cohort()), 1e-10)


@every_embedding
def test_rows_are_placed_one_by_one(name):
    whole = fitted(name).transform(cohort())
    alone = np.vstack([fitted(name).transform(cohort()[[i]]) for i in range(15)])
    same(name, alone, whole[:15], 1e-12)


@every_embedding
def test_any_pattern_of_missing_modalities_has_a_place(name):
    whole = cohort().complete()
    for size in (1, 2):
        for kept in itertools.combinations(NAMES, size):
            part = Cohort(whole.patients, {each: whole.modalities[each] for each in kept})
            assert np.isfinite(fitted(name).transform(part)).all()


@every_embedding
def test_loading_changes_no_place(name):
    back = load_model(dump_model(fitted(name)), "model.skops")
    np.testing.assert_array_equal(back.transform(cohort()), fitted(name).transform(cohort()))


@pytest.mark.parametrize("name", sorted(methods()))
def test_what_a_method_found_is_plain_data(name):
    method = methods()[name]
    kind = sorted(method.learns)[0]
    patients, y = data(kind)
    model = build(method, kind, {}).fit(patients, y)
    for found in model.discoveries():
        assert isinstance(found, Components | Weights | Path | Groups)
        assert found.title
        assert json.loads(json.dumps(dataclasses.asdict(found), allow_nan=False))
