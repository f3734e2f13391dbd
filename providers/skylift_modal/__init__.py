"""The `modal:push` provider: flow runs as sandboxes of Modal."""
