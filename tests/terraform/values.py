"""What the stand-ins for Terraform's providers decide in the place of a cloud: values of what is computed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgpack

UNKNOWN = msgpack.ExtType(0, b"\0")
ANSWERS: dict[str, dict[str, dict[str, Any]]] = json.loads(Path(__file__).with_name("answers.json").read_text())
"""`read`: what data sources answer; `made`: what things look like that were made, `{seed}` and their own values to be
filled in; where something else looks at the form."""
Values = dict[str, Any]
Block = Mapping[str, Mapping[str, Any]]


def each_attribute(block: Block, values: Values) -> Iterator[tuple[Values, str, Mapping[str, Any]]]:
    """Every attribute with the object that it is in, those of nested blocks too."""
    for name, attribute in block["attributes"].items():
        yield values, name, attribute
    for name, nested in block["blocks"].items():
        found = values.get(name)
        inside = found.values() if nested["nesting"] == "map" and isinstance(found, dict) else found
        for each in [inside] if isinstance(inside, dict) else inside if isinstance(inside, list) else []:
            if isinstance(each, dict):
                yield from each_attribute(nested["block"], each)


def made_up(type_: Any, name: str, seed: str) -> Any:
    """A value of this type."""
    match type_:
        case "string":
            return f"arn:aws:made-up:eu-central-1:123456789012:{seed}" if name == "arn" else f"made-up-{name}-{seed}"
        case "number":
            return 1
        case "bool":
            return False
        case ["list" | "set", _]:
            return []
        case ["map", _]:
            return {}
        case ["object", parts]:
            return {part: made_up(inner, part, seed) for part, inner in parts.items()}
    return None


def planned(block: Block, values: Values) -> Values:
    """What the cloud decides is unknown yet; what is only written is not kept."""
    for holder, name, attribute in each_attribute(block, values):
        if attribute.get("write_only"):
            holder[name] = None
        elif attribute.get("computed") and holder.get(name) is None:
            holder[name] = UNKNOWN
    return values


def not_to_be_given(block: Block, config: Values) -> list[str]:
    """What is given although only the cloud can decide it."""
    return [
        name
        for holder, name, attribute in each_attribute(block, config)
        if attribute.get("computed") and not attribute.get("optional") and holder.get(name) is not None
    ]


def applied(kind: str, block: Block, values: Values, seed: str) -> Values:
    """What the cloud decides is decided."""
    known = ANSWERS["made"].get(kind, {})
    for holder, name, attribute in each_attribute(block, values):
        if isinstance(holder.get(name), msgpack.ExtType):
            looks = known.get(name) if holder is values else None
            holder[name] = (
                looks.format_map(values | {"seed": seed}) if looks else made_up(attribute.get("type"), name, seed)
            )
    return values


def answer(kind: str, block: Block, config: Values) -> Values:
    """What a data source says."""
    seed = hashlib.sha256(repr((kind, sorted(config.items()))).encode()).hexdigest()[:8]
    known = ANSWERS["read"].get(kind, {})
    for name, attribute in block["attributes"].items():
        if config.get(name) is None and attribute.get("computed"):
            config[name] = known.get(name, made_up(attribute.get("type"), name, seed))
    return config
