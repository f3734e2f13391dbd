"""What the platform consists of, as data: for packaging, for the deployment's templates and for the documentation.

Imports nothing: every function has it in its way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ENQUEUE = {"cloudtasks.tasks.create": ("{dispatch_queue}", "{observe_queue}", "{schedule_queue}")}
ACT_AS = {"iam.serviceAccounts.actAs": ("{invoker}",)}
"""A task that shows who sent it is only made by who may act as that account."""
READ_SECRETS = {"secretmanager.versions.access": ("{secrets}",)}
COMMON = {**ENQUEUE, **ACT_AS, **READ_SECRETS}
ROLES = {
    "cloudtasks.tasks.create": "roles/cloudtasks.enqueuer",
    "iam.serviceAccounts.actAs": "roles/iam.serviceAccountUser",
    "secretmanager.versions.access": "roles/secretmanager.secretAccessor",
}
"""Google's own, each of which says little more than one permission."""


@dataclass(frozen=True, slots=True)
class Function:
    """One Cloud Run function."""

    name: str
    """Also its target in the source archive's `main.py`."""
    timeout: int
    """Seconds. The tasks of its queue have the same as their dispatch deadline."""
    memory: int
    """MiB."""
    permissions: Mapping[str, tuple[str, ...]]
    """Its service account's own, by resources; `{name}` is to be filled in by the deployment."""
    concurrency: int = 1
    """Requests that one instance answers at a time."""
    queue: str | None = None
    """The verb whose wakeups it takes."""
    every: int | None = None
    """Minutes from one tick of its timer to the next."""
    hears: bool = False
    """Whether the end-of-execution events are pushed to it."""
    pushes: bool = False
    """Whether it calls providers, and has their permissions too."""
    is_public: bool = False
    """Whether anybody may call it: it asks for API keys itself. The others are called by the invoker account alone."""

    @property
    def handler(self) -> str:
        return f"skylift_functions.gcp.{self.name}.handler"


@dataclass(frozen=True, slots=True)
class GcpPlatform:
    """The functions of the platform, and the environment variables that all of them read."""

    functions: tuple[Function, ...]
    variables: Mapping[str, str] = field(default_factory=dict)

    def function(self, name: str) -> Function:
        """Raises `KeyError`."""
        return {each.name: each for each in self.functions}[name]


PLATFORM = GcpPlatform(
    (
        Function("api", timeout=60, memory=512, permissions=COMMON, concurrency=8, is_public=True),
        Function("schedule", timeout=120, memory=512, permissions=COMMON, queue="schedule", every=5, pushes=True),
        Function("dispatch", timeout=120, memory=512, permissions=COMMON, queue="dispatch", pushes=True),
        Function("observe", timeout=120, memory=512, permissions=COMMON, queue="observe", hears=True, pushes=True),
    ),
    {
        "SKYLIFT_DATABASE_URL_FROM": "where the database's URL is: a secret's version, by name or where it is mounted",
        "SKYLIFT_SECRET_KEY_FROM": "where the keys are that secrets are sealed with: Fernet keys, the newest first",
        "SKYLIFT_API_KEY_FROM": "where one more admin key for the API is",
        "SKYLIFT_API_URL": "where runs reach the API; ends with /api",
        "SKYLIFT_QUEUE_DISPATCH": "name of the queue that wakes dispatch",
        "SKYLIFT_QUEUE_OBSERVE": "name of the queue that wakes observe",
        "SKYLIFT_QUEUE_SCHEDULE": "name of the queue that wakes schedule between two ticks",
        "SKYLIFT_URL_DISPATCH": "address of the function dispatch",
        "SKYLIFT_URL_OBSERVE": "address of the function observe",
        "SKYLIFT_URL_SCHEDULE": "address of the function schedule",
        "SKYLIFT_INVOKER": "email of the service account that wakes the functions",
        "SKYLIFT_IAM_CHECKED": "true where Google itself lets nobody but the invoker through",
    },
)
