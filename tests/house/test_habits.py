"""Habits that a linter does not know."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import consilience

BARRED_FILES = {"utils.py", "util.py", "helpers.py", "misc.py", "common.py"}
TEXT = {".py", ".md", ".toml", ".yml", ".yaml", ".cff", ".txt", ".html", ".css", ".js", ".json", ""}

# A path that exists on one machine only, put together so that this file is not found.
MACHINE_PATH = re.compile(
    r"(?<![\w.\-/~$}:])/(?:" + "|".join(["work", "root", "home", "Users"]) + r")/\w"
)


def nodes(sources: dict[Path, ast.Module], *kinds: type) -> Iterator[tuple[str, ast.AST]]:
    """Yield every node of some kinds, with where it stands."""
    for path, tree in sources.items():
        for node in ast.walk(tree):
            if isinstance(node, kinds):
                yield f"{path.name}:{node.lineno}", node


def test_no_error_is_swallowed(sources) -> None:
    """A handler of every exception is only for passing it on, at once or as another."""
    handlers = list(nodes(sources, ast.ExceptHandler))
    assert handlers

    def catches_all(handler: ast.ExceptHandler) -> bool:
        named = ast.unparse(handler.type) if handler.type else "BaseException"
        return bool(re.search(r"\b(Base)?Exception\b", named))

    wide = [(where, h) for where, h in handlers if catches_all(h)]
    swallowed = [w for w, h in wide if not any(isinstance(n, ast.Raise) for n in ast.walk(h))]
    # One candidate that fails in a study, one rule that fails on a record: each is reported
    # and does not lose the others. There is no other boundary.
    where_swallowed = sorted(where.partition(":")[0] for where in swallowed)
    assert where_swallowed == ["jobs.py", "ruleset.py"]


def test_nothing_is_unpickled(sources) -> None:
    """Loading a file from a stranger must run none of his code."""
    loaders = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal"}
    imported = [
        f"{where} {ast.unparse(node)}"
        for where, node in nodes(sources, ast.Import, ast.ImportFrom)
        if loaders & {n.name.split(".")[0] for n in node.names}
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in loaders)
        if ast.unparse(node) != "from pickle import UnpicklingError"  # to say what is wrong
    ]
    calls = [
        f"{where} {ast.unparse(node.func)}"
        for where, node in nodes(sources, ast.Call)
        if ast.unparse(node.func) in ("joblib.load", "eval", "exec", "pd.read_pickle")
        or (
            ast.unparse(node.func) == "torch.load"
            and "weights_only=True" not in map(ast.unparse, node.keywords)
        )
    ]
    assert imported + calls == []


def test_arrays_are_loaded_without_pickle(sources) -> None:
    loads = [(w, n) for w, n in nodes(sources, ast.Call) if ast.unparse(n.func) == "np.load"]
    trusting = [
        where
        for where, call in loads
        for keyword in call.keywords
        if keyword.arg == "allow_pickle" and ast.unparse(keyword.value) != "False"
    ]
    assert trusting == []


def test_nothing_is_chosen_by_comparing_names(sources) -> None:
    """Dispatch by type, or by a dict of functions; never `if name == "..."` ... `elif`."""

    def compares_text(test: ast.expr) -> bool:
        return (
            isinstance(test, ast.Compare)
            and isinstance(test.left, ast.Name | ast.Attribute)
            and len(test.ops) == 1
            and isinstance(test.ops[0], ast.Eq)
            and isinstance(test.comparators[0], ast.Constant)
            and isinstance(test.comparators[0].value, str)
        )

    chains = [
        where
        for where, node in nodes(sources, ast.If)
        if compares_text(node.test)
        and len(node.orelse) == 1
        and isinstance(node.orelse[0], ast.If)
        and compares_text(node.orelse[0].test)
    ]
    assert chains == []


def test_no_file_is_a_drawer(sources) -> None:
    assert [path.name for path in sources if path.name in BARRED_FILES] == []


def test_every_file_says_what_it_is(sources) -> None:
    assert [path.name for path, tree in sources.items() if not ast.get_docstring(tree)] == []


def test_no_path_of_one_machine(tracked: list[Path], root: Path) -> None:
    texts = [path for path in tracked if path.suffix in TEXT]
    assert len(texts) > 30
    found = [
        f"{path.relative_to(root)}:{number}"
        for path in texts
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if MACHINE_PATH.search(line)
    ]
    assert found == []


def test_nothing_is_left_to_do(tracked: list[Path], root: Path) -> None:
    mark = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX"]) + r")\b")
    found = [
        str(path.relative_to(root))
        for path in tracked
        if path.suffix in TEXT and mark.search(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_the_version_is_the_same_everywhere(root: Path) -> None:
    version = consilience.__version__
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    citation = (root / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(rf"^## \[{re.escape(version)}\]", changelog, re.MULTILINE)
    assert re.search(rf'^version: "?{re.escape(version)}"?$', citation, re.MULTILINE)


def test_every_dependency_is_locked(root: Path) -> None:
    """A fresh machine installs exactly what was tested."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    wanted = {
        re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", line)[0]).lower()  # as PEP 503 compares
        for line in [*project["dependencies"], *(line for extra in extras for line in extra)]
    } - {"consilience"}
    locked = {
        line.split("==")[0].lower()
        for line in (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line
    }
    assert len(wanted) > 20
    assert wanted - locked == set()
