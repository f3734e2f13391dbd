"""`skylift deployment run`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from skylift.cli.base import Command
from skylift.cli.options import JSON, connect, json_object, output_option, pairs, seconds


def _start(at: str | None, later: str | None) -> datetime | None:
    if at and later:
        raise click.UsageError("Give --at or --in, not both")
    if later:
        try:
            return datetime.now(UTC) + timedelta(seconds=seconds(later))
        except (ValueError, OverflowError) as error:
            raise click.BadParameter(str(error), param_hint="'--in'") from error
    if not at:
        return None
    try:
        instant = datetime.fromisoformat(at)
    except ValueError as error:
        hint = f"{at!r} is no time in ISO 8601, such as 2030-01-31T09:00:00+01:00"
        raise click.BadParameter(hint, param_hint="'--at'") from error
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)


@click.command(
    cls=Command,
    examples=[
        "skylift deployment run greet/by-hand",
        "skylift deployment run greet/by-hand --param name=Ada --param times=3 --watch",
        "skylift deployment run greet/by-hand --in 10m --job-variable timeout_seconds=60",
        'skylift deployment run greet/by-hand --params \'{"name": "Ada"}\' --at 2030-01-31T09:00:00+01:00',
    ],
)
@click.argument("deployment")
@click.option("--param", "-p", "parameters", multiple=True, metavar="NAME=VALUE", help="A parameter: JSON, else text.")
@click.option("--params", "document", metavar="JSON", help="Parameters as a JSON object; @FILE reads it from a file.")
@click.option("--job-variable", "-jv", "variables", multiple=True, metavar="NAME=VALUE", help="JSON, else text.")
@click.option("--at", "--start-at", "at", metavar="TIME", help="When it starts, in ISO 8601; without a zone it is UTC.")
@click.option("--in", "--start-in", "later", metavar="LENGTH", help="How long until it starts: 30s, 10m, 1h30m.")
@click.option("--name", "--flow-run-name", "name", help="The run's name.")
@click.option("--tag", "-t", "tags", multiple=True, help="A tag of the run.")
@click.option("--queue", "queue", metavar="NAME", help="Another work queue of the pool.")
@click.option("--watch", is_flag=True, help="Wait for its end; the exit code is 1 unless it is Completed.")
@output_option
def run(
    deployment: str,
    parameters: tuple[str, ...],
    document: str | None,
    variables: tuple[str, ...],
    at: str | None,
    later: str | None,
    name: str | None,
    tags: tuple[str, ...],
    queue: str | None,
    watch: bool,
    output: str,
) -> None:
    """Make a run of a deployment, to start now or later."""
    from skylift.cli import lookup
    from skylift.cli.client import path

    start = _start(at, later)
    given = (json_object(document, "--params") if document else {}) | pairs(parameters, "--param")
    body: dict[str, Any] = {
        "name": name,
        "parameters": given,
        "job_variables": pairs(variables, "--job-variable"),
        "tags": list(tags),
        "work_queue_name": queue,
    }
    if start:
        body["state"] = {"type": "SCHEDULED", "state_details": {"scheduled_time": start.isoformat()}}
    with connect() as api:
        found = lookup.deployment(api, deployment)
        made = api.post(path("deployments", found["id"], "create_flow_run"), body)
        if output != JSON or watch:
            _tell(made, lookup.full_name(found), embedded=api.embedded, aside=output == JSON)
        if watch:
            from skylift.cli.watch import until_the_end

            made = until_the_end(api, made, aside=output == JSON)
    if output == JSON:
        from skylift.cli.output import print_json

        print_json(made)
    if watch and made["state_type"] != "COMPLETED":
        raise click.exceptions.Exit(1)


def _tell(made: dict[str, Any], name: str, *, embedded: bool, aside: bool) -> None:
    from skylift.cli.output import clean, when

    click.echo(
        clean(f"Flow run '{made['name']}' of {name} is scheduled for {when(made['expected_start_time'])} UTC"),
        err=aside,
    )
    click.echo(f"  id: {made['id']}", err=aside)
    if embedded:
        click.echo("  It starts while `skylift serve` works on this database", err=True)
