"""Genotypes of all spaces: files, derivation, agreement, and the NAS-Bench-201 index."""

import csv
import json
import random

import pytest

from freedarts import genotype, spaces
from freedarts.files import InputError, read_json
from freedarts.spaces import darts, nasbench201
from tests.support import ROOT, random_scores

PUBLISHED = sorted((ROOT / "resources" / "genotypes").rglob("*.json"))
EMPTY = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: "/".join(path.parts[-3:]))
def test_published_files_round_trip(path, tmp_path):
    found = genotype.read(path)
    genotype.write(tmp_path / "copy.json", found)
    assert genotype.read(tmp_path / "copy.json") == found
    assert read_json(tmp_path / "copy.json") == json.loads(path.read_text())


def test_published_files_are_those_of_the_release(shared):
    supernets = {"8cells": "darts-8", "20cells": "darts-20", "imagenet": "darts-imagenet"}
    facts = json.loads((shared / "facts" / "published.json").read_text())["genotypes"]
    assert len(facts) == sum(path.parent.name not in ("nasbench201", "mobilenet") for path in PUBLISHED) == 27
    for fact in facts:
        if fact["method"] == "darts-baseline":
            source, supernet, seed = fact["name"].lower().replace("_", "-"), "darts-8", 0
        else:
            source, supernet, seed = f"published-{fact['method']}", supernets[fact["search_network"]], fact["seed"]
        found = genotype.read(ROOT / "resources" / "genotypes" / source / supernet / f"seed{seed}.json")
        assert found.to_json() == {"space": "darts", "normal": fact["normal"], "reduce": fact["reduce"]}


@pytest.mark.parametrize("name", spaces.SPACES)
def test_derived_genotypes_round_trip_and_agree_with_themselves(name):
    space = spaces.load(name)
    draw = random.Random(0)
    for _ in range(50):
        found = space.derive(random_scores(space, draw))
        assert genotype.parse(json.loads(json.dumps(found.to_json())), "here") == found
        assert genotype.agreement(found, found) == {group: len(entries) for group, entries in space.kept(found).items()}


@pytest.mark.parametrize("name", spaces.SPACES)
def test_chance_is_what_random_genotypes_share(name):
    space = spaces.load(name)
    draw = random.Random(1)
    found = [space.derive(random_scores(space, draw)) for _ in range(4000)]
    shared = [genotype.agreement(*pair) for pair in zip(found[::2], found[1::2], strict=True)]
    # `none` can win an edge of NAS-Bench-201 but not of DARTS, so uniform scores draw uniform genotypes in all.
    for group, expected in spaces.chance(space).items():
        assert sum(counts[group] for counts in shared) / len(shared) == pytest.approx(expected, rel=0.1)


def test_darts_keeps_the_two_strongest_inputs_strongest_first():
    rows = [[9.0] + [0.0] * 7 for _ in darts.EDGES]  # `none` is the strongest everywhere and must not matter
    rows[0][4], rows[1][7] = 0.1, 0.2  # node 0: inputs 0 and 1
    rows[2][1], rows[3][2], rows[4][3] = 0.3, 0.1, 0.2  # node 1: inputs 0, 1, 2
    cell = darts.derive({"normal": rows, "reduce": rows}).normal
    assert cell[:4] == (("dil_conv_5x5", 1), ("sep_conv_3x3", 0), ("max_pool_3x3", 0), ("skip_connect", 2))
    assert cell[4:] == (("max_pool_3x3", 0), ("max_pool_3x3", 1)) * 2  # ties go to the lower index


def test_nasbench201_takes_the_strongest_operation_none_included():
    rows = [[0.0] * 5 for _ in nasbench201.EDGES]
    rows[1][3] = rows[4][2] = 1.0
    operations = nasbench201.derive({"cell": rows}).operations
    assert operations == ("none", "nor_conv_3x3", "none", "none", "nor_conv_1x1", "none")


@pytest.mark.parametrize(
    ("index", "arch"),
    [
        (0, "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"),
        (9, "|avg_pool_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"),
        (123, "|avg_pool_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|none~0|avg_pool_3x3~1|nor_conv_3x3~2|"),
        (1651, EMPTY),
        (1835, "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|"),
        (6818, "|nor_conv_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|avg_pool_3x3~0|nor_conv_1x1~1|nor_conv_3x3~2|"),
        (10400, "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_1x1~0|nor_conv_1x1~1|nor_conv_1x1~2|"),
        (11472, "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"),
    ],
)
def test_nasbench201_index(index, arch):
    found = nasbench201.parse_arch(arch, "here")
    assert found.index == index
    assert nasbench201.from_index(index) == found
    assert found.arch == arch


