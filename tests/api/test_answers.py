"""What is not served, and says so; the catalogue of work pool types; the default result storage."""

from __future__ import annotations

from typing import Any

import pytest

from skylift import collections, templates
from skylift.ids import new_id
from skylift.registry import Providers
from tests.api.making import Api, ok, refused

PULLED = {
    "process",
    "docker",
    "kubernetes",
    "ecs",
    "cloud-run",
    "cloud-run-v2",
    "vertex-ai",
    "azure-container-instance",
}


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    return sqlite_url


def test_automations_are_not_served_and_say_so(api: Api) -> None:
    assert ok(api.http.post("automations/filter", json={"sort": "UPDATED_DESC"})) == []
    assert ok(api.http.post("automations/count", json={})) == 0
    assert ok(api.http.get("automations/related-to/prefect.deployment.x/y")) == []
    assert ok(api.http.delete(f"automations/owned-by/prefect.deployment.{new_id()}"), 202) is None
    this = f"automations/{new_id()}"
    for answer in (
        api.http.post("automations/", json={"name": "a", "trigger": {}, "actions": []}),
        api.http.put(this, json={}),
        api.http.patch(this, json={"enabled": False}),
    ):
        refused(answer, 501, "does not serve automations yet", "prefect deployment schedule create")
    for answer in (api.http.get(this), api.http.delete(this)):
        refused(answer, 404, "automations")


def test_the_catalogue(api: Api) -> None:
    found: dict[str, Any] = ok(api.http.get("collections/views/aggregate-worker-metadata"))["skylift"]
    assert ok(api.http.get("collections/work_pool_types")) == {"skylift": found}
    assert set(found) >= PULLED | {"prefect:managed", "cloud:push", "process:push"}
    for type_, entry in found.items():
        assert entry["type"] == type_
        assert entry["display_name"]
        assert entry["description"]
        template = entry["default_base_job_configuration"]
        templates.check_template(template)
        if type_ in PULLED:
            assert entry["install_command"].startswith("pip install prefect")
            # Without these a worker could not tell a run what it is.
            assert set(template["job_configuration"]) >= {"name", "env", "labels", "command"}
        for name, variable in template["variables"]["properties"].items():
            assert type_ == "cloud:push" or (variable["title"] and variable["description"].endswith(".")), name


def test_pools_of_every_type_begin_with_its_template(api: Api) -> None:
    for type_ in PULLED | {"prefect:managed"}:
        made = api.pool(f"my {type_}", type=type_, base_job_template={})
        assert made["base_job_template"] == collections.base_job_template(Providers(), type_)
        assert made["status"] == ("READY" if type_ == "prefect:managed" else "NOT_READY")


# Where provisioning writes what it made, whoever pulls or pushes.
@pytest.mark.parametrize(
    ("type_", "names"),
    [
        ("ecs", {"aws_credentials", "cluster", "execution_role_arn", "vpc_id", "image"}),
        ("cloud-run", {"credentials", "image"}),
        ("cloud-run-v2", {"credentials", "image"}),
        (
            "azure-container-instance",
            {"aci_credentials", "resource_group_name", "subscription_id", "image_registry", "identities", "image"},
        ),
        ("prefect:managed", {"image", "pip_packages", "env"}),
        ("process", {"working_dir", "stream_output", "env"}),
    ],
)
def test_names_that_others_write_to(type_: str, names: set[str]) -> None:
    template = collections.base_job_template(Providers(), type_)
    assert template
    assert set(template["variables"]["properties"]) >= names


def test_the_default_result_storage(api: Api) -> None:
    nothing = {"default_result_storage_block_id": None}
    assert ok(api.http.get("admin/storage")) == nothing
    types = {each["slug"]: each["id"] for each in ok(api.http.post("block_types/filter", json={}))}

    def block(name: str, capabilities: list[str]) -> str:
        schema = {"block_type_id": types["secret"], "fields": {"title": name}, "capabilities": capabilities}
        made = ok(api.http.post("block_schemas/", json=schema), 201)
        body = {"name": name, "block_schema_id": made["id"], "block_type_id": types["secret"], "data": {}}
        found: str = ok(api.http.post("block_documents/", json=body), 201)["id"]
        return found

    files, other = block("files", ["read-path", "write-path"]), block("other", [])
    chosen = {"default_result_storage_block_id": files}
    for _ in range(2):
        assert ok(api.http.put("admin/storage", json=chosen)) == chosen
    assert ok(api.http.get("admin/storage")) == chosen
    refused(api.http.put("admin/storage", json={"default_result_storage_block_id": other}), 422, other)
    refused(api.http.put("admin/storage", json={"default_result_storage_block_id": str(new_id())}), 404)
    assert api.http.put("admin/storage", json=nothing).status_code == 422
    ok(api.http.delete(f"block_documents/{files}"), 204)
    assert ok(api.http.get("admin/storage")) == nothing, "what was deleted keeps nothing"
    ok(api.http.delete("admin/storage"), 204)
    ok(api.http.delete("admin/storage"), 204)
