"""Stand-ins for the vendors' Terraform providers: their schemas, served by Terraform's plugin protocol 6.

Terraform is told by TF_REATTACH_PROVIDERS to use them, so it looks for no registry and starts no binary. They plan
and apply as a provider does whose cloud says yes to everything: what is computed is unknown in a plan and made up when
it is applied, as `answers.json` has it where that has to look right; data sources answer the same each time.
The vendors' packages lack ephemeral resources: those that are used here are in `ephemeral.json`.

Runs where gRPC is: `python -m tests.terraform.providers SCHEMAS TYPES` prints the value of the variable, and serves
until its standard input ends. TYPES, a file, names the types that are wanted: Terraform reads all of them each time.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import msgpack
from tf.gen import tfplugin_pb2 as wire
from tf.gen import tfplugin_pb2_grpc as service

from tests.terraform.values import Block, Values, answer, applied, made_up, not_to_be_given, planned

ADDRESS = "registry.terraform.io/hashicorp/{}"
NESTING = {"single": "SINGLE", "list": "LIST", "set": "SET", "map": "MAP"}
WRITE_ONLY = b"\x58\x01"
"""Field 11 of an attribute, true: newer than the package that has the messages."""
EPHEMERAL: dict[str, dict[str, dict[str, Any]]] = json.loads(Path(__file__).with_name("ephemeral.json").read_text())
EPHEMERAL_SCHEMAS = 8
"""The field of the provider's schema that holds them: newer than the package that has the messages, as all of it is."""
BLOCKS_OF_PROVIDERS = {"azurerm": {"features"}}
"""What is a block in a provider's own configuration; the packages know nothing of it but the name."""


# -- schemas ----------------------------------------------------------------------------------------------------------


def schema_of(block: Block) -> Any:
    return wire.Schema(version=0, block=_block(block))


def _block(block: Block) -> Any:
    return wire.Schema.Block(
        attributes=[_attribute(name, each) for name, each in sorted(block["attributes"].items())],
        block_types=[
            wire.Schema.NestedBlock(
                type_name=name,
                block=_block(each["block"]),
                nesting=getattr(wire.Schema.NestedBlock.NestingMode, NESTING[each["nesting"]]),
                min_items=each["min"],
                max_items=each["max"],
            )
            for name, each in sorted(block["blocks"].items())
        ],
    )


def _attribute(name: str, each: Mapping[str, Any]) -> Any:
    flags = {flag: True for flag in ("required", "optional", "computed") if each.get(flag)} or {"optional": True}
    if "nested" in each:
        nested = wire.Schema.Object(
            attributes=[_attribute(inner, what) for inner, what in sorted(each["nested"].items())],
            nesting=getattr(wire.Schema.Object.NestingMode, NESTING[each["nesting"]]),
        )
        return wire.Schema.Attribute(name=name, nested_type=nested, **flags)
    made = wire.Schema.Attribute(name=name, type=json.dumps(each["type"]).encode(), **flags)
    if each.get("write_only"):
        made = wire.Schema.Attribute.FromString(made.SerializeToString() + WRITE_ONLY)
    return made


def _with_blocks(block: Block, names: set[str]) -> Block:
    """Without anything in them: a configuration that says more is not tested."""
    empty = {"nesting": "list", "min": 0, "max": 1, "block": {"attributes": {}, "blocks": {}}}
    attributes = {name: each for name, each in block["attributes"].items() if name not in names}
    return {"attributes": attributes, "blocks": {**block["blocks"], **dict.fromkeys(names, empty)}}


# -- messages ---------------------------------------------------------------------------------------------------------


def decoded(value: Any) -> Any:
    return msgpack.unpackb(value.msgpack, raw=False, strict_map_key=False) if value.msgpack else None


def encoded(value: Any) -> Any:
    return wire.DynamicValue(msgpack=msgpack.packb(value, use_bin_type=True))


def field(number: int, content: bytes) -> bytes:
    """A field of a message, as it goes over the wire: what it is, how long it is, and what it holds."""
    length, left = bytearray(), len(content)
    while left >= 0x80:
        length.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([number << 3 | 2]) + bytes([*length, left]) + content


def complaints(block: Block, config: Values) -> list[Any]:
    """What is given although only the cloud can decide it."""
    return [
        wire.Diagnostic(severity=wire.Diagnostic.ERROR, summary=f"Can't configure a value for {name!r}: it is computed")
        for name in not_to_be_given(block, config)
    ]


# -- the provider -----------------------------------------------------------------------------------------------------


