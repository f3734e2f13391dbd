"""What flows leave behind: task runs, events, artifacts, inputs."""

from __future__ import annotations
