"""A bundle from a stranger runs none of his code: forged files, each refused in one sentence."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC
from tests.laws.cohorts import complete_cohort, gappy_cohort

from consilience.cohort import Binary
from consilience.errors import InputError
from consilience.fusion import EarlyFusion
from consilience.study.bundle import Bundle, audit
from consilience.study.bundle.safe_model import _canonical, dump_model, load_model

Change = Callable[[dict[str, Any]], None]
COHORT, Y = gappy_cohort("binary", 60)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("safety") / "bundle"
    model = EarlyFusion(RandomForestClassifier(3, random_state=0)).fit(COHORT, Y)
    Bundle.of(model, COHORT, Binary("y")).save(folder)
    return folder


@pytest.fixture
def bundle(original, tmp_path):
    """A copy to spoil."""
    return Path(shutil.copytree(original, tmp_path / "bundle"))


@pytest.fixture
def canary(tmp_path):
    """A file that code in a forged bundle would make."""
    return tmp_path / "canary"


def put(folder: Path, name: str, data: bytes) -> None:
    """Put a file into a bundle, and its sum into the manifest, as a stranger could."""
    (folder / name).write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = hashlib.sha256(data).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def rezipped(data: bytes, change: Change = lambda schema: None, **members: bytes) -> bytes:
    """Return a model file with its schema changed and members added or replaced."""
    target = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as source,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        schema = json.loads(source.read("schema.json"))
        change(schema)
        archive.writestr("schema.json", members.pop("schema.json", json.dumps(schema)))
        for name in source.namelist():
            if name != "schema.json" and name not in members:
                archive.writestr(name, source.read(name))
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


def forge(folder: Path, change: Change) -> None:
    put(folder, "model.skops", rezipped((folder / "model.skops").read_bytes(), change))


def refused(folder: Path, file: str, *words: str) -> None:
    with pytest.raises(InputError) as caught:
        Bundle.load(folder)
    sentence = str(caught.value)
    assert str(folder / file) in sentence
    assert "\n" not in sentence
    for word in words:
        assert word in sentence


def node(kind: str, module: str, name: str, **more: Any) -> dict[str, Any]:
    return {"__class__": name, "__module__": module, "__loader__": kind, **more}


def text(value: Any) -> dict[str, Any]:
    return node("JsonNode", "builtins", "str", content=json.dumps(value), is_json=True)


def listed(*nodes: Any, kind: str = "ListNode", name: str = "list") -> dict[str, Any]:
    return node(kind, "builtins", name, content=list(nodes))


def attacks(command: str) -> dict[str, dict[str, Any]]:
    """Return what a stranger might put in a model: by name, nodes that would run a command."""
    arguments = listed(text(command), kind="TupleNode", name="tuple")
    keyed = listed(node("TypeNode", "os", "system"))
    empty = node("DictNode", "builtins", "dict", content={}, key_types=listed())
    method = {"func": "write_text", "obj": node("ObjectNode", "pathlib", "Path", content=None)}
    partial = {
        "func": node("FunctionNode", "os", "system"),
        "args": arguments,
        "kwds": empty,
        "namespace": text(None),
    }
    dictionary = {command: text(1)}
    return {
        "function": node("FunctionNode", "os", "system"),
        "type": node("TypeNode", "builtins", "eval"),
        "object": node("ObjectNode", "builtins", "eval", content=None),
        "constructor": node("ConstructorFromReduceNode", "subprocess", "Popen", content=arguments),
        "constructor of an allowed type": node(
            "ConstructorFromReduceNode", "builtins", "str", content=arguments
        ),
        "methodcaller": node("OperatorFuncNode", "operator", "methodcaller", attrs=arguments),
        "operator under another name": node(
            "OperatorFuncNode", "operator", "call", attrs=arguments
        ),
        "method": node("MethodNode", "pathlib", "Path", content=method),
        "method of an allowed type": node(
            "MethodNode",
            "sklearn.linear_model._logistic",
            "LogisticRegression",
            content={"func": "__reduce_ex__", "obj": text(1)},
        ),
        "partial": node("PartialNode", "functools", "partial", content=partial),
        "list that is a function": node("ListNode", "os", "system", content=[text(command)]),
        "set that is a function": node("SetNode", "os", "system", content=[text(command)]),
        "array that is a function": node(
            "NdArrayNode", "os", "system", type="json", content=[], shape=arguments
        ),
        "loss that is a function": node(
            "LossNode", "os", "system", __reduce__={"args": arguments}, content=empty
        ),
        "keys made by a function": node(
            "DictNode", "builtins", "dict", content=dictionary, key_types=keyed
        ),
        "keys made by an allowed function": node(
            "DictNode",
            "builtins",
            "dict",
            content=dictionary,
            key_types=listed(node("FunctionNode", "numpy", "log1p")),
        ),
        "dict with a factory": node(
            "DefaultDictNode",
            "collections",
            "defaultdict",
            content={"main": empty, "default_factory": node("TypeNode", "os", "getcwd")},
        ),
        "dotted class": node("ObjectNode", "sklearn", "linear_model._logistic.LogisticRegression"),
        "what skops trusts and we do not": node(
            "ObjectNode", "sklearn.feature_extraction.text", "CountVectorizer", content=empty
        ),
        "unknown loader": node("PickleNode", "builtins", "dict", content=arguments),
        "loader that is no text": {**empty, "__loader__": ["DictNode"]},
        "part without a loader": {"__class__": "system", "__module__": "os", "__id__": 3},
    }


REASONS = {
    "keys made by an allowed function": "keys are made by something else",
    "dotted class": "not written as a type",
    "loader that is no text": "not written as a type",
    "part without a loader": "does not say what it is",
}


@pytest.mark.parametrize("name", attacks(""))
def test_no_forged_node_is_run(bundle, canary, name):
    attack = attacks(f"touch {canary}")[name]
    forge(bundle, lambda schema: schema["content"]["content"].update(encoders=attack))
    refused(bundle, "model.skops", REASONS.get(name, "not on the list of safe types"))
    assert not canary.exists()


def test_such_a_node_would_run_where_its_types_are_trusted_unseen(bundle, canary):
    """The attack is real: what is refused above is no straw man."""
    attack = attacks(f"touch {canary}")["keys made by a function"]
    forge(bundle, lambda schema: schema["content"]["content"].update(encoders=attack))
    data = (bundle / "model.skops").read_bytes()
    skops.io.loads(data, trusted=skops.io.get_untrusted_types(data=data))
    assert canary.exists()


def test_no_module_is_imported_that_is_not_on_the_list(bundle, canary, tmp_path, monkeypatch):
    (tmp_path / "stranger_module.py").write_text(f"open({str(canary)!r}, 'w').close()\n")
    monkeypatch.syspath_prepend(tmp_path)
    attack = node("ObjectNode", "stranger_module", "Learner", content=None)
    forge(bundle, lambda schema: schema["content"]["content"].update(encoders=attack))
    refused(bundle, "model.skops", "stranger_module.Learner", "trust")
    assert "stranger_module" not in sys.modules
    assert not canary.exists()


@pytest.mark.parametrize("protocol", [0, 1, None, True, "2", 99])
def test_old_and_unknown_protocols_are_refused(bundle, protocol):
    forge(bundle, lambda schema: schema.update(protocol=protocol))
    refused(bundle, "model.skops", "protocol")


def test_a_number_given_twice_is_refused(bundle):
    """skops would build the first and never look at the second."""

    def change(schema):
        first = next(n for n in audit.nodes_of(schema) if n["__loader__"] == "ObjectNode")
        learner = node("ObjectNode", "sklearn.linear_model._logistic", "LogisticRegression")
        schema["content"]["content"]["encoders"] = {**learner, "__id__": first["__id__"]}

    forge(bundle, change)
    refused(bundle, "model.skops", "same number")


def test_deep_nesting_is_refused(bundle):
    deep = text(1)
    for _ in range(400):
        deep = listed(deep)
    forge(bundle, lambda schema: schema["content"]["content"].update(encoders=deep))
    refused(bundle, "model.skops", "deeply")


def test_nesting_beyond_the_parser_is_refused(bundle):
    data = (bundle / "model.skops").read_bytes()
    put(bundle, "model.skops", rezipped(data, **{"schema.json": b"[" * 200_000}))
    refused(bundle, "model.skops", "deeply")


def test_a_pickle_in_place_of_the_model_is_refused(bundle, canary):
    class Payload:
        def __reduce__(self):
            return os.system, (f"touch {canary}",)

    put(bundle, "model.skops", pickle.dumps(Payload()))
    refused(bundle, "model.skops", "no model file")
    assert not canary.exists()


def test_a_pickled_array_is_refused(bundle, canary):
    class Payload:
        def __reduce__(self):
            return os.system, (f"touch {canary}",)

    array = io.BytesIO()
    np.save(array, np.array([Payload()], dtype=object), allow_pickle=True)
    data = (bundle / "model.skops").read_bytes()
    put(bundle, "model.skops", rezipped(data, **{"1.npy": array.getvalue()}))
    refused(bundle, "model.skops", "pickle")
    assert not canary.exists()


def test_an_array_that_promises_more_than_it_holds_is_refused(bundle):
    array = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**13,)}
    np.lib.format.write_array_header_1_0(array, header)
    data = (bundle / "model.skops").read_bytes()
    put(bundle, "model.skops", rezipped(data, **{"1.npy": array.getvalue()}))
    refused(bundle, "model.skops", "not as long as it says")


@pytest.mark.parametrize("name", ["../outside.npy", "/outside.npy", "a/b.npy", "..\\x.npy", "x.py"])
def test_strange_members_are_refused(bundle, name):
    data = (bundle / "model.skops").read_bytes()
    put(bundle, "model.skops", rezipped(data, **{name: b"x"}))
    refused(bundle, "model.skops", "no model file has")


def test_a_zip_bomb_is_refused_before_it_is_unpacked(bundle, monkeypatch):
    monkeypatch.setattr(audit, "LARGEST", 2**20)
    data = (bundle / "model.skops").read_bytes()
    put(bundle, "model.skops", rezipped(data, **{"9999.npy": bytes(2**22)}))
    assert (bundle / "model.skops").stat().st_size < 2**20
    refused(bundle, "model.skops", "would unpack to")


def test_a_bomb_that_says_it_is_small_is_refused(bundle):
    """The size that counts is the one in the directory: no more than it is unpacked."""
    data = rezipped((bundle / "model.skops").read_bytes(), **{"9999.npy": bytes(2**22)})
    size = (2**22).to_bytes(4, "little")
    assert size in data
    put(bundle, "model.skops", data.replace(size, (64).to_bytes(4, "little")))
    refused(bundle, "model.skops")


# --- the folder -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["model.skops", "schema.json", "calibration.json", "provenance.json", "model-card.md"]
)
class TestEveryFile:
    def test_missing(self, bundle, name):
        (bundle / name).unlink()
        refused(bundle, name, "lacks")

    def test_changed(self, bundle, name):
        (bundle / name).write_bytes((bundle / name).read_bytes() + b" ")
        refused(bundle, name, "SHA-256")

    def test_cut_short(self, bundle, name):
        data = (bundle / name).read_bytes()
        (bundle / name).write_bytes(data[: len(data) // 2])
        refused(bundle, name, "SHA-256")

    def test_cut_short_with_the_right_sum(self, bundle, name):
        data = (bundle / name).read_bytes()
        put(bundle, name, data[: len(data) // 2] + b"\xff")
        refused(bundle, name)

    def test_a_link_out_of_the_folder(self, bundle, name, tmp_path):
        outside = tmp_path / "outside"
        shutil.move(bundle / name, outside)
        (bundle / name).symlink_to(outside)
        refused(bundle, name, "link")

    def test_a_folder_in_its_place(self, bundle, name):
        (bundle / name).unlink()
        (bundle / name).mkdir()
        refused(bundle, name)

    def test_a_pipe_in_its_place_does_not_hang(self, bundle, name):
        (bundle / name).unlink()
        os.mkfifo(bundle / name)
        refused(bundle, name, "no plain file")

    def test_not_named_in_the_manifest(self, bundle, name):
        manifest = json.loads((bundle / "manifest.json").read_text())
        del manifest["files"][name]
        (bundle / "manifest.json").write_text(json.dumps(manifest))
        refused(bundle, "manifest.json", name)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "model.pkl", "sub/model.skops"])
def test_a_manifest_names_nothing_else(bundle, name):
    put(bundle, "model-card.md", b"fine")
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["files"][name] = "0" * 64
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    refused(bundle, "manifest.json", "no bundle has")


def test_a_newer_format_is_refused_whatever_else_it_has(bundle):
    (bundle / "manifest.json").write_text(json.dumps({"format": 2, "novelty": True}))
    refused(bundle, "manifest.json", "format 2", "newer")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": "one"}', b"\xff\xfe", b"null"])
def test_a_spoilt_manifest_is_refused(bundle, content):
    (bundle / "manifest.json").write_bytes(content)
    refused(bundle, "manifest.json")


def test_no_folder_and_no_bundle(tmp_path):
    refused(tmp_path / "nothing", "", "no such folder")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "manifest.json", "lacks")


def test_a_model_that_is_none_is_refused(bundle):
    put(bundle, "model.skops", dump_model(LogisticRegression().fit([[0.0], [1.0]], [0, 1])))
    refused(bundle, "model.skops", "does not read")


# --- numbers that compiled code would follow out of memory --------------------------------------


def forged(model: Any) -> bytes:
    """Return a model's file as a stranger would write it, past the checks on saving."""
    return _canonical(skops.io.dumps(model))


