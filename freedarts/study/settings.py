"""What the configuration and a job's --settings may hold: config/schema.yaml, and what no schema can rule out.

Imports no torch: everything is checked before any job starts, and once more by the job, which may be called by hand.
"""

import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator, validators

from freedarts import nasbench201, plugins, scores, spaces, tasks
from freedarts.files import InputError, nearest, parse_json, read_bytes

ARCHITECTURE_PROXIES = ("parameters", "flops", "synflow", "snip", "grasp")
Datasets = Mapping[str, tasks.Facts]
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one of pure Python takes eight times as long


def _number(checker, value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


STRING, MERGE, *NUMBERS = (f"tag:yaml.org,2002:{name}" for name in ("str", "merge", "int", "float"))
MISREAD = re.compile(r"[-+]?(0[0-7_]+$|[0-9_]+:)")  # to the base 8 (010 is 8) and 60 (1:30 is 90)
SCIENTIFIC = re.compile(r"([-+]?[0-9]+)(\.[0-9]*)?[eE]([-+]?)([0-9]+)")  # a number only with both dot and sign
PATHS = ("file", "folder", "proxy", "space")  # keys whose values may be paths


# JSON Schema takes 5.0 for an integer and Python's NaN for a number; range(5.0) and a rate of NaN fail much later.
_Validator = validators.extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": lambda checker, value: type(value) is int, "number": _number}
    ),
)


def read_yaml(path: Path, foreign: bool = False) -> object:
    """Raises InputError for a file that is not valid YAML, has a key twice, of which readers of YAML take the last, or,
    unless it is *foreign*, has a name or number that YAML 1.1 reads as something else than it looks like."""
    content = read_bytes(path)
    try:
        return _parse_yaml(content, foreign, str(path))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None


def _parse_yaml(content: bytes, foreign: bool, where: str) -> object:
    loader = LOADER(content.decode())
    root = loader.get_single_node()
    for node in _nodes(root):
        if isinstance(node, yaml.MappingNode):
            _check_keys(node, loader, foreign, where)
        elif isinstance(node, yaml.ScalarNode) and not foreign:
            _check_number(node, loader, where)
            _check_text(node, where)
    return root and loader.construct_document(root)


def check_config(path: Path, foreign: bool = False) -> None:
    """The same of a file that Snakemake has read, as JSON or else as YAML."""
    content = read_bytes(path)
    try:
        json.loads(content.decode())
    except ValueError:
        read_yaml(path, foreign)
        return
    try:
        parse_json(content, str(path), constant=float)
    except InputError:
        with suppress(yaml.YAMLError):  # most of JSON is YAML, whose parser knows lines
            _parse_yaml(content, True, str(path))
        raise


def _nodes(root: yaml.Node | None) -> Iterator[yaml.Node]:
    """All of a document, each once: aliases lead to the same node."""
    queue, seen = [root] if root else [], set()
    while queue:
        node = queue.pop()
        if id(node) not in seen:
            seen.add(id(node))
            yield node
            if isinstance(node, yaml.MappingNode):
                queue += [part for pair in reversed(node.value) for part in reversed(pair)]
            elif isinstance(node, yaml.SequenceNode):
                queue += reversed(node.value)


def _check_keys(mapping: yaml.MappingNode, loader: yaml.Loader, foreign: bool, where: str) -> None:
    first: dict[tuple[str, str], yaml.Node] = {}
    for key, _ in mapping.value:
        line = key.start_mark.line + 1
        if (other := first.setdefault((key.tag, str(key.value)), key)) is not key:
            raise InputError(f"{where}: the key {key.value} twice, in lines {other.start_mark.line + 1} and {line}")
        if not foreign and key.tag not in (STRING, MERGE):
            read = loader.construct_object(key, deep=True)
            raise InputError(f"{where}, line {line}: the key {key.value} is read as {read!r}, no name; quote it")


def _check_number(scalar: yaml.ScalarNode, loader: yaml.Loader, where: str) -> None:
    if scalar.tag in NUMBERS and MISREAD.match(scalar.value):
        read, line = loader.construct_object(scalar), scalar.start_mark.line + 1
        raise InputError(f"{where}, line {line}: {scalar.value} is read as {read}; write that, or quote it as text")


