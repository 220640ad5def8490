"""Scripts as commands: bad input is one message that names the file and the place, status 1, and nothing written."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from freedarts.spaces import nasbench201
from tests.support import ROOT, SEARCH_RESULT, TINY_TASK, assert_refused, options, write

SCORE = {"proxy": "synflow", "batch_norm": "train", "gates": "ones", "precision": "float32"}
SCORE |= {"positive_gates": True, "positive_weights": True}
SUPERNET = {"space": "nasbench201", "channels": 4, "cells_per_stage": 1, "image_size": 8, "classes": 5}
DARTS_SUPERNET = {
    "space": "darts", "channels": 2, "cells": 3, "stem_kind": "cifar", "image_size": 8, "classes": 5
}  # fmt: skip
SEARCHING = {"supernet": SUPERNET, "score": SCORE}
ARCH = nasbench201.from_index(6818).to_json()
COSTS = {key: TINY_TASK[key] for key in ("space", "network")}
DARTS_TASK = TINY_TASK | {
    "space": "darts",
    "network": {"channels": 2, "cells": 3, "stem_kind": "cifar", "image_size": 32, "classes": 10, "auxiliary": True},
}


def test_exit_status_and_line_of_a_process(tmp_path):
    command = [sys.executable, "-m", "scripts.derive", "--search", tmp_path / "none.json", "--output", tmp_path / "out"]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True)
    assert (done.returncode, done.stderr) == (1, f"error: {tmp_path / 'none.json'}: no such file\n")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"--seed": -1}, "seed -1; allowed: 0 to 4294967295"),
        ({"--seed": 2**64}, f"seed {2**64}; allowed: 0 to 4294967295"),
        ({"--threads": 0}, "--threads 0; allowed: 1 and above"),
        ({"--device": "cuda"}, "no CUDA device is available"),
        ({"--settings": "{"}, "--settings: not valid JSON"),
        ({"--settings": "[]"}, "holds a list, expected an object"),
        ({"--settings": {"supernet": SUPERNET}}, "top level: 'score' is a required property"),
        ({"--settings": SEARCHING | {"score": None}}, "score: None is not of type 'object'"),
        (
            {"--settings": SEARCHING | {"score": SCORE | {"proxy": "x"}}},
            "score settings: proxy 'x'; allowed: grasp, snip, synflow",
        ),
        (
            {"--settings": SEARCHING | {"score": SCORE | {"gates": "normal", "gate_scale": float("inf")}}},
            "score.gate_scale: inf is not of type 'number'",
        ),
        ({"--settings": SEARCHING | {"score": SCORE | {"gate_scale": 1}}}, "gate_scale 1 with gates 'ones'"),
        (
            {"--settings": SEARCHING | {"supernet": SUPERNET | {"space": "cars"}}},
            "space: unknown space 'cars'; allowed: darts, mobilenet, nasbench201, or the path of a file",
        ),
        ({"--settings": SEARCHING | {"supernet": SUPERNET | {"depth": 1}}}, "('depth' was unexpected); allowed: space"),
        ({"--settings": SEARCHING | {"supernet": SUPERNET | {"channels": 4.0}}}, "channels: 4.0 is not of type 'int"),
        ({"--settings": SEARCHING | {"supernet": SUPERNET | {"image_size": 9}}}, "image_size: 9; allowed: multiples"),
        ({"--settings": SEARCHING | {"supernet": DARTS_SUPERNET | {"cells": 1}}}, "cells: 1 is less than the minimum"),
        (
            {"--settings": SEARCHING | {"supernet": DARTS_SUPERNET | {"stem_kind": "foo"}}},
            "stem_kind: 'foo' is not one of ['cifar', 'imagenet']",
        ),
        (
            {"--settings": SEARCHING | {"supernet": DARTS_SUPERNET | {"stem_kind": "imagenet", "image_size": 48}}},
            "image_size: 48 with the stem 'imagenet'; allowed: multiples of 32",
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_search_names_what_is_wrong(script, changes, message):
    given = {"--supernet": "n", "--score": "s", "--seed": 0, "--settings": SEARCHING, "--output": "out/scores.json"}
    given |= changes
    if not isinstance(given["--settings"], str):
        given["--settings"] = json.dumps(given["--settings"])
    assert_refused(script("search", *options(given)), message)


def test_search_and_derive(script):
    given = {"--supernet": "n", "--score": "s", "--seed": 0, "--settings": json.dumps(SEARCHING), "--output": "s.json"}
    assert script("search", *options(given)) == (0, "")
    assert script("derive", "--search", "s.json", "--output", "g.json") == (0, "")
    text = Path("s.json").read_text()
    write(Path("s.json"), text[: len(text) // 2])
    assert_refused(script("derive", "--search", "s.json", "--output", "out/g.json"), "s.json: not valid JSON")


GENOTYPES = [
    (None, "genotype.json: no such file"),
    ({"space": "darts"}, "genotype.json: normal: expected 8 pairs [operation, input], two per node"),
    ({"space": "darts", "refused": "x", "normal": []}, "genotype.json: refused: expected a reason"),
    (json.dumps(ARCH)[:30], "genotype.json: not valid JSON"),
    ({"space": "nasbench201", "arch": "|none~0|"}, "genotype.json: arch: '|none~0|' is not of the form"),
    ({"space": "letters"}, "genotype.json: space: unknown space 'letters'; allowed: darts, mobilenet"),
]


@pytest.mark.parametrize(("content", "message"), GENOTYPES, ids=[message for _, message in GENOTYPES])
def test_every_script_names_what_is_wrong_in_a_genotype(script, content, message):
    if content:
        write(Path("genotype.json"), content)
    assert_refused(script("publish", "--resource", "genotype.json", "--seed", 0, "--output", "out/g.json"), message)
    given = ("--settings", json.dumps(COSTS), "--output", "out/c.json", "genotype.json")
    assert_refused(script("cost", *given), message)
    assert_refused(retrain(script), message)


def test_folders_in_place_of_files_are_named(script, tmp_path):
    (tmp_path / "folder").mkdir()
    given = ("publish", "--seed", 0, "--resource")
    assert_refused(script(*given, "folder", "--output", "out/g.json"), "folder: cannot be read")
    write(tmp_path / "g.json", ARCH)
    assert_refused(script(*given, "g.json", "--output", "folder"), "'folder'")
    assert not list((tmp_path / "folder").iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "g.json"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (COSTS | {"space": "darts"}, "network"),
        (COSTS | {"network": {"channels": 4}}, "network: 'cells_per_stage' is a required property"),
        (TINY_TASK, "'dataset' is not one of ['space', 'network']"),
        ("{", "--settings: not valid JSON"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_cost_names_what_is_wrong(script, settings, message):
    write(Path("genotype.json"), ARCH)
    text = settings if isinstance(settings, str) else json.dumps(settings)
    assert_refused(script("cost", "--settings", text, "--output", "out/c.json", "genotype.json"), message)


def test_cost_refuses_two_genotypes_of_one_seed_and_those_of_another_space(script):
    for folder in ("a", "b"):
        write(Path(folder) / "seed0.json", ARCH | {"seed": 0})
    given = ("--settings", json.dumps(COSTS), "--output", "out/c.json", "a/seed0.json")
    assert_refused(script("cost", *given, "b/seed0.json"), "b/seed0.json: a second genotype of seed 0")
    darts = ("--settings", json.dumps({key: DARTS_TASK[key] for key in COSTS}), *given[2:])
    assert_refused(script("cost", *darts), "a/seed0.json: is a genotype of nasbench201, expected darts")


def retrain(script, settings: object = TINY_TASK, **changes) -> tuple[int, str]:
    given = {"--genotype": "genotype.json", "--task": "t", "--run": 0, "--settings": json.dumps(settings)}
    return script("retrain", *options(given | {"--output": "out/metrics.json"} | changes))


def protocol(**changes) -> dict:
    return TINY_TASK | {"protocol": TINY_TASK["protocol"] | changes}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (COSTS, "'dataset' is a required property"),
        (TINY_TASK | {"dataset": "numbers"}, "dataset: 'numbers'; allowed: digits, cifar10"),
        (
            TINY_TASK | {"network": TINY_TASK["network"] | {"classes": 11}},
            "network.classes: 11, but the data set",
        ),
        (
            TINY_TASK | {"network": TINY_TASK["network"] | {"image_size": 64}},
            "network.image_size: 64, but the data",
        ),
        (protocol(warmup=1), "('warmup' was unexpected); allowed: epochs"),
        (protocol(schedule="step"), "protocol.schedule: 'step' is not one of ['cosine'"),
        (protocol(epochs=0), "protocol.epochs: 0 is less than the minimum of 1"),
        (protocol(epochs="1"), "protocol.epochs: '1' is not of type 'integer'"),
        (protocol(epochs=1.0), "protocol.epochs: 1.0 is not of type 'integer'"),
        (protocol(batch_size=0), "protocol.batch_size: 0 is less than the minimum of 2"),
        (protocol(batch_size=2000), "protocol.batch_size: 2000, but the data set digits has 1437 images"),
        (protocol(learning_rate=-0.1), "protocol.learning_rate: -0.1 is less than or equal to the minimum of 0"),
        (protocol(learning_rate=float("nan")), "protocol.learning_rate: nan is not of type 'number'"),
        (protocol(label_smoothing=2), "protocol.label_smoothing: 2 is greater than the maximum of 1"),
        (protocol(momentum=2), "protocol.momentum: 2 is greater than or equal to the maximum of 1"),
        (protocol(drop_path=1), "protocol.drop_path: 1 is greater than or equal to the maximum of 1"),
        (protocol(gradient_clip=0), "protocol.gradient_clip: 0 is less than or equal to the minimum of 0"),
        (
            DARTS_TASK | {"protocol": TINY_TASK["protocol"] | {"batch_size": 718}},
            "batch_size: the last batch would hold one image",
        ),
        (
            DARTS_TASK | {"dataset": "imagenet"},
            "network.image_size: 32, but the data set imagenet has 224",
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_retrain_names_what_is_wrong_in_the_task(script, settings, message):
    write(Path("genotype.json"), ARCH)
    assert_refused(retrain(script, settings), message)


CIFAR = TINY_TASK | {"dataset": "cifar10"}


@pytest.mark.parametrize(
    ("settings", "changes", "message"),
    [
        (TINY_TASK, {"--run": -1}, "run -1; allowed: 0 to 999"),
        (TINY_TASK, {"--run": 1000}, "run 1000; allowed: 0 to 999"),
        (TINY_TASK, {"--seed": -1}, "seed -1; allowed: 0 to 4294967295"),
        (TINY_TASK, {"--gpus": 1}, "no CUDA device is available"),
        (TINY_TASK, {"--threads": 0}, "--threads 0; allowed: 1 and above"),
        (CIFAR, {}, "--data: the manifest of cifar10 is needed, as `snakemake data/cifar10.json` makes it"),
        (CIFAR, {"--data": "data/cifar10.json"}, "CIFAR10 is missing or damaged"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_retrain_names_what_is_wrong_in_its_options(script, settings, changes, message):
    write(Path("genotype.json"), ARCH)
    write(Path("data/cifar10.json"), {"dataset": "cifar10", "sha256": {}})
    assert_refused(retrain(script, settings, **changes), message)


def test_retrain_refuses_a_search_without_a_genotype(script):
    write(Path("genotype.json"), {"space": "nasbench201", "refused": "overflow in cells.3"})
    assert_refused(retrain(script), "the search gave no genotype (overflow in cells.3)")


def test_derive_names_what_is_wrong_in_scores(script):
    faults = [
        (json.dumps(SEARCH_RESULT)[: len(json.dumps(SEARCH_RESULT)) // 2], "scores.json: not valid JSON"),
        ({key: value for key, value in SEARCH_RESULT.items() if key != "audit"}, "scores.json: no key 'audit'"),
        (json.dumps(SEARCH_RESULT).replace("0.3,", "NaN,", 1), "scores.json: holds NaN"),
        (SEARCH_RESULT | {"scores": {"cell": [[0.0] * 5] * 5}}, "scores.json: scores.cell: expected 6 rows"),
        (SEARCH_RESULT | {"scores": {"cell": [[True] * 5] * 6}}, "scores.cell[0], none: True is not a finite number"),
        (
            SEARCH_RESULT | {"audit": {"verdict": "overflow"}},
            "audit.overflow: expected the name of a module",
        ),
        (SEARCH_RESULT | {"audit": {"verdict": "fine"}}, "scores.json: audit has no verdict; allowed: sound"),
    ]
    for content, message in faults:
        write(Path("scores.json"), content)
        assert_refused(script("derive", "--search", "scores.json", "--output", "out/g.json"), message)
