"""Agreement between seeds: what is shared, and p-values where the answer is known."""

import random
import statistics
from collections import Counter
from itertools import combinations

import pytest

from freedarts import baselines, genotype, spaces, tables
from freedarts.genotype import Refused
from freedarts.spaces import darts, mobilenet, nasbench201
from freedarts.tables.stability import DRAWS, stability, stability_table

SMALLEST = 1 / (DRAWS + 1)
PLACES = {"darts": 16, "nasbench201": 6, "mobilenet": 21}


def drawn(name: str, n: int, first: int = 0) -> list:
    return [baselines.uniform(name, seed) for seed in range(first, first + n)]


@pytest.mark.parametrize("name", spaces.SPACES)
@pytest.mark.parametrize("n", [2, 5])
def test_counts_are_those_of_the_pairs(name, n):
    space, found = spaces.load(name), drawn(name, n)
    row = stability(found)
    shared, operations, inputs = [], [], []
    for pair in combinations(found, 2):
        shared.append(sum(genotype.agreement(*pair).values()))
        first, second = map(space.kept, pair)
        both = [(Counter(o for _, o in first[g]) & Counter(o for _, o in second[g])).total() for g in space.GATES]
        operations.append(sum(both))
        inputs.append(sum(len({e for e, _ in first[g]} & {e for e, _ in second[g]}) for g in space.GATES))
    assert row["of"] == PLACES[name] == sum(genotype.agreement(found[0], found[0]).values())
    assert (row["entries"], row["operations"]) == (statistics.fmean(shared), statistics.fmean(operations))
    assert row["inputs"] == (statistics.fmean(inputs) if name == "darts" else None)


@pytest.mark.parametrize("name", spaces.SPACES)
def test_chance_is_the_expected_value(name):
    """Against the closed form, and against genotypes that are drawn one by one."""
    space, row = spaces.load(name), stability(drawn(name, 10))
    assert row["entries, by chance"] == pytest.approx(sum(spaces.chance(space).values()), rel=0.02)
    cells = [space.kept(found) for found in drawn(name, 4000)]
    counts = [{group: Counter(o for _, o in cell[group]) for group in space.GATES} for cell in cells]
    shared = [sum((a[g] & b[g]).total() for g in a) for a, b in zip(counts[::2], counts[1::2], strict=True)]
    assert row["operations, by chance"] == pytest.approx(statistics.fmean(shared), rel=0.02)
    if name == "darts":  # two of n inputs, in each of two cells: 2 * 2 / n are shared
        assert row["inputs, by chance"] == pytest.approx(2 * sum(4 / n for n in (2, 3, 4, 5)), rel=0.01)


@pytest.mark.parametrize("name", spaces.SPACES)
@pytest.mark.parametrize("n", [5, 8])
def test_identical_genotypes_have_the_smallest_p(name, n):
    row = stability(drawn(name, 1) * n)
    assert row["entries"] == row["operations"] == row["of"]
    assert row["entries, p"] == row["operations, p"] == row["entries, p shuffled"] == SMALLEST
    if name == "darts":
        assert (row["inputs"], row["inputs, p"]) == (16, SMALLEST)


def uniform_p(values: list[float]) -> None:
    """Values are those of a p-value: not more than a share alpha of them at or below alpha (ties make it fewer), within
    four standard deviations, and spread over the whole range."""
    n = len(values)
    for alpha in (0.05, 0.2, 0.5):
        below = sum(value <= alpha for value in values)
        assert below <= n * alpha + 4 * (n * alpha * (1 - alpha)) ** 0.5
    assert 0.4 < statistics.fmean(values) < 0.75
    assert min(values) < 0.2
    assert max(values) > 0.8


@pytest.mark.parametrize("name", spaces.SPACES)
def test_p_of_random_genotypes_is_that_of_chance(name):
    rows = [stability(drawn(name, 5, 5 * number)) for number in range(60)]
    for column in ("entries, p", "entries, p shuffled", "operations, p", *(["inputs, p"] if name == "darts" else [])):
        uniform_p([row[column] for row in rows])


@pytest.mark.parametrize("name", spaces.SPACES)
def test_preference_for_operations_is_told_from_preference_for_places(name):
    """Two operations alone, in random places: seen against chance, and nothing beyond it when shuffled."""
    space = spaces.load(name)
    share = {group: {space.CANDIDATES[-1]: 0.7, space.CANDIDATES[-2]: 0.3} for group in space.GATES}
    rows = [stability([baselines.matched(name, 8 * i + seed, share) for seed in range(8)]) for i in range(40)]
    assert statistics.median(row["entries, p"] for row in rows) == SMALLEST
    assert statistics.median(row["operations, p"] for row in rows) <= 0.01
    uniform_p([row["entries, p shuffled"] for row in rows])


def test_preference_for_places_is_seen_when_shuffled():
    """The same number of each operation in every genotype; the first three edges always have the same ones."""
    draw = random.Random(0)
    rest = ("none", "avg_pool_3x3", "none")
    found = [nasbench201.Genotype((*nasbench201.OPERATIONS[1:4], *draw.sample(rest, 3))) for _ in range(6)]
    row = stability(found)
    assert row["operations"] == 6
    assert row["entries"] < 6
    assert row["entries, p shuffled"] == SMALLEST


def test_preference_for_inputs_is_seen_in_inputs_alone():
    cells = [baselines.uniform("darts", seed) for seed in range(8)]
    found = [
        darts.Genotype(*[tuple((name, i % 2) for i, (name, _) in enumerate(getattr(c, g))) for g in darts.GATES])
        for c in cells
    ]
    row = stability(found)
    assert (row["inputs"], row["inputs, p"]) == (16, SMALLEST)
    assert row["operations, p"] == stability(cells)["operations, p"] > 0.05


def test_one_operation_everywhere_says_nothing_about_places():
    row = stability([baselines.largest("nasbench201")] * 5)
    assert (row["entries, p"], row["entries, p shuffled"], row["entries, shuffled"]) == (SMALLEST, 1, 6)


def test_blocks_left_out_are_shared_like_an_operation():
    ids = (mobilenet.OMITTED, *[0] * 20)
    row = stability([mobilenet.Genotype(ids), mobilenet.Genotype(ids)])
    assert row["entries"] == row["operations"] == 21
    other = stability([mobilenet.Genotype(ids), mobilenet.Genotype((5, *ids[1:]))])
    assert other["entries"] == other["operations"] == 20


def test_table_has_a_row_for_two_genotypes_or_more():
    refused = Refused("nasbench201", "overflow in stem")
    found = {
        ("nasbench201", "good"): {0: nasbench201.from_index(3), 1: refused, 4: nasbench201.from_index(4)},
        ("nasbench201", "alone"): {0: nasbench201.from_index(3), 1: refused},
        ("darts-8", "random"): dict(enumerate(drawn("darts", 3))),
    }
    table = stability_table(found)
    assert [(row["supernet"], row["source"], row["n"]) for row in table.rows] == [
        ("nasbench201", "good", 2),
        ("darts-8", "random", 3),
    ]
    assert table.rows[1] == {"supernet": "darts-8", "source": "random", "n": 3, **stability(drawn("darts", 3))}
    assert stability_table(dict(reversed(found.items()))).rows[0] == table.rows[1]
    columns, (good, other) = table.printed()
    assert sum(cell == tables.MISSING for cell in good) == 3  # NAS-Bench-201 keeps all inputs
    assert tables.MISSING not in other
    assert all(f" {column} " in table.markdown() for column in columns)
    assert "Nothing selected." in stability_table({}).markdown()
