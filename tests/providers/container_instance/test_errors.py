"""Each refusal that Azure documents, or was seen to give, becomes the error that says what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from azure.core import exceptions
from azure.core.rest import HttpRequest
from azure.mgmt.core.exceptions import ARMErrorFormat

from skylift.provider import OutOfCapacity, ProviderError, Rejected, Throttled, Unreachable
from skylift_container_instance import client
from skylift_container_instance.errors import ROWS, InTransition, NotThere, UnknownRefusal, to_error
from tests.clouds.azure import LocalAzure
from tests.clouds.http_cloud import Answer, Request
from tests.providers.container_instance.support import ContainerInstanceHarness
from tests.providers.contract import new_launch, watch

QUOTA = (
    "Resource type 'Microsoft.ContainerInstance/containerGroups' container group quota 'StandardCores' exceeded in "
    "region 'eastus'. Limit: '10', Usage: '{used}' Requested: '{asked}'."
)
DENIED = (
    "The client 'c' with object id 'o' does not have authorization to perform action "
    "'Microsoft.ContainerInstance/containerGroups/write' over scope '/subscriptions/s/resourceGroups/g' or the scope "
    "is invalid. If access was recently granted, please refresh your credentials."
)
LINKED = (
    "The client 'c' has permission to perform action 'Microsoft.ContainerInstance/containerGroups/write' on scope 'x'; "
    "however, it does not have permission to perform action(s) 'Microsoft.Network/virtualNetworks/subnets/join/action' "
    "on the linked scope(s) '/subscriptions/s/subnet' (respectively) or the linked scope(s) are invalid."
)
NO_ROOM = (
    "The requested resource is not available in the location 'westus' at this moment. Please retry with a different"
)

CASES: list[tuple[int, str, str, type[ProviderError], str]] = [
    (429, "TooManyRequests", "slow down", Throttled, "300 creations"),
    (429, "SubscriptionRequestsThrottled", "Number of write requests exceeded", Throttled, "300 creations"),
    (429, "SomethingNew", "slow down", Throttled, "300 creations"),
    (409, "ServiceUnavailable", NO_ROOM, OutOfCapacity, "capacity_fallbacks"),
    (503, "ServiceUnavailable", NO_ROOM, OutOfCapacity, "capacity_fallbacks"),
    (503, "ServiceUnavailable", "The service is unavailable.", Unreachable, "asked again"),
    (409, "InsufficientCapacity", "no", OutOfCapacity, "capacity_fallbacks"),
    (400, "ContainerGroupQuotaReached", QUOTA.format(used=10, asked=1), OutOfCapacity, "'StandardCores'"),
    (409, "Conflict", QUOTA.format(used=10, asked=1), OutOfCapacity, "'StandardCores'"),
    (400, "ContainerGroupQuotaReached", QUOTA.format(used=0, asked=16), Rejected, "lower 'cpu'"),
    (
        409,
        "RegistryErrorResponse",
        "An error response is received from the docker registry",
        Throttled,
        "image_registry",
    ),
    (400, "InaccessibleImage", "The image 'x' in container group 'g' is not accessible.", Rejected, "AcrPull"),
    (400, "InvalidImageRegistryCredentialType", "no", Rejected, "image"),
    (403, "AuthorizationFailed", DENIED, Rejected, "containerGroups/write on /subscriptions/s/resourceGroups/g"),
    (403, "LinkedAuthorizationFailed", LINKED, Rejected, "subnets/join/action on /subscriptions/s/subnet"),
    (404, "SubscriptionNotFound", "The subscription 's' could not be found.", Rejected, "subscription_id"),
    (400, "InvalidSubscriptionId", "no", Rejected, "subscription_id"),
    (409, "ReadOnlyDisabledSubscription", "no", Rejected, "portal"),
    (409, "MissingSubscriptionRegistration", "not registered", Rejected, "az provider register"),
    (404, "ResourceGroupNotFound", "Resource group 'g' could not be found.", NotThere, "resource_group_name"),
    (404, "ResourceNotFound", "The Resource was not found.", NotThere, ""),
    (400, "LocationNotAvailableForResourceType", "no", Rejected, "location"),
    (403, "RequestDisallowedByPolicy", "no", Rejected, "policy"),
    (409, "ScopeLocked", "no", Rejected, "lock"),
    (400, "InvalidUserAssignedIdentity", "no", Rejected, "identities"),
    (400, "InvalidSubnetDelegation", "no", Rejected, "subnet_ids"),
    (400, "InvalidRequestContent", "no", Rejected, "job variable"),
    (400, "InvalidTemplateDeployment", "no", Rejected, "job variable"),
    (400, "ResourceRequestsNotSpecified", "no", Rejected, "job variable"),
    (409, "ContainerGroupTransitioning", "still transitioning, please retry later.", InTransition, ""),
    (409, "Conflict", "The container group 'g' is still transitioning, please retry later.", InTransition, ""),
    (401, "InvalidAuthenticationTokenTenant", "wrong issuer", Unreachable, "tenant"),
    (401, "ExpiredAuthenticationToken", "expired", Unreachable, "tenant"),
    (401, "SomethingNew", "who are you", Unreachable, "tenant"),
    (500, "InternalServerError", "Encountered an internal server error.", Unreachable, "asked again"),
    (504, "GatewayTimeout", "slow", Unreachable, "asked again"),
    (500, "Rejected", "no", Unreachable, "asked again"),
    (408, "RequestTimeout", "slow", Unreachable, "asked again"),
    (418, "Teapot", "short and stout", UnknownRefusal, "not one that Skylift knows"),
]


def answered(
    status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> exceptions.HttpResponseError:
    """As the SDK raises it for an answer of Resource Manager."""

    class Response:
        status_code, reason, content_type = status, "Reason", "application/json"
        request = HttpRequest("GET", "https://x")

        def __init__(self) -> None:
            self.headers = headers or {}

        def text(self, encoding: str | None = None) -> str:
            return json.dumps({"error": {"code": code, "message": message}})

    return exceptions.HttpResponseError(response=Response(), error_format=ARMErrorFormat)


@pytest.mark.parametrize(("status", "code", "message", "expected", "remedy"), CASES)
def test_each_code(status: int, code: str, message: str, expected: type[ProviderError], remedy: str) -> None:
    error = to_error(answered(status, code, message))
    assert type(error) is expected
    assert remedy in (error.remedy or "")
    assert code in str(error)
    assert message.split(".")[0] in str(error)
    assert "{" not in (error.remedy or "")


@pytest.mark.parametrize(("header", "seconds"), [("17", 17.0), ("soon", None), (None, None)])
def test_how_long_to_wait(header: str | None, seconds: float | None) -> None:
    error = to_error(answered(429, "TooManyRequests", "x", {"Retry-After": header} if header else {}))
    assert isinstance(error, Throttled)
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (exceptions.ServiceRequestError("Connection refused"), "could not be reached"),
        (exceptions.ServiceResponseError("Connection aborted"), "could not be reached"),
        (exceptions.ClientAuthenticationError("AADSTS7000215: Invalid client secret"), "sign in"),
    ],
)
def test_without_an_answer(error: Exception, words: str) -> None:
    known = to_error(error)
    assert isinstance(known, Unreachable)
    assert words in str(known)
    assert known.remedy


def test_long_messages_are_cut() -> None:
    assert len(str(to_error(answered(400, "BadRequest", "x" * 5000)))) < 700


def test_every_row_is_of_use() -> None:
    """Each row is the answer to one of the cases."""
    remedies = {to_error(answered(*case[:3])).remedy for case in CASES}
    unused = [row.codes for row in ROWS if "{" not in row.remedy and row.remedy not in remedies]
    assert not unused


# -- over the wire ----------------------------------------------------------------------------------------------------


def answering(cloud: LocalAzure, monkeypatch: pytest.MonkeyPatch, method: str, *answers: Answer) -> list[Request]:
    """The next calls by this method get these answers, the last one for ever; says which calls came."""
    usual: Callable[[Request], Answer] = cloud.answer
    came: list[Request] = []

    def answer(request: Request) -> Answer:
        if request.method != method:
            return usual(request)
        came.append(request)
        return answers[min(len(came), len(answers)) - 1]

    monkeypatch.setattr(cloud, "answer", answer)
    return came


def refused(status: int, code: str) -> Answer:
    return Answer(status, {"error": {"code": code, "message": "words"}})


def test_an_unknown_refusal_is_tried_once_more_and_then_shown(
    harness: ContainerInstanceHarness, cloud: LocalAzure, monkeypatch: pytest.MonkeyPatch
) -> None:
    puts = answering(cloud, monkeypatch, "PUT", refused(418, "Teapot"))
    with pytest.raises(Rejected, match=r"words \(Teapot\)"):
        harness.provider().launch(new_launch(harness.configuration("lines", {})))
    assert len(puts) == 2


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_put_is_never_sent_again_by_the_sdk(
    harness: ContainerInstanceHarness, cloud: LocalAzure, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    puts = answering(
        cloud, monkeypatch, "PUT", Answer(status, {"error": {"code": "X", "message": "m"}}, {"Retry-After": "1"})
    )
    with pytest.raises(ProviderError):
        harness.provider().launch(new_launch(harness.configuration("lines", {})))
    assert len(puts) == 1


def test_answers_that_are_no_json(
    harness: ContainerInstanceHarness, cloud: LocalAzure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway's page in HTML is no statement on whether something runs."""
    answering(cloud, monkeypatch, "GET", Answer(502, b"<html>bad gateway</html>", {"Content-Type": "text/html"}))
    launch = new_launch(harness.configuration("lines", {}))
    with pytest.raises(Unreachable):
        harness.provider().status([watch(launch)])


