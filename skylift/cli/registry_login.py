"""The hand-over of a pool's registry: where images go, and how to get in. Where somebody wants it, docker is logged in
and Prefect is told."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import click

from skylift.cli.options import on_terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skylift.provisioner import Handover

SETTING = "PREFECT_DEFAULT_DOCKER_BUILD_NAMESPACE"
PATIENCE = 60.0
"""Seconds for each command: docker asks the registry."""


def ensure_possible(login_command: str | None, wanted: bool | None, type_: str) -> None:
    """Raises `UsageError` where logging in was asked for and there is nothing to log in to, or to do it with."""
    if wanted and not login_command:
        raise click.UsageError(f"Work pools of type {type_!r} have no registry of their own to log in to")
    if wanted and not shutil.which("docker"):
        raise click.UsageError("There is no command `docker` here: leave --docker-login out")


def hand_over_registry(
    handover: Handover, login_command: str | None, *, wanted: bool | None, yes: bool, quiet: bool
) -> None:
    """Print it, and do it where it is wanted or somebody says so. `quiet`: only what was done is said, on stderr."""
    if not handover.registry:
        return
    namespace = handover.build_namespace or handover.registry
    host = handover.registry.partition("/")[0]
    if not quiet:
        click.echo(f"\nImages for this pool go to {handover.registry}")
        if login_command:
            click.echo(f"  $ {login_command.format(registry=host)}")
        click.echo(f"  $ {' '.join(_setting(namespace))}")
    may_ask = wanted is None and not yes and not quiet and on_terminal() and shutil.which("docker")
    question = f"Log docker in to {host}, and make {namespace} Prefect's default build namespace?"
    if handover.login and (wanted or (may_ask and click.confirm(question, err=True))):
        _log_in(handover)
        _tell_prefect(namespace)


def _log_in(handover: Handover) -> None:
    from skylift.cli.provisioning import in_words

    assert handover.login  # noqa: S101 - looked at by whoever calls
    with in_words():
        given = handover.login()
    # On standard input: whoever lists this machine's processes sees what commands are called with.
    _run(
        ["docker", "login", "--username", given.username, "--password-stdin", given.host],
        f"docker could not log in to {given.host}",
        given.password,
    )
    click.echo(f"Logged docker in to {given.host}", err=True)


def _tell_prefect(namespace: str) -> None:
    """In the active profile of whoever types."""
    command = _setting(namespace)
    if not shutil.which(command[0]):
        click.echo(f"Prefect is not installed here; where it is: {' '.join(command)}", err=True)
        return
    _run(command, "Prefect could not be told of the registry")
    click.echo(f"Made {namespace} Prefect's default build namespace", err=True)


def _setting(namespace: str) -> list[str]:
    return ["prefect", "config", "set", f"{SETTING}={namespace}"]


def _run(command: Sequence[str], trouble: str, told: str | None = None) -> None:
    """Raises `ClickException` with what the command says."""
    given = subprocess.DEVNULL if told is None else None
    try:
        done = subprocess.run(
            command, input=told, stdin=given, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise click.ClickException(f"{trouble} ({type(error).__name__}). {THERE}") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise click.ClickException(f"{trouble}: {said[-1] if said else f'exit code {done.returncode}'}. {THERE}")


THERE = "The infrastructure is there; do this by hand, as shown above"
