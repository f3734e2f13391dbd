"""The `docker:push` provider: flow runs as containers of an engine of the operator's own, Docker or Podman."""

from __future__ import annotations

from skylift_docker.adapter import DockerProvider

PROVIDER = DockerProvider()

__all__ = ["PROVIDER", "DockerProvider"]