def _check_text(scalar: yaml.ScalarNode, where: str) -> None:
    plain = scalar.tag == STRING and scalar.style not in ("'", '"', "|", ">")
    if plain and (number := SCIENTIFIC.fullmatch(scalar.value)):
        whole, fraction, sign, exponent = number.groups()
        text = f"{whole}{fraction or '.0'}e{sign or '+'}{exponent}"
        line = scalar.start_mark.line + 1
        raise InputError(f"{where}, line {line}: {scalar.value} is read as text; write {text}, or quote it as text")


def typed(value: object) -> object:
    """*value*, of --config, with numbers, truth values and null in place of their text, which is how Snakemake reads
    all that is nested there."""
    if isinstance(value, dict):
        return {key: typed(each) for key, each in value.items()}
    if isinstance(value, list):
        return [typed(each) for each in value]
    if not isinstance(value, str):
        return value
    try:
        read = yaml.load(value, LOADER)
    except (UnicodeEncodeError, yaml.YAMLError):
        return value
    if SCIENTIFIC.fullmatch(value):
        return float(value)
    plain = read is None or (isinstance(read, (bool, int, float)) and not MISREAD.match(value))
    return read if plain else value


def expanded(value: object, key: object = None) -> object:
    """*value*, of the configuration, with ~ and environment variables filled in where a path is none as it stands."""
    if isinstance(value, dict):
        return {name: expanded(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [expanded(each) for each in value]
    if key in PATHS and isinstance(value, str) and not os.path.exists(value):
        return os.path.expanduser(os.path.expandvars(value))
    return value


def overlaid(base: Path, overlays: Iterable[Path]) -> dict:
    """The configuration of the workflow in the folder *base*, with *overlays* laid over it as Snakemake does.
    InputError for a file that holds no mapping."""
    config: dict = {}
    for path in (base / "config" / "config.yaml", *overlays):
        overlay = read_yaml(path)
        if not isinstance(overlay, dict):
            raise InputError(f"{path}: holds {type(overlay).__name__}, expected a mapping")
        config = merged(config, overlay)
    return config


def merged(config: dict, overlay: dict) -> dict:
    """*overlay* laid over *config*: mappings are merged, all else is replaced."""
    both = {key for key in config.keys() & overlay.keys() if isinstance(config[key], dict)}
    parts = {key: merged(config[key], overlay[key]) for key in both if isinstance(overlay[key], dict)}
    return config | overlay | parts


def faults(value: object, schema: Path, definition: str | None = None) -> list[str]:
    """What is wrong with *value* by the *schema* file, or one of its definitions; one line a fault, place first."""
    rules = read_yaml(schema)
    if definition:
        rules = {"$ref": f"#/$defs/{definition}", "$defs": rules["$defs"]}
    found = []
    for error in sorted(_Validator(rules).iter_errors(value), key=lambda error: list(map(str, error.absolute_path))):
        place = ".".join(str(part) for part in error.absolute_path) or "top level"
        allowed = ""
        if error.validator == "additionalProperties" and "properties" in error.schema:
            names = error.schema["properties"]
            allowed = f"; allowed: {', '.join(names)}"
            allowed += "".join(nearest(key, names) for key in error.instance if key not in names)
        elif error.validator == "enum":
            allowed = nearest(error.instance, error.schema["enum"])
        found.append(f"{place}: {error.message}{allowed}")
    return found


def supernet_faults(supernet: dict) -> Iterator[str]:
    """What does not fit together in a supernet that is right by the schema."""
    options = dict(supernet)
    return spaces.option_faults(options.pop("space"), options)


def task_faults(
    task: dict, datasets: Datasets, images: int | None = None, processes: int | None = None
) -> Iterator[str]:
    """What does not fit together in a task that is right by the schema; datasets: those that there are; images: how
    many there are to train on, where the data set does not say; processes: that share every batch, where the task does
    not."""
    network = task["network"]
    smallest_batch = None
    yield from _engine_faults(task, task.get("gpus", 0))
    if "dataset" in task:
        if fault := tasks.unknown(task["dataset"], datasets):
            yield f"dataset: {fault}"
            return
        yield from _data_faults(network, task["dataset"], datasets)
        yield from _draw_faults(task)
        facts = datasets[task["dataset"]]
        if task["protocol"].get("color_jitter") and facts.small:
            yield f"protocol.color_jitter: true, but the images of {task['dataset']} are not transformed as ImageNet's"
        images = images or facts.train_images
        size = task["protocol"]["batch_size"]
        if size > images:
            yield f"protocol.batch_size: {size}, but the data set {task['dataset']} has {images} images to train on"
        processes = processes or task.get("gpus") or 1
        smallest_batch = (images % size or size) // processes
        if not smallest_batch:
            yield f"gpus: {processes}, but the last batch has {images % size or size} images for them"
    yield from spaces.option_faults(task["space"], network, final=True, smallest_batch=smallest_batch)


def _engine_faults(task: dict, gpus: int) -> Iterator[str]:
    if task.get("precision") == "bf16" and not gpus:
        yield "precision: bf16, but gpus: 0; it needs a GPU"
    if "captured" in task.get("step", "") and gpus != 1:
        yield f"step: {task['step']}, but gpus: {gpus}; it needs one GPU"
    if task.get("share", 1) > 1 and gpus != 1:
        yield f"share: {task['share']}, but gpus: {gpus}; trainings have one GPU together"


def _draw_faults(task: dict) -> Iterator[str]:
    try:
        tasks.check_draw(task["dataset"], task.get("draw", tasks.OWN))
    except InputError as error:
        yield str(error)
    if task.get("draw") == tasks.RELEASED and not task["protocol"].get("reshuffle", True):
        yield "protocol.reshuffle: false, but the release's draw has an order for each epoch; allowed: true"


def _data_faults(network: dict, dataset: str, datasets: Datasets) -> Iterator[str]:
    facts = datasets[dataset]
    for key in ("classes", "image_size"):
        if network[key] != getattr(facts, key):
            yield f"network.{key}: {network[key]}, but the data set {dataset} has {getattr(facts, key)}"


def gate_score(settings: dict) -> scores.Score:
    """How a score of the user, which rates gates, rates whole architectures: the weights as they are drawn, batch norm
    with the batch's statistics, every gate 1, float32. settings: an entry under architecture_scores."""
    given = {key: settings[key] for key in ("proxy", "data", "options") if key in settings}
    plain = {"batch_norm": "train", "gates": "ones", "positive_gates": False, "positive_weights": False}
    return scores.Score(**given, **plain, precision="float32")


def architecture_score_faults(score: dict, datasets: Datasets) -> Iterator[str]:
    """What does not fit together in a score of whole architectures that is right by the schema."""
    network, data = score["network"], score.get("data")
    yield from spaces.option_faults(nasbench201.SPACE, network, final=True)
    proxy = score["proxy"]
    if plugins.is_own(proxy):
        try:
            gate_score(score)
        except InputError as error:
            yield str(error)
            return
    elif proxy not in ARCHITECTURE_PROXIES:
        allowed = f"{', '.join(ARCHITECTURE_PROXIES)}, or the path of a file of your own, ending in .py"
        yield f"proxy: {proxy!r}; allowed: {allowed}"
        return
    elif "options" in score:
        yield f"options: with the proxy {proxy!r}, which has none"
    if data and not (plugins.is_own(proxy) or (proxy in scores.PROXIES and scores.signature(proxy).labelled)):
        yield f"data: with the proxy {proxy!r}, which takes none"
    elif data and (fault := tasks.unknown(data["dataset"], datasets)):
        yield f"data.dataset: {fault}"
    elif data:
        yield from _data_faults(network, data["dataset"], datasets)
        try:
            tasks.check_batch(datasets, **data)
            if data.get("draw") == tasks.RELEASED:
                yield f"data.draw: {tasks.RELEASED}; allowed for searches alone"
        except InputError as error:
            yield str(error)


_ODD = {
    "search_settings": lambda value, datasets: supernet_faults(value["supernet"]),
    "cost_settings": task_faults,
    "retrain_settings": task_faults,
    "architecture_score": architecture_score_faults,
    "replay_settings": task_faults,
    "image_folder": lambda value, datasets: (),
}


def parse(text: str, definition: str, schema: Path, datasets: Datasets = tasks.DATASETS) -> dict:
    """The JSON object given as --settings; definition: search_settings, cost_settings, retrain_settings,
    replay_settings, architecture_score or image_folder, in the file *schema*; datasets: those that there are.

    Raises InputError with all faults in one message.
    """
    value = parse_json(os.fsencode(text), "--settings", constant=float)  # so that a message can say where one stands
    if found := faults(value, schema, definition) or list(_ODD[definition](value, datasets)):
        raise InputError("\n  ".join(["--settings are not valid", *found]))
    return value
