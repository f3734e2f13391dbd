"""The `process:push` provider: flow runs as processes of the machine that Skylift runs on."""

from __future__ import annotations

from skylift_process.adapter import ProcessProvider

PROVIDER = ProcessProvider()

__all__ = ["PROVIDER", "ProcessProvider"]
