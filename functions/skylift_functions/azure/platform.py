"""What the platform consists of, as data: for packaging, for the deployment's templates and for the documentation.

Imports nothing: every function has it in its way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

TIMEOUT = 300
"""Seconds that a function may take; `functionTimeout` in host.json. Azure does not say how many are left."""
TICKS = "0 */5 * * * *"
"""When the timer ticks: with a field for seconds, as Azure writes it."""
QUEUES: Mapping[str, str] = {
    "dispatch": "skylift-dispatch",
    "observe": "skylift-observe",
    "schedule": "skylift-schedule",
}
"""Names by verb. Of a storage account that belongs to one installation."""
MAX_DELIVERIES = 10
"""Of one message before it is put aside; `maxDequeueCount` in host.json."""
HTTP_CONCURRENCY = 8
"""Requests that one instance answers at a time, as many as it has connections to the database."""
CONNECTION = "SKYLIFT_QUEUES"
"""The setting, or the first part of the settings, by which triggers and wakeups find the storage account."""
ENDPOINT = f"{CONNECTION}__queueServiceUri"
CLIENT = f"{CONNECTION}__clientId"

RECEIVE = ("Storage Queue Data Reader", "Storage Queue Data Message Processor")
SEND = ("Storage Queue Data Message Sender",)
"""Also into the poison queues, which the runtime does as the same identity."""
READ_SECRETS = ("Key Vault Secrets User",)
KEEP_LOCKS = ("Storage Blob Data Owner",)
"""The runtime's, on the storage account: locks of its timers, and the package."""


def poison(queue: str) -> str:
    """Where messages go that failed too often. The name is the runtime's choice."""
    return f"{queue}-poison"


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the app."""

    name: str
    route: str | None = None
    """Where it answers HTTP."""
    queue: str | None = None
    """Whose messages it takes."""
    ticks: str | None = None
    """When its timer calls it."""
    hears: bool = False
    """Whether Event Grid calls it."""
    pushes: bool = False
    """Whether it calls providers, and needs their permissions."""

    @property
    def module(self) -> str:
        """What of this package its first call imports."""
        return self.name.partition("_")[0]


@dataclass(frozen=True, slots=True)
class AzurePlatform:
    """The functions of the app, what its identity may do, and the settings that it reads."""

    functions: tuple[Function, ...]
    roles: Mapping[str, tuple[str, ...]]
    """Built-in roles of the identity, by what they are on; `{name}` is to be filled in by the deployment."""
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def modules(self) -> tuple[str, ...]:
        """Of all functions, each once."""
        return tuple(dict.fromkeys(each.module for each in self.functions))

    def function(self, name: str) -> Function:
        """Raises `KeyError`."""
        return {each.name: each for each in self.functions}[name]


PLATFORM = AzurePlatform(
    (
        Function("api", route="api/{*path}"),
        Function("trigger", route="hooks/{id}"),
        Function("schedule", ticks=TICKS, pushes=True),
        Function("schedule_wakeup", queue=QUEUES["schedule"]),
        Function("dispatch", queue=QUEUES["dispatch"], pushes=True),
        Function("observe", queue=QUEUES["observe"], pushes=True),
        Function("observe_event", hears=True, pushes=True),
    ),
    {
        "{queues}": (*RECEIVE, *SEND),
        "{poison_queues}": SEND,
        "{secrets}": READ_SECRETS,
        "{storage_account}": KEEP_LOCKS,
    },
    {
        "SKYLIFT_DATABASE_URL_FROM": "where the database's URL is: address of a secret in Key Vault",
        "SKYLIFT_SECRET_KEY_FROM": "where the keys are that secrets are sealed with: Fernet keys, the newest first",
        "SKYLIFT_API_KEY_FROM": "where one more admin key for the API is",
        "SKYLIFT_API_URL": "where runs reach the API; ends with /api",
        ENDPOINT: "address of the storage account's queues: https://NAME.queue.core.windows.net",
        f"{CONNECTION}__credential": "managedidentity",
        CLIENT: "client id of the identity, where it is a user-assigned one",
        CONNECTION: "instead of those three: a connection string, for a trial",
    },
)
