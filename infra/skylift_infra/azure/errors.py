"""Errors of Azure's SDK in words that help: which permission is missing, what is only not ready yet."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from skylift.extras import sdk
from skylift.provisioner import ProvisionError
from skylift_container_instance.errors import told
from skylift_container_instance.signing_in import EXTRA
from skylift_infra.resources import NotYetError

NOT_YET = {
    "PrincipalNotFound",  # an identity that has not reached every copy of the directory
    "RoleDefinitionDoesNotExist",
    "RoleDefinitionHasAssignments",
    "ResourceGroupBeingDeleted",
    "ResourceGroupDeletionInProgress",
    "AnotherOperationInProgress",
    "ConflictingConcurrentWriteNotAllowed",
    "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity",
    "Directory_ConcurrencyViolation",
    "TooManyRequests",
    "ServiceUnavailable",
}
"""Codes of what Azure does not know yet, or still uses, or has no time for."""
UNKNOWN_YET = re.compile(r"does not reference a valid application")
"""What the directory says of an application that has not reached every copy of it."""
DENIED = {
    "AuthorizationFailed",
    "LinkedAuthorizationFailed",
    "Authorization_RequestDenied",
    "Forbidden",
    "RoleAssignmentForbidden",
}
QUOTAS = re.compile(r"Quota|LimitExceeded|RoleDefinitionLimit|RoleAssignmentLimit")
ROLES = (
    "The roles Contributor and Role Based Access Control Administrator on the subscription allow all of it; "
    "--with-secret also takes the right to register applications in the directory"
)


def seen(what: str, read: Callable[[], Any]) -> Any:
    """What `read` answers; None where it is not there. Raises `ProvisionError`."""
    try:
        with telling(what):
            return read()
    except AbsentError:
        return None


class AbsentError(ProvisionError):
    """Azure knows no such thing."""


@contextmanager
def telling(what: str, *fine: str) -> Iterator[None]:
    """Turns the SDK's errors into ours; those with a code in `fine` are none."""
    core = sdk("azure.core.exceptions", extra=EXTRA)
    try:
        yield
    except core.AzureError as error:
        status, code, said = told(error)
        if code in fine:
            return
        if status is None:
            raise _without_answer(what, error) from error
        words = f"{' '.join(said.split()).removesuffix('.')} ({code})"
        if code in NOT_YET or status in (429, 503) or UNKNOWN_YET.search(said):
            raise NotYetError(f"Azure is not ready to {what}: {words}", remedy="Run the command again") from error
        if status == 404:
            raise AbsentError(
                f"Azure does not know what it takes to {what}: {words}",
                remedy="Correct the name, or see whether you are signed in to the right directory",
            ) from error
        if code in DENIED or status == 403:
            raise ProvisionError(f"Your account may not {what}: {words}", remedy=_permission(said)) from error
        if QUOTAS.search(code):
            raise ProvisionError(
                f"Azure has no room to {what}: {words}",
                remedy="Remove what nobody needs, or ask for a larger quota in the portal",
            ) from error
        raise ProvisionError(
            f"Azure could not {what}: {words}",
            remedy="Correct it where it is a name or a policy; then run the command again: it goes on from here",
        ) from error


@contextmanager
def just_made() -> Iterator[None]:
    """Around what builds upon something that was made a moment ago: not to be seen means not to be seen yet."""
    try:
        yield
    except AbsentError as error:
        raise NotYetError(str(error), remedy="Run the command again") from error


def _without_answer(what: str, error: Exception) -> ProvisionError:
    core = sdk("azure.core.exceptions", extra=EXTRA)
    if isinstance(error, core.ClientAuthenticationError):
        return ProvisionError(
            f"Nobody is signed in to Azure here, which it takes to {what}",
            remedy="Run `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET",
        )
    return ProvisionError(
        f"Azure could not be reached to {what} ({type(error).__name__})",
        remedy="Run the command again: it goes on from here",
    )


def _permission(said: str) -> str:
    """What to ask for: the action that Azure names, and the roles that hold all of them."""
    action = re.search(r"perform(?:ing)? (?:the )?action(?:\(s\))? '([^']+)'", said)
    return f"Ask for {f'the permission {action[1]}' if action else 'that permission'}. {ROLES}"