def bare(learner: Any) -> tuple[Any, Any]:
    """Return a fitted fusion on a complete cohort, and its learner."""
    cohort, y, _ = complete_cohort("binary", 80)
    model = EarlyFusion(learner).fit(cohort, y)
    return model, model.expert_.learner_


def not_loaded(model: Any, *words: str) -> None:
    with pytest.raises(InputError, match=r"model\.skops") as caught:
        load_model(forged(model), "model.skops")
    for word in words:
        assert word in str(caught.value)


def with_nodes(tree: Any, **columns: int) -> None:
    """Put numbers into the root of a decision tree."""
    state = tree.tree_.__getstate__()
    for name, value in columns.items():
        state["nodes"][name][0] = value
    tree.tree_.__setstate__(state)


@pytest.mark.parametrize(
    "column",
    [
        {"feature": 10**6},
        {"feature": -7},
        {"left_child": 10**6},
        {"right_child": -2},
        {"left_child": 0},
    ],
    ids=str,
)
def test_a_tree_out_of_bounds_is_refused(column):
    model, forest = bare(RandomForestClassifier(2, random_state=0))
    load_model(forged(model), "model.skops")
    with_nodes(forest.estimators_[1], **column)
    not_loaded(model, "tree")


def with_count(model: Any, count: int) -> bytes:
    def change(schema):
        states = [n for n in audit.nodes_of(schema) if "node_count" in n.get("content", ())]
        states[0]["content"]["node_count"]["content"] = str(count)

    return rezipped(forged(model), change)


