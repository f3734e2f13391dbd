"""Rebuild the schemas of the vendors' Terraform providers from the packages that are generated from them.

The packages `cdktn-provider-*` hold a class for each resource and data source, and say of each argument what Terraform
itself wants to know: its type, whether it is computed, optional or required, and whether it is a block. What providers
check beyond that (values, combinations) is not in them.

Runs where those packages are: `python tests/terraform/schemas.py FOLDER` writes a file for each of them.
"""

from __future__ import annotations

import json
import re
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROVIDERS = ("aws", "azurerm", "google", "random")
CLASS = re.compile(r"^class (\w+) extends cdkt[fn]\.(\w+) \{$(.*?)^\}", re.M | re.S)
MEMBER = re.compile(
    r"^    // (\w+) - computed: (true|false), optional: (true|false), required: (true|false)$"
    r"(.*?)(?=^    // \w+ - computed: |^    // =====|\Z)",
    re.M | re.S,
)
WRITTEN = re.compile(
    r'^\s+(\w+): \{\s+value: (.+?),\n\s+isBlock: (\w+),\s+type: "(\w+)",\s+storageClassType: "(\w+)"', re.M
)
WRITER = re.compile(r"^function (\w+)ToHclTerraform\(struct\) \{(.*?)^\}", re.M | re.S)
HELD = re.compile(r'new ((?:cdkt[fn]\.)?\w+)\(this, ["\']\w+["\'](?:, (true|false))?\)')
GOT = re.compile(r"this\.get(\w+?)Attribute\(")
KIND = {"TerraformResource": "resources", "TerraformDataSource": "data", "TerraformProvider": "provider"}
SCALARS = {"string": "string", "number": "number", "boolean": "bool", "any": "dynamic"}
GETTERS = {
    "String": "string",
    "Number": "number",
    "Boolean": "bool",
    "List": ["list", "string"],
    "NumberList": ["list", "number"],
    "StringMap": ["map", "string"],
    "NumberMap": ["map", "number"],
    "BooleanMap": ["map", "bool"],
    "AnyMap": ["map", "string"],
}
Type = Any
"""As Terraform writes types in JSON: a name, or a list of what it is and of what it holds."""
Block = dict[str, dict[str, Any]]
"""`attributes` and `blocks` by name."""


@dataclass(frozen=True, slots=True)
class Written:
    """How an argument is written in HCL."""

    is_block: bool
    type: Type
    holds_objects: bool
    write_only: bool


class Module:
    """One generated module: the class of a resource, and those of the objects in it."""

    def __init__(self, source: str) -> None:
        self.classes = {name: (base, body) for name, base, body in CLASS.findall(source)}
        self.writers = dict(WRITER.findall(source))
        self.terraform_type = (re.findall(r"tfResourceType = [\"'](\w+)[\"']", source) or [None])[0]
        self.version = (re.findall(r"providerVersion: '([\d.]+)'", source) or [None])[0]

    def main(self) -> tuple[str, Block] | None:
        """What it is, and its schema; None for a module that is none of the three."""
        for base, body in self.classes.values():
            if base in KIND:
                return KIND[base], self.block(body, dict(_written(body[body.find("synthesizeHclAttributes") :])), ())
        return None

    def block(self, body: str, written: dict[str, Written], within: tuple[str, ...]) -> Block:
        attributes: dict[str, Any] = {}
        blocks: dict[str, Any] = {}
        for name, computed, optional, required, code in MEMBER.findall(body):
            flags = {"computed": computed, "optional": optional, "required": required}
            entry: dict[str, Any] = {flag: True for flag, value in flags.items() if value == "true"}
            how = written.get(name)
            if how and how.write_only:
                entry["write_only"] = True
            held = HELD.search(code)
            if held and not held[1].startswith("cdkt"):
                self._object(name, entry, how, held, within, attributes, blocks)
            else:
                attributes[name] = entry | {"type": _type(how, code)}
        return {"attributes": attributes, "blocks": blocks}

    def _object(
        self,
        name: str,
        entry: dict[str, Any],
        how: Written | None,
        held: re.Match[str],
        within: tuple[str, ...],
        attributes: dict[str, Any],
        blocks: dict[str, Any],
    ) -> None:
        """A block, an attribute that is written as one, or a plain attribute with objects in it."""
        nesting, element, at_most = self._nesting(held[1], in_set=held[2] == "true")
        if element in within:
            attributes[name] = entry | {"type": "dynamic"}  # some classes have themselves as a part
            return
        writer = self.writers.get(element[0].lower() + element[1:].removesuffix("OutputReference"), "")
        inner = self.block(self.classes[element][1], dict(_written(writer)), (*within, element))
        if nesting == "set" and '"dynamic"' in json.dumps(inner):
            nesting = (
                "list"  # a set cannot hold what has no type; only of one that has itself as a part is it not known
            )
        if how and how.is_block and not entry.get("computed"):
            least = 1 if entry.get("required") and nesting in ("list", "set") else 0
            blocks[name] = {"nesting": nesting, "min": least, "max": at_most, "block": inner}
        elif how and not how.is_block:
            attributes[name] = entry | {"nesting": nesting, "nested": inner["attributes"]}
        else:
            attributes[name] = entry | {"type": _as_type(nesting, inner)}

    def _nesting(self, name: str, *, in_set: bool) -> tuple[str, str, int]:
        """How often it may be there, the class of one of it, and the most of it (0: any)."""
        base, body = self.classes[name]
        if base in ("ComplexList", "ComplexMap"):
            (element,) = set(re.findall(r"return new (\w+)\(", body))
            return ("map" if base == "ComplexMap" else "set" if in_set else "list"), element, 0
        return ("list", name, 1) if re.search(r"super\(\w+, \w+, (true|false), 0\)", body) else ("single", name, 0)