class Provider(service.ProviderServicer):  # type: ignore[misc]
    """One vendor's."""

    def __init__(self, name: str, schema: Mapping[str, Any], wanted: Callable[[str], bool]) -> None:
        self.provider = _with_blocks(schema["provider"], BLOCKS_OF_PROVIDERS.get(name, set()))
        self.ephemeral = EPHEMERAL.get(name, {})
        self.resources = {name: each for name, each in schema["resources"].items() if wanted(name)}
        self.data = {name: each for name, each in schema["data"].items() if wanted(name)}

    def GetProviderSchema(self, request: Any, context: Any) -> Any:  # noqa: N802
        known = wire.GetProviderSchema.Response(
            provider=schema_of(self.provider),
            resource_schemas={name: schema_of(block) for name, block in self.resources.items()},
            data_source_schemas={name: schema_of(block) for name, block in self.data.items()},
        )
        more = [
            field(EPHEMERAL_SCHEMAS, field(1, name.encode()) + field(2, schema_of(block).SerializeToString()))
            for name, block in self.ephemeral.items()
        ]
        return wire.GetProviderSchema.Response.FromString(known.SerializeToString() + b"".join(more))

    def ValidateProviderConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        return wire.ValidateProviderConfig.Response()

    def ValidateResourceConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        found = complaints(self.resources[request.type_name], decoded(request.config))
        return wire.ValidateResourceConfig.Response(diagnostics=found)

    def ValidateDataResourceConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        found = complaints(self.data[request.type_name], decoded(request.config))
        return wire.ValidateDataResourceConfig.Response(diagnostics=found)

    def ConfigureProvider(self, request: Any, context: Any) -> Any:  # noqa: N802
        return wire.ConfigureProvider.Response()

    def UpgradeResourceState(self, request: Any, context: Any) -> Any:  # noqa: N802
        return wire.UpgradeResourceState.Response(upgraded_state=encoded(json.loads(request.raw_state.json)))

    def ReadResource(self, request: Any, context: Any) -> Any:  # noqa: N802
        return wire.ReadResource.Response(new_state=request.current_state)

    def PlanResourceChange(self, request: Any, context: Any) -> Any:  # noqa: N802
        values = decoded(request.proposed_new_state)
        if values is not None:
            values = planned(self.resources[request.type_name], values)
        return wire.PlanResourceChange.Response(planned_state=encoded(values), legacy_type_system=True)

    def ApplyResourceChange(self, request: Any, context: Any) -> Any:  # noqa: N802
        values = decoded(request.planned_state)
        if values is not None:
            values = applied(request.type_name, self.resources[request.type_name], values, uuid.uuid4().hex[:8])
        return wire.ApplyResourceChange.Response(new_state=encoded(values), legacy_type_system=True)

    def ReadDataSource(self, request: Any, context: Any) -> Any:  # noqa: N802
        config = decoded(request.config)
        return wire.ReadDataSource.Response(
            state=encoded(answer(request.type_name, self.data[request.type_name], config))
        )

    def validate_ephemeral(self, request: Any, context: Any) -> Any:
        found = complaints(self.ephemeral[request.type_name], decoded(request.config))
        return wire.ValidateDataResourceConfig.Response(diagnostics=found)

    def open_ephemeral(self, request: Any, context: Any) -> bytes:
        """Something else each time, as with the vendors'."""
        config = decoded(request.config)
        for name, attribute in self.ephemeral[request.type_name]["attributes"].items():
            if config.get(name) is None and attribute.get("computed"):
                config[name] = made_up(attribute["type"], name, uuid.uuid4().hex)
        return field(3, encoded(config).SerializeToString())

    def close_ephemeral(self, request: Any, context: Any) -> bytes:
        return b""

    def handlers(self) -> Any:
        """For the calls that the package with the messages does not have yet; what they ask looks as others' does."""
        as_asked = wire.ReadDataSource.Request.FromString
        unary = grpc.unary_unary_rpc_method_handler
        calls = {
            "ValidateEphemeralResourceConfig": unary(
                self.validate_ephemeral, as_asked, wire.ValidateDataResourceConfig.Response.SerializeToString
            ),
            "OpenEphemeralResource": unary(self.open_ephemeral, as_asked),
            "CloseEphemeralResource": unary(self.close_ephemeral),
        }
        return grpc.method_handlers_generic_handler("tfplugin6.Provider", calls)

    def GetFunctions(self, request: Any, context: Any) -> Any:  # noqa: N802
        return wire.GetFunctions.Response()

    def StopProvider(self, request: Any, context: Any) -> Any:  # noqa: N802
        return wire.StopProvider.Response()


def serve(schemas: Path, wanted: Callable[[str], bool], folder: str) -> tuple[dict[str, Any], list[Any]]:
    """Start all providers; what Terraform has to be told of them, and the servers."""
    attach, servers = {}, []
    for file in sorted(schemas.glob("*.json")):
        server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.max_send_message_length", -1)])
        provider = Provider(file.stem, json.loads(file.read_text()), wanted)
        server.add_generic_rpc_handlers((provider.handlers(),))
        service.add_ProviderServicer_to_server(provider, server)
        socket = f"{folder}/{file.stem}"
        server.add_insecure_port(f"unix:{socket}")
        server.start()
        servers.append(server)
        attach[ADDRESS.format(file.stem)] = {
            "Protocol": "grpc",
            "ProtocolVersion": 6,
            "Pid": os.getpid(),
            "Test": True,
            "Addr": {"Network": "unix", "String": socket},
        }
    return attach, servers


def main(schemas: Path, types: Path) -> None:
    names = set(types.read_text().split())
    with tempfile.TemporaryDirectory() as folder:
        attach, servers = serve(schemas, lambda name: name in names, folder)
        print(json.dumps(attach), flush=True)
        sys.stdin.read()
        for each in servers:
            each.stop(None).wait(5)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
