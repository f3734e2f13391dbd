"""`--provision-infra` for `ecs:push`: everything that an ECS work pool needs in an AWS account."""

from __future__ import annotations

from skylift_infra.aws.provisioner import EcsProvisioner

PROVISIONER = EcsProvisioner()

__all__ = ["PROVISIONER"]