@pytest.mark.parametrize("count", [-1, 0])
def test_a_tree_with_an_impossible_number_of_nodes_is_refused(count):
    model, _ = bare(RandomForestClassifier(2, random_state=0))
    with pytest.raises(InputError, match="more nodes than it has"):
        load_model(with_count(model, count), "model.skops")


def test_a_tree_that_says_it_has_more_nodes_is_read_as_far_as_it_goes():
    """scikit-learn brings the count down; were it not so, it would be refused."""
    model, _ = bare(RandomForestClassifier(2, random_state=0))
    cohort, _, _ = complete_cohort("binary", 80)
    back = load_model(with_count(model, 10**6), "model.skops")
    np.testing.assert_array_equal(back.values(cohort), model.values(cohort))


def test_a_tree_of_more_features_than_the_forest_is_refused():
    model, forest = bare(RandomForestClassifier(2, random_state=0))
    forest.n_features_in_ = 2
    not_loaded(model, "other features")
    for tree in forest.estimators_:
        tree.n_features_in_ = 2
    not_loaded(model, "other features")


def test_a_tree_whose_constructor_would_read_too_far_is_refused():
    model, _ = bare(RandomForestClassifier(2, random_state=0))

    def change(schema):
        tree = next(n for n in audit.nodes_of(schema) if n["__loader__"] == "TreeNode")
        tree["__reduce__"]["args"]["content"][2]["content"] = "1000"

    with pytest.raises(InputError, match="impossible sizes"):
        load_model(rezipped(forged(model), change), "model.skops")


