"""The AWS account of whoever types the command: clients, who that is, and errors in words that help."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from skylift.extras import sdk
from skylift.provider import Rejected
from skylift.provisioner import ProvisionError
from skylift_infra.resources import NotYetError

EXTRA = "ecs"
NOT_YET = {
    "DeleteConflict",
    "DependencyViolation",
    "ConcurrentModification",
    "ConcurrentModificationException",
    "MalformedPolicyDocument",  # a principal that IAM does not know yet
    "UpdateInProgressException",
    "InvalidVpcID.NotFound",
    "InvalidSubnetID.NotFound",
    "InvalidGroup.NotFound",
    "InvalidRouteTableID.NotFound",
    "InvalidInternetGatewayID.NotFound",
}
"""Codes of what AWS does not know yet, or still uses."""
DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"}
LIMITS = {"LimitExceeded", "LimitExceededException", "VpcLimitExceeded", "ServiceQuotaExceededException"}


@cache
def _loader() -> Any:
    """What the SDK knows of the services; reading it takes longer than most calls, so it is read once."""
    return sdk("botocore.loaders", extra=EXTRA).create_loader()


@dataclass(frozen=True)
class Account:
    """One account in one region. Calls of reading are repeated by the SDK; those that change something are not."""

    region: str

    @cached_property
    def _session(self) -> Any:
        session = sdk("botocore.session", extra=EXTRA).Session()
        session.register_component("data_loader", _loader())
        return sdk("boto3.session", extra=EXTRA).Session(region_name=self.region, botocore_session=session)

    @cached_property
    def _clients(self) -> dict[str, Any]:
        return {}

    def client(self, service: str) -> Any:
        """A client of the SDK; use inside `telling`."""
        if service not in self._clients:
            config = sdk("botocore.config", extra=EXTRA).Config(
                connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 1}
            )
            self._clients[service] = self._session.client(service, config=config)
        return self._clients[service]

    @cached_property
    def identity(self) -> Mapping[str, str]:
        """`Account` and `Arn`. Raises `ProvisionError` where nobody is signed in."""
        with telling("find out who is signed in"):
            found: Mapping[str, str] = self.client("sts").get_caller_identity()
        return found

    @property
    def id(self) -> str:
        return self.identity["Account"]

    @property
    def partition(self) -> str:
        return self.identity["Arn"].split(":")[1]

    def arn(self, service: str, resource: str, *, regional: bool = True) -> str:
        return f"arn:{self.partition}:{service}:{self.region if regional else ''}:{self.id}:{resource}"


def open_account(region: str) -> Account:
    """Raises `ProvisionError` where the SDK is not installed or nobody is signed in."""
    account = Account(region)
    try:
        _ = account.identity
    except Rejected as error:
        raise ProvisionError(str(error), remedy=error.remedy) from error
    return account


def known_region() -> str | None:
    """The region that the person's own settings name."""
    try:
        region: str | None = sdk("boto3.session", extra=EXTRA).Session().region_name
    except Exception:
        return None
    return region


def code_of(error: Exception) -> str:
    """The service's own word for it; empty where it did not answer."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, Mapping) else ""


@contextmanager
def telling(what: str, *fine: str) -> Iterator[None]:
    """Turns the SDK's errors into ours; those with a code in `fine` are none."""
    botocore = sdk("botocore.exceptions", extra=EXTRA)
    try:
        yield
    except botocore.NoCredentialsError as error:
        raise ProvisionError(
            "Nobody is signed in to AWS here", remedy="Set AWS_PROFILE or AWS_ACCESS_KEY_ID, or run `aws sso login`"
        ) from error
    except (botocore.ClientError, botocore.BotoCoreError) as error:
        code = code_of(error)
        if code in fine:
            return
        said = str(error)
        if code in NOT_YET:
            raise NotYetError(f"AWS is not ready to {what}: {said}", remedy="Run the command again") from error
        if code in DENIED:
            raise ProvisionError(
                f"Your account may not {what}: {said}",
                remedy="Ask for that permission, or run this as somebody who has it",
            ) from error
        if code in LIMITS:
            raise ProvisionError(
                f"AWS has no room to {what}: {said}", remedy="Remove what nobody needs, or ask AWS for a higher quota"
            ) from error
        raise ProvisionError(
            f"AWS could not {what}: {said}", remedy="Run the command again: it goes on from here"
        ) from error


def tag_list(tags: Mapping[str, str], *, key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """Tags in the form that most services take."""
    return [{key: name, value: text} for name, text in tags.items()]


def tags_of(found: Any, *, key: str = "Key", value: str = "Value") -> dict[str, str]:
    """Tags as most services answer them."""
    return {each[key]: each[value] for each in found or []}


def has_marks(tags: Mapping[str, str], marks: Mapping[str, str]) -> bool:
    return all(tags.get(name) == text for name, text in marks.items())
