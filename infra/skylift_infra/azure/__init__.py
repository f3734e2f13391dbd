"""`--provision-infra` for `azure-container-instance:push`: everything that a container instance pool needs in Azure."""

from __future__ import annotations

from skylift_infra.azure.provisioner import ContainerInstanceProvisioner

PROVISIONER = ContainerInstanceProvisioner()

__all__ = ["PROVISIONER"]
