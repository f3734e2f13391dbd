"""The HTTP API: a router per resource, no logic. It speaks the Prefect 3 REST dialect under `/api`."""

from skylift.api.app import create_app

__all__ = ["create_app"]
