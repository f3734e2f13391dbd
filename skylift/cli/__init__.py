"""The command line. Each command parses, asks the API and renders; it imports what it needs when it is called."""

from __future__ import annotations


def main() -> None:
    """The console script `skylift`."""
    from skylift.cli.root import cli

    cli(prog_name="skylift")


__all__ = ["main"]
