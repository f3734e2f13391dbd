"""Pages of Google's console. Nobody is asked."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from skylift_cloud_run.views import Place, short

CONSOLE = "https://console.cloud.google.com"


def links(place: Place, execution: str | None) -> Mapping[str, str]:
    """`execution`: its full name."""
    quota = {"quota": f"{CONSOLE}/apis/api/run.googleapis.com/quotas?project={place.project}"}
    if not execution:
        return quota
    name = short(execution)
    wanted = f'resource.type="cloud_run_job"\nlabels."run.googleapis.com/execution_name"="{name}"'
    return quota | {
        "run": f"{CONSOLE}/run/jobs/executions/details/{place.region}/{name}/tasks?project={place.project}",
        "logs": f"{CONSOLE}/logs/query;query={quote(wanted, safe='')}?project={place.project}",
    }
