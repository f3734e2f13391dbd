"""Pure: a rendered job configuration in, the container group that Azure is asked for out."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from skylift.confidential import NONCE, POOL_SECRET, refuse_secrets, split_env
from skylift.provider import Launch, Rejected
from skylift_container_instance.arm_template import container_group, merged
from skylift_container_instance.configuration import Configuration, Registry, Volume, read_configuration
from skylift_container_instance.place import Place, group_name
from skylift_container_instance.views import CONTAINER

INSTALLATION, ATTEMPT, FLOW_RUN = "skylift-installation", "skylift-attempt", "skylift-flow-run"
"""The tags that say whose a container group is."""
DEFAULT_IMAGE = "prefecthq/prefect:3-latest"
MOST_TAGS, LONGEST_TAG_NAME, LONGEST_TAG_VALUE = 50, 512, 256
RESERVED = ("microsoft", "azure", "windows")
"""Azure takes no tag names that begin so."""
SECRET_FIELDS = re.compile(
    r"properties\.(?:(?:initC|c)ontainers\[\d+\]\.properties\.environmentVariables\[\d+\]\.secureValue"
    r"|imageRegistryCredentials\[\d+\]\.password|volumes\[\d+\]\.(?:secret\..*|azureFile\.storageAccountKey)"
    r"|diagnostics\.logAnalytics\.workspaceKey|extensions\[\d+\]\.properties\.protectedSettings.*)"
)
"""What Azure takes in and never shows again."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is put; without a location it goes where its resource group is."""

    place: Place
    name: str
    body: dict[str, Any]


def build(launch: Launch, place: Place) -> Request:
    """Raises `Rejected`."""
    configuration = read_configuration(launch.configuration)
    body = _body(configuration, launch)
    _refuse_secrets(body, launch.secrets - _public(configuration) - {place.subscription})
    return Request(place, group_name(launch.attempt_id, configuration.name), body)


def _public(configuration: Configuration) -> set[str]:
    """Values that may come from a block, which makes them count as secret, and are none."""
    registry, credentials = configuration.image_registry, configuration.aci_credentials
    found = [credentials and credentials.client_id]
    if registry:
        found += [registry.registry_url, registry.server, registry.username, registry.identity]
    return {each for each in found if each}


def _body(configuration: Configuration, launch: Launch) -> dict[str, Any]:
    body = _from_variables(configuration)
    if configuration.arm_template:
        theirs = container_group(configuration.arm_template)
        first, *others = theirs["properties"].pop("containers")
        ours = body["properties"]["containers"]
        body = merged(body, theirs)
        body["properties"]["containers"] = [merged(ours[0], first), *others]
    container = body["properties"]["containers"][0]["properties"]
    entrypoint = [configuration.entrypoint] if configuration.entrypoint else []
    container["command"] = entrypoint + configuration.command
    container["environmentVariables"] = _environment(configuration, launch, container.get("environmentVariables"))
    if "\0" in "".join(container["command"]):
        raise Rejected("The command contains a NUL character", remedy="Remove it from 'command'")
    body["properties"] |= {"restartPolicy": "Never", "osType": "Linux"}
    body["tags"] = _tags(configuration, launch, body.get("tags") or {})
    return body


def _from_variables(configuration: Configuration) -> dict[str, Any]:
    requests: dict[str, Any] = {"cpu": configuration.cpu, "memoryInGB": configuration.memory}
    if configuration.gpu_count:
        requests["gpu"] = {"count": configuration.gpu_count, "sku": configuration.gpu_sku}
    container: dict[str, Any] = {
        "image": configuration.image or DEFAULT_IMAGE,
        "resources": {"requests": requests},
    }
    if configuration.volumes:
        container["volumeMounts"] = [
            {"name": each.name, "mountPath": each.mount_path, "readOnly": each.read_only}
            for each in configuration.volumes
        ]
    registry = configuration.image_registry
    properties = {
        "containers": [{"name": CONTAINER, "properties": container}],
        "imageRegistryCredentials": [_registry(registry)] if registry else None,
        "subnetIds": [{"id": each} for each in configuration.subnet_ids],
        "dnsConfig": {"nameServers": configuration.dns_servers} if configuration.dns_servers else None,
        "priority": configuration.priority,
        "sku": configuration.sku,
        "volumes": list(map(_volume, configuration.volumes)),
        "diagnostics": _diagnostics(configuration),
    }
    body = {
        "location": configuration.location,
        "zones": configuration.zones,
        "identity": _identity(configuration),
        "properties": {key: value for key, value in properties.items() if value},
    }
    return {key: value for key, value in body.items() if value}


