"""`skylift api-key`."""

from __future__ import annotations

import click

from skylift.cli.base import Group
from skylift.cli.options import JSON, confirm, connect, output_option, seconds, tell, yes_option


@click.group(cls=Group, examples=["skylift api-key create ci --role deployer", "skylift api-key ls"])
def api_key() -> None:
    """API keys: who may reach the API. From the first key on, nobody gets in without one."""


@api_key.command(
    examples=[
        "skylift api-key create ci --role deployer",
        "skylift api-key create audit --role viewer --expires-in 30d",
    ]
)
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(["admin", "deployer", "viewer"]),
    required=True,
    help="admin: everything; deployer: deployments, runs, variables; viewer: reads, without secrets.",
)
@click.option("--expires-in", help="For how long it is valid, such as 12h or 90d; default: until it is revoked.")
@output_option
def create(name: str, role: str, expires_in: str | None, output: str) -> None:
    """Make a key. It is shown once: keep it where secrets are kept."""
    from datetime import UTC, datetime, timedelta

    body = {"name": name, "role": role}
    if expires_in:
        try:
            until = datetime.now(UTC) + timedelta(seconds=seconds(expires_in))
        except (ValueError, OverflowError) as error:
            raise click.BadParameter(str(error), param_hint="--expires-in") from error
        body["expires"] = until.isoformat()
    with connect() as api:
        made = api.post("/api_keys/", body)
    if output == JSON:
        tell(output, made, "")
        return
    click.echo(f"Created API key '{name}' ({role}):")
    click.echo(made["key"])
    click.echo("It is not shown again. Clients read it from SKYLIFT_API_KEY or PREFECT_API_KEY.", err=True)


@api_key.command(examples=["skylift api-key ls"])
@output_option
def ls(output: str) -> None:
    """List keys."""
    from skylift.cli.output import print_json, print_table, when

    with connect() as api:
        found = api.get("/api_keys/")
    if output == JSON:
        print_json(found)
        return
    print_table(
        ["Name", "Role", "Key", "Created (UTC)", "Expires (UTC)"],
        [
            [
                each["name"],
                each["role"],
                f"{each['beginning']}…",
                when(each["created"]),
                when(each["expires"]) if each["expires"] else "never",
            ]
            for each in found
        ],
        title="API keys",
        empty="There are no API keys: whoever reaches the API may do all.",
    )


@api_key.command(examples=["skylift api-key revoke ci --yes"])
@click.argument("name")
@yes_option
@output_option
def revoke(name: str, yes: bool, output: str) -> None:
    """Revoke a key: what comes with it is refused from now on."""
    from skylift.cli.client import path

    confirm(f"Revoke API key '{name}'?", yes=yes)
    with connect() as api:
        api.delete(path("api_keys", name))
    tell(output, {"revoked": name}, f"Revoked API key '{name}'")
