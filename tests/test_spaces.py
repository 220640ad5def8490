"""Spaces: every architecture of NAS-Bench-201, and scores and genotypes that are not of a space."""

import json
import random

import pytest

from freedarts import genotype, spaces
from freedarts.files import InputError
from freedarts.spaces import darts, nasbench201
from tests.support import ROOT, random_scores


def test_nasbench201_indices_are_a_permutation():
    genotypes = [nasbench201.from_index(index) for index in range(15_625)]
    assert len(set(genotypes)) == 15_625
    for index, found in enumerate(genotypes):
        assert found.index == index
        assert nasbench201.parse_arch(found.arch, "arch") == found


@pytest.mark.parametrize("index", [-1, 15_625])
def test_nasbench201_index_out_of_range(index):
    with pytest.raises(InputError, match=f"index {index}; allowed: 0 to 15624"):
        nasbench201.from_index(index)


def test_darts_ties_go_to_the_lower_index():
    rows = [[-1.0] * len(darts.OPERATIONS) for _ in darts.EDGES]
    for edge in (9, 11, 13):  # inputs 0, 2 and 4 of the last node, each with two equal operations
        rows[edge][3] = rows[edge][6] = 2.0
    assert darts.derive({"normal": rows, "reduce": rows}).normal[-2:] == (("skip_connect", 0), ("skip_connect", 2))


@pytest.mark.parametrize("name", ["letters", None, ["darts"], "", "__init__"])
def test_unknown_space_lists_the_known_ones(name):
    with pytest.raises(InputError, match=r"^here: unknown space .*; allowed: darts, mobilenet, nasbench201"):
        spaces.load(name, "here")


# How scores of a group are spoilt, and what the message says of it.
FAULTS = {
    "not a number": (lambda rows: rows[2].__setitem__(1, float("nan")), r"\[2\], .*nan is not a finite number"),
    "infinite": (lambda rows: rows[0].__setitem__(0, float("-inf")), r"\[0\], \w+: -inf is not a finite number"),
    "text": (lambda rows: rows[0].__setitem__(0, "1.0"), r"\[0\], \w+: '1.0' is not a finite number"),
    "null": (lambda rows: rows[1].__setitem__(0, None), r"\[1\], \w+: None is not a finite number"),
    "a row less": (lambda rows: rows.pop(), r": expected \d+ rows, one per edge"),
    "a row more": (lambda rows: rows.append(rows[0]), r": expected \d+ rows, one per edge"),
    "a column less": (lambda rows: rows[3].pop(), r"\[3\]: expected \d scores, one per operation"),
    "a column more": (lambda rows: rows[3].append(0.0), r"\[3\]: expected \d scores, one per operation"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", spaces.SPACES)
def test_malformed_scores_are_named_with_group_and_place(name, fault):
    space = spaces.load(name)
    scores = random_scores(space, random.Random(0))
    spaces.check_scores(scores, space.GATES, space.OPERATIONS, "file")
    spoil, message = FAULTS[fault]
    group = list(space.GATES)[-1]
    spoil(scores[group])
    with pytest.raises(InputError, match=rf"^file\.{group}{message}"):
        spaces.check_scores(scores, space.GATES, space.OPERATIONS, "file")


@pytest.mark.parametrize("name", spaces.SPACES)
def test_gate_groups_must_be_those_of_the_space(name):
    space = spaces.load(name)
    scores = random_scores(space, random.Random(0))
    *_, last = scores
    for wrong in (scores | {"more": scores[last]}, {k: v for k, v in scores.items() if k != last}, None, list(scores)):
        with pytest.raises(InputError, match=r"^file: has .*, expected the gate groups"):
            spaces.check_scores(wrong, space.GATES, space.OPERATIONS, "file")


def darts_json(**entries: object) -> dict:
    """A published genotype, with `nN` replaced, entry N of the normal cell."""
    value = json.loads((ROOT / "resources/genotypes/darts-v2/darts-8/seed0.json").read_text())
    for place, entry in entries.items():
        value["normal"][int(place[1:])] = entry
    return value


ARCH = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"
MALFORMED = [
    (darts_json(n7=["sep_conv_3x3", 5]), r"normal\[7\]: input 5 of node 3; allowed: 0 to 4"),
    (darts_json(n0=["sep_conv_3x3", -1]), r"normal\[0\]: input -1"),
    (darts_json(n0=["sep_conv_3x3", True]), r"normal\[0\]: input True"),
    (darts_json(n0=["sep_conv_3x3", "1"]), r"normal\[0\]: input '1'"),
    (darts_json(n0=["sep_conv_3x3", 1.0]), r"normal\[0\]: input 1.0"),
    (darts_json(n4=["sep_conv_3x3", 0, 1]), r"normal\[4\]: .* is not a pair"),
    (darts_json(n4=[["sep_conv_3x3"], 0]), r"normal\[4\]: unknown operation \['sep_conv_3x3'\]"),
    (darts_json() | {"reduce": darts_json()["reduce"][:7]}, "reduce: expected 8 pairs"),
    (darts_json() | {"reduce": None}, "reduce: expected 8 pairs"),
    ({"space": "darts", "normal": darts_json()["normal"]}, "reduce: expected 8 pairs"),
    (darts_json() | {"refused": True}, "refused: expected a reason"),
    (darts_json() | {"space": "nasbench201"}, "unknown key 'normal'"),
    ({"space": "nasbench201", "arch": ARCH, "index": 11472}, "unknown key 'index'"),
    ({"space": "nasbench201", "arch": 11472}, "arch: 11472 is not of the form"),
    ({"space": "nasbench201", "arch": ARCH.rsplit("skip", 1)[0]}, "is not of the form"),
    ({"space": "nasbench201", "arch": ARCH + ARCH}, "is not of the form"),
    ({"space": "nasbench201", "arch": ARCH.replace("+", "")}, "is not written as the benchmark writes it"),
    ({"space": "nasbench201", "arch": f" {ARCH}"}, "is not written as the benchmark writes it"),
    ({"space": "nasbench201", "arch": ARCH.replace("~2", "~02")}, "is not written as the benchmark writes it"),
]


@pytest.mark.parametrize(("value", "message"), MALFORMED, ids=[message for _, message in MALFORMED])
def test_malformed_genotypes_are_named_with_the_place(value, message):
    with pytest.raises(InputError, match=f"^file: .*{message}"):
        genotype.parse(value, "file")


@pytest.mark.parametrize("name", spaces.SPACES)
def test_refusal_survives_a_round_trip_and_is_of_one_space(name, tmp_path):
    refused, path = genotype.Refused(name, "overflow in cells.3"), tmp_path / "refused.json"
    genotype.write(path, refused)
    assert genotype.read_for(path, name) == refused
    other = next(space for space in spaces.SPACES if space != name)
    with pytest.raises(InputError, match=f"^{path}: is a genotype of {name}, expected {other}"):
        genotype.read_for(path, other)


@pytest.mark.parametrize("name", spaces.SPACES)
def test_operations_in_another_order_select_nothing(name):
    space = spaces.load(name)
    result = {"space": name, "scores": random_scores(space, random.Random(0)), "operations": list(space.OPERATIONS)}
    result["audit"] = {"verdict": "noise", "overflow": None}
    assert genotype.derive(result, "file") == space.derive(result["scores"])
    with pytest.raises(InputError, match=r"^file: operations .* are not those of"):
        genotype.derive(result | {"operations": space.OPERATIONS[::-1]}, "file")
