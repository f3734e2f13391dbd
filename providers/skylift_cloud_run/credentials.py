"""Who calls Google, and where: a credentials block or the process's own identity; Google's endpoints or others.

An operator who reaches Google through other addresses (a private or regional endpoint, a local cloud) sets
SKYLIFT_GOOGLE_ENDPOINT for all services, or SKYLIFT_GOOGLE_ENDPOINT_RUN, _LOGGING, _SECRETMANAGER, … for one. That is
never a job variable: a run must not be able to send credentials elsewhere.
"""

from __future__ import annotations

import ipaddress
import json
import os
from typing import Any
from urllib.parse import urlencode, urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from skylift.extras import sdk
from skylift.provider import Rejected, Unreachable

EXTRA = "cloud-run"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
ENDPOINT = "SKYLIFT_GOOGLE_ENDPOINT"
PRIVATE = ("private_key", "private_key_id")
"""The fields of a service account's key that are secret."""
WHO = (
    "Give the pool a gcp-credentials block, or run Skylift with an identity of its own: a service account, workload "
    "identity, or `gcloud auth application-default login`"
)


class Credentials(BaseModel):
    """What a gcp-credentials block holds, ours or Prefect's."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    project: str | None = None
    service_account_info: dict[str, Any] | None = None
    service_account_file: str | None = None
    impersonate_service_account: str | None = None
    workload_identity_provider: str | None = Field(
        default=None, pattern=r"^projects/\d+/locations/global/workloadIdentityPools/[a-z0-9-]+/providers/[a-z0-9-]+$"
    )
    """By which a process that is somebody in AWS or Azure becomes somebody here. No more of the configuration than this
    is taken from a block: it would say which files are read, and where they are sent."""
    azure_application: str | None = Field(default=None, pattern=r"^api://[\w.~/-]+$")
    """In Azure: the application id URI that tokens are asked for, and which they are worth nothing beyond."""

    @field_validator("service_account_info", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        """A key is often pasted as the text of its file."""
        try:
            return json.loads(value) if isinstance(value, str) else value
        except ValueError:
            raise ValueError("not the JSON of a key file") from None

    @property
    def plain(self) -> frozenset[str]:
        """What of the block is no secret: whoever may look at a run may know its project and its accounts."""
        info = {name: value for name, value in (self.service_account_info or {}).items() if name not in PRIVATE}
        known = (
            self.project,
            self.service_account_file,
            self.impersonate_service_account,
            self.workload_identity_provider,
            self.azure_application,
            *info.values(),
        )
        return frozenset(value for value in known if isinstance(value, str))

    @property
    def named_project(self) -> str | None:
        return self.project or (self.service_account_info or {}).get("project_id")


def endpoint(service: str) -> str:
    """The base URL of a service (`run`, `logging`, `secretmanager`, …), without a slash at its end."""
    chosen = os.environ.get(f"{ENDPOINT}_{service.upper()}") or os.environ.get(ENDPOINT)
    return (chosen or f"https://{service}.googleapis.com").rstrip("/")


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine by plain HTTP: the only place that is called without credentials."""
    split = urlsplit(url)
    if split.scheme != "http":
        return False
    try:
        return split.hostname == "localhost" or ipaddress.ip_address(split.hostname or "").is_loopback
    except ValueError:
        return False


def load(chosen: Credentials) -> tuple[Any, str | None]:
    """Google's own credentials object, and the project that comes with it.

    Raises `Rejected` for a key that is none, `Unreachable` where this process has no identity.
    """
    source, project = _source(chosen)
    if not chosen.impersonate_service_account:
        return source, project
    impersonated = sdk("google.auth.impersonated_credentials", extra=EXTRA)
    target = chosen.impersonate_service_account
    where = f"{endpoint('iamcredentials')}/v1/projects/-/serviceAccounts/{target}:generateAccessToken"
    override = where if os.environ.get(ENDPOINT) or os.environ.get(f"{ENDPOINT}_IAMCREDENTIALS") else None
    made = impersonated.Credentials(source, target, [SCOPE], iam_endpoint_override=override)
    return made, project or target.rpartition("@")[2].removesuffix(".iam.gserviceaccount.com")


