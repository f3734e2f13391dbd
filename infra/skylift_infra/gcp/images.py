"""How docker gets into Artifact Registry: by the person's own access token, for an hour
(cloud.google.com/artifact-registry/docs/docker/authentication#token)."""

from __future__ import annotations

from skylift.extras import sdk
from skylift.provisioner import ProvisionError, RegistryLogin
from skylift_infra.gcp.errors import EXTRA, telling
from skylift_infra.gcp.project import Project

USERNAME = "oauth2accesstoken"
"""Says to Google that the password is a token."""


def login(project: Project, host: str) -> RegistryLogin:
    """Raises `ProvisionError`."""
    credentials = project.credentials
    with telling("give a token for the registry"):
        if not credentials.valid:
            credentials.refresh(sdk("google.auth.transport.requests", extra=EXTRA).Request())
    if not getattr(credentials, "token", None):
        raise ProvisionError(
            "Google gives no token to whoever is signed in here", remedy="Run `gcloud auth application-default login`"
        )
    return RegistryLogin(host, USERNAME, credentials.token)
