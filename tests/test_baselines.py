"""Random, matched and largest genotypes: their distribution, their size, and configurations that are refused."""

import copy
import random
from collections import Counter
from itertools import combinations, pairwise, product
from pathlib import Path

import pytest
import torch

from freedarts import baselines, genotype, spaces
from freedarts.files import InputError
from freedarts.spaces import darts, mobilenet, nasbench201
from freedarts.spaces.darts import networks as darts_networks
from freedarts.spaces.mobilenet import networks as mobilenet_networks
from freedarts.spaces.nasbench201 import networks as nasbench201_networks
from freedarts.study.catalogue import Catalogue
from tests.support import ROOT, assert_refused, write

NETWORKS = {
    "darts": {"channels": 4, "cells": 5, "stem_kind": "cifar", "image_size": 32, "classes": 10, "auxiliary": False},
    "nasbench201": {"channels": 4, "cells_per_stage": 1, "image_size": 32, "classes": 10},
    "mobilenet": {"channels": 40, "image_size": 32, "classes": 10},
}


def size(module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def parameters(found) -> int:
    with torch.device("meta"):
        return size(spaces.load(found.space).network(found, **NETWORKS[found.space]))


def operations(found) -> Counter:
    space = spaces.load(found.space)
    return Counter((g, space.OPERATIONS[o]) for g, entries in space.kept(found).items() for _, o in entries)


def assert_shares(counts: Counter, expected: dict) -> None:
    """Every count within five standard deviations of its share of the total, and none beside."""
    total = counts.total()
    assert set(counts) <= {name for name, share in expected.items() if share}
    for name, share in expected.items():
        assert abs(counts[name] - total * share) <= 5 * (total * share * (1 - share)) ** 0.5, name


@pytest.mark.parametrize("name", spaces.SPACES)
def test_kept_is_what_the_entries_say(name):
    space = spaces.load(name)
    places = sum(number for _, number in space.CHOICES)
    for seed in range(50):
        found = baselines.uniform(name, seed)
        scores = {group: [[0.0] * len(space.OPERATIONS) for _ in range(edges)] for group, edges in space.GATES.items()}
        for group, entries in space.kept(found).items():
            for edges, number in space.CHOICES:
                assert sum(edge in edges for edge, _ in entries) == number
            for edge, operation in entries:
                scores[group][edge][operation] = 1.0
        assert genotype.agreement(space.derive(scores), found) == dict.fromkeys(space.GATES, places)


@pytest.mark.parametrize("name", spaces.SPACES)
def test_random_depends_on_the_seed_alone(name):
    random.seed(5)
    first = [baselines.uniform(name, seed) for seed in range(20)]
    assert len(set(first)) > 17  # two seeds can have one of 15,625 cells in common
    assert [baselines.uniform(name, seed) for seed in reversed(range(20))] == first[::-1]
    share = {group: dict.fromkeys(spaces.load(name).CANDIDATES[-2:], 0.5) for group in spaces.load(name).GATES}
    assert baselines.matched(name, 3, share) == baselines.matched(name, 3, share) != baselines.matched(name, 4, share)


def test_random_is_uniform_over_the_nasbench201_cells():
    counts = Counter(baselines.uniform("nasbench201", seed).operations[:3] for seed in range(5000))
    assert_shares(counts, dict.fromkeys(product(nasbench201.OPERATIONS, repeat=3), 5**-3))


def test_random_is_uniform_over_the_mobilenet_blocks():
    counts = Counter(pair for seed in range(1500) for pair in pairwise(baselines.uniform("mobilenet", seed).operations))
    assert_shares(counts, dict.fromkeys(product(range(6), repeat=2), 1 / 36))


def test_random_is_uniform_over_inputs_and_operations_of_a_darts_node():
    nodes = Counter(frozenset(baselines.uniform("darts", seed).reduce[2:4]) for seed in range(6000))
    pairs = [
        frozenset(zip(names, inputs, strict=True))
        for inputs in combinations(range(3), 2)
        for names in product(darts.CANDIDATES, repeat=2)
    ]
    assert_shares(nodes, dict.fromkeys(pairs, 1 / len(pairs)))


@pytest.mark.parametrize("name", spaces.SPACES)
def test_matched_has_the_shares_of_its_source(name):
    space = spaces.load(name)
    few = [baselines.uniform(name, seed) for seed in (100, 101)]
    share = baselines.shares(few)
    source = operations(few[0]) + operations(few[1])
    for group, slots in Counter(group for group, _ in source.elements()).items():
        expected = {operation: source[group, operation] / slots for operation in space.OPERATIONS}
        assert share[group] == {operation: part for operation, part in expected.items() if part}
        drawn = [operations(baselines.matched(name, seed, share)) for seed in range(400)]
        counts = Counter(o for found in drawn for g, o in found.elements() if g == group)
        assert_shares(counts, expected)


def test_matched_takes_inputs_uniformly_whatever_the_operation():
    share = {"normal": {"sep_conv_3x3": 0.9, "skip_connect": 0.1}, "reduce": {"max_pool_3x3": 1.0}}
    found = [baselines.matched("darts", seed, share) for seed in range(3000)]
    last = Counter(entry for cell in found for entry in cell.normal[6:])
    expected = {(name, i): part / 5 for name, part in share["normal"].items() for i in range(5)}
    assert_shares(last, expected)
    assert {name for cell in found for name, _ in cell.reduce} == {"max_pool_3x3"}


def test_blocks_left_out_have_no_share():
    found = mobilenet.Genotype((mobilenet.OMITTED, 5, 5, 0, *[mobilenet.OMITTED] * 17))
    assert baselines.shares([found]) == {"blocks": {"mbconv_7x7_e6": 2 / 3, "mbconv_3x3_e3": 1 / 3}}


@pytest.mark.long
def test_largest_of_all_nasbench201_cells():
    """Parameters add up over edges; so each of the 15,625 cells is counted from its operations'."""
    widths = [NETWORKS["nasbench201"]["channels"] * 2**stage for stage in range(3)]
    sizes = {
        name: sum(size(nasbench201_networks.operation(name, width, affine=True)) for width in widths)
        for name in nasbench201.OPERATIONS[1:]
    } | {"none": 0}
    cells = {nasbench201.from_index(index): 0 for index in range(15_625)}
    base = parameters(nasbench201.Genotype(("none",) * 6))
    for cell in cells:
        cells[cell] = base + sum(sizes[name] for name in cell.operations)
    for index in range(0, 15_625, 500):
        assert parameters(nasbench201.from_index(index)) == cells[nasbench201.from_index(index)]
    largest = baselines.largest("nasbench201")
    assert [cell for cell, total in cells.items() if total == max(cells.values())] == [largest]
    assert parameters(largest) == cells[largest]


@pytest.mark.long
def test_largest_darts_cells():
    """The operation with the most parameters at every width and stride; a cell's add up over its operations."""
    for c, stride in product((4, 16, 36, 50, 200), (1, 2)):
        sizes = {name: size(darts_networks.operation(name, c, stride, affine=True)) for name in darts.CANDIDATES}
        best = sizes.pop(darts.LARGEST)
        assert best > max(sizes.values())
    largest = baselines.largest("darts")
    assert {name for group in darts.GATES for name, _ in getattr(largest, group)} == {darts.LARGEST}
    other_inputs = darts.Genotype(*[tuple((darts.LARGEST, i) for n in range(4) for i in (n, n + 1))] * 2)
    assert parameters(other_inputs) == parameters(largest)
    assert parameters(largest) > max(parameters(baselines.uniform("darts", seed)) for seed in range(20))
    for group, slot in product(darts.GATES, range(8)):  # any operation that is replaced costs parameters
        cell = list(getattr(largest, group))
        cell[slot] = ("dil_conv_5x5", cell[slot][1])
        cells = {g: getattr(largest, g) for g in darts.GATES} | {group: tuple(cell)}
        assert parameters(darts.Genotype(**cells)) < parameters(largest)


def test_largest_mobilenet_blocks():
    """The operation with the most parameters between any two widths; leaving a block out costs parameters too."""
    before = mobilenet_networks.FIRST
    for width, stride in mobilenet.BLOCKS:
        sizes = [size(mobilenet_networks.mbconv(before, width, k, stride, e, 1e-5)) for k, e in mobilenet.SIZES]
        assert sizes.index(max(sizes)) == mobilenet.OPERATIONS.index(mobilenet.LARGEST)
        assert sorted(sizes)[-2] < max(sizes)
        before = width
    largest = baselines.largest("mobilenet")
    for block, identifier in product(range(0, 21, 4), range(mobilenet.OMITTED, 5)):
        ids = (*largest.operations[:block], identifier, *largest.operations[block + 1 :])
        assert parameters(mobilenet.Genotype(ids)) < parameters(largest)


def sample(script, space: str, kind: str, *seeds: int, match: tuple = ()) -> tuple[int, str]:
    outputs = [f"out/seed{seed}.json" for seed in seeds]
    given = ("--space", space, "--kind", kind, "--match", *match, "--seeds", *seeds, "--output", *outputs)
    return script("sample", *given)


@pytest.mark.parametrize("name", spaces.SPACES)
def test_script_writes_a_genotype_for_each_seed(script, name):
    source = [write(Path(f"seed{seed}.json"), baselines.uniform(name, seed).to_json()) for seed in range(3)]
    refused = write(Path("seed3.json"), genotype.Refused(name, "overflow in stem").to_json())
    share = baselines.shares(map(genotype.read, source))
    expected = {"random": lambda seed: baselines.uniform(name, seed), "largest": lambda seed: baselines.largest(name)}
    expected["random-matched"] = lambda seed: baselines.matched(name, seed, share)
    for kind, draw in expected.items():
        match = (*source, refused) if kind == "random-matched" else ()
        assert sample(script, name, kind, 7, 11, match=match) == (0, "")
        assert {seed: genotype.read_for(Path(f"out/seed{seed}.json"), name) for seed in (7, 11)} == {
            seed: draw(seed) for seed in (7, 11)
        }
    assert sample(script, name, "random-matched", 0, match=(refused,)) == (0, "")
    assert "no genotype among the 1" in genotype.read(Path("out/seed0.json")).reason


def test_script_names_what_is_wrong(script):
    assert_refused(sample(script, "letters", "random", 0), "unknown space 'letters'")
    assert_refused(sample(script, "darts", "random-matched", 0), "--kind random-matched with 0 genotypes to match")
    other = write(Path("seed0.json"), baselines.largest("nasbench201").to_json())
    assert_refused(sample(script, "darts", "random", 0, match=(other,)), "--kind random with 1 genotypes to match")
    found = sample(script, "darts", "random-matched", 0, match=(other,))
    assert_refused(found, "seed0.json: is a genotype of nasbench201, expected darts")
    assert_refused(sample(script, "darts", "random", -1), "--seeds -1; allowed: 0 and above")


MATCHED = {"kind": "random-matched", "supernets": ["darts-8"], "seeds": [0]}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            {"kind": "magic", "supernets": ["darts-8"], "seeds": [0]},
            "new.kind: 'magic' is not one of ['published',",
        ),
        (MATCHED, "sources.new: 'match' is a required property"),
        (MATCHED | {"match": "magic"}, "new.match: 'magic'; allowed: a score, or a source of another kind: synflow, "),
        (MATCHED | {"match": "new"}, "sources.new.match: 'new'; allowed: a score, or a source of another kind: "),
        (
            MATCHED | {"match": "random-matched-published-synflow"},
            "sources.new.match: 'random-matched-published-synflow'; allowed: a score, or a source of another kind: ",
        ),
        (
            MATCHED | {"match": "published-snip", "supernets": ["darts-20"]},
            "sources.new.match: source 'published-snip' has no genotypes of 'darts-20', but of: darts-8",
        ),
        (
            MATCHED | {"kind": "random", "match": "synflow"},
            "sources.new.match: 'synflow' with kind random; allowed with random-matched alone",
        ),
        ({"kind": "random", "supernets": ["darts-8"], "seeds": [-1]}, "sources.new.seeds.0: -1 is less than"),
        ({"kind": "random", "supernets": ["darts-8"], "seeds": [2**32]}, "new.seeds.0: 4294967296 is greater than"),
        ({"kind": "random", "supernets": ["darts-9"], "seeds": [0]}, "sources.new: unknown supernet 'darts-9'"),
        ({"kind": "largest", "supernets": ["darts-8"], "seeds": [0, 1]}, "sources.new.seeds: [0, 1], but the largest"),
    ],
)
def test_faults_are_one_message(config, source, message):
    config["sources"]["new"] = source
    with pytest.raises(InputError) as caught:
        Catalogue(config, ROOT)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 2


