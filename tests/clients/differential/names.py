"""What the SDK calls of the scenarios may name. Runs in Prefect's interpreter, in front of each call; not imported."""

import json
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from prefect import flow
from prefect.artifacts import Artifact, create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import LogCreate, WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.filters import ArtifactFilter, FlowRunFilter, LogFilter, TaskRunFilter, WorkPoolFilter
from prefect.states import Cancelling, Completed, Paused, Pending, Running, Scheduled
from prefect.variables import Variable
from pydantic import BaseModel

__all__ = [
    "Artifact", "ArtifactFilter", "Cancelling", "Completed", "FlowRunFilter", "LogCreate", "LogFilter", "Paused",
    "Pending", "Running", "Scheduled", "Secret", "TaskRunFilter", "Variable", "WorkPoolCreate", "WorkPoolFilter",
    "WorkPoolUpdate", "create_link_artifact", "create_markdown_artifact", "create_table_artifact", "timedelta",
]  # fmt: skip

sys.path.insert(0, os.getcwd())
if {"Lighthouse", "Coast"} & set(os.environ["CALL"].replace("(", ".").split(".")):
    from blocks import Coast, Lighthouse  # type: ignore[import-not-found] # noqa: F401 - of the scenarios' folder

NOWHERE = UUID("11111111-1111-1111-1111-111111111111")
TASK = "22222222-2222-2222-2222-222222222222"
T0 = datetime(2099, 1, 1, tzinfo=UTC)
c: Any = get_client(sync_client=True)


@flow(name="made-by-hand")
def FLOW() -> None:  # noqa: N802 - a constant, as the calls see it
    pass


def plain(value: Any) -> Any:
    """As JSON would have it."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list | tuple | set):
        return [plain(each) for each in value]
    return value


def outcome(result: Any) -> list[Any]:
    """How a proposed state was answered."""
    return [result.status.value, result.state and result.state.name, type(result.details).__name__]


def hold(name: str, slots: int) -> int:
    """The answer to asking for slots of a limit, once."""
    body = {"names": [name], "slots": slots, "mode": "concurrency"}
    return int(c._client.post("/v2/concurrency_limits/increment", json=body).status_code)


def post(path: str, **body: Any) -> int:
    """The status of the answer to this body."""
    return int(c._client.post(path, json=body).status_code)


def until_none(read: Callable[[], list[Any]]) -> int:
    """How many are left, where some may go a little later."""
    deadline = time.monotonic() + 10
    while (left := read()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return len(left)


def show(call: Callable[[], Any]) -> None:
    try:
        print("->", json.dumps(plain(call()), default=str, sort_keys=True))
    except Exception as error:
        status = getattr(getattr(error, "response", None), "status_code", "")
        print("->", type(error).__name__, status, "" if status else str(error).splitlines()[0][:200])
