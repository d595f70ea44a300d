"""Groups of features: read, matched to tables, and refused where they fit nothing."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from consilience.errors import InputError, InputWarning
from consilience.fusion.signatures import check_signatures, group_features, read_signatures

TABLES = {
    "mutation": ("TP53_mut", "APC_mut", "KRAS_mut"),
    "rna": ("TP53_rnaseq", "MYC_rnaseq", "HLA_A_rnaseq"),
    "clinical": ("age",),
}


def test_a_file_has_a_column_a_group(tmp_path: Path) -> None:
    path = tmp_path / "signatures.csv"
    path.write_text("Suppressors,Kinases\nTP53,AKT1\nAPC,\nTP53, ABL1 \n", encoding="utf-8")
    assert read_signatures(str(path)) == {
        "Suppressors": ("TP53", "APC"),
        "Kinases": ("AKT1", "ABL1"),
    }


def test_a_name_stands_for_its_features_in_every_table() -> None:
    found = group_features(TABLES, {"a": ["TP53", "HLA_A"], "b": ["KRAS_mut", "TP53_mut"]}, 1)
    assert found == {
        "a": {"mutation": ["TP53_mut"], "rna": ["HLA_A_rnaseq", "TP53_rnaseq"]},
        "b": {"mutation": ["KRAS_mut", "TP53_mut"]},
        "clinical": {"clinical": ["age"]},
    }


def test_a_table_in_no_group_is_one_or_is_split() -> None:
    tables = {"t": [f"f{i}" for i in range(7)], "u": ["x"]}
    assert group_features(tables, None, 1) == {"t": {"t": tables["t"]}, "u": {"u": ["x"]}}
    parts = group_features(tables, None, 3)
    assert list(parts) == ["t 1", "t 2", "t 3", "u 1"]
    split = [parts[f"t {i}"]["t"] for i in (1, 2, 3)]
    assert [*split[0], *split[1], *split[2]] == tables["t"]
    assert {len(part) for part in split} == {2, 3}


def test_a_group_named_as_a_table_is_told_apart() -> None:
    found = group_features(TABLES, {"clinical": ["TP53"]}, 1)
    assert found["clinical"] == {"mutation": ["TP53_mut"], "rna": ["TP53_rnaseq"]}
    assert found["clinical (table)"] == {"clinical": ["age"]}


def test_what_fits_nowhere_is_counted_and_listed() -> None:
    with pytest.warns(InputWarning) as said:
        check_signatures({"a": ["TP53", "ATM", "BRCA1"]}, TABLES)
    texts = [str(one.message) for one in said]
    assert texts[0] == "signatures: 2 of 3 names are in no table: 'ATM', 'BRCA1'."
    assert "2 of 3 features of 'mutation' are in no group and are not used: 'APC_mut'" in texts[1]
    assert "2 of 3 features of 'rna'" in texts[2]
    assert len(texts) == 3  # clinical, of which nothing is in a group, is one of its own


def test_signatures_that_fit_are_not_spoken_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_signatures({"a": ["TP53", "APC", "KRAS"]}, {"mutation": TABLES["mutation"]})


def test_a_group_of_which_no_table_has_anything_is_refused() -> None:
    with pytest.raises(InputError, match=r"any of the 2 features of group 'b' \('X1', 'X2'\)"):
        check_signatures({"a": ["TP53"], "b": ["X1", "X2"]}, TABLES)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "there is no group"),
        ({"a": ["TP53"], "b": []}, "group 'b' names no feature"),
        ("nowhere.csv", "there is no file 'nowhere.csv'"),
    ],
)
def test_what_is_no_signature_is_refused(given: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_signatures(given)


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    for content in (b"", b'a\nx,y,z\n,\n"', b"\xff\xfe\x00\x01"):
        path = tmp_path / "bad.csv"
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"bad\.csv"):
            read_signatures(str(path))


def test_an_empty_column_of_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("a,b\nTP53,\n", encoding="utf-8")
    with pytest.raises(InputError, match="group 'b' names no feature"):
        read_signatures(str(path))


def test_the_published_signatures_are_read(data: Path) -> None:
    groups = read_signatures(str(data / "tcga-survival" / "signatures.csv"))
    assert len(groups) == 6
    assert "TP53" in groups["Tumor Suppressor Genes"]
