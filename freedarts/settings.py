"""What the configuration and a job's --settings may hold: config/schema.yaml, and what no schema can rule out.

Imports no torch: everything is checked before any job starts, and once more by the job, which may be called by hand.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator, validators

from freedarts import spaces, tasks
from freedarts.files import InputError, decode_settings

SCHEMA = Path(__file__).parents[1] / "config" / "schema.yaml"


def _number(checker, value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


# JSON Schema takes 5.0 for an integer and Python's NaN for a number; range(5.0) and a rate of NaN fail much later.
_Validator = validators.extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": lambda checker, value: type(value) is int, "number": _number}
    ),
)


def faults(value: object, definition: str | None = None) -> list[str]:
    """What is wrong with *value* by the schema, or by one of its definitions; one line a fault, place first."""
    # The pure Python loader takes eight times as long, in every search job.
    schema = yaml.load(SCHEMA.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    if definition:
        schema = {"$ref": f"#/$defs/{definition}", "$defs": schema["$defs"]}
    found = []
    for error in sorted(_Validator(schema).iter_errors(value), key=lambda error: list(map(str, error.absolute_path))):
        place = ".".join(str(part) for part in error.absolute_path) or "top level"
        allowed = ""
        if error.validator == "additionalProperties" and "properties" in error.schema:
            allowed = f"; allowed: {', '.join(error.schema['properties'])}"
        found.append(f"{place}: {error.message}{allowed}")
    return found


def supernet_faults(supernet: dict) -> Iterator[str]:
    """What does not fit together in a supernet that is right by the schema."""
    return spaces.load(supernet["space"]).option_faults(supernet)


def task_faults(task: dict, images: int | None = None) -> Iterator[str]:
    """What does not fit together in a task that is right by the schema; images: how many there are to train on, where
    the data set does not say."""
    network = task["network"]
    smallest_batch = None
    if "dataset" in task:
        facts = tasks.DATASETS[task["dataset"]]
        for key in ("classes", "image_size"):
            if network[key] != getattr(facts, key):
                yield f"network.{key}: {network[key]}, but the data set {task['dataset']} has {getattr(facts, key)}"
        if task["protocol"].get("color_jitter") and task["dataset"] not in tasks.FOLDERS:
            yield f"protocol.color_jitter: true, but the data set {task['dataset']} is no image folder"
        images = images or facts.train_images
        size = task["protocol"]["batch_size"]
        if size > images:
            yield f"protocol.batch_size: {size}, but the data set {task['dataset']} has {images} images to train on"
        smallest_batch = images % size or size
    yield from spaces.load(task["space"]).option_faults(network, final=True, smallest_batch=smallest_batch)


def parse(text: str, definition: str) -> dict:
    """The JSON object given as --settings; definition: search_settings, cost_settings or retrain_settings.

    Raises InputError with all faults in one message.
    """
    value = decode_settings(text)
    found = faults(value, definition)
    if not found:
        odd = supernet_faults(value["supernet"]) if "supernet" in value else task_faults(value)
        found = list(odd)
    if found:
        raise InputError("\n  ".join(["--settings are not valid", *found]))
    return value