@pytest.mark.parametrize("column", ["left", "right", "feature_idx", "is_categorical"])
def test_a_histogram_tree_out_of_bounds_is_refused(column):
    model, boosting = bare(HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=5))
    load_model(forged(model), "model.skops")
    boosting._predictors[0][0].nodes[column][0] = 200
    not_loaded(model, "tree")


def test_boosting_that_would_write_beyond_its_outputs_is_refused():
    model, boosting = bare(GradientBoostingClassifier(n_estimators=2, random_state=0))
    load_model(forged(model), "model.skops")
    boosting.estimators_ = np.hstack([boosting.estimators_] * 3)
    not_loaded(model, "more stages than outputs")


@pytest.mark.parametrize("name", ["_n_support", "support_", "_dual_coef_", "_intercept_"])
def test_support_vectors_that_do_not_add_up_are_refused(name):
    model, calibrated = bare(SVC())
    load_model(forged(model), "model.skops")
    vectors = calibrated.calibrated_classifiers_[0].estimator
    setattr(vectors, name, getattr(vectors, name)[..., :-1].copy())
    not_loaded(model)


def test_an_attribute_in_the_place_of_a_method_is_refused():
    model, forest = bare(RandomForestClassifier(2, random_state=0))
    forest.__dict__["_validate_X_predict"] = np.tanh
    not_loaded(model, "_validate_X_predict")