@pytest.mark.parametrize("body", [b"<html>welcome</html>", b"{", {"properties": {"containers": 7}}, {"tags": 7}])
def test_answers_that_cannot_be_read(
    harness: ContainerInstanceHarness, cloud: LocalAzure, monkeypatch: pytest.MonkeyPatch, body: Any
) -> None:
    answering(cloud, monkeypatch, "PUT", Answer(201, body))
    launch, provider = new_launch(harness.configuration("lines", {})), harness.provider()
    with pytest.raises(Unreachable):
        provider.launch(launch)
    monkeypatch.undo()


def test_an_azure_that_does_not_answer(
    harness: ContainerInstanceHarness, cloud: LocalAzure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every call has its time; what was sent once is not sent again."""
    monkeypatch.setattr(client, "READ", 0.2)
    held = cloud.mischief.order("ContainerGroups_CreateOrUpdate", "hold")
    launch, provider = new_launch(harness.configuration("lines", {})), harness.provider()
    with pytest.raises(Unreachable, match="could not be reached"):
        provider.launch(launch)
    held.released.set()
    assert len(cloud.journal.calls("ContainerGroups_CreateOrUpdate")) == 1
    cloud.mischief.order("ContainerGroups_Get", "hold", times=2)
    with pytest.raises(Unreachable):
        provider.status([watch(launch)])


def test_another_404_is_not_gone(
    harness: ContainerInstanceHarness, cloud: LocalAzure, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch = new_launch(harness.configuration("lines", {}))
    answering(cloud, monkeypatch, "GET", refused(404, "SubscriptionNotFound"))
    with pytest.raises(Unreachable):
        harness.provider().status([watch(launch)])


def test_a_deleted_resource_group_takes_its_runs_along(harness: ContainerInstanceHarness, cloud: LocalAzure) -> None:
    launch = new_launch(harness.configuration("lines", {}))
    cloud.locations.clear()
    provider = harness.provider()
    assert provider.status([watch(launch)])[launch.attempt_id].phase == "gone"
    provider.stop(watch(launch), 0)
    provider.cleanup(watch(launch))
    with pytest.raises(Rejected) as caught:
        provider.launch(launch)
    assert "resource_group_name" in str(caught.value.remedy)


def test_a_configuration_of_nowhere(harness: ContainerInstanceHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration: dict[str, Any] = {**harness.configuration("lines", {}), "subscription_id": None}
    with pytest.raises(Rejected, match="where container groups are to be created"):
        harness.provider().launch(new_launch(configuration))
    assert harness.provider().links(watch(new_launch(configuration))) == {}
    assert list(harness.provider().list_attempts(new_launch(configuration).attempt_id, configuration)) == []