def test_matched_without_its_search_is_not_shown(config, catalogue):
    name = ("nasbench201", "random-matched-synflow-released", list(range(10)))
    assert name in catalogue.sources()
    expected = [f"results/genotypes/nasbench201/synflow-released/seed{seed}.json" for seed in range(5)]
    assert catalogue.matched(*name[:2]) == expected
    without = Catalogue(config | {"search": [], "costs": [], "retrain": []}, ROOT)
    assert without.sources() == [source for source in catalogue.sources() if source != name]
    selected = copy.deepcopy(without.config)
    selected["costs"] = [{"tasks": ["digits-nasbench201"], "supernets": [name[0]], "sources": [name[1]]}]
    with pytest.raises(InputError, match="'synflow-released' on 'nasbench201' is not selected"):
        Catalogue(selected, ROOT)


def test_seed_that_is_not_there_is_refused(catalogue, config):
    with pytest.raises(InputError, match=r"no seed 10 of 'random' on 'darts-8'; there are: \[0, 1, .*, 9\]"):
        catalogue.resource("darts-8", "random", 10)
    with pytest.raises(InputError, match="source 'random' is not published but random"):
        catalogue.resource("darts-8", "random", 0)
    config["retrain"] = [{"task": "digits", "supernet": "darts-8", "source": "random", "seeds": [10], "runs": 1}]
    with pytest.raises(InputError, match=r"retrain\[0\]: no seed 10 of random on darts-8; there are: \[0, 1,"):
        Catalogue(config, ROOT)
