"""What Azure's refusals mean: a table of error code and message to one of the port's errors.

Codes are those of Resource Manager and of Microsoft.ContainerInstance, from Microsoft's pages and, where those are
silent, from public reports of what the service answered.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from skylift.provider import OutOfCapacity, ProviderError, Rejected, Throttled, Unreachable

LONGEST_MESSAGE = 600


class UnknownRefusal(Rejected):
    """Azure refused it in a way that is not in the table: worth one more try."""


class InTransition(Unreachable):
    """The container group is being started, stopped or deleted just now, and takes no orders."""


class NotThere(Rejected):
    """The resource, or the resource group around it, does not exist."""


@dataclass(frozen=True, slots=True)
class Row:
    error: type[ProviderError]
    codes: str
    """Patterns as in `fnmatch`, separated by spaces."""
    remedy: str
    message: str = ""
    """A regular expression that is also in the message."""


NO_ROOM = (
    "Name other places in 'capacity_fallbacks' (another location, less cpu or memory), or wait: the run is tried again "
    "by itself"
)
QUOTA = (
    "Ask for more of the quota '{quota}' in the portal (Help + support, issue type Quota, Container Instances), or use "
    "another location; groups that ended are deleted by themselves"
)
ROWS = (
    Row(
        Throttled,
        "TooManyRequests *RequestsThrottled *Throttl* RetryableError RequestRateTooLarge",
        "Nothing has to be done: the run is tried again. Azure allows 300 creations an hour in a subscription and "
        "region; ask for more by a support request (Quota, Container Instances)",
    ),
    Row(
        Rejected,
        "*Quota*",
        "The location's quota '{quota}' is less than one run asks for: lower 'cpu' or 'gpu_count', or ask for a larger "
        "quota in the portal",
        message="more-than-limit",
    ),
    Row(OutOfCapacity, "ContainerGroupQuotaReached *QuotaReached *QuotaExceeded ResourceQuota* *Quota*", QUOTA),
    Row(OutOfCapacity, "* ", QUOTA, message=r"quota '?\w*'? exceeded|exceed\w* .*quota"),
    Row(OutOfCapacity, "ServiceUnavailable", NO_ROOM, message=r"not available in the location|different resource"),
    Row(
        OutOfCapacity,
        "InsufficientCapacity* CapacityNotAvailable ResourceNotAvailable *OverConstrained* ZonalAllocationFailed",
        NO_ROOM,
    ),
    Row(
        Throttled,
        "RegistryErrorResponse",
        "The image's registry did not let Azure look at the image just now, often because of Docker Hub's limit for "
        "anonymous pulls: give 'image_registry' credentials, or keep the image in a registry of your own",
    ),
    Row(
        InTransition,
        "ContainerGroupTransitioning ContainerGroupDeploymentNotReady ContainerGroupBeingDeleted",
        "It is asked again by itself",
    ),
    Row(InTransition, "*", "It is asked again by itself", message=r"still transitioning"),
    Row(
        Rejected,
        "InvalidImageRegistryCredential* *RegistryCredential* *RegistryIdentity*",
        "Correct 'image_registry': its address without a scheme, and either an identity or a user name and a password",
    ),
    Row(
        Rejected,
        "InaccessibleImage ImageNotFound InvalidImage* *ImagePull* RegistryAuthentication* UnauthorizedImage*",
        "Correct 'image'; for a private registry set 'image_registry', and let its identity pull (role AcrPull)",
    ),
    Row(
        Rejected,
        "AuthorizationFailed AuthorizationPermissionMismatch",
        "Give the identity that Skylift uses there a role with {action} on {scope}; a new role assignment takes a few "
        "minutes to be heard of",
    ),
    Row(
        Rejected,
        "LinkedAuthorizationFailed LinkedInvalidPropertyId LinkedAccessCheckFailed",
        "Give the identity that Skylift uses there {action} on {scope}: to use an identity it needs Managed Identity "
        "Operator, to join a subnet Network Contributor, or a role with just these actions",
    ),
    Row(
        Rejected,
        "SubscriptionNotFound InvalidSubscriptionId",
        "Correct 'subscription_id', or give the identity that Skylift uses a role in that subscription",
    ),
    Row(
        Rejected,
        "ReadOnlyDisabledSubscription SubscriptionDisabled SubscriptionNotRegisteredForFeature DisabledSubscription",
        "See in the portal why the subscription takes no new resources",
    ),
    Row(
        Rejected,
        "MissingSubscriptionRegistration SubscriptionNotRegistered NoRegisteredProviderFound",
        "Register the resource provider once: az provider register --namespace Microsoft.ContainerInstance",
    ),
    Row(NotThere, "ResourceGroupNotFound", "Create the resource group, or correct 'resource_group_name'"),
    Row(NotThere, "ResourceNotFound ContainerGroupNotFound NotFound ContainerNotFound", "Nothing has to be done"),
    Row(
        Rejected,
        "LocationNotAvailable* InvalidLocation* DisallowedLocation InvalidResourceLocation LocationRequired",
        "Set 'location' to a region that offers Container Instances, such as westeurope",
    ),
    Row(
        Rejected,
        "RequestDisallowedByPolicy PolicyViolation",
        "A policy of the subscription forbids it: read the message, and change the job variables or the policy",
    ),
    Row(
        Rejected,
        "ScopeLocked",
        "Remove the lock from the resource group, or have it forbid less: Skylift has to create and delete there",
    ),
    Row(
        Rejected,
        "*Identity*",
        "Correct 'identities': full resource ids of user-assigned identities that exist",
    ),
    Row(
        Rejected,
        "*Subnet* *Vnet* *VirtualNetwork* *NetworkProfile* PrivateIPAddress*",
        "Correct 'subnet_ids': a subnet in the same region, delegated to Microsoft.ContainerInstance/containerGroups",
    ),
    Row(
        Rejected,
        "InvalidTemplate* InvalidRequest* InvalidParameter* BadRequest *Invalid* *Required* *NotSupported* "
        "Unsupported* ResourceRequest* *OutOfRange* MissingApiVersionParameter RequestContentTooLarge Conflict*",
        "Correct the job variable that the message names",
    ),
)
NOT_SIGNED_IN = "See that the credentials belong to the subscription's own tenant and have not expired"
BROKEN = "Nothing has to be done: it is asked again. See status.azure.com if it lasts"


def to_error(error: Exception) -> ProviderError:
    """One of the port's errors for an exception of Azure's SDK. Its message holds what Azure said, and no request."""
    status, code, message = told(error)
    if status is None or status < 400:
        return _without_answer(error)
    facts = _facts(message)
    says = f"Azure says: {_shorten(message)} ({code})"
    row = next((each for each in ROWS if _applies(each, code, message, facts)), None)
    kind = row.error if row else UnknownRefusal
    if status == 401:
        return Unreachable(says, remedy=NOT_SIGNED_IN)
    if status == 429 or kind is Throttled:
        remedy = row.remedy if row and kind is Throttled else ROWS[0].remedy
        return Throttled(says, retry_after=_retry_after(error), remedy=remedy)
    if (status >= 500 or status == 408) and kind is not OutOfCapacity:
        return Unreachable(says, remedy=BROKEN)
    if row:
        return kind(says, remedy=row.remedy.format(**facts))
    return UnknownRefusal(says, remedy="Read the message; it is not one that Skylift knows")


def told(error: Exception) -> tuple[int | None, str, str]:
    """HTTP status, error code and message of what Azure answered; None: there was no answer of its own."""
    response = getattr(error, "response", None)
    status = getattr(error, "status_code", None)
    if response is None or status is None or _is_login(error):
        return None, "", ""
    body = getattr(error, "error", None)
    code = str(getattr(body, "code", None) or getattr(response, "reason", None) or f"HTTP {status}")
    message = str(getattr(body, "message", None) or getattr(error, "reason", None) or "no reason")
    return int(status), code, message


def _without_answer(error: Exception) -> ProviderError:
    name = type(error).__name__
    if _is_login(error):
        first = str(error).strip().splitlines()[0] if str(error).strip() else name
        return Unreachable(
            f"Skylift could not sign in to Azure: {_shorten(first)}",
            remedy="Check 'aci_credentials': client, tenant and secret, which may have expired; without the variable, "
            "what the service itself is signed in with (managed identity, workload identity, AZURE_* variables)",
        )
    if name in ("DecodeError", "DeserializationError"):
        return Unreachable("Azure's answer could not be read", remedy="See what is between Skylift and Azure: a proxy?")
    return Unreachable(
        f"Azure could not be reached ({name})",
        remedy="See whether the service can reach Azure's Resource Manager; it is asked again by itself",
    )


def _is_login(error: Exception) -> bool:
    """Whether the token was not to be had: azure-identity's errors come before any request of ours."""
    names = {each.__name__ for each in type(error).__mro__}
    if "CredentialUnavailableError" in names or "AuthenticationRequiredError" in names:
        return True
    body = getattr(error, "error", None)
    return "ClientAuthenticationError" in names and not getattr(body, "code", None)


