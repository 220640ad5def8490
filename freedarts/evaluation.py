"""The test of trained weights in a process of its own."""

from pathlib import Path

import torch
from torch import nn

from freedarts import genotype, tasks, training, weights
from freedarts.environment import device_name, versions
from freedarts.files import InputError, read_json
from freedarts.settings import parse


def network(path: Path, genotype_file: Path | None, settings_text: str | None) -> tuple[nn.Module, dict]:
    """The network with the weights in *path*, and the settings of its task.

    Safetensors say themselves what they belong to; the genotype and settings given must be the same."""
    if path.suffix == ".safetensors":
        found, settings, state = weights.read(path)
        if genotype_file and (given := genotype.read(genotype_file)) != found:
            raise InputError(f"{genotype_file}: {given.to_json()} is not the genotype of {path}: {found.to_json()}")
        if settings_text and parse(settings_text, "retrain_settings") != settings:
            raise InputError(f"--settings: are not those that {path} was trained with")
    else:
        if genotype_file is None or settings_text is None:
            raise InputError(f"{path}: does not say what it belongs to: --genotype and --settings are needed")
        settings = parse(settings_text, "retrain_settings")
        found = genotype.read_trainable(genotype_file, settings["space"])
        state = weights.read_released(path)
    return weights.build(found, settings["network"], state, str(path)), settings


def evaluate(
    trained: nn.Module, settings: dict, data: Path | None, workers: int, device: torch.device, bf16: bool
) -> dict:
    """Errors in percent, and what they were measured on; data: manifest of the data set."""
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
    """Raise InputError unless the errors are, to the last digit, those that the training ended with."""
    keys = {"test_error": "error_last", "test_top5_error": "top5_error_last"}
    metrics = read_json(metrics_file, (*keys.values(), "device", "precision"))
    for here, there in keys.items():
        if result[here] != metrics[there]:
            raise InputError(
                f"{where}: {here} is {result[here]} ({result['device']}, {result['precision']}), but {metrics_file} has"
                f" {metrics[there]} ({metrics['device']}, {metrics['precision']})"
            )
