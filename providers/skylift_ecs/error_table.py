"""The table behind `errors.py`: codes and words of Amazon's errors, of the SDK's own, and of RunTask's `failures`.

The first rule that fits decides. Codes are those that botocore's service models and the "Common errors" pages of the
services name; the words are those that users have been shown (several codes cover everything from a typing error to a
lack of capacity, so words come first).
"""

from __future__ import annotations

from dataclasses import dataclass

from skylift.provider import BusyError, OutOfCapacity, ProviderError, Rejected, Throttled, Unreachable

SOON, LATER = 2.0, 15.0
"""Seconds until a call that was too much, or found no room, is worth another try."""
FALLBACKS = "Name other places in 'capacity_fallbacks' (subnets in other zones, FARGATE in the place of FARGATE_SPOT)"
CREDENTIALS = (
    "See that the work pool's 'aws_credentials' are valid and not expired (skylift work-pool check), or leave them out "
    "where Skylift itself has a role"
)
VCPUS = (
    "Ask for more of the quota 'Fargate On-Demand vCPU resource count' (or 'Fargate Spot vCPU resource count') in "
    "Service Quotas, or lower the pool's concurrency limit"
)


class StaleDefinition(Rejected):
    """The task definition that was found before is not usable any more."""


class UnknownRefusal(Rejected):
    """Amazon refused it with a word that is in no table of ours."""


@dataclass(frozen=True, slots=True)
class Rule:
    code: str
    """A regular expression for the whole code."""
    words: str
    """A regular expression that is found somewhere in the message, in whatever case."""
    error: type[ProviderError]
    message: str
    remedy: str
    retry_after: float | None = None


RULES = [
    Rule(
        "Throttling(Exception)?|RequestThrottled(Exception)?|ThrottledException|RequestLimitExceeded|SlowDown|"
        "TooManyRequests(Exception)?|RequestThrottlingException|BandwidthLimitExceeded|PriorRequestNotComplete",
        "",
        Throttled,
        "Amazon limits how often {operation} may be called",
        "Lower the pool's setting 'launch_rate', or ask for more in Service Quotas (API request rates)",
        SOON,
    ),
    Rule(
        ".*",
        r"rate exceeded|throttl|too many requests",
        Throttled,
        "Amazon limits how often this may be called ({told})",
        "Lower the pool's setting 'launch_rate', or ask for more in Service Quotas (API request rates)",
        SOON,
    ),
    Rule(
        "ClientException",
        "too many concurrent attempts to create a new revision",
        Throttled,
        "Another process registers the same task definition just now",
        "It is tried again by itself; give unlike deployments unlike 'family' names",
        SOON,
    ),
    Rule(
        ".*",
        r"capacity is unavailable|no capacity|insufficient capacity",
        OutOfCapacity,
        "Amazon has no room for this just now ({told})",
        FALLBACKS,
        LATER,
    ),
    Rule(".*", r"limit on the number of vcpus", OutOfCapacity, "The account's vCPU quota is used up", VCPUS, LATER),
    Rule(
        ".*",
        r"(limit|quota|maximum) (on|of|for) the number of tasks|quota of tasks|tasks in the provisioning state",
        OutOfCapacity,
        "The cluster has as many tasks as its quota allows ({told})",
        "Ask for more of the quota 'Tasks in PROVISIONING state per cluster' or 'Tasks launched per service' in "
        "Service Quotas, or lower the pool's concurrency limit",
        LATER,
    ),
    Rule(
        ".*",
        r"no container instances were found",
        OutOfCapacity,
        "The cluster has no machine to run tasks on",
        "Add container instances, use a capacity provider that does, or set 'launch_type' to FARGATE",
        LATER,
    ),
    Rule(
        "(ClientException|InvalidParameterException)",
        r"task ?definition is inactive|task ?definition not found|unable to describe task definition|"
        r"task ?definition does not exist",
        StaleDefinition,
        "The task definition is not there or was deregistered",
        "Correct 'task_definition_arn', or leave it out to have one registered",
    ),
    Rule(
        ".*",
        r"unable to assume the service linked role",
        BusyError,
        "This account's service-linked role for ECS is only being made",
        "It is tried again by itself; else: aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com",
        LATER,
    ),
    Rule(
        "ClusterNotFoundException",
        "",
        Rejected,
        "The cluster was not found",
        "Create it, or correct the variable 'cluster' and the region of 'aws_credentials'",
    ),
    Rule(
        "AccessDenied(Exception)?|UnauthorizedOperation|Client.UnauthorizedOperation",
        "",
        Rejected,
        "Skylift may not do this in the account ({told})",
        "Give its role or user the permission {action} (docs/providers/ecs.md lists them all)",
    ),
    Rule(
        "UnrecognizedClientException|InvalidClientTokenId|InvalidSignatureException|SignatureDoesNotMatch|"
        "ExpiredToken(Exception)?|RequestExpired|AuthFailure|IncompleteSignature|MissingAuthenticationToken(Exception)?|"
        "MissingAuthenticationToken|InvalidAccessKeyId|InvalidToken|NotAuthorized|OptInRequired|RegionDisabledException",
        "",
        Unreachable,
        "Amazon does not accept the credentials ({code})",
        CREDENTIALS,
    ),
    Rule(
        "BlockedException|PendingVerification|Blocked",
        "",
        Rejected,
        "Amazon has blocked this account's use of ECS ({told})",
        "Contact AWS Support about the account",
    ),
    Rule(
        "PlatformUnknownException",
        "",
        Rejected,
        "There is no such Fargate platform version",
        "Correct the variable 'platform_version', or leave it out for the latest",
    ),
    Rule(
        "PlatformTaskDefinitionIncompatibilityException",
        "",
        Rejected,
        "The Fargate platform version lacks what the task definition uses",
        "Leave 'platform_version' out for the latest, or take out of 'task_definition' what it does not know",
    ),
    Rule(
        "UnsupportedFeatureException",
        "",
        Rejected,
        "This region or platform lacks something that the task uses ({told})",
        "Use another region, or take it out of 'task_definition' or 'task_run_request'",
    ),
    Rule(
        ".*",
        r"no fargate configuration exists|invalid 'cpu' setting|invalid 'memory' setting",
        Rejected,
        "Fargate has no such size ({told})",
        "Set 'cpu' and 'memory' to one of the pairs in docs/providers/ecs.md",
    ),
    Rule(
        ".*",
        r"execution role",
        Rejected,
        "The task needs an execution role ({told})",
        "Set 'execution_role_arn' to a role that ecs-tasks.amazonaws.com may assume",
    ),
    Rule(
        ".*",
        r"unable to assume (the )?role|role is not valid|role .*(invalid|not exist)",
        Rejected,
        "ECS cannot use one of the task's roles ({told})",
        "See that 'execution_role_arn' and 'task_role_arn' exist and trust ecs-tasks.amazonaws.com",
    ),
    Rule(
        ".*",
        r"subnet|security ?group|network configuration|networkconfiguration|assignpublicip|vpc",
        Rejected,
        "The network is not usable ({told})",
        "Correct 'subnets', 'security_groups', 'vpc_id' or 'network_configuration'",
    ),
    Rule(
        ".*",
        r"override for container|container name",
        Rejected,
        "The task definition has no such container ({told})",
        "Correct 'container_name'",
    ),
    Rule(
        ".*",
        r"overrides length must be at most",
        Rejected,
        "The command and its environment are too long for a task's overrides (8192 characters)",
        "Use the runner, which needs few of them, or pass large values in a file or a secret",
    ),
    Rule(
        "LimitExceededException|ServiceQuotaExceededException|AddressLimitExceeded",
        "",
        OutOfCapacity,
        "A quota of the account is used up ({told})",
        "Ask for more in Service Quotas",
        LATER,
    ),
    Rule(
        "NoSuchBucket",
        "",
        Rejected,
        "The bucket for secrets was not found",
        "Create it, or correct the variable 'secrets_bucket'",
    ),
    Rule(
        "ServerException|InternalFailure|InternalError|InternalServerError|ServiceUnavailable(Exception)?|"
        "Unavailable|RequestTimeout(Exception)?|OperationAbortedException|IDPCommunicationError",
        "",
        Unreachable,
        "Amazon's side failed ({code})",
        "It is tried again by itself; see the AWS Health Dashboard if it goes on",
    ),
    Rule(
        "InvalidParameter(Exception|Value|Combination)?|InvalidRequest(Exception)?|ValidationError|"
        "ValidationException|SerializationException|ClientException|MalformedPolicyDocument|"
        "MissingParameter|InvalidParameterValue|InvalidArgument",
        "",
        Rejected,
        "Amazon does not accept the request: {told}",
        "Correct what it names in the job variables or the base job template",
    ),
]

