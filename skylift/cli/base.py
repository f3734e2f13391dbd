"""Commands with examples in their help, and groups that import a command's module only when it is called."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import click

from skylift.errors import SkyliftError


def _write_examples(formatter: click.HelpFormatter, examples: Sequence[str]) -> None:
    if not examples:
        return
    with formatter.section("Examples"):
        for line in examples:  # written as they are: a wrapped command cannot be pasted
            formatter.write(f"{'':>{formatter.current_indent}}$ {line}\n")


class Command(click.Command):
    """A command whose help ends with examples."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples."""
        _write_examples(formatter, self.examples)


class Group(click.Group):
    """A group of such commands."""

    command_class = Command

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples."""
        _write_examples(formatter, self.examples)


Group.group_class = Group


class LazyGroup(Group):
    """Knows its commands by a table of name to (module:attribute, short help)."""

    def __init__(self, *args: Any, table: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the table's order, which puts first what is needed first."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        if cmd_name not in self.table:
            return None
        module, _, name = self.table[cmd_name][0].partition(":")
        found: click.Command = getattr(importlib.import_module(module), name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table's short helps, so that nothing is imported."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self.table.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Errors of the core become one line and exit code 1."""
        try:
            return super().invoke(ctx)
        except SkyliftError as error:
            raise click.ClickException(_cleaned(error)) from error
        except click.ClickException as error:  # it may tell what the API has said of somebody's names
            vars(error)["message"] = _cleaned(error.message)
            raise


def _cleaned(text: object) -> str:
    from skylift.cli.output import clean

    return clean(text)
