"""Job configurations in, container groups out: each one fits Microsoft's description, and hides what is secret."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skylift.provider import Launch, Rejected
from skylift_container_instance import PROVIDER
from skylift_container_instance.configuration import Configuration
from skylift_container_instance.place import Place, attempt_of, group_name
from skylift_container_instance.request import build, strings, tag_name
from tests.clouds.azure_groups import take_secrets
from tests.clouds.azure_schema import check_group
from tests.providers.contract import new_launch

SUBSCRIPTION, GROUP = "33333333-3333-3333-3333-333333333333", "flows"
IDENTITY = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/ids/providers/Microsoft.ManagedIdentity/userAssignedIdentities/pull"
)
SUBNET = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/v/subnets/s"
BASE = {
    "subscription_id": SUBSCRIPTION,
    "resource_group_name": GROUP,
    "location": "westeurope",
    "command": ["python", "-c", "print(1)"],
    "env": {"A": "1"},
}


def launch_of(*, secrets: tuple[str, ...] = (), **more: Any) -> Launch:
    return replace(new_launch({**BASE, **more}), secrets=frozenset(secrets))


def body_of(launch: Launch) -> dict[str, Any]:
    """What is put, which must be what Azure takes."""
    request = build(launch, Place(SUBSCRIPTION, GROUP))
    check_group(request.name, json.loads(json.dumps(request.body)))
    return request.body


def container_of(body: dict[str, Any]) -> dict[str, Any]:
    (container,) = body["properties"]["containers"]
    found: dict[str, Any] = container["properties"]
    return found


def test_the_least_that_is_needed() -> None:
    launch = launch_of()
    body = body_of(launch)
    assert body["location"] == "westeurope"
    assert body["properties"]["restartPolicy"] == "Never"
    assert body["properties"]["osType"] == "Linux"
    assert container_of(body)["command"] == ["python", "-c", "print(1)"]
    assert container_of(body)["resources"]["requests"] == {"cpu": 1.0, "memoryInGB": 1.0}
    assert body["tags"] == {
        "skylift-installation": str(launch.installation_id),
        "skylift-attempt": str(launch.attempt_id),
        "skylift-flow-run": str(launch.flow_run_id),
    }


def test_the_same_launch_is_the_same_request_to_the_byte() -> None:
    launch = launch_of(labels={"b": "2", "a": "1"}, identities=[IDENTITY])
    assert json.dumps(body_of(launch)) == json.dumps(body_of(launch))


def test_everything_that_azure_can_do() -> None:
    body = body_of(
        launch_of(
            image="example.azurecr.io/flows:1",
            image_registry={"registry_url": "https://example.azurecr.io/", "identity": IDENTITY},
            cpu=4,
            memory=16,
            gpu_count=1,
            gpu_sku="V100",
            identities=[IDENTITY.upper()],
            subnet_ids=[SUBNET],
            dns_servers=["10.0.0.4"],
            priority="Regular",
            sku="Standard",
            zones=["1"],
            volumes=[
                {"name": "scratch", "mount_path": "/scratch", "empty_dir": True},
                {"name": "certs", "mount_path": "/certs", "secret": {"ca.pem": "text"}, "read_only": True},
            ],
            log_analytics={"workspace_id": "w", "workspace_key": "k", "log_type": "ContainerInsights"},
            entrypoint="/opt/prefect/entrypoint.sh",
            runner=False,
            timeout_seconds=60,
        )
    )
    properties = body["properties"]
    assert properties["imageRegistryCredentials"] == [{"server": "example.azurecr.io", "identity": IDENTITY}]
    assert len(body["identity"]["userAssignedIdentities"]) == 1, "the same identity in other letters is the same"
    assert properties["subnetIds"] == [{"id": SUBNET}]
    assert properties["dnsConfig"] == {"nameServers": ["10.0.0.4"]}
    assert body["zones"] == ["1"]
    requests = container_of(body)["resources"]["requests"]
    assert requests == {"cpu": 4, "memoryInGB": 16, "gpu": {"count": 1, "sku": "V100"}}
    assert container_of(body)["command"][0] == "/opt/prefect/entrypoint.sh"
    assert base64.b64decode(properties["volumes"][1]["secret"]["ca.pem"]) == b"text"
    assert [each["mountPath"] for each in container_of(body)["volumeMounts"]] == ["/scratch", "/certs"]


def test_secret_values_are_secure_values() -> None:
    share = {"share_name": "s", "storage_account_name": "a", "storage_account_key": "account-key-1"}
    body = body_of(
        launch_of(
            secrets=(
                "hunter2-hunter2",
                "pool-secret-1",
                "registry-pass",
                "workspace-key",
                "account-key-1",
                "in-a-file",
            ),
            env={"URL": "postgres://u:hunter2-hunter2@db", "PLAIN": "x", "SKYLIFT_NONCE": "nonce-nonce"},
            pool_secret="pool-secret-1",
            image_registry={"registry_url": "r.example", "username": "u", "password": "registry-pass"},
            log_analytics={"workspace_id": "w", "workspace_key": "workspace-key"},
            volumes=[
                {"name": "share", "mount_path": "/share", "azure_file": share},
                {"name": "files", "mount_path": "/files", "secret": {"a": "in-a-file"}},
            ],
        )
    )
    variables = {each["name"]: each for each in container_of(body)["environmentVariables"]}
    assert variables["PLAIN"] == {"name": "PLAIN", "value": "x"}
    for name in ("URL", "SKYLIFT_NONCE", "SKYLIFT_POOL_SECRET"):
        assert set(variables[name]) == {"name", "secureValue"}
    hidden = json.dumps(take_secrets(body))
    for secret in ("hunter2", "pool-secret-1", "nonce-nonce", "registry-pass", "workspace-key", "account-key-1"):
        assert secret in hidden
        assert secret not in json.dumps(body)


@pytest.mark.parametrize(
    ("field", "more"),
    [
        ("command", {"command": ["run", "--password=hunter2-hunter2"]}),
        ("labels", {"labels": {"owner": "hunter2-hunter2"}}),
        ("labels", {"labels": {"hunter2-hunter2": "x"}}),
        ("image", {"image": "r.example/hunter2-hunter2:1"}),
        ("dns_servers", {"dns_servers": ["hunter2-hunter2"]}),
        ("command", {"entrypoint": "hunter2-hunter2"}),
    ],
)
def test_secrets_elsewhere_are_refused(field: str, more: dict[str, Any]) -> None:
    with pytest.raises(Rejected) as caught:
        body_of(launch_of(secrets=("hunter2-hunter2",), **more))
    assert caught.value.remedy
    assert "hunter2" not in f"{caught.value} {caught.value.remedy}"
    assert field in str(caught.value) or field == "dns_servers"


def test_what_a_block_brings_along_is_not_all_secret() -> None:
    """A registry's address and user, the client's and the subscription's ids may come from blocks, and are shown."""
    registry = {"registry_url": "https://r.example", "username": "flows", "password": "registry-pass", "reauth": True}
    body = body_of(
        launch_of(
            secrets=("https://r.example", "flows", "registry-pass", SUBSCRIPTION),
            image="r.example/flows:1",
            image_registry=registry,
            identities=[IDENTITY],
        )
    )
    assert body["properties"]["imageRegistryCredentials"][0]["server"] == "r.example"


