"""The Google Cloud project, seen by whoever types the command: Google's APIs, and who that is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from skylift.extras import sdk
from skylift.provider import Rejected, Unreachable
from skylift.provisioner import ProvisionError
from skylift_cloud_run.credentials import ENDPOINT, Credentials, endpoint, load
from skylift_cloud_run.transport import new_session
from skylift_infra.gcp.errors import EXTRA, telling

VERSIONS = {
    "serviceusage": "v1",
    "cloudresourcemanager": "v3",
    "iam": "v1",
    "artifactregistry": "v1",
    "secretmanager": "v1",
    "run": "v2",
    "logging": "v2",
    "pubsub": "v1",
    "oauth2": "v2",
}
MOST_PROJECTS = 50


class Project:
    """One project in one region. `call` sends what Google's SDK has prepared; nothing is sent twice by itself."""

    def __init__(self, id: str, region: str = "") -> None:  # noqa: A002 - Google's own word for it
        self.id, self.region = id, region
        self._apis: dict[str, Any] = {}

    @property
    def name(self) -> str:
        return f"projects/{self.id}"

    @property
    def place(self) -> str:
        return f"{self.name}/locations/{self.region}"

    @cached_property
    def credentials(self) -> Any:
        """Raises `ProvisionError` where nobody is signed in."""
        try:
            found, _ = load(Credentials())
        except (Rejected, Unreachable) as error:
            raise ProvisionError(
                "Nobody is signed in to Google Cloud here",
                remedy="Run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS",
            ) from error
        if self.id and hasattr(found, "with_quota_project") and not getattr(found, "quota_project_id", None):
            return found.with_quota_project(self.id)  # some of these APIs refuse people who name none
        return found

    @cached_property
    def _http(self) -> Any:
        return _Http(new_session(self.credentials))

    def api(self, name: str) -> Any:
        """The SDK's view of a service. Raises `ProvisionError` where the SDK is not installed."""
        if name not in self._apis:
            try:
                discovery = sdk("googleapiclient.discovery", extra=EXTRA)
            except Rejected as error:
                raise ProvisionError(str(error), remedy=error.remedy) from error
            elsewhere = os.environ.get(ENDPOINT) or os.environ.get(f"{ENDPOINT}_{name.upper()}")
            options = {"api_endpoint": endpoint(name) + "/"} if elsewhere else None
            self._apis[name] = discovery.build(
                name,
                VERSIONS[name],
                http=self._http,
                static_discovery=True,
                cache_discovery=False,
                client_options=options,
            )
        return self._apis[name]

    @cached_property
    def number(self) -> str:
        """By which some of Google's services name it."""
        with telling(f"see the number of the project {self.id}"):
            found = self.api("cloudresourcemanager").projects().get(name=self.name).execute()
        return str(found["name"]).partition("/")[2]

    @cached_property
    def person(self) -> str:
        """Whoever types, as a member of IAM policies. Raises `ProvisionError` where Google does not say."""
        email = getattr(self.credentials, "service_account_email", None)
        if email == "default":  # a machine's own account: its name comes with its first token
            self.check()
            email = self.credentials.service_account_email
        if not email:
            with telling("find out who is signed in"):
                token = getattr(self.credentials, "token", None) or ""
                email = self.api("oauth2").tokeninfo(access_token=token).execute().get("email")
        if not email:
            raise ProvisionError(
                "Google does not say who is signed in here",
                remedy="Say with --dispatcher who pushes runs: an e-mail address, or a member as IAM policies name it",
            )
        return member(email)

    def check(self) -> None:
        """Raises `ProvisionError` where there is no such project, or nobody is signed in."""
        if not self.id:
            raise ProvisionError("No project is named", remedy="Say --project")
        found = {}
        with telling(f"see the project {self.id}", "SERVICE_DISABLED"):  # which is among what is going to be activated
            found = self.api("cloudresourcemanager").projects().get(name=self.name).execute()
        if found.get("state", "ACTIVE") != "ACTIVE":
            raise ProvisionError(f"The project {self.id} is being deleted", remedy="Choose another")


class _Http:
    """What the SDK sends with: the provider's own session, which knows its limits and repeats nothing."""

    def __init__(self, session: Any) -> None:
        self.session = session

    def request(
        self, uri: str, method: str = "GET", body: Any = None, headers: Any = None, **_: Any
    ) -> tuple[Any, bytes]:
        answer = self.session.request(method, uri, data=body, headers=headers)
        response = sdk("httplib2", extra=EXTRA).Response({"status": str(answer.status_code)})
        response.reason = answer.reason
        return response, answer.content


def member(name: str) -> str:
    """As IAM policies name it: `user:ann@example.com`, `serviceAccount:…`; what has a kind already stays."""
    if ":" in name:
        return name
    return f"serviceAccount:{name}" if name.endswith(".gserviceaccount.com") else f"user:{name}"


def known_project() -> str | None:
    """The one that the person's own settings name."""
    return os.environ.get("GOOGLE_CLOUD_PROJECT") or os.environ.get("CLOUDSDK_CORE_PROJECT")


def known_region() -> str:
    return os.environ.get("CLOUDSDK_RUN_REGION") or "us-central1"


def list_projects() -> Sequence[tuple[str, str]]:
    """Ids and names of those that the person sees. Raises `ProvisionError`."""
    with telling("list your projects"):
        api = Project("").api("cloudresourcemanager")
        found = api.projects().search(query="state:ACTIVE", pageSize=MOST_PROJECTS).execute().get("projects", [])
    return [(each["projectId"], each.get("displayName", "")) for each in found]
