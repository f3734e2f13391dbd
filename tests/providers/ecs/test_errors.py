"""Every documented error of every call that is made has a place in the table, and says what to do."""

from __future__ import annotations

import ast
import inspect
from typing import Any

import botocore.exceptions
import pytest
from botocore.exceptions import ClientError

from skylift.provider import BusyError, OutOfCapacity, ProviderError, Rejected, Throttled, TooLate, Unreachable
from skylift_ecs import client, probe
from skylift_ecs.error_table import StaleDefinition, UnknownRefusal
from skylift_ecs.errors import from_failure, to_error
from tests.clouds.aws_wire import model

SERVICES = ["ecs", "logs", "sts"]


def refused(code: str, message: str = "", status: int = 400, operation: str = "RunTask") -> ProviderError:
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return to_error(operation, ClientError(response, operation))


def operations_called() -> set[str]:
    """The calls of the façade, by their names in AWS."""
    tree = ast.parse(inspect.getsource(client) + inspect.getsource(probe).split('"""', 2)[2].split("\n\n\n", 1)[1])
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value[:1].isupper()
    }


def documented() -> list[tuple[str, str]]:
    called = operations_called()
    return [
        (operation, shape.name)
        for service in SERVICES
        for operation in model(service).operation_names
        if operation in called
        for shape in model(service).operation_model(operation).error_shapes
    ]


def test_the_calls_are_found() -> None:
    assert {"RunTask", "StopTask", "RegisterTaskDefinition", "GetLogEvents", "CreateLogGroup"} <= operations_called()
    assert len(documented()) > 30


ANSWERS = {
    "ConflictException",
    "ResourceAlreadyExistsException",
    "ResourceNotFoundException",
    "ServiceNotFoundException",
}
"""What the façade takes for an answer, or cannot come of what it asks."""


@pytest.mark.parametrize(("operation", "code"), documented())
def test_every_documented_error_is_known(operation: str, code: str) -> None:
    error = refused(code, "something", operation=operation)
    assert code in ANSWERS or not isinstance(error, UnknownRefusal), error
    assert error.remedy


COMMON = {
    "AccessDeniedException": Rejected,
    "ExpiredTokenException": Unreachable,
    "IncompleteSignature": Unreachable,
    "InternalFailure": Unreachable,
    "InvalidClientTokenId": Unreachable,
    "InvalidSignatureException": Unreachable,
    "NotAuthorized": Unreachable,
    "OptInRequired": Unreachable,
    "RequestExpired": Unreachable,
    "ServiceUnavailable": Unreachable,
    "ThrottlingException": Throttled,
    "UnrecognizedClientException": Unreachable,
    "ValidationError": Rejected,
}
"""The "Common errors" pages of the services."""


@pytest.mark.parametrize(("code", "expected"), COMMON.items())
def test_common_errors(code: str, expected: type[ProviderError]) -> None:
    error = refused(code, "something", 503 if code == "ServiceUnavailable" else 400)
    assert type(error) is expected
    assert error.remedy


@pytest.mark.parametrize(
    ("code", "message", "expected", "remedy"),
    [
        (
            "InvalidParameterException",
            "Rate exceeded (Service: Fargate; Status Code: 400; Throttling)",
            Throttled,
            "rate",
        ),
        ("ClientException", "Capacity is unavailable at this time. Please try again later", OutOfCapacity, "fallbacks"),
        (
            "ClientException",
            "You've reached the limit on the number of vCPUs you can run concurrently",
            OutOfCapacity,
            "Fargate On-Demand vCPU resource count",
        ),
        (
            "ClientException",
            "Too many concurrent attempts to create a new revision of the specified family.",
            Throttled,
            "family",
        ),
        ("ClientException", "You've reached the limit on the number of tasks you can run", OutOfCapacity, "quota"),
        ("InvalidParameterException", "No Container Instances were found in your cluster.", OutOfCapacity, "FARGATE"),
        ("InvalidParameterException", "Unable to assume the service linked role.", BusyError, "service-linked"),
        ("ClientException", "TaskDefinition is inactive", StaleDefinition, "task_definition_arn"),
        ("ClientException", "No Fargate configuration exists for given values.", Rejected, "memory"),
        ("InvalidParameterException", "The subnet ID 'subnet-1' does not exist", Rejected, "subnets"),
        ("InvalidParameterException", "Override for container named x is not a container", Rejected, "container_name"),
        ("InvalidParameterException", "Container Overrides length must be at most 8192", Rejected, "runner"),
        ("ClientException", "ECS was unable to assume the role 'arn:x'", Rejected, "ecs-tasks"),
        ("ClusterNotFoundException", "Cluster not found.", Rejected, "cluster"),
        ("PlatformUnknownException", "", Rejected, "platform_version"),
        ("BlockedException", "Your account is currently blocked", Rejected, "Support"),
        (
            "AccessDeniedException",
            "User: arn:x is not authorized to perform: iam:PassRole on resource: arn:y",
            Rejected,
            "iam:PassRole",
        ),
    ],
)
def test_words_of_real_answers(code: str, message: str, expected: type[ProviderError], remedy: str) -> None:
    error = refused(code, message)
    assert type(error) is expected
    assert remedy in (error.remedy or "")
    if isinstance(error, BusyError):
        assert error.retry_after


