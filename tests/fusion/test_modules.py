"""Reading modules off factors, and their enrichment: rules by hand, tests by other means."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import fisher_exact

from consilience.errors import InputError, InputWarning
from consilience.fusion.discovery import Loading
from consilience.fusion.modules import (
    Module,
    as_discovery,
    enrichment,
    read_gmt,
    strongest,
    z_scores,
)

GENES = [f"g{i}" for i in range(40)]


def module(*genes: str, name: str = "module 1", modality: str = "rna") -> Module:
    loadings = tuple(Loading(modality, gene, 3.0 - i / 100) for i, gene in enumerate(genes))
    return Module(name, loadings, ("p1", "p2"), 0.5)


def test_z_scores_are_within_a_module() -> None:
    H = np.array([[0.0, 5.0], [0.0, 5.0], [0.0, 5.0], [4.0, 5.0]])
    z = z_scores(H)
    np.testing.assert_allclose(z[:, 0], np.array([-1.0, -1.0, -1.0, 3.0]) / np.sqrt(3))
    np.testing.assert_array_equal(z[:, 1], 0.0)  # a module that is nowhere in particular


def test_members_are_above_the_threshold_largest_first() -> None:
    assert list(strongest(np.array([0.1, 3.0, 2.0, 2.5, 2.0]), 2.0)) == [1, 3]


def test_a_feature_with_two_signs_is_named_once() -> None:
    both = Module("m", (Loading("rna", "a", 3.0), Loading("rna", "a", -2.5)), (), 1.0)
    assert both.features("rna") == ("a",)
    assert both.features("meth") == ()


def test_a_report_shows_the_ten_strongest_and_says_how_many_there_are() -> None:
    shown = as_discovery([module(*GENES[:30])]).components[0]
    assert [item.feature for item in shown.loadings] == GENES[:10]
    assert shown.notes == "features: 30 of rna; 2 patients"
    assert as_discovery([module()]).components[0].notes.startswith("features: none stands out")


def test_p_values_are_those_of_fishers_test() -> None:
    own, genes = GENES[:8], {"half": GENES[4:14], "none": GENES[20:30]}
    table = enrichment([module(*own)], genes, {"rna": GENES}).set_index("gene_set")
    for name, members in genes.items():
        inside = len(set(own) & set(members))
        cells = [[inside, 8 - inside], [10 - inside, 40 - 18 + inside]]
        expected = fisher_exact(cells, alternative="greater").pvalue
        assert table.p_value[name] == pytest.approx(expected, rel=1e-9)
    assert table.features["half"] == tuple(GENES[4:8])
    assert list(table.loc["half", ["overlap", "in_module", "in_set", "background"]]) == [
        4,
        8,
        10,
        40,
    ]
    assert table.expected["half"] == 2.0


def test_all_tests_are_corrected_together() -> None:
    """Benjamini and Hochberg by hand: over modules, modalities and gene sets."""
    modules = [module(*GENES[:8]), module(*GENES[8:12], name="module 2", modality="mirna")]
    sets = {f"set {i}": GENES[i : i + 6] for i in range(0, 30, 3)}
    table = enrichment(modules, sets, {"rna": GENES, "mirna": GENES[:30]})
    assert len(table) == 2 * 2 * 10
    p = table.p_value.to_numpy()
    assert list(p) == sorted(p)
    ranks = np.arange(1, len(p) + 1)
    by_hand = np.minimum.accumulate((p * len(p) / ranks)[::-1])[::-1]
    np.testing.assert_allclose(table.q_value, np.minimum(by_hand, 1.0))


def test_only_genes_that_were_measured_count() -> None:
    table = enrichment([module("g0", "g1")], {"set": ["g0", "g1", "elsewhere"]}, {"rna": GENES})
    assert table.in_set[0] == 2


def test_under_the_null_small_p_values_are_no_more_frequent_than_they_say() -> None:
    rng = np.random.default_rng(0)
    many = [f"g{i}" for i in range(500)]
    modules = [module(*rng.choice(many, 60, replace=False), name=f"m{i}") for i in range(40)]
    sets = {f"s{i}": list(rng.choice(many, 50, replace=False)) for i in range(25)}
    table = enrichment(modules, sets, {"rna": many})
    for level in (0.01, 0.05, 0.2):
        error = 3 * np.sqrt(level * (1 - level) / len(table))
        assert np.mean(table.p_value <= level) <= level + error
    assert table.p_value.median() < 0.8  # and they are not all large


def test_gene_sets_that_nobody_measured_are_counted() -> None:
    with pytest.warns(InputWarning, match=r"1 of 2 gene sets have no gene .* 'far'"):
        enrichment([module("g0")], {"near": ["g0"], "far": ["x"]}, {"rna": GENES})


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        ({}, "gene_sets is empty"),
        ({"a": []}, "gene set 'a' is empty"),
        ({"a": "TP53"}, "gene set 'a' is one word"),
        ({"a": ["G1"]}, "no gene of any gene set .* Did you mean 'g1'"),
    ],
)
def test_gene_sets_that_cannot_be_used(sets, said) -> None:
    with pytest.raises(InputError, match=said):
        enrichment([module("g0")], sets, {"rna": GENES})


def test_a_gmt_file_is_read(tmp_path) -> None:
    path = tmp_path / "sets.gmt"
    path.write_text("one\thttp://x\tg0\tg1\t\tg0\n\ntwo\t\tg2\n")
    assert read_gmt(path) == {"one": ("g0", "g1"), "two": ("g2",)}
    given = {"one": ["g0", "g1"], "two": ["g2"]}
    ours = enrichment([module("g0")], path, {"rna": GENES})
    assert ours.equals(enrichment([module("g0")], given, {"rna": GENES}))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("one\tx\tg0\ntwo\tx\n", r"sets\.gmt, line 2: give a name, a description and at least one"),
        ("one g0 g1\n", r"line 1: give a name"),
        ("\tx\tg0\n", r"line 1: give a name"),
        ("one\tx\tg0\n\none\tx\tg1\n", r"line 3: the gene set 'one' is there twice"),
        ("\n", r"holds no gene set"),
    ],
)
def test_a_malformed_gmt_file_is_told_by_line(tmp_path, text, said) -> None:
    path = tmp_path / "sets.gmt"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read_gmt(path)


def test_a_gmt_file_that_is_not_there_or_not_text(tmp_path) -> None:
    with pytest.raises(InputError, match=r"none\.gmt: No such file"):
        read_gmt(tmp_path / "none.gmt")
    (tmp_path / "odd.gmt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not a text file"):
        read_gmt(tmp_path / "odd.gmt")


@pytest.mark.parametrize(
    ("sets", "said"),
    [(None, "path of a .gmt file, not NoneType"), ({"a": 3}, "gene set 'a' is 3; give a list")],
)
def test_gene_sets_of_another_kind(sets, said) -> None:
    with pytest.raises(InputError, match=said):
        enrichment([], sets, {})
