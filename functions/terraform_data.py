"""Writes what Terraform's modules read of the code: the functions as data, and policies as templates.

So there is one place where a right, a size or a name stands. `python functions/terraform_data.py` writes the files
anew; a test fails where that was forgotten.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skylift.api import sites, static_files
from skylift.ui_export import API_TAG
from skylift_cloud_run.events import SINK_FILTER
from skylift_ecs.permissions import Names
from skylift_functions.aws import PLATFORM
from skylift_functions.azure import platform as azure
from skylift_functions.gcp import platform as gcp
from skylift_infra.aws import policies
from skylift_infra.aws.events import TARGET_ID, WAKEUP
from skylift_infra.aws.identities import POLICY
from skylift_infra.aws.network import ZONES
from skylift_infra.aws.place import KEPT_DAYS, PROVIDERS
from skylift_infra.azure import rights
from skylift_infra.azure.account import NAMESPACE
from skylift_infra.azure.identities import AUDIENCE, Federation
from skylift_infra.azure.place import SKU
from skylift_infra.gcp import federation
from skylift_infra.gcp import provisioner as cloud_run
from skylift_infra.gcp import rights as gcp_rights
from skylift_infra.gcp.place import UNTAGGED

TERRAFORM = Path(__file__).resolve().parents[1] / "terraform"


def left_open(name: str) -> str:
    """What `templatefile` fills in."""
    return f"${{{name}}}"


ECS = Names(
    partition=left_open("partition"),
    region=left_open("region"),
    account=left_open("account"),
    cluster=left_open("cluster"),
    log_group=left_open("log_group"),
    dispatcher=left_open("dispatcher"),
    roles=(left_open("execution_role"), left_open("task_role")),
)


def files() -> dict[Path, str]:
    """Every file, and what it holds."""
    dispatcher = policies.dispatcher_policy(ECS)
    aws, ecs = TERRAFORM / "aws", TERRAFORM / "pools" / "ecs"
    found: dict[Path, Any] = {
        aws / "functions.json": {each.name: _function(each) for each in PLATFORM.functions},
        aws / "policies" / "ecs_pool.json": dispatcher,
        ecs / "policies" / "dispatcher.json": dispatcher,
        ecs / "policies" / "execution.json": policies.execution_policy(ECS, left_open("secret")),
        ecs / "policies" / "trust_of_tasks.json": policies.trust_of_tasks(left_open("account")),
        ecs / "policies" / "trust_of_dispatcher.json": policies.trust_of_dispatcher(
            left_open("principal"), left_open("external_id")
        ),
        ecs / "policies" / "lifecycle.json": policies.lifecycle_policy(),
        ecs / "pool.json": {
            "capacity_providers": PROVIDERS,
            "events_target": TARGET_ID,
            "log_retention_days": KEPT_DAYS,
            "policy_name": POLICY,
            "wakeup": {"paths": WAKEUP["InputPathsMap"], "template": WAKEUP["InputTemplate"]},
            "zones": ZONES,
        },
    }
    found[TERRAFORM / "azure" / "platform.json"] = _azure()
    found |= _container_instance(TERRAFORM / "pools" / "container_instance")
    found |= _cloud_run(TERRAFORM / "pools" / "cloud_run")
    found[TERRAFORM / "gcp" / "functions.json"] = _gcp()
    found |= {TERRAFORM / cloud / "console.json": _console() for cloud in ("azure", "gcp")}
    found[aws / "console.json"] = {**_console(), "policy": sites.CONSOLE_POLICY}
    return {path: json.dumps(content, indent=2) + "\n" for path, content in found.items()}


def _console() -> Mapping[str, Any]:
    """How an exported console is sent: as the service itself sends it."""
    return {
        "api_tag": API_TAG.format("%s"),
        "cache": {"changing": static_files.REVALIDATED, "hashed": static_files.FOR_EVER},
        "hashed": static_files.HASHED,
        "types": static_files.TYPES,
    }


def _azure() -> Mapping[str, Any]:
    return {
        "http_concurrency": azure.HTTP_CONCURRENCY,
        "queues": azure.QUEUES,
        "poison_queues": {verb: azure.poison(queue) for verb, queue in azure.QUEUES.items()},
        "roles": {scope.strip("{}"): roles for scope, roles in azure.PLATFORM.roles.items()},
    }


def _container_instance(folder: Path) -> dict[Path, Any]:
    shared = {
        "actions": rights.actions(),
        "audience": AUDIENCE,
        "federation": Federation.NAME,
        "namespace": str(NAMESPACE),
        "pull_role": rights.ACR_PULL,
        "registry_sku": SKU,
    }
    return {folder / "pool.json": shared}


def _gcp() -> Mapping[str, Any]:
    return {"functions": {each.name: _function(each) for each in gcp.PLATFORM.functions}, "roles": gcp.ROLES}


def _cloud_run(folder: Path) -> dict[Path, Any]:
    outsiders = (federation.AwsRole("aws", "", ""), federation.AzureIdentity("", "", ""))
    shared = {
        "apis": sorted(cloud_run.APIS),
        "cleanup": UNTAGGED["untagged"],
        "federation": {each.provider: each.trust()["attributeMapping"] for each in outsiders},
        "permissions": gcp_rights.pushing_permissions(),
        "roles": {
            "accessor": gcp_rights.ACCESSOR,
            "act_as": gcp_rights.ACT_AS,
            "federate": gcp_rights.FEDERATE,
            "impersonate": gcp_rights.IMPERSONATE,
            "publish": gcp_rights.PUBLISH,
        },
        "sink_filter": SINK_FILTER,
    }
    return {folder / "pool.json": shared}


def _function(each: Any) -> Mapping[str, Any]:
    found = dataclasses.asdict(each)
    del found["name"]
    return found


def main() -> None:
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
