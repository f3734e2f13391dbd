"""`skylift work-queue`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from skylift.cli.base import Group
from skylift.cli.options import JSON, confirm, connect, limit_type, output_option, tell, yes_option

if TYPE_CHECKING:
    from collections.abc import Callable

    from skylift.cli.client import Api

PRIORITY = click.IntRange(min=1)


def pool_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--pool`: queues belong to pools."""
    return click.option("--pool", "-p", required=True, metavar="NAME", help="The queue's work pool.")(command)


@click.group(
    cls=Group,
    examples=["skylift work-queue create urgent --pool local --priority 1", "skylift work-queue ls --pool local"],
)
def work_queue() -> None:
    """Work queues: which of a pool's runs go first, and how many at a time.

    Priority 1 goes first. While a queue has a run that may start, no run of a lower one does.
    """


@work_queue.command(examples=["skylift work-queue create urgent --pool local --priority 1 --limit 3"])
@click.argument("name")
@pool_option
@click.option("--limit", "-l", type=limit_type(), help="How many of its runs may occupy the pool at once.")
@click.option("--priority", "-q", type=PRIORITY, help="1 goes first; one that is taken shifts the others down.")
@click.option("--description", help="What it is for.")
@output_option
def create(name: str, pool: str, limit: int | None, priority: int | None, description: str | None, output: str) -> None:
    """Create a work queue."""
    from skylift.cli.client import path

    body = {"name": name, "concurrency_limit": limit, "priority": priority, "description": description}
    with connect() as api:
        made = api.post(path("work_pools", pool, "queues"), body)
    tell(output, made, f"Created work queue '{name}' in work pool '{pool}' with priority {made['priority']}")


@work_queue.command(examples=["skylift work-queue ls --pool local"])
@pool_option
@output_option
def ls(pool: str, output: str) -> None:
    """List a pool's queues, the highest priority first."""
    from skylift.cli.client import path
    from skylift.cli.output import print_json, print_table

    with connect() as api:
        queues = api.post(path("work_pools", pool, "queues", "filter"))
    if output == JSON:
        print_json(queues)
        return
    print_table(
        ["Name", "Priority", "Concurrency Limit", "Status", "ID", "Description"],
        [
            [
                f"{each['name']} (**)" if each["is_paused"] else each["name"],
                each["priority"],
                "None" if each["concurrency_limit"] is None else each["concurrency_limit"],
                each["status"],
                each["id"],
                each["description"],
            ]
            for each in queues
        ],
        title=f"Work queues of '{pool}'",
        caption="(**) denotes a paused queue",
    )


def _read(api: Api, pool: str, name: str) -> dict[str, Any]:
    from skylift.cli.client import path

    queue: dict[str, Any] = api.get(path("work_pools", pool, "queues", name))
    return queue


@work_queue.command("inspect", examples=["skylift work-queue inspect default --pool local"])
@click.argument("name")
@pool_option
@output_option
def inspect_(name: str, pool: str, output: str) -> None:
    """Show everything about a queue."""
    from skylift.cli.output import print_json, print_object

    with connect() as api:
        queue = _read(api, pool, name)
    if output == JSON:
        print_json(queue)
    else:
        print_object(queue, title=f"Work queue '{name}' of '{pool}'")


def _change(name: str, pool: str, values: dict[str, Any], output: str, message: str) -> None:
    from skylift.cli.client import path

    with connect() as api:
        queue = _read(api, pool, name)
        api.patch(path("work_queues", queue["id"]), values)
        queue = api.get(path("work_queues", queue["id"]))
    tell(output, queue, message.format(**queue))


@work_queue.command(examples=["skylift work-queue pause default --pool local"])
@click.argument("name")
@pool_option
@output_option
def pause(name: str, pool: str, output: str) -> None:
    """Hold a queue's runs back."""
    _change(name, pool, {"is_paused": True}, output, "Paused work queue '{name}': its runs wait until it is resumed")