def _registry(registry: Registry) -> dict[str, Any]:
    if registry.identity:
        return {"server": registry.server, "identity": registry.identity}
    return {"server": registry.server, "username": registry.username, "password": registry.password}


def _identity(configuration: Configuration) -> dict[str, Any] | None:
    registry = configuration.image_registry
    named = [*configuration.identities, *([registry.identity] if registry and registry.identity else [])]
    by_id = {each.lower(): each for each in reversed(named)}  # ids are the same in any case of letters
    return {"type": "UserAssigned", "userAssignedIdentities": {each: {} for each in by_id.values()}} if named else None


def _volume(volume: Volume) -> dict[str, Any]:
    if volume.secret is not None:
        files = {name: base64.b64encode(text.encode()).decode() for name, text in volume.secret.items()}
        return {"name": volume.name, "secret": files}
    if volume.azure_file:
        share = {
            "shareName": volume.azure_file.share_name,
            "storageAccountName": volume.azure_file.storage_account_name,
            "storageAccountKey": volume.azure_file.storage_account_key,
            "readOnly": volume.read_only,
        }
        return {"name": volume.name, "azureFile": share}
    return {"name": volume.name, "emptyDir": {}}


def _diagnostics(configuration: Configuration) -> dict[str, Any] | None:
    wanted = configuration.log_analytics
    if not wanted:
        return None
    workspace = {"workspaceId": wanted.workspace_id, "workspaceKey": wanted.workspace_key, "logType": wanted.log_type}
    return {"logAnalytics": {key: value for key, value in workspace.items() if value}}


def _environment(configuration: Configuration, launch: Launch, theirs: Any) -> list[dict[str, str]]:
    """Ours win over the template's. What is secret goes where Azure never shows it again."""
    env = dict(configuration.env)
    if configuration.pool_secret:
        env[POOL_SECRET] = configuration.pool_secret
    shown, hidden = split_env(env, launch.secrets)
    for name in (NONCE, POOL_SECRET):
        if name in shown:
            hidden[name] = shown.pop(name)
    for name in env:
        if not re.fullmatch(r"[^=\0]+", name) or "\0" in env[name]:
            raise Rejected(
                f"The environment variable {name!r} cannot be set: '=' in its name, or NUL in either",
                remedy="Correct 'env' in the pool's base job template or the job variables",
            )
    kept = [each for each in theirs or [] if isinstance(each, dict) and each.get("name") not in env]
    return [
        *kept,
        *({"name": name, "value": value} for name, value in shown.items()),
        *({"name": name, "secureValue": value} for name, value in hidden.items()),
    ]


def _tags(configuration: Configuration, launch: Launch, theirs: Mapping[str, Any]) -> dict[str, str]:
    marks = {
        INSTALLATION: str(launch.installation_id),
        ATTEMPT: str(launch.attempt_id),
        FLOW_RUN: str(launch.flow_run_id),
    }
    wanted = {**configuration.labels, **({"name": configuration.name} if configuration.name else {})}
    wanted |= {str(name): str(value) for name, value in theirs.items()}
    found: dict[str, tuple[str, str]] = {}  # tag names are the same in any case of letters
    for name, value in wanted.items():
        tag = tag_name(name)
        if tag.lower() not in marks:
            found.setdefault(tag.lower(), (tag, value[:LONGEST_TAG_VALUE]))
    return {**dict([*found.values()][: MOST_TAGS - len(marks)]), **marks}


def tag_name(label: str) -> str:
    """A label's name as Azure takes it: without < > % & \\ ? / and control characters."""
    name = re.sub(r"[<>%&\\?/\x00-\x1f\x7f]", "-", label)[:LONGEST_TAG_NAME].strip() or "label"
    return f"label-{name}"[:LONGEST_TAG_NAME] if name.lower().startswith(RESERVED) else name


def _refuse_secrets(body: Mapping[str, Any], secrets: Collection[str]) -> None:
    words = {"command": "command", "image": "image", "tags": "labels", "zones": "zones", "location": "location"}
    for path, text in strings(body):
        if not SECRET_FIELDS.fullmatch(path):
            inside = path.removeprefix("properties.containers[0].properties.")
            field = words.get(re.split(r"[.\[(]", inside)[0], path)
            refuse_secrets(field, [text], secrets)


def strings(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text in it, and every key that somebody chose, with where it stands."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield f"{path}(key)", str(key)
            yield from strings(each, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from strings(each, f"{path}[{number}]")
