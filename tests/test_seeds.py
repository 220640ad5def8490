"""A genotype file knows its seed: who writes it, who reads it, and that an architecture is the same without it."""

import json
from pathlib import Path

import pytest

from freedarts import genotype
from freedarts.files import InputError, read_json
from freedarts.results import read
from freedarts.spaces import nasbench201
from freedarts.study.paths import COST
from tests.support import SEARCH_RESULT, TINY_TASK, assert_refused, write

FOUND = nasbench201.from_index(6818)


def test_seed_is_no_part_of_the_architecture(tmp_path):
    genotype.write(tmp_path / "a.json", FOUND, 3)
    genotype.write(tmp_path / "b.json", FOUND, 4)
    genotype.write(tmp_path / "c.json", FOUND)
    assert {genotype.read(path) for path in tmp_path.glob("*.json")} == {FOUND}
    assert read_json(tmp_path / "a.json") == FOUND.to_json() | {"seed": 3}
    assert genotype.read_seeds([tmp_path / "b.json", tmp_path / "a.json"]) == {4: FOUND, 3: FOUND}


@pytest.mark.parametrize("seed", [{}, {"seed": "3"}, {"seed": None}, {"seed": True}])
def test_file_without_a_seed_is_refused_where_it_counts(tmp_path, seed):
    path = write(tmp_path / "seed3.json", FOUND.to_json() | seed)
    with pytest.raises(InputError, match=r"seed3\.json: seed: .*; expected the number that derive, publish or sample"):
        genotype.read_seeds([path])


def test_seed_of_a_search_reaches_the_costs_whatever_the_file_is_called(script):
    write(Path("scores.json"), SEARCH_RESULT | {"seed": 7})
    assert script("derive", "--search", "scores.json", "--output", "mine.json") == (0, "")
    write(Path("resource.json"), FOUND.to_json())
    assert script("publish", "--resource", "resource.json", "--seed", 2, "--output", "theirs.json") == (0, "")
    settings = json.dumps({key: TINY_TASK[key] for key in ("space", "network")})
    case = ("t", "n", "s")
    path = COST.format(task="t", supernet="n", source="s")
    assert script("cost", "--settings", settings, "--output", path, "mine.json", "theirs.json") == (0, "")
    counts = read.costs([case])[case]
    assert list(counts) == [7, 2]
    assert counts[2]["parameters"] > 0


def test_draws_have_a_seed_for_each_file(script):
    given = ("sample", "--space", "nasbench201", "--kind", "random", "--seeds", 0, 1, "--output", "out/a.json")
    assert_refused(script(*given), "--seeds has 2 seeds, --output 1 files")
    assert script(*given, "out/b.json") == (0, "")
    assert list(genotype.read_seeds([Path("out/b.json"), Path("out/a.json")])) == [1, 0]


@pytest.mark.parametrize("seeds", [[1], {"seed0": None}, None])
def test_results_by_seed_are_by_numbers(tmp_path, monkeypatch, seeds):
    monkeypatch.chdir(tmp_path)
    path = write(Path(COST.format(task="t", supernet="n", source="s")), {"seeds": seeds})
    with pytest.raises(InputError, match=f"{path}: not as cost writes it"):
        read.costs([("t", "n", "s")])