# --- what is not on the list is refused when it is saved ----------------------------------------


class OwnLearner(LogisticRegression):
    """A learner that somebody wrote himself."""


def test_an_own_learner_is_refused_at_saving_and_loaded_if_vouched_for(tmp_path):
    own = f"{OwnLearner.__module__}.{OwnLearner.__qualname__}"
    model = EarlyFusion(OwnLearner()).fit(COHORT, Y)
    with pytest.raises(InputError, match=own.replace(".", r"\.")) as caught:
        Bundle.of(model, COHORT, Binary("y"))
    assert "trust" in str(caught.value)

    Bundle.of(model, COHORT, Binary("y"), trust=[own]).save(tmp_path / "own")
    refused(tmp_path / "own", "model.skops", own)
    back = Bundle.load(tmp_path / "own", trust=[own])
    np.testing.assert_array_equal(back.model.values(COHORT), model.values(COHORT))


def test_a_function_is_refused_at_saving():
    from sklearn.preprocessing import FunctionTransformer

    model = EarlyFusion(
        LogisticRegression(), encoders={"beta": FunctionTransformer(np.nan_to_num)}
    ).fit(COHORT, Y)
    with pytest.raises(InputError, match="nan_to_num"):
        Bundle.of(model, COHORT, Binary("y"))
