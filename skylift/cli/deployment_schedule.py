"""`skylift deployment schedule`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from skylift.cli.base import Group
from skylift.cli.options import JSON, confirm, connect, json_object, output_option, seconds, tell, yes_option

if TYPE_CHECKING:
    from skylift.cli.client import Api


@click.group(
    cls=Group,
    examples=[
        "skylift deployment schedule ls greet/by-hand",
        "skylift deployment schedule create greet/by-hand --cron '0 9 * * MON-FRI' --timezone Europe/Paris",
    ],
)
def schedule() -> None:
    """Schedules of a deployment; each is named by its slug or its id."""


def describe(wanted: dict[str, Any]) -> str:
    """A schedule in a few words."""
    from skylift.cli.output import lasting

    zone = "" if wanted.get("timezone") in (None, "UTC") else f" {wanted['timezone']}"
    if "cron" in wanted:
        both = "" if wanted.get("day_or", True) else " (day and weekday)"
        return f"cron {wanted['cron']}{zone}{both}"
    if "interval" in wanted:
        return f"every {lasting(float(wanted['interval'])).replace('.0 ', ' ')}{zone}"
    return f"rrule {wanted['rrule']}{zone}"


def _find(api: Api, deployment: str, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    from skylift.cli import lookup

    found = lookup.deployment(api, deployment)
    for each in found["schedules"]:
        if name in (each["id"], each["slug"]):
            return found, each
    known = ", ".join(each["slug"] or each["id"] for each in found["schedules"]) or "none"
    raise click.ClickException(f"{lookup.full_name(found)} has no schedule {name!r}; it has: {known}")


@schedule.command(examples=["skylift deployment schedule ls greet/every-few-seconds"])
@click.argument("deployment")
@output_option
def ls(deployment: str, output: str) -> None:
    """List a deployment's schedules."""
    from skylift.cli import lookup
    from skylift.cli.output import print_json, print_table, shown

    with connect() as api:
        found = lookup.deployment(api, deployment)
    if output == JSON:
        print_json(found["schedules"])
        return
    print_table(
        ["Schedule", "Slug", "Active", "Parameters", "ID"],
        [
            [describe(each["schedule"]), each["slug"], shown(each["active"]), shown(each["parameters"]), each["id"]]
            for each in found["schedules"]
        ],
        title=f"Schedules of '{lookup.full_name(found)}'",
        empty="It has no schedules.",
    )


@schedule.command(
    examples=[
        "skylift deployment schedule create greet/by-hand --cron '0 9 * * MON-FRI' --timezone Europe/Paris",
        "skylift deployment schedule create greet/by-hand --interval 1h30m --slug often",
        "skylift deployment schedule create greet/by-hand --rrule 'FREQ=DAILY;BYHOUR=9'",
    ]
)
@click.argument("deployment")
@click.option("--cron", help="A cron expression.")
@click.option("--interval", metavar="LENGTH", help="A length of time: 30s, 5m, 1h30m.")
@click.option("--rrule", help="A recurrence rule (RFC 5545).")
@click.option("--timezone", metavar="ZONE", help="An IANA time zone; default UTC.")
@click.option("--anchor-date", metavar="TIME", help="What an interval counts from, in ISO 8601.")
@click.option("--day-or/--day-and", default=None, help="Cron: whether day of month or weekday is enough.")
@click.option("--slug", help="A name for it; its slots belong to it.")
@click.option("--params", "parameters", metavar="JSON", help="Parameters of its runs; @FILE reads them from a file.")
@click.option("--inactive", is_flag=True, help="Create it switched off.")
@output_option
def create(
    deployment: str,
    cron: str | None,
    interval: str | None,
    rrule: str | None,
    timezone: str | None,
    anchor_date: str | None,
    day_or: bool | None,
    slug: str | None,
    parameters: str | None,
    inactive: bool,
    output: str,
) -> None:
    """Add a schedule to a deployment."""
    from skylift.cli import lookup
    from skylift.cli.client import path

    if sum(each is not None for each in (cron, interval, rrule)) != 1:
        raise click.UsageError("Give one of --cron, --interval and --rrule")
    wanted = {
        "cron": cron,
        "interval": _length(interval),
        "rrule": rrule,
        "timezone": timezone,
        "anchor_date": anchor_date,
        "day_or": day_or,
    }
    body = {
        "schedule": {key: value for key, value in wanted.items() if value is not None},
        "slug": slug,
        "active": not inactive,
        "parameters": json_object(parameters, "--params") if parameters else {},
    }
    with connect() as api:
        found = lookup.deployment(api, deployment)
        made = api.post(path("deployments", found["id"], "schedules"), [body])[0]
    tell(output, made, f"Added schedule {made['slug'] or made['id']}: {describe(made['schedule'])}")


def _length(interval: str | None) -> float | None:
    if interval is None:
        return None
    try:
        return seconds(interval)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--interval'") from error


def _switch(deployment: str, name: str, active: bool, output: str) -> None:
    from skylift.cli.client import path

    with connect() as api:
        found, one = _find(api, deployment, name)
        api.patch(path("deployments", found["id"], "schedules", one["id"]), {"active": active})
        _, one = _find(api, found["id"], one["id"])
    tell(output, one, f"{'Resumed' if active else 'Paused'} schedule {name}: {describe(one['schedule'])}")


@schedule.command(examples=["skylift deployment schedule pause greet/every-few-seconds often"])
@click.argument("deployment")
@click.argument("schedule")
@output_option
def pause(deployment: str, schedule: str, output: str) -> None:
    """Switch a schedule off; its runs that are still to come are taken back."""
    _switch(deployment, schedule, False, output)


@schedule.command(examples=["skylift deployment schedule resume greet/every-few-seconds often"])
@click.argument("deployment")
@click.argument("schedule")
@output_option
def resume(deployment: str, schedule: str, output: str) -> None:
    """Switch a schedule on, from now."""
    _switch(deployment, schedule, True, output)


@schedule.command(examples=["skylift deployment schedule delete greet/every-few-seconds often --yes"])
@click.argument("deployment")
@click.argument("schedule")
@yes_option
@output_option
def delete(deployment: str, schedule: str, yes: bool, output: str) -> None:
    """Remove a schedule and its runs that are still to come."""
    from skylift.cli.client import path

    with connect() as api:
        found, one = _find(api, deployment, schedule)
        confirm(f"Delete schedule {schedule} ({describe(one['schedule'])})?", yes=yes)
        api.delete(path("deployments", found["id"], "schedules", one["id"]))
    tell(output, {"deleted": one["id"]}, f"Deleted schedule {schedule}")
