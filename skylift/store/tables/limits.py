"""Concurrency limits that flows and tasks ask for by name or tag, and the workers of pull pools."""

from __future__ import annotations
