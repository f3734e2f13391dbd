"""`--provision-infra` for `cloud-run:push` and `cloud-run-v2:push`: all that such a work pool needs in a Google Cloud
project."""

from __future__ import annotations

from skylift_infra.gcp.provisioner import CloudRunProvisioner

PROVISIONER = CloudRunProvisioner("cloud-run:push")
PROVISIONER_V2 = CloudRunProvisioner("cloud-run-v2:push")

__all__ = ["PROVISIONER", "PROVISIONER_V2"]
