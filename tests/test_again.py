"""The table of the release's searches, made again."""

import pytest
import yaml

from freedarts import spaces
from freedarts.genotype import Refused
from freedarts.spaces import nasbench201
from freedarts.study.catalogue import Catalogue
from freedarts.tables.again import again_table, same_gates
from tests.support import ROOT, SEARCH_RESULT

PRINTED = yaml.safe_load((ROOT / "resources" / "objectives.yaml").read_text(encoding="utf-8"))
GENOTYPES = [nasbench201.from_index(index) for index in (6818, 10400)]


def table(ours: dict, theirs: dict, score: str = "snip-released-cifar10") -> dict:
    searched = {**SEARCH_RESULT, "proxy": "snip"}
    searches = {("nasbench201", score): dict.fromkeys(ours, searched), ("darts-8", "other"): {0: searched}}
    genotypes = {("nasbench201", score): ours, ("nasbench201", "notebook-snip"): theirs}
    (row,) = again_table(searches, genotypes, PRINTED).rows
    return row


def test_entries_in_common_are_counted_by_seed():
    row = table({4: GENOTYPES[0], 5: GENOTYPES[0]}, {4: GENOTYPES[0], 5: GENOTYPES[1], 6: GENOTYPES[1]})
    same = sum(a == b for a, b in zip(*(genotype.operations for genotype in GENOTYPES), strict=True))
    assert (row["n"], row["whole"], row["of"], row["shared"]) == (2, 1, 6, (6 + same) / 2)
    assert (row["printed s"], row["here s"], row["2nd computation"], row["verdict"]) == (0.7, 0.5, 6, "2 sound")
    assert row["uniform"] == pytest.approx(6 / 5)


def test_seeds_without_a_genotype_share_nothing():
    row = table({4: Refused("nasbench201", "overflow")}, {4: GENOTYPES[0]})
    assert (row["n"], row["whole"], row["shared"]) == (1, 0, None)
    assert table({3: GENOTYPES[0]}, {4: GENOTYPES[0]})["n"] == 0


def test_scores_that_the_release_did_not_search_with_have_no_row():
    searches = {("nasbench201", "snip-digits"): {4: {**SEARCH_RESULT, "proxy": "snip"}}}
    assert again_table(searches, {("nasbench201", "snip-digits"): {4: GENOTYPES[0]}}, PRINTED).rows == []


def test_shared_gates_alone_make_genotypes_alike():
    """More than chance, far from all, and the same in every call."""
    for space in ("darts", "nasbench201"):
        by_chance = sum(spaces.chance(spaces.load(space)).values())
        assert 1.5 * by_chance < same_gates(space) < 3 * by_chance
    assert same_gates.__wrapped__("nasbench201") == same_gates("nasbench201")


def test_printed_costs_are_those_of_the_notebooks(shared):
    notebooks = yaml.safe_load((shared / "facts" / "published.json").read_text(encoding="utf-8"))["search_notebooks"]
    seconds = sorted(notebook["pruning_cost_s"] for notebook in notebooks["darts_space"].values())
    assert sorted(entry["seconds"] for entry in PRINTED if entry["supernet"] != "nasbench201") == seconds
    assert {entry["seconds"] for entry in PRINTED if entry["supernet"] == "nasbench201"} == {
        notebooks["nasbench201"][f"FreeDARTS_{name}_oneshot.ipynb"]["cost_s"] for name in ("SNIP", "GraSP")
    }
    printed = {notebook["printed_loss"] for notebook in notebooks["darts_space"].values()}
    assert {entry["objective"] for entry in PRINTED} == printed


def test_configuration_of_cifar10_asks_for_all_of_them(config):
    overlay = yaml.safe_load((ROOT / "config" / "cifar10.yaml").read_text(encoding="utf-8"))
    catalogue = Catalogue({**config, **overlay}, ROOT)
    seeds = {(supernet, score): of for supernet, score, of in catalogue.searches()}
    assert {(entry["supernet"], entry["score"]) for entry in PRINTED} == set(seeds)
    assert seeds["darts-8", "snip-released-cifar10"] == [0, 1, 2, 3, 4, 9]
    assert seeds["nasbench201", "snip-released-cifar10"] == [4]
    assert "mobilenet" not in {supernet for supernet, *_ in catalogue.sources()}