def _source(chosen: Credentials) -> tuple[Any, str | None]:
    accounts = sdk("google.oauth2.service_account", extra=EXTRA)
    try:
        if chosen.service_account_info:
            # Not where the block says: flows may write blocks, and what is sent there is worth a key for an hour.
            info = {**chosen.service_account_info, "token_uri": f"{endpoint('oauth2')}/token"}
            found = accounts.Credentials.from_service_account_info(info, scopes=[SCOPE])
            return found, chosen.named_project
        if chosen.service_account_file:
            path = os.path.expanduser(chosen.service_account_file)
            found = accounts.Credentials.from_service_account_file(path, scopes=[SCOPE])
            return found, chosen.project or found.project_id
    except (ValueError, OSError) as error:
        raise Rejected(
            f"The service account's key cannot be used ({type(error).__name__})",
            remedy="Put the contents of a key file into 'service_account_info' of the credentials block, or the path "
            "of one on Skylift's machine into 'service_account_file'",
        ) from None
    if chosen.workload_identity_provider:
        if chosen.azure_application:
            return _from_azure(chosen.workload_identity_provider, chosen.azure_application), chosen.project
        return _from_aws(chosen.workload_identity_provider), chosen.project
    if is_loopback(endpoint("run")) and not os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        return _nobody(), chosen.project
    auth = sdk("google.auth", extra=EXTRA)
    try:
        found, project = auth.default(scopes=[SCOPE])
    except auth.exceptions.DefaultCredentialsError as error:
        raise Unreachable(f"Skylift has no Google identity of its own ({error})", remedy=WHO) from None
    return found, chosen.project or project


def _from_aws(provider: str) -> Any:
    """Of a process that has credentials of AWS: in its environment, as functions there do, or by its machine."""
    metadata = "http://169.254.169.254/latest/meta-data"
    info = {
        **_external(provider, "urn:ietf:params:aws:token-type:aws4_request"),
        "credential_source": {
            "environment_id": "aws1",
            "region_url": f"{metadata}/placement/availability-zone",
            "url": f"{metadata}/iam/security-credentials",
            "regional_cred_verification_url": "https://sts.{region}.amazonaws.com"
            "?Action=GetCallerIdentity&Version=2011-06-15",
        },
    }
    return sdk("google.auth.aws", extra=EXTRA).Credentials.from_info(info, scopes=[SCOPE])


def _from_azure(provider: str, application: str) -> Any:
    """Of a process with a managed identity: in an app or function by its own endpoint, else by its machine's
    (learn.microsoft.com: "How to use managed identities for App Service", "How to use managed identities on an Azure
    VM to acquire an access token"). With several identities AZURE_CLIENT_ID names the one that is meant."""
    own, client = os.environ.get("IDENTITY_ENDPOINT"), os.environ.get("AZURE_CLIENT_ID")
    machine = os.environ.get("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://169.254.169.254").rstrip("/")
    base = own or f"{machine}/metadata/identity/oauth2/token"
    wanted = {"api-version": "2019-08-01" if own else "2018-02-01", "resource": application}
    wanted |= {"client_id": client} if client else {}
    headers = {"X-IDENTITY-HEADER": os.environ.get("IDENTITY_HEADER", "")} if own else {"Metadata": "True"}
    info = {
        **_external(provider, "urn:ietf:params:oauth:token-type:jwt"),
        "credential_source": {
            "url": f"{base}?{urlencode(wanted)}",
            "headers": headers,
            "format": {"type": "json", "subject_token_field_name": "access_token"},
        },
    }
    return sdk("google.auth.identity_pool", extra=EXTRA).Credentials.from_info(info, scopes=[SCOPE])


def _external(provider: str, subject_token_type: str) -> dict[str, Any]:
    return {
        "type": "external_account",
        "audience": f"//iam.googleapis.com/{provider}",
        "subject_token_type": subject_token_type,
        "token_url": f"{endpoint('sts')}/v1/token",
    }


def _nobody() -> Any:
    """Who needs no token, also where a token is asked for in order to be somebody else."""
    base: Any = sdk("google.auth.credentials", extra=EXTRA).AnonymousCredentials

    class Nobody(base):  # type: ignore[misc]
        def refresh(self, request: Any) -> None:
            pass

    return Nobody()