def _written(body: str) -> Iterator[tuple[str, Written]]:
    for name, value, is_block, kind, held in WRITTEN.findall(body):
        plain = re.fullmatch(r"(string|number|boolean|any)((?:List|Map)*)", held)
        found: Type = "dynamic"
        if plain:
            found = SCALARS[plain[1]]
            layers = re.findall("List|Map", plain[2])
            for at, layer in enumerate(layers):
                outermost = at == len(layers) - 1
                found = [kind if outermost and kind in ("list", "set", "map") else layer.lower(), found]
        yield name, Written(is_block == "true", found, not plain, "markWriteOnly" in value)


def _type(how: Written | None, code: str) -> Type:
    if how and not how.holds_objects:
        return how.type
    if held := re.search(r"new cdkt[fn]\.(String|Number|Boolean|Any)Map", code):
        return ["map", {"Boolean": "bool", "Number": "number"}.get(held[1], "string")]
    got = GOT.search(code)
    found: Type = GETTERS.get(got[1], "dynamic") if got else "dynamic"
    return ["set", found[1]] if found[0] == "list" and "Fn.tolist(" in code else found


def _as_type(nesting: str, inner: Block) -> Type:
    """The type of an attribute that holds objects."""
    parts = {
        name: each["type"]
        if "type" in each
        else _as_type(each["nesting"], {"attributes": each["nested"], "blocks": {}})
        for name, each in inner["attributes"].items()
    }
    parts |= {name: _as_type(each["nesting"], each["block"]) for name, each in inner["blocks"].items()}
    whole = ["object", parts]
    if "dynamic" in json.dumps(parts):
        return "dynamic"  # a collection cannot hold what has no type
    return whole if nesting == "single" else [nesting, whole]


def rebuild(archive: Path) -> dict[str, Any]:
    """Everything that the package knows."""
    schema: dict[str, Any] = {"version": None, "provider": None, "resources": {}, "data": {}}
    with tarfile.open(archive) as packed:
        for member in packed:
            parts = member.name.split("/")
            file = packed.extractfile(member) if parts[1:2] == ["lib"] and parts[3:] == ["index.js"] else None
            if not file:
                continue
            module = Module(re.sub(r"^//# sourceMappingURL.*", "", file.read().decode(), flags=re.M))
            found = module.main()
            schema["version"] = module.version or schema["version"]
            if found and found[0] == "provider":
                schema["provider"] = found[1]
            elif found and module.terraform_type:
                schema[found[0]][module.terraform_type.removeprefix("data.")] = found[1]
    return schema


def main(target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for provider in PROVIDERS:
        (package,) = (Path(each) / f"cdktn_provider_{provider}" for each in sys.path if _holds(each, provider))
        (archive,) = (package / "_jsii").glob("*.tgz")
        schema = rebuild(archive)
        (target / f"{provider}.json").write_text(json.dumps(schema))
        counts = f"{len(schema['resources'])} resources, {len(schema['data'])} data sources"
        print(f"{provider} {schema['version']}: {counts}")


def _holds(folder: str, provider: str) -> bool:
    return (Path(folder) / f"cdktn_provider_{provider}" / "_jsii").is_dir()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