# Errors of the SDK itself, by the name of their class or of a class that they are derived from.
SDK_RULES: list[tuple[str, type[ProviderError], str, str]] = [
    ("NoCredentialsError", Unreachable, "There are no AWS credentials", CREDENTIALS),
    ("PartialCredentialsError", Unreachable, "The AWS credentials are not complete", CREDENTIALS),
    ("ProfileNotFound", Unreachable, "The AWS profile does not exist on this machine", CREDENTIALS),
    ("CredentialRetrievalError", Unreachable, "The AWS credentials could not be had", CREDENTIALS),
    ("TokenRetrievalError", Unreachable, "The AWS sign-on has expired", CREDENTIALS),
    ("SSOError", Unreachable, "The AWS sign-on has expired", CREDENTIALS),
    ("NoRegionError", Rejected, "No AWS region is named", "Set 'region_name' in 'aws_credentials', or AWS_REGION"),
    (
        "ParamValidationError",
        Rejected,
        "The request is not valid: {fields}",
        "Correct what it names in 'task_definition', 'task_run_request' or 'network_configuration'",
    ),
    (
        "HTTPClientError",
        Unreachable,
        "Amazon did not answer {operation} ({kind})",
        "See whether this machine reaches Amazon's endpoints; it is tried again by itself",
    ),
    (
        "BotoCoreError",
        Unreachable,
        "The call {operation} failed in the SDK ({kind})",
        "See the service's log, and whether boto3 is up to date",
    ),
]

FAILURES: list[tuple[str, type[ProviderError], str, str]] = [
    ("^RESOURCE:", OutOfCapacity, "No machine of the cluster has room ({told})", "Add machines. " + FALLBACKS),
    ("^AGENT", OutOfCapacity, "The agent of the cluster's machine is not connected", "See to the container instances"),
    ("capacity", OutOfCapacity, "Amazon has no room for this just now ({told})", FALLBACKS),
    ("throttl|rate exceeded", Throttled, "Amazon limits how often tasks may be launched", "Lower 'launch_rate'"),
    ("vcpu", OutOfCapacity, "The account's vCPU quota is used up", VCPUS),
    (
        "^(ATTRIBUTE|MEMBEROF|LOCATION)",
        Rejected,
        "No machine of the cluster is what the task asks for ({told})",
        "Correct the placement constraints, the architecture or the network mode in 'task_definition'",
    ),
    ("", OutOfCapacity, "The task was not placed ({told})", FALLBACKS),
]
"""What RunTask answers in `failures`, where it did not raise: nothing was started."""
