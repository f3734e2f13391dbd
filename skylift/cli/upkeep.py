"""`skylift retention` and `skylift secrets`: what is deleted in time, and what it is sealed with."""

from __future__ import annotations

from typing import Any

import click

from skylift.cli.base import Command, Group
from skylift.cli.options import JSON, connect, output_option

dry_run_option = click.option("--dry-run", is_flag=True, help="Change nothing; say what would be done.")

WORDS = {
    "flow_runs": "flow runs with all that hangs on them",
    "task_runs": "task runs that belong to no flow run",
    "logs": "lines of logs",
    "events": "events",
    "artifacts": "artifacts",
    "deliveries": "deliveries to webhooks",
    "expired_limits": "concurrency limits, slots of which nobody held any more",
    "api_keys": "API keys that expired long ago",
}


@click.command(cls=Command, examples=["skylift retention --dry-run", "skylift retention", "skylift retention -o json"])
@dry_run_option
@output_option
def retention(dry_run: bool, output: str) -> None:
    """Delete what is older than SKYLIFT_RETENTION_RUNS, _LOGS, _EVENTS, _ARTIFACTS and _DELIVERIES say.

    `skylift serve` does it once an hour by itself. Runs that have not ended stay, however old they are.
    """
    from skylift.cli.output import print_json

    done = _until_complete("/skylift/retention", dry_run, tuple(WORDS))
    if output == JSON:
        print_json(done)
        return
    verb = "Would go" if dry_run else "Deleted"
    if not any(done[name] for name in WORDS):
        click.echo("Nothing is old enough to go")
    for name, words in WORDS.items():
        if done[name]:
            click.echo(f"{verb}: {done[name]} {words}")
    kept = [name for name in ("flow_runs", "logs", "events", "artifacts", "deliveries") if name not in done["before"]]
    if kept:
        names = ", ".join(name.replace("_", " ") for name in kept)
        click.echo(f"Kept however old they are: {names} (see SKYLIFT_RETENTION_…)", err=True)


@click.group(cls=Group, examples=["skylift secrets rotate --dry-run", "skylift secrets rotate"])
def secrets() -> None:
    """What is secret: the keys that it is sealed with."""


@secrets.command(examples=["skylift secrets rotate --dry-run", "skylift secrets rotate"])
@dry_run_option
@output_option
def rotate(dry_run: bool, output: str) -> None:
    """Seal what is secret with the newest key, so that older ones can be dropped.

    With keys in SKYLIFT_SECRET_KEY: put the new one first, restart, rotate, then take the old one away. A key in the
    home folder's file is replaced by this command itself. It may be interrupted, and called again.
    """
    from skylift.cli.output import print_json

    done = _until_complete("/skylift/secrets/rotate", dry_run, ("resealed",))
    if output == JSON:
        print_json(done)
    elif dry_run:
        click.echo(f"Would be sealed anew: {done['resealed']} values; {done['current']} are already")
    else:
        click.echo(f"Sealed anew: {done['resealed']} values; {done['current']} were already")
        click.echo(_advice(done))
    if done["unreadable"]:
        ids = ", ".join(done["unreadable"])
        raise click.ClickException(f"None of the keys opens these block documents or webhooks: {ids}")


def _advice(done: dict[str, Any]) -> str:
    if done["key_file"]:
        return "The old key is gone from the key file; backups of the database made before need it still"
    if done["keys"] > 1:
        return "The older keys can be taken out of SKYLIFT_SECRET_KEY; backups of the database made before need them"
    return "There is one key: to change it put a new one before it in SKYLIFT_SECRET_KEY, then rotate"


def _until_complete(path: str, dry_run: bool, counted: tuple[str, ...]) -> dict[str, Any]:
    """A server works for a bounded time in each call."""
    total = dict.fromkeys(counted, 0)
    with connect() as api:
        while True:
            done: dict[str, Any] = api.post(path, {"dry_run": dry_run})
            for name in counted:
                total[name] += done[name]
            if done["complete"] or dry_run:
                return {**done, **total}
