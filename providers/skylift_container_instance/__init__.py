"""The `azure-container-instance:push` provider: flow runs as container groups of Azure Container Instances."""

from __future__ import annotations

from skylift_container_instance.adapter import ContainerInstanceProvider

PROVIDER = ContainerInstanceProvider()

__all__ = ["PROVIDER", "ContainerInstanceProvider"]
