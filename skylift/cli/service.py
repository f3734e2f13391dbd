"""`skylift serve`, `demo`, `dispatch` and `version`: the installation itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from skylift import __version__
from skylift.cli.base import Command
from skylift.cli.options import JSON, output_option

if TYPE_CHECKING:
    from skylift.parts import Parts


def _database() -> str:
    """The database's URL without its password."""
    from sqlalchemy import make_url

    from skylift.cli.embedded import explained, settings

    with explained():
        return make_url(settings().database).render_as_string(hide_password=True)


@click.command(cls=Command, examples=["skylift serve", "skylift serve --port 4300", "skylift serve --ui both"])
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=4200, show_default=True, help="0 takes a free one.")
@click.option(
    "--ui",
    type=click.Choice(["console", "prefect", "both", "none"]),
    help="Which web pages: the console at /, Prefect's own at /ui, both or none. [default: SKYLIFT_UI, or console]",
)
def serve(host: str, port: int, ui: str | None) -> None:
    """Run the whole control plane in one process: API, web page, timer and dispatch. Ends with Ctrl-C.

    The database is an SQLite file in SKYLIFT_HOME, or what SKYLIFT_DATABASE_URL names.
    """
    import signal
    import sys

    from skylift.cli.embedded import explained
    from skylift.registry import platform

    database = _database()

    def ready(url: str) -> None:
        click.echo(f"Skylift is ready at {url} (database: {database})")
        sys.stdout.flush()

    # The server passes signals on when it has stopped: as an exception SIGTERM lets the rest be closed, like Ctrl-C.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with explained():
            platform("local").serve(host=host, port=port, ui=ui, ready=ready)
    except KeyboardInterrupt:
        click.echo("Stopped", err=True)
    finally:
        signal.signal(signal.SIGTERM, before)


@click.command(cls=Command, examples=["skylift demo"])
def demo() -> None:
    """Watch a few flows run on an empty database: schedules, priorities, a limit, a failure explained."""
    from skylift.registry import platform

    platform("local").demo()


@click.command(cls=Command, examples=["skylift dispatch --once", "skylift dispatch --once -o json"])
@click.option("--once", is_flag=True, help="One pass; the only way so far.")
@output_option
def dispatch(once: bool, output: str) -> None:
    """Continue the schedules, start what is due in every pool, look at what runs: once, without a server.

    Works on the embedded database or SKYLIFT_DATABASE_URL, never over HTTP. What it starts under the runner needs an
    API to report to.
    """
    from skylift.cli.embedded import parts
    from skylift.cli.output import print_json, say

    if not once:
        raise click.UsageError("Say --once: to dispatch all the time is what `skylift serve` does")
    with parts() as embedded:
        done = _pass(embedded)
    if output == JSON:
        print_json(done)
        return
    click.echo(f"Schedules continued: {done['schedules']}")
    for pool in done["pools"]:
        numbers = ", ".join(f"{pool[each]} {each}" for each in OUTCOMES if pool[each]) or "nothing could start"
        say(f"Work pool '{pool['name']}': {numbers}")
    click.echo(f"Attempts looked at: {done['observed']}")


OUTCOMES = ("claimed", "launched", "delayed", "rejected", "unknown")


def _pass(parts: Parts) -> dict[str, Any]:
    from skylift import observe, schedule
    from skylift.dispatch import dispatch as dispatch_pool
    from skylift.store import due, pools

    continued = schedule.schedule(parts)
    with parts.store.reading() as tx:
        waiting = [pools.by_id(tx, pool_id) for pool_id in due.pools_with_due_runs(tx)]
    if waiting:
        _warn_without_api(parts.settings.api_url)
    done = []
    for pool in waiting:
        report = dispatch_pool(parts, pool.id)
        done.append({"name": pool.name, **{each: getattr(report, each) for each in OUTCOMES}})
    return {"schedules": continued, "pools": done, "observed": observe.observe(parts)}


def _warn_without_api(url: str) -> None:
    """Runs under the runner fetch it from the API, and report there."""
    import httpx

    try:
        httpx.get(f"{url.rstrip('/')}/health", timeout=3)
    except (httpx.HTTPError, httpx.InvalidURL):
        click.echo(f"Note: no API answers at {url}: only bare commands (runner: false) can do without it", err=True)


@click.command(cls=Command, examples=["skylift version", "skylift version -o json"])
@output_option
def version(output: str) -> None:
    """Show versions, and what the commands talk to."""
    import platform as machine

    from skylift.cli.client import api_url
    from skylift.cli.output import print_json

    found = {"skylift": __version__, "python": machine.python_version(), "api": api_url()}
    if not found["api"]:
        found["database"] = _database()
    if output == JSON:
        print_json(found)
        return
    click.echo(f"Skylift {__version__} (Python {found['python']})")
    click.echo(f"API: {found['api']}" if found["api"] else f"Embedded database: {found['database']}")
