"""`skylift variable`."""

from __future__ import annotations

import click

from skylift.cli.base import Group
from skylift.cli.options import JSON, confirm, connect, json_or_text, output_option, tell, yes_option


@click.group(cls=Group, examples=["skylift variable set region eu-central-1", "skylift variable ls"])
def variable() -> None:
    """Variables: small values that flows and templates share. They are no place for secrets: use blocks."""


@variable.command(
    "set",
    examples=["skylift variable set region eu-central-1", "skylift variable set limits '{\"cpu\": 2}' --overwrite"],
)
@click.argument("name")
@click.argument("value")
@click.option("--overwrite", is_flag=True, help="Replace the value of a variable that is there.")
@click.option("--tag", "-t", "tags", multiple=True, help="A tag.")
@output_option
def set_(name: str, value: str, overwrite: bool, tags: tuple[str, ...], output: str) -> None:
    """Set a variable. VALUE is JSON, else text."""
    from skylift.cli.client import path

    body = {"value": json_or_text(value), **({"tags": list(tags)} if tags else {})}
    with connect() as api:
        known = api.post("/variables/count", {"variables": {"name": {"any_": [name]}}}) if overwrite else 0
        if known:
            api.patch(path("variables", "name", name), body)
        else:
            api.post("/variables/", {"name": name, **body})
        found = api.get(path("variables", "name", name))
    tell(output, found, f"Set variable '{name}'")


@variable.command(examples=["skylift variable get region"])
@click.argument("name")
@output_option
def get(name: str, output: str) -> None:
    """Print a variable's value."""
    from skylift.cli.client import path
    from skylift.cli.output import print_json

    with connect() as api:
        found = api.get(path("variables", "name", name))
    if output == JSON:
        print_json(found)
    elif isinstance(found["value"], str):
        click.echo(found["value"])
    else:
        print_json(found["value"])


@variable.command(examples=["skylift variable ls"])
@output_option
def ls(output: str) -> None:
    """List variables."""
    import json

    from skylift.cli.output import print_json, print_table, when

    with connect() as api:
        found = api.every("/variables/filter")
    if output == JSON:
        print_json(found)
        return
    print_table(
        ["Name", "Value", "Tags", "Updated (UTC)"],
        [
            [
                each["name"],
                json.dumps(each["value"], ensure_ascii=False),
                ", ".join(each["tags"]),
                when(each["updated"]),
            ]
            for each in found
        ],
        title="Variables",
        empty="There are no variables.",
    )


@variable.command(examples=["skylift variable unset region --yes"])
@click.argument("name")
@yes_option
@output_option
def unset(name: str, yes: bool, output: str) -> None:
    """Delete a variable."""
    from skylift.cli.client import path

    with connect() as api:
        found = api.get(path("variables", "name", name))
        confirm(f"Delete variable '{name}'?", yes=yes)
        api.delete(path("variables", "name", name))
    tell(output, {"deleted": found["id"]}, f"Deleted variable '{name}'")
