"""The test of trained weights in a process of its own."""

import json
from collections.abc import Callable
from pathlib import Path

from torch import nn

from freedarts import genotype, tasks, training
from freedarts.files import InputError, read_json
from freedarts.jobs.environment import Engine, device_name, versions
from freedarts.training import weights
from freedarts.training.protocol import resolved

ELSEWHERE = 0.1  # points: ten of CIFAR's images to test on


def network(
    path: Path, genotype_file: Path | None, settings_text: str | None, parse: Callable[[str], dict]
) -> tuple[nn.Module, dict]:
    """The network with the weights in *path*, and the settings of its task.

    Safetensors say themselves what they belong to; the genotype and settings given must be the same. parse:
    checks settings (freedarts.study.settings)."""
    if path.suffix == ".safetensors":
        trained, stated, state = weights.read(path)
        settings = parse(json.dumps(stated))
        if genotype_file and (given := genotype.read(genotype_file)) != trained:
            raise InputError(f"{genotype_file}: {given.to_json()} is not the genotype of {path}: {trained.to_json()}")
        if settings_text and resolved(parse(settings_text)) != resolved(settings):
            raise InputError(f"--settings: are not those that {path} was trained with")
    else:
        if genotype_file is None or settings_text is None:
            raise InputError(f"{path}: does not say what it belongs to: --genotype and --settings are needed")
        settings = parse(settings_text)
        trained = genotype.read_trainable(genotype_file, settings["space"])
        state = weights.read_released(path)
    return weights.build(trained, settings["network"], state, str(path)), settings


def evaluate(trained: nn.Module, settings: dict, data: Path | None, workers: int, engine: Engine) -> dict:
    """Errors in percent, and what they were measured on; data: manifest of the data set."""
    device, bf16 = engine.device, engine.bf16
    test = tasks.load(settings["dataset"], data, workers).to(device)
    if test.classes != settings["network"]["classes"]:
        raise InputError(f"the network has {settings['network']['classes']} classes, the data {test.classes}")
    return {
        **training.evaluate(trained.to(device), test.test_batches(), bf16),
        "dataset": settings["dataset"],
        "precision": "bf16" if bf16 else "float32",
        "device": device_name(device),
        "versions": versions(),
    }


def compare(result: dict, metrics_file: Path, where: str) -> None:
    """Raise InputError unless the errors are those that the training ended with: to the last digit with the same
    device, precision and torch, else, where sums may be rounded in another way, within ELSEWHERE."""
    keys = {"test_error": "error_last", "test_top5_error": "top5_error_last"}
    metrics = read_json(metrics_file, (*keys.values(), "device", "precision", "versions"))
    here, there = map(_made_with, (result, metrics))
    allowed = 0.0 if here == there else ELSEWHERE
    for key, trained in keys.items():
        if abs(result[key] - metrics[trained]) > allowed:
            raise InputError(
                f"{where}: {key} is {result[key]} ({here}), but {metrics_file} has {metrics[trained]} ({there})"
            )


def _made_with(errors: dict) -> str:
    return f"{errors['device']}, {errors['precision']}, torch {errors['versions']['torch']}"
