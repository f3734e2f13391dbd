"""`python -m skylift` is the command line."""

from __future__ import annotations

from skylift.cli import main

main()
