"""What the platform consists of, as data: for packaging, for the deployment's templates and for the documentation.

Imports nothing: every function has it in its way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TASK_CHANGES: Mapping[str, Any] = {
    "source": ["aws.ecs"],
    "detail-type": ["ECS Task State Change"],
    "detail": {"lastStatus": ["RUNNING", "STOPPED"]},
}
"""EventBridge's pattern for what `observe` wants to hear."""

SEND = {"sqs:SendMessage": ("{dispatch_queue}", "{observe_queue}", "{schedule_queue}")}
READ_SECRETS = {"secretsmanager:GetSecretValue": ("{secrets}",), "ssm:GetParameter": ("{parameters}",)}
RECEIVE = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
WRITE_LOGS = {"logs:CreateLogStream": ("{log_group}",), "logs:PutLogEvents": ("{log_group}",)}


@dataclass(frozen=True, slots=True)
class Function:
    """One Lambda function."""

    name: str
    handler: str
    timeout: int
    """Seconds. A queue that it is fed from has a visibility timeout of six times that, as Lambda asks for."""
    memory: int
    """MB; Lambda gives CPU by it."""
    permissions: Mapping[str, tuple[str, ...]]
    """Actions of its own by resources; `{name}` is to be filled in by the deployment."""
    queue: str | None = None
    """The verb whose wakeups it takes."""
    every: int | None = None
    """Minutes from one tick of its timer to the next."""
    pattern: Mapping[str, Any] | None = None
    routes: tuple[str, ...] = ()
    """Of the HTTP API, as it writes them."""
    pushes: bool = False
    """Whether it calls providers, and has their permissions too (`skylift_ecs.permissions`)."""


@dataclass(frozen=True, slots=True)
class AwsPlatform:
    """The functions of the platform, and the environment variables that all of them read."""

    functions: tuple[Function, ...]
    variables: Mapping[str, str] = field(default_factory=dict)

    def function(self, name: str) -> Function:
        """Raises `KeyError`."""
        return {each.name: each for each in self.functions}[name]


def _receive(queue: str) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(RECEIVE, (queue,))


def _of(verb: str) -> str:
    return f"skylift_functions.aws.{verb}.handler"


COMMON = {**WRITE_LOGS, **SEND, **READ_SECRETS}

PLATFORM = AwsPlatform(
    (
        Function("api", _of("api"), timeout=29, memory=1024, permissions=COMMON, routes=("$default",)),
        Function(
            "trigger",
            _of("trigger"),
            timeout=29,
            memory=1024,
            permissions={**WRITE_LOGS, **READ_SECRETS, "sqs:SendMessage": ("{dispatch_queue}",)},
            routes=("POST /hooks/{id}", "OPTIONS /hooks/{id}"),
        ),
        Function(
            "schedule",
            _of("schedule"),
            timeout=120,
            memory=512,
            permissions=COMMON | _receive("{schedule_queue}"),
            queue="schedule",
            every=5,
            pushes=True,
        ),
        Function(
            "dispatch",
            _of("dispatch"),
            timeout=120,
            memory=1024,
            permissions=COMMON | _receive("{dispatch_queue}"),
            queue="dispatch",
            pushes=True,
        ),
        Function(
            "observe",
            _of("observe"),
            timeout=120,
            memory=512,
            permissions=COMMON | _receive("{observe_queue}"),
            queue="observe",
            pattern=TASK_CHANGES,
            pushes=True,
        ),
    ),
    {
        "SKYLIFT_DATABASE_URL_FROM": "where the database's URL is: ARN of a secret or of an SSM parameter",
        "SKYLIFT_SECRET_KEY_FROM": "where the keys are that secrets are sealed with: Fernet keys, the newest first",
        "SKYLIFT_API_KEY_FROM": "where one more admin key for the API is",
        "SKYLIFT_API_URL": "where runs reach the API; ends with /api",
        "SKYLIFT_QUEUE_DISPATCH": "URL of the queue that wakes dispatch",
        "SKYLIFT_QUEUE_OBSERVE": "URL of the queue that wakes observe",
        "SKYLIFT_QUEUE_SCHEDULE": "URL of the queue that wakes schedule between two ticks",
        "POWERTOOLS_SERVICE_NAME": "the installation's name, which is on its lines and metrics",
    },
)
