"""`skylift completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from skylift.cli.base import Command


@click.command(
    cls=Command,
    examples=[
        'eval "$(skylift completion bash)"',
        "skylift completion zsh > ~/.zfunc/_skylift",
        "skylift completion fish > ~/.config/fish/completions/skylift.fish",
    ],
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script that completes commands and options in a shell."""
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"There is no completion for {shell}")
    click.echo(found(ctx.find_root().command, {}, "skylift", "_SKYLIFT_COMPLETE").source())