@work_queue.command(examples=["skylift work-queue resume default --pool local"])
@click.argument("name")
@pool_option
@output_option
def resume(name: str, pool: str, output: str) -> None:
    """Let a paused queue's runs start."""
    _change(name, pool, {"is_paused": False}, output, "Resumed work queue '{name}' ({status})")


@work_queue.command(examples=["skylift work-queue update urgent --pool local --priority 1 --limit 5"])
@click.argument("name")
@pool_option
@click.option("--limit", "-l", type=limit_type(), help="How many of its runs may occupy the pool at once.")
@click.option("--priority", "-q", type=PRIORITY, help="1 goes first; one that is taken shifts the others down.")
@click.option("--description", help="What it is for.")
@click.option("--rename", metavar="NAME", help="Its new name.")
@output_option
def update(
    name: str,
    pool: str,
    limit: int | None,
    priority: int | None,
    description: str | None,
    rename: str | None,
    output: str,
) -> None:
    """Change a queue; what is not given stays."""
    values = {"concurrency_limit": limit, "priority": priority, "description": description, "name": rename}
    given = {key: value for key, value in values.items() if value is not None}
    if not given:
        raise click.UsageError("Nothing to change: give --limit, --priority, --description or --rename")
    _change(name, pool, given, output, "Updated work queue '{name}' (priority {priority})")


@work_queue.command(
    "set-concurrency-limit", examples=["skylift work-queue set-concurrency-limit urgent 3 --pool local"]
)
@click.argument("name")
@click.argument("limit", type=limit_type())
@pool_option
@output_option
def set_concurrency_limit(name: str, limit: int, pool: str, output: str) -> None:
    """Let at most LIMIT of the queue's runs occupy the pool at once."""
    message = "Work queue '{name}' has a concurrency limit of {concurrency_limit}"
    _change(name, pool, {"concurrency_limit": limit}, output, message)


@work_queue.command(
    "clear-concurrency-limit", examples=["skylift work-queue clear-concurrency-limit urgent --pool local"]
)
@click.argument("name")
@pool_option
@output_option
def clear_concurrency_limit(name: str, pool: str, output: str) -> None:
    """Leave the limit to the pool."""
    _change(name, pool, {"concurrency_limit": None}, output, "Work queue '{name}' has no concurrency limit")


@work_queue.command(examples=["skylift work-queue delete urgent --pool local --yes"])
@click.argument("name")
@pool_option
@yes_option
@output_option
def delete(name: str, pool: str, yes: bool, output: str) -> None:
    """Delete a queue; its runs and deployments go over to the pool's default queue."""
    from skylift.cli.client import path

    with connect() as api:
        queue = _read(api, pool, name)
        confirm(f"Delete work queue '{name}' of work pool '{pool}'?", yes=yes)
        api.delete(path("work_queues", queue["id"]))
    tell(output, {"deleted": queue["id"]}, f"Deleted work queue '{name}'")


@work_queue.command(examples=["skylift work-queue preview default --pool local --hours 12"])
@click.argument("name")
@pool_option
@click.option(
    "--hours", type=click.FloatRange(min=0, max=24 * 366), default=1, show_default=True, help="How far ahead."
)
@output_option
def preview(name: str, pool: str, hours: float, output: str) -> None:
    """Show the runs that are scheduled in a queue, those that are late among them."""
    from skylift.cli.output import print_json
    from skylift.cli.work_pool_views import print_preview, scheduled

    now = datetime.now(UTC)
    with connect() as api:
        queue = _read(api, pool, name)
        runs = api.every("/flow_runs/filter", scheduled({"work_queues": {"id": {"any_": [queue["id"]]}}}, now, hours))
    if output == JSON:
        print_json(runs)
    else:
        print_preview(runs, now, f"Scheduled in work queue '{name}' of '{pool}' within {hours:g} h")
