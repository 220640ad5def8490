"""docs/configuration.md, from the schema and the default configuration. Imports no torch."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from freedarts import plugins
from freedarts.study.settings import read_yaml

INTRODUCTION = """\
# Configuration reference

Made from [config/schema.yaml](../config/schema.yaml) by `make reference`; do not edit it here. What the entries are
for, and which ones there are: [config/README.md](../config/README.md).

`NAME` stands for a name of your own: lower case letters, digits and hyphens. `[]` stands for each item of a list. The
*default* is what holds where a key is left out: –, the key is optional and has none. Keys outside of named entries and
lists are set in [config/config.yaml](../config/config.yaml). Keys that are not listed are refused.
"""
OWN = "that is a file of your own"
TYPES = {"object": "mapping", "array": "list", "boolean": "true or false", "string": "text", "null": "null"}
HEADER = "| key | value | default | description |\n|---|---|---|---|"


@dataclass
class Key:
    """A key of the configuration; spaces: the search spaces that have it, none if all do."""

    path: str
    schema: dict
    required: bool
    spaces: list[str]


def configuration(schema: Path) -> str:
    """The page, Markdown; schema: config/schema.yaml, with config.yaml beside it."""
    whole, defaults = read_yaml(schema), read_yaml(schema.with_name("config.yaml"))
    parts = [INTRODUCTION]
    for name, entry in whole["properties"].items():
        first, *keys = _merged(_keys(Key(name, entry, True, []), whole["$defs"], {}))
        parts.append(f"## {name}\n\n{first.schema['description']}\n")
        parts.append(HEADER)
        parts += [_row(key, name, defaults, [*plugins.known("spaces"), OWN]) for key in keys or [first]]
        parts.append("")
    return "\n".join(parts)


def _keys(key: Key, definitions: dict, seen: dict[str, str]) -> Iterator[Key]:
    """The key and, after it, those inside it. seen: definition -> the path that has its keys already."""
    path = key.path
    while "$ref" in key.schema:
        name = key.schema["$ref"].removeprefix("#/$defs/")
        if "properties" in definitions[name] and seen.setdefault(name, path) != path:
            optional = "" if "required" in definitions[name] else ", all optional"
            text = (
                f"{key.schema.get('description', '')} The keys are those of `{seen[name].split('.', 1)[1]}`{optional}."
            )
            yield replace(key, schema={"description": text.strip()})
            return
        key.schema = {**definitions[name], **{word: value for word, value in key.schema.items() if word != "$ref"}}
    yield key
    variants = [(key.schema, key.spaces)]
    for variant in key.schema.get("allOf", ()):
        if "then" in variant:
            variants.append((variant["then"], [variant["if"]["properties"]["space"]["const"]]))
        else:
            variants.append((variant["else"], [OWN]))
    for variant, spaces in variants:
        for name, inner in variant.get("properties", {}).items():
            if isinstance(inner, dict):
                required = name in variant.get("required", ())
                yield from _keys(Key(f"{path}.{name}", inner, required, spaces), definitions, seen)
    if isinstance(inner := key.schema.get("additionalProperties"), dict):
        yield from _keys(Key(f"{path}.NAME", inner, False, key.spaces), definitions, seen)
    if key.schema.get("type") == "array":
        yield from _keys(Key(f"{path}[]", key.schema["items"], False, key.spaces), definitions, seen)


def _merged(keys: Iterator[Key]) -> list[Key]:
    """Each path once, after the key that it is in: a key that several spaces have is one row, and what only stands for
    an entry or an item of a list is none."""
    found: dict[str, Key] = {}
    for key in keys:
        known = found.setdefault(key.path, key)
        if known is not key:
            known.schema = key.schema | known.schema
            known.spaces = [*known.spaces, *key.spaces] if known.spaces else []
    places = {path: place for place, path in enumerate(found)}

    def order(path: str) -> list[int]:
        parts = path.split(".")
        return [places.get(".".join(parts[: end + 1]), 0) for end in range(len(parts))]

    shown = [
        key for key in found.values() if not key.path.endswith(("NAME", "[]")) or set(key.schema) == {"description"}
    ]
    return sorted(shown, key=lambda key: order(key.path))


def _row(key: Key, section: str, defaults: dict, spaces: list[str]) -> str:
    default = "required" if key.required else "–"
    if "NAME" not in key.path and "[]" not in key.path:
        value = defaults
        for part in key.path.split("."):
            value = value.get(part, ...)
        default = "–" if value is ... else "" if isinstance(value, dict) else _code(value)
    elif "default" in key.schema:
        default = _code(key.schema["default"])
    path = key.path.removeprefix(section).removeprefix(".") or section
    text = key.schema.get("description", "").replace("|", r"\|")
    if key.spaces and set(key.spaces) != set(spaces):
        text = f"Of the space {' and '.join(key.spaces)}. {text}"
    return f"| `{path}` | {_allowed(key.schema)} | {default} | {text} |"


def _code(value: object) -> str:
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _allowed(schema: dict) -> str:
    if "enum" in schema:
        return ", ".join(map(_code, schema["enum"]))
    kinds = schema.get("type", "object")
    words = [TYPES.get(kind, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    bounds = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {schema[key]}" for key, sign in bounds.items() if key in schema]
    limits += [f"a multiple of {schema['multipleOf']}"] if "multipleOf" in schema else []
    return ", ".join([" or ".join(words), *limits])
