"""The `ecs:push` provider: flow runs as tasks of Amazon ECS, on Fargate or on machines of one's own."""

from __future__ import annotations

from skylift_ecs.adapter import EcsProvider

PROVIDER = EcsProvider()

__all__ = ["PROVIDER", "EcsProvider"]