def _applies(row: Row, code: str, message: str, facts: dict[str, str]) -> bool:
    if not any(fnmatchcase(code.lower(), pattern.lower()) for pattern in row.codes.split()):
        return False
    if row.message == "more-than-limit":
        return bool(facts["more_than_limit"])
    return not row.message or bool(re.search(row.message, message, re.IGNORECASE))


def _facts(message: str) -> dict[str, str]:
    """What remedies name: the action and scope that a right is missing for, the quota that is used up."""
    lack = message.partition("not have ")[2] or message  # what comes before it may name an action that is allowed
    action = re.search(r"perform(?:ing)? (?:the )?action(?:\(s\))? '([^']+)'", lack)
    scope = re.search(r"(?:over|on) (?:the )?(?:linked )?scope(?:\(s\))? '([^']+)'", lack)
    quota = re.search(r"quota '([^']+)'", message)
    limit, asked = (re.search(rf"{word}:? '?(\d+)", message) for word in ("Limit", "Requested"))
    too_much = limit and asked and int(asked[1]) > int(limit[1])
    return {
        "action": action[1] if action else "the action that the message names",
        "scope": scope[1] if scope else "the resource group",
        "quota": quota[1] if quota else "container groups",
        "more_than_limit": "yes" if too_much else "",
    }


def _retry_after(error: Any) -> float | None:
    """Seconds."""
    headers = getattr(error.response, "headers", None) or {}
    try:
        return max(0.0, float(headers.get("Retry-After", "")))
    except ValueError:
        return None


def _shorten(message: str) -> str:
    text = " ".join(message.split())
    return text.removesuffix(".") if len(text) <= LONGEST_MESSAGE else text[:LONGEST_MESSAGE] + "…"