@pytest.mark.parametrize(
    ("field", "more"),
    [
        ("command", {"command": []}),
        ("cpu", {"cpu": 0}),
        ("memory", {"memory": "lots"}),
        ("priority", {"priority": "Cheap"}),
        ("resource_group_name", {"resource_group_name": "no/slash"}),
        ("image_registry", {"image_registry": {"registry_url": "r.example", "username": "u"}}),
        ("volumes.0", {"volumes": [{"name": "scratch", "mount_path": "/s"}]}),
        ("gpu_sku", {"gpu_count": 1}),
        ("aci_credentials.credential_kwargs", {"aci_credentials": {"credential_kwargs": {"authority": "x"}}}),
        ("unheard_of", {"unheard_of": 1}),
        ("NUL", {"command": ["a\0b"]}),
        ("A=B", {"env": {"A=B": "1"}}),
    ],
)
def test_what_cannot_be_used_is_named(field: str, more: dict[str, Any]) -> None:
    with pytest.raises(Rejected) as caught:
        body_of(launch_of(**more))
    assert field in str(caught.value)
    assert caught.value.remedy


def test_values_are_never_named() -> None:
    with pytest.raises(Rejected) as caught:
        body_of(launch_of(image_registry={"registry_url": "", "password": "hunter2-hunter2"}))
    assert "hunter2" not in f"{caught.value} {caught.value.remedy}"


