"""The ladder of evidence for a test error of the paper."""

import pytest
import yaml

from freedarts.tables.evidence import reached
from tests.support import NUMBERS, REPLAY_VALUE, ROOT

DAGGER = NUMBERS["cifar10/freedarts-dagger"]
CASE = tuple(DAGGER["reproduced_by"][key] for key in ("task", "supernet", "source"))
PUBLISHED = yaml.safe_load((ROOT / "resources" / "costs.yaml").read_text(encoding="utf-8"))
PRINTED = next(
    entry
    for entry in PUBLISHED["genotypes"]
    if (entry["task"], entry["supernet"], entry["source"], entry["seed"]) == (*CASE, 1)
)
COUNTS = {"parameters": 0, "flops": 0, "macs": 0, "parameters_with_auxiliary": 0} | PRINTED
FOLLOWED = {"log": REPLAY_VALUE | {"followed_to": 50}}
FIRST = {"log": REPLAY_VALUE | {"followed_to": None}}
NEITHER = {"log": FIRST["log"] | {"first_equal": False}}


@pytest.mark.parametrize(
    ("trained", "replays", "counts", "rung"),
    [
        (3, FOLLOWED, COUNTS, "judged"),
        (2, FOLLOWED, COUNTS, "trained 2 of 3"),
        (0, FOLLOWED, COUNTS, "followed to step 50"),
        (0, FIRST, COUNTS, "first step equal"),
        (0, NEITHER, COUNTS, "costs exact"),
        (0, {"log": FOLLOWED["log"] | {"numbers": ["another"]}}, COUNTS, "costs exact"),
        (0, {}, COUNTS | {"parameters": 1}, "the paper alone"),
        (0, {}, None, "the paper alone"),
    ],
)
def test_evidence_reaches_the_last_rung_that_it_has(trained, replays, counts, rung):
    number = DAGGER | {"readings": {"published": {"n": trained}}}
    assert reached(number, {CASE: {1: counts}}, PUBLISHED, replays, minimum=3) == rung


def test_costs_of_all_genotypes_must_be_exact():
    number = NUMBERS["cifar10/freedarts"] | {"readings": {"published": {"n": 0}}}
    case = tuple(number["reproduced_by"][key] for key in ("task", "supernet", "source"))
    seeds = {
        entry["seed"]: COUNTS | entry
        for entry in PUBLISHED["genotypes"]
        if (entry["task"], entry["supernet"], entry["source"]) == case
    }
    assert reached(number, {case: seeds}, PUBLISHED, {}, minimum=3) == "costs exact"
    del seeds[4]
    assert reached(number, {case: seeds}, PUBLISHED, {}, minimum=3) == "the paper alone"