def test_an_unknown_refusal_is_shown_raw() -> None:
    error = refused("BrandNewException", "the moon is in the wrong phase")
    assert isinstance(error, UnknownRefusal)
    assert "BrandNewException: the moon is in the wrong phase" in str(error)


def test_an_unknown_failure_of_amazons_side_may_have_started_something() -> None:
    assert type(refused("BrandNewException", "", 502)) is Unreachable


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("RESOURCE:CPU", OutOfCapacity),
        ("RESOURCE:ENI", OutOfCapacity),
        ("AGENT", OutOfCapacity),
        ("Capacity is unavailable at this time", OutOfCapacity),
        ("ATTRIBUTE", Rejected),
        ("LOCATION", Rejected),
        ("INACTIVE", OutOfCapacity),
        ("", OutOfCapacity),
    ],
)
def test_failures_beside_an_answer(reason: str, expected: type[ProviderError]) -> None:
    error = from_failure({"reason": reason})
    assert type(error) is expected
    assert error.remedy


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (botocore.exceptions.NoCredentialsError(), Unreachable),
        (botocore.exceptions.NoRegionError(), Rejected),
        (botocore.exceptions.ProfileNotFound(profile="p"), Unreachable),
        (botocore.exceptions.ConnectTimeoutError(endpoint_url="x"), Unreachable),
        (botocore.exceptions.ReadTimeoutError(endpoint_url="x"), Unreachable),
        (botocore.exceptions.EndpointConnectionError(endpoint_url="x"), Unreachable),
        (botocore.exceptions.ConnectionClosedError(endpoint_url="x"), Unreachable),
        (botocore.exceptions.SSLError(endpoint_url="x", error="e"), Unreachable),
        (botocore.exceptions.CredentialRetrievalError(provider="p", error_msg="e"), Unreachable),
        (botocore.exceptions.UnauthorizedSSOTokenError(), Unreachable),
        (botocore.exceptions.UnknownServiceError(service_name="x", known_service_names=""), Unreachable),
    ],
)
def test_errors_of_the_sdk(error: Exception, expected: type[ProviderError]) -> None:
    told = to_error("RunTask", error)
    assert type(told) is expected
    assert told.remedy


def test_the_sdks_own_validation_names_fields_and_no_values() -> None:
    report = (
        "Parameter validation failed:\nInvalid type for parameter containerDefinitions[0].image, "
        "value: {'hunter2': 1}, type: <class 'dict'>, valid types: <class 'str'>\n"
        'Unknown parameter in input: "nonsense", must be one of: family, taskRoleArn'
    )
    error = to_error("RegisterTaskDefinition", botocore.exceptions.ParamValidationError(report=report))
    assert type(error) is Rejected
    assert "containerDefinitions[0].image" in str(error)
    assert "nonsense" in str(error)
    assert "hunter2" not in str(error)


def test_our_own_errors_stay_as_they_are() -> None:
    late = TooLate()
    assert to_error("RunTask", late) is late
    with pytest.raises(ZeroDivisionError):
        to_error("RunTask", ZeroDivisionError())