def test_what_prefects_pools_set_is_accepted() -> None:
    body_of(
        launch_of(
            stream_output=True,
            task_start_timeout_seconds=240,
            task_watch_poll_interval=5.0,
            keep_container_group=True,
            gpu_count=None,
            dns_servers=None,
            image_registry=None,
            aci_credentials=None,
        )
    )


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)


@given(
    labels=st.dictionaries(text, text, max_size=60),
    env=st.dictionaries(
        st.from_regex(r"[A-Z][A-Z0-9_]{0,20}[A-Z0-9]", fullmatch=True), text.filter(lambda each: "\0" not in each)
    ),
    name=st.none() | text,
    command=st.lists(text.filter(lambda each: "\0" not in each), min_size=1, max_size=5),
    secrets=st.sets(st.sampled_from(["alpha-secret", "beta-secret", "1"])),
)
def test_whatever_is_asked_for_azure_takes_it_and_shows_no_secret(
    labels: dict[str, str], env: dict[str, str], name: str | None, command: list[str], secrets: set[str]
) -> None:
    env = {**env, "HELD": "".join(sorted(secrets))}
    launch = launch_of(labels=labels, env=env, name=name, command=command, secrets=tuple(secrets))
    try:
        body = body_of(launch)
    except Rejected:
        return  # a secret in a label, say
    sent = {
        each["name"]: each.get("secureValue", each.get("value")) for each in container_of(body)["environmentVariables"]
    }
    assert sent == {**env, "SKYLIFT_ATTEMPT": str(launch.attempt_id)}
    assert body["tags"]["skylift-attempt"] == str(launch.attempt_id)
    take_secrets(body)
    for _, shown in strings(body):
        assert shown not in secrets
        assert not any(len(each) >= 4 and each in shown for each in secrets)


@given(st.uuids(), st.none() | text)
def test_names_end_in_the_attempt(attempt_id: UUID, name: str | None) -> None:
    made = group_name(attempt_id, name)
    assert len(made) <= 63
    assert attempt_of(made) == attempt_id


def test_tag_names_are_made_fit() -> None:
    assert tag_name("prefect.io/flow-run-id") == "prefect.io-flow-run-id"
    assert tag_name("azure-thing") == "label-azure-thing"
    assert tag_name("?") == "-"
    launch = launch_of(labels={"skylift-attempt": "somebody else's", "SKYLIFT-Attempt": "x"})
    assert body_of(launch)["tags"]["skylift-attempt"] == str(launch.attempt_id), "ours win"


def test_the_template_and_the_configuration_know_the_same_words() -> None:
    template = PROVIDER.base_job_template()
    assert set(template["job_configuration"]) == set(Configuration.model_fields)
    variables = set(template["variables"]["properties"])
    assert variables == set(template["job_configuration"]) - {"arm_template"} | {"capacity_fallbacks"}
    for name, each in template["variables"]["properties"].items():
        assert len(each["title"]) * len(each["description"]), name
