"""Pure: pages of the AWS console about a task."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from skylift_ecs.handles import Handle
from skylift_ecs.logs import Stream

CONSOLES = {"aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com"}


def links(handle: Handle, stream: Stream | None) -> Mapping[str, str]:
    """URLs by what they show."""
    base = f"https://{handle.region}.{CONSOLES.get(handle.partition, 'console.aws.amazon.com')}"
    region = handle.region
    found = {
        "run": f"{base}/ecs/v2/clusters/{handle.cluster}/tasks/{handle.task_id}/configuration?region={region}",
        "quota": f"{base}/servicequotas/home/services/fargate/quotas?region={region}",
    }
    if stream:
        group, name = _twice(stream.group), _twice(stream.name)
        found["logs"] = f"{base}/cloudwatch/home?region={region}#logsV2:log-groups/log-group/{group}/log-events/{name}"
    return found


def _twice(text: str) -> str:
    """The console's way of putting names into the fragment."""
    return quote(quote(text, safe=""), safe="").replace("%", "$")
