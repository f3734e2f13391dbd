"""A handle is the task's ARN: it says where the task is, whatever becomes of the pool's variables."""

from __future__ import annotations

import re
from dataclasses import dataclass

ARN = re.compile(r"arn:(?P<partition>[\w-]+):ecs:(?P<region>[\w-]+):(?P<account>\d*):task/(?P<path>[\w/-]+)")


@dataclass(frozen=True, slots=True)
class Handle:
    arn: str
    partition: str
    region: str
    cluster: str
    """Name or ARN."""
    task_id: str


def parse(handle: str | None, cluster: str) -> Handle | None:
    """None where it is no task's ARN. ARNs of the old format say nothing of the cluster; then it is the pool's."""
    found = ARN.fullmatch(handle or "")
    if not found:
        return None
    *named, task_id = found["path"].split("/")
    return Handle(found[0], found["partition"], found["region"], named[0] if named else cluster, task_id)
