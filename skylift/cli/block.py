"""`skylift block`. Secrets are masked by the API, and never asked for here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from skylift.cli.base import Group
from skylift.cli.options import JSON, confirm, connect, json_object, output_option, tell, yes_option

if TYPE_CHECKING:
    from skylift.cli.client import Api


@click.group(cls=Group, examples=["skylift block type ls", "skylift block ls"])
def block() -> None:
    """Blocks: typed values, such as credentials. They are named TYPE-SLUG/NAME; their secrets are never shown."""


@block.group("type", examples=["skylift block type ls"])
def type_() -> None:
    """The types of blocks."""


@type_.command("ls", examples=["skylift block type ls"])
@output_option
def type_ls(output: str) -> None:
    """List the types of blocks."""
    from skylift.cli.output import print_json, print_table

    with connect() as api:
        found = api.every("/block_types/filter")
    if output == JSON:
        print_json(found)
        return
    print_table(
        ["Slug", "Name", "Description"],
        [[each["slug"], each["name"], each["description"]] for each in found],
        title="Block types",
    )


def _schema(api: Api, slug: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A block type and its newest schema."""
    from skylift.cli.client import path

    kind = api.get(path("block_types", "slug", slug))
    schemas = api.every("/block_schemas/filter", {"block_schemas": {"block_type_id": {"any_": [kind["id"]]}}}, limit=1)
    if not schemas:
        raise click.ClickException(f"Block type {slug!r} has no schema yet, so no block can be made of it")
    return kind, schemas[0]


@type_.command("inspect", examples=["skylift block type inspect aws-credentials"])
@click.argument("slug")
@output_option
def type_inspect(slug: str, output: str) -> None:
    """Show the fields of a block type."""
    from skylift.cli.output import print_json, print_table, shown

    with connect() as api:
        kind, schema = _schema(api, slug)
    if output == JSON:
        print_json(kind | {"block_schema": schema})
        return
    fields = schema["fields"]
    print_table(
        ["Field", "Type", "Required", "Secret", "Description"],
        [
            [
                name,
                each.get("type", ""),
                shown(name in fields.get("required", [])),
                shown(any(secret.split(".")[0] == name for secret in fields.get("secret_fields", []))),
                each.get("description", ""),
            ]
            for name, each in fields.get("properties", {}).items()
        ],
        title=f"Block type '{slug}'",
        empty="It has no fields.",
    )


@block.command(examples=["skylift block ls"])
@output_option
def ls(output: str) -> None:
    """List blocks."""
    from skylift.cli.output import print_json, print_table, when

    with connect() as api:
        found = api.every("/block_documents/filter", {"block_documents": {"is_anonymous": {"eq_": False}}})
    if output == JSON:
        print_json(found)
        return
    print_table(
        ["Block", "Type", "Updated (UTC)", "ID"],
        [[_name(each), each["block_type_name"], when(each["updated"]), each["id"]] for each in found],
        title="Blocks",
        empty="There are no blocks.",
    )


def _name(found: dict[str, Any]) -> str:
    return f"{(found['block_type'] or {}).get('slug', '?')}/{found['name']}"


def _find(api: Api, name: str) -> dict[str, Any]:
    from skylift.cli.client import path
    from skylift.cli.lookup import is_id

    if is_id(name):
        by_id: dict[str, Any] = api.get(path("block_documents", name))
        return by_id
    slug, slash, own = name.partition("/")
    if not slash or not slug or not own:
        raise click.UsageError(f"A block is named TYPE-SLUG/NAME (or by its id), not {name!r}")
    found: dict[str, Any] = api.get(path("block_types", "slug", slug, "block_documents", "name", own))
    return found


@block.command("inspect", examples=["skylift block inspect aws-credentials/main"])
@click.argument("block")
@output_option
def inspect_(block: str, output: str) -> None:
    """Show a block; its secrets are masked."""
    from skylift.cli.output import print_json, print_object

    with connect() as api:
        found = _find(api, block)
    if output == JSON:
        print_json(found)
    else:
        print_object(found["data"], title=f"Block '{_name(found)}'")


@block.command(
    examples=[
        "skylift block create --type-slug aws-credentials --name main --data @credentials.json",
        'skylift block create --type-slug aws-credentials --name role --data \'{"region_name": "eu-central-1"}\'',
    ]
)
@click.option("--type-slug", "slug", required=True, metavar="SLUG", help="The block's type.")
@click.option("--name", required=True, help="The block's name.")
@click.option(
    "--data", required=True, metavar="JSON", help="Its fields; @FILE reads them from a file (@- from standard input)."
)
@output_option
def create(slug: str, name: str, data: str, output: str) -> None:
    """Create a block. Secrets are better read from a file than typed: a shell remembers its lines."""
    values = json_object(data, "--data")
    with connect() as api:
        kind, schema = _schema(api, slug)
        body = {"name": name, "data": values, "block_schema_id": schema["id"], "block_type_id": kind["id"]}
        made = api.post("/block_documents/", body)
    tell(output, made, f"Created block '{slug}/{name}'")


@block.command(examples=["skylift block delete aws-credentials/main --yes"])
@click.argument("block")
@yes_option
@output_option
def delete(block: str, yes: bool, output: str) -> None:
    """Delete a block."""
    from skylift.cli.client import path

    with connect() as api:
        found = _find(api, block)
        confirm(f"Delete block '{_name(found)}'?", yes=yes)
        api.delete(path("block_documents", found["id"]))
    tell(output, {"deleted": found["id"]}, f"Deleted block '{_name(found)}'")
