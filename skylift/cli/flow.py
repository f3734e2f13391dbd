"""`skylift flow`."""

from __future__ import annotations

import click

from skylift.cli.base import Group
from skylift.cli.options import JSON, confirm, connect, output_option, tell, yes_option


@click.group(cls=Group, examples=["skylift flow ls"])
def flow() -> None:
    """Flows: what deployments and runs belong to."""


@flow.command(examples=["skylift flow ls", "skylift flow ls --limit 10 -o json"])
@click.option("--limit", type=click.IntRange(min=1), default=200, show_default=True, help="How many, by name.")
@output_option
def ls(limit: int, output: str) -> None:
    """List flows."""
    from skylift.cli.output import print_json, print_table, when

    with connect() as api:
        found = api.every("/flows/filter", limit=limit)
    if output == JSON:
        print_json(found)
        return
    print_table(
        ["Name", "Tags", "Created (UTC)", "ID"],
        [[each["name"], ", ".join(each["tags"]), when(each["created"]), each["id"]] for each in found],
        title="Flows",
        empty="There are no flows: `skylift deploy` makes them",
    )


@flow.command("inspect", examples=["skylift flow inspect greet"])
@click.argument("flow")
@output_option
def inspect_(flow: str, output: str) -> None:
    """Show everything about a flow, by its name or id."""
    from skylift.cli import lookup
    from skylift.cli.output import print_json, print_object

    with connect() as api:
        found = lookup.flow(api, flow)
    if output == JSON:
        print_json(found)
    else:
        print_object(found, title=f"Flow '{found['name']}'")


@flow.command(examples=["skylift flow delete greet --yes"])
@click.argument("flow")
@yes_option
@output_option
def delete(flow: str, yes: bool, output: str) -> None:
    """Delete a flow that has no deployments and no runs."""
    from skylift.cli import lookup
    from skylift.cli.client import path

    with connect() as api:
        found = lookup.flow(api, flow)
        confirm(f"Delete flow '{found['name']}'?", yes=yes)
        api.delete(path("flows", found["id"]))
    tell(output, {"deleted": found["id"]}, f"Deleted flow '{found['name']}'")