def test_nasbench201_indices_are_those_of_the_benchmark(shared):
    with (shared / "nb201" / "cifar10_test_accuracy.csv").open() as file:
        rows = list(csv.reader(line for line in file if "|" in line))
    assert len(rows) == 15625
    for row in rows:
        index, arch = int(row[0]), next(value for value in row if "|" in value)
        assert nasbench201.parse_arch(arch, "csv").index == index


def broken(**changes) -> dict:
    return json.loads(PUBLISHED[0].read_text()) | changes


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "holds a list, expected an object"),
        ('{"space": NaN}', "holds NaN"),
        ({}, "no key 'space'"),
        ({"space": "cars"}, "unknown space 'cars'; allowed: darts, mobilenet, nasbench201"),
        (broken(extra=1), "unknown key 'extra'"),
        (broken(normal=[]), "normal: expected 8 pairs"),
        (broken(normal=[["sep_conv_7x7", 0]] * 8), r"normal\[0\]: unknown operation 'sep_conv_7x7'; allowed: max_pool"),
        (broken(normal=[["none", 0]] * 8), r"normal\[0\]: unknown operation 'none'"),
        (broken(reduce=[["sep_conv_3x3", 0]] * 8), r"reduce\[1\]: node 0 takes input 0 twice"),
        (broken(reduce=[["sep_conv_3x3", 2]] * 8), r"reduce\[0\]: input 2 of node 0; allowed: 0 to 1"),
        (broken(reduce=["sep_conv_3x3"] * 8), r"reduce\[0\]: 'sep_conv_3x3' is not a pair"),
        ({"space": "nasbench201"}, "arch: None is not of the form"),
        ({"space": "nasbench201", "arch": EMPTY[:-1]}, "not written as the benchmark writes it"),
        ({"space": "nasbench201", "arch": EMPTY.replace("none~2", "conv~2")}, "unknown operation 'conv' on edge 3<-2"),
        ({"space": "nasbench201", "arch": EMPTY.replace("none~2", "none~1")}, "edge 3<-2 is missing"),
    ],
)
def test_malformed_files_are_named_with_the_place(content, message, tmp_path):
    path = tmp_path / "genotype.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(InputError, match=message) as caught:
        genotype.read(path)
    assert str(caught.value).startswith(str(path))


def test_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent\.json: no such file"):
        genotype.read(tmp_path / "absent.json")


def result(**changes) -> dict:
    scores = random_scores(nasbench201, random.Random(2))
    audit = {"verdict": "sound", "overflow": None}
    return {
        "space": "nasbench201",
        "scores": scores,
        "operations": list(nasbench201.OPERATIONS),
        "audit": audit,
    } | changes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scores": {"cell": [[0.0] * 5] * 5}}, r"scores.cell: expected 6 rows"),
        ({"scores": {"cell": [[0.0] * 4] * 6}}, r"scores.cell\[0\]: expected 5 scores"),
        (
            {"scores": {"cell": [[0.0] * 4 + [float("nan")]] * 6}},
            r"scores.cell\[0\], avg_pool_3x3: nan is not a finite",
        ),
        ({"scores": {"cell": [[0.0] * 4 + [float("inf")]] * 6}}, "inf is not a finite number"),
        ({"scores": {"cell": [["a"] * 5] * 6}}, "'a' is not a finite number"),
        ({"scores": {"normal": []}}, r"has \['normal'\], expected the gate groups \['cell'\]"),
        ({"scores": None}, "has NoneType, expected the gate groups"),
        ({"operations": ["none"]}, r"operations \['none'\] are not those of nasbench201"),
        ({"audit": {"verdict": "fine"}}, "audit has no verdict; allowed: sound, noise, overflow"),
        ({"space": "cars"}, "unknown space 'cars'"),
    ],
)
def test_malformed_scores_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        genotype.derive(result(**changes), "scores.json")


def test_overflow_is_refused_even_with_scores():
    audit = {"verdict": "overflow", "overflow": "cells.3"}
    refused = genotype.derive(result(audit=audit), "scores.json")
    assert refused == genotype.Refused("nasbench201", "overflow in cells.3")
    assert genotype.parse(refused.to_json(), "here") == refused
    assert genotype.agreement(refused, genotype.derive(result(), "scores.json")) is None
