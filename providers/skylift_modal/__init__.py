"""The `modal:push` provider: flow runs as Modal sandboxes."""

from __future__ import annotations

from skylift_modal.adapter import ModalProvider

PROVIDER = ModalProvider()

__all__ = ["PROVIDER", "ModalProvider"]
