"""`--provision-infra` for `modal:push`: everything that a Modal work pool needs in a workspace."""

from __future__ import annotations

from skylift_infra.modal.provisioner import ModalProvisioner

PROVISIONER = ModalProvisioner()

__all__ = ["PROVISIONER"]
