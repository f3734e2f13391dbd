"""Every command, and how a line of a shell is parsed by them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import click

from skylift.cli.root import cli


def every_command(
    command: click.Command = cli, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """All commands and groups with their names."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found
            yield from every_command(found, (*path, name))


def words(line: str) -> list[str]:
    """A line of a shell without the program's name."""
    program, *rest = shlex.split(line, comments=True)
    assert program == "skylift"
    return rest


def parse(line: str) -> None:
    """Parse a line without running it. Raises `click.UsageError`."""
    command: click.Command = cli
    args = words(line)
    while isinstance(command, click.Group):
        _, found, args = command.resolve_command(click.Context(command), args)
        assert found, line
        command = found
    with command.make_context(command.name, args):
        pass
