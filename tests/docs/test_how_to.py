"""The steps of the how-to pages lead to what they promise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest


def imports_of(blocks: list) -> list[str]:
    """Return the one-line import blocks: what the page says to add to `__init__.py`."""
    return [b.text.strip() for b in blocks if re.fullmatch(r"from \S+ import \w+\n", b.text)]


def passed(output: str) -> int:
    """Return how many tests pytest says have passed."""
    return int(re.search(r"(\d+) passed", output)[1])


@pytest.mark.slow
def test_a_method_is_added_as_the_page_says(root: Path, blocks_of, copied) -> None:
    blocks = blocks_of(root / "docs" / "add-a-method.md")
    statement = imports_of(blocks)[0]
    name = statement.split()[-1]
    copy = copied()
    laws = passed(copy.pytest("tests/laws", "-k", "StackedFusion"))
    copy.write(blocks)
    copy.export("fusion", statement, name)
    assert passed(copy.pytest("tests/fusion/test_best_available.py")) == 2
    # The laws find it by its export, and as many are put to it as to a method of ours.
    assert passed(copy.pytest("tests/laws", "-k", name)) >= laws > 0
    # Without a line in the docs the house complains, and with one it does not.
    exports = "tests/house/test_exports.py"
    assert copy.run("-m", "pytest", "-q", exports, "-k", "stands_in_the_docs").returncode == 1
    page = copy.root / "docs" / "fusion.md"
    page.write_text(page.read_text(encoding="utf-8") + f"\n`{name}`\n", encoding="utf-8")
    copy.pytest(exports, "-k", "stands_in_the_docs or docstring")


@pytest.mark.slow
def test_a_deep_method_is_added_as_the_page_says(root: Path, blocks_of, copied) -> None:
    blocks = blocks_of(root / "docs" / "add-a-method.md")
    first, statement = imports_of(blocks)
    name = statement.split()[-1]
    copy = copied()
    copy.write(blocks)
    for each in (first, statement):
        copy.export("fusion", each, each.split()[-1])
    assert passed(copy.pytest("tests/fusion/test_mean_code.py")) == 2
    # The laws find it by its export. One kind of outcome, to be quick.
    assert passed(copy.pytest("tests/laws/test_fusion_laws.py", "-k", f"{name}-binary")) >= 10
    exports = "tests/house/test_exports.py"
    copy.pytest(exports, "-k", "docstring or init_files")


@pytest.mark.slow
def test_a_reader_is_added_as_the_page_says(root: Path, blocks_of, copied) -> None:
    blocks = blocks_of(root / "docs" / "add-a-reader.md")
    (statement,) = imports_of(blocks)
    (entry,) = [block.text for block in blocks if block.text.startswith('".dta"')]
    copy = copied()
    copy.write(blocks)
    assert copy.run("-m", "pytest", "-q", "tests/cohort/formats/test_stata.py").returncode == 1
    reading = copy.root / "src" / "consilience" / "cohort" / "reading.py"
    before = reading.read_text(encoding="utf-8")
    anchor = '    ".csv": read_delimited,\n'
    assert before.count(anchor) == 1
    after = before.replace(anchor, f"{anchor}    {entry}")
    first = before.index("from consilience.cohort.formats.")
    after = f"{after[:first]}{statement}\n{after[first:]}"
    reading.write_text(after, encoding="utf-8")
    assert passed(copy.pytest("tests/cohort/formats/test_stata.py")) == 3


@pytest.mark.slow
def test_a_metric_is_added_as_the_page_says(root: Path, blocks_of, copied) -> None:
    blocks = blocks_of(root / "docs" / "add-a-metric.md")
    (statement,) = imports_of(blocks)
    (entry,) = [block.text for block in blocks if block.text.startswith("_for_binary(")]
    copy = copied()
    copy.write(blocks)
    catalogue = copy.root / "src" / "consilience" / "metrics" / "catalogue.py"
    before = catalogue.read_text(encoding="utf-8")
    assert before.count('    "binary": (\n') == before.count('    ),\n    "multiclass": (\n') == 1
    end = before.index('    ),\n    "multiclass": (\n')
    after = f"{before[:end]}        {entry}{before[end:]}"
    first = after.index("from consilience.")
    catalogue.write_text(f"{after[:first]}{statement}\n{after[first:]}", encoding="utf-8")
    assert passed(copy.pytest("tests/metrics/test_matthews.py")) == 2
    # The laws find it through the catalogue, and as many are put to it as to one of ours.
    laws = passed(copy.pytest("tests/metrics/test_metric.py", "-k", "binary-balanced_accuracy"))
    assert passed(copy.pytest("tests/metrics/test_metric.py", "-k", "binary-mcc")) == laws
