"""Pure: a rendered job configuration in, what the engine is asked to create out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from skylift.confidential import NONCE, POOL_SECRET, refuse_secrets, split_env
from skylift.provider import Launch, Rejected
from skylift_docker import secret_env

ATTEMPT_LABEL = "io.skylift.attempt"
INSTALLATION_LABEL = "io.skylift.installation"
FLOW_RUN_LABEL = "io.skylift.flow-run"
SECRETS_FOLDER = "/run/secrets"
"""Where Compose and Swarm mount secrets, too."""
POOL_SECRET_FILE = f"{SECRETS_FOLDER}/skylift_pool_secret"
SIZE = r"^[0-9]+(\.[0-9]+)?[bkmgBKMG]?$"
DOCKER_HUB = frozenset(["docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"])

# The pool secret's file becomes a variable before the runner starts; whoever has the runner has Python.
_READ_POOL_SECRET = (
    "import os,sys;"
    f"os.environ['{POOL_SECRET}']=open('{POOL_SECRET_FILE}').read().strip();"
    "os.execvp(sys.argv[1],sys.argv[1:])"
)

OURS = {
    "command": "the variable 'command'",
    "image": "the variable 'image'",
    "name": "the variable 'name'",
    "labels": "the variable 'labels'",
    "environment": "the variable 'env'",
    "network": "the variable 'networks'",
    "detach": "nothing: runs are always detached",
    "auto_remove": "nothing: a container is removed once its end and output are recorded",
    "restart_policy": "the deployment's retries: a container that the engine restarts would run twice",
    "tty": "nothing: nobody sits before it",
    "stdin_open": "nothing: nobody types into it",
}
"""Keywords of `container_create_kwargs` that are not to be had, and what to use instead."""
ALLOWED = frozenset(
    """
    blkio_weight blkio_weight_device cap_add cap_drop cgroup_parent cgroupns cpu_count cpu_percent cpu_period cpu_quota
    cpu_rt_period cpu_rt_runtime cpu_shares cpuset_cpus cpuset_mems device_cgroup_rules device_read_bps
    device_read_iops device_requests device_write_bps device_write_iops devices dns dns_opt dns_search domainname
    entrypoint extra_hosts group_add healthcheck hostname init ipc_mode isolation kernel_memory links log_config
    lxc_conf mac_address mem_limit mem_reservation mem_swappiness memswap_limit mounts nano_cpus network_disabled
    network_mode oom_kill_disable oom_score_adj pid_mode pids_limit platform ports privileged publish_all_ports
    read_only runtime security_opt shm_size stop_signal storage_opt sysctls tmpfs ulimits user userns_mode uts_mode
    volume_driver volumes volumes_from working_dir
    """.split()
)
"""What docker-py's `containers.create` takes, without what is ours."""


class RegistryCredentials(BaseModel):
    """As Prefect's block for container registries has them."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    username: str
    password: str
    registry_url: str | None = None


class Configuration(BaseModel):
    """What is left of the base job template once it is rendered."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    command: list[str] = Field(min_length=1)
    env: dict[str, str] = {}
    name: str | None = None
    labels: dict[str, str] = {}
    image: str = Field(min_length=1)
    engine: str | None = Field(default=None, pattern="^[a-z0-9-]+$")
    registry_credentials: RegistryCredentials | None = None
    image_pull_policy: Literal["IfNotPresent", "Always", "IfPossible", "Never"] | None = None
    platform: str | None = None
    entrypoint: list[str] | None = None
    user: str | None = None
    working_dir: str | None = None
    init: bool | None = None
    cpus: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    mem_limit: str | None = Field(default=None, pattern=SIZE)
    memswap_limit: str | None = Field(default=None, pattern=SIZE)
    shm_size: str | None = Field(default=None, pattern=SIZE)
    gpus: Literal["all"] | int | list[str] | None = None
    networks: list[str] = []
    network_mode: str | None = None
    volumes: list[str] = []
    secrets: dict[str, str] = {}
    pool_secret: str | None = None
    privileged: bool = False
    auto_remove: bool = False
    stream_output: bool = True
    container_create_kwargs: dict[str, Any] = {}
    timeout_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    runner: bool = True
    python: str | None = None


@dataclass(frozen=True, slots=True)
class Creation:
    """A container to be made."""

    name: str
    """Unique for the attempt: of two that are made, the engine refuses the second."""
    arguments: dict[str, Any]
    """For docker-py's `containers.create`, without the name."""
    secret_env: dict[str, str] = field(default_factory=dict, repr=False)
    """Variables that go into a file of the container's own instead."""
    more_networks: tuple[str, ...] = ()
    """To be joined before the start: older engines take only one when they create."""


def read_configuration(values: Mapping[str, Any]) -> Configuration:
    """Raises `Rejected`, naming fields and never values."""
    try:
        configuration = Configuration.model_validate({key: each for key, each in values.items() if each is not None})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        raise _wrong(name, first["msg"]) from None
    if configuration.networks and configuration.network_mode:
        raise _wrong("networks", "A container has either networks or a network mode")
    for name, path in configuration.secrets.items():
        if not re.fullmatch(r"[\w.-]+", name) or not path.startswith("/"):
            raise _wrong(f"secrets.{name}", "A file name is to lead to an absolute path of the engine's machine")
    if configuration.pool_secret and not configuration.pool_secret.startswith("/"):
        raise _wrong("pool_secret", "It is to be the absolute path of a file on the engine's machine")
    _check_keywords(configuration.container_create_kwargs)
    if any("\0" in text for text in _texts(configuration.model_dump())):
        raise _wrong("job configuration", "It contains a NUL character")
    return configuration


def _wrong(name: str, what: str) -> Rejected:
    return Rejected(
        f"The job configuration of a Docker pool cannot be used: {name}: {what}.",
        remedy=f"Correct {name!r} in the pool's base job template or the job variables.",
    )


def _check_keywords(given: Mapping[str, Any]) -> None:
    for keyword in given:
        if keyword in OURS:
            what = f"{keyword!r} cannot be set there"
            raise Rejected(f"container_create_kwargs: {what}.", remedy=f"Use instead: {OURS[keyword]}.")
        if keyword not in ALLOWED:
            raise _wrong(f"container_create_kwargs.{keyword}", "docker-py's containers.create has no such keyword")


def create_request(configuration: Configuration, launch: Launch) -> Creation:
    """Raises `Rejected` where a secret value would stand where the engine shows it."""
    shown, hidden = split_env(configuration.env, launch.secrets)
    under_runner = NONCE in configuration.env
    command = configuration.command
    if configuration.pool_secret and under_runner:
        command = [command[0], "-I", "-c", _READ_POOL_SECRET, *command]
    if hidden:
        secret_env.check_names(hidden)
        command = secret_env.wrap(command)
    labels = {
        **configuration.labels,
        INSTALLATION_LABEL: str(launch.installation_id),
        ATTEMPT_LABEL: str(launch.attempt_id),
        FLOW_RUN_LABEL: str(launch.flow_run_id),
    }
    arguments = {
        "image": configuration.image,
        "command": command,
        "environment": shown,
        "labels": labels,
        **_place(configuration, under_runner=under_runner),
        **_limits(configuration),
        **configuration.container_create_kwargs,
    }
    arguments = {key: value for key, value in arguments.items() if value not in (None, [], {})}
    name = container_name(configuration.name, launch.attempt_id)
    for key, value in {**arguments, "name": name}.items():
        refuse_secrets("env" if key == "environment" else key, _texts(value), launch.secrets)
    return Creation(name, arguments, hidden, tuple(configuration.networks[1:]))


def container_name(wanted: str | None, attempt_id: UUID) -> str:
    """`<name>-<attempt id>`, of the characters that engines allow."""
    slug = re.sub(r"[^a-zA-Z0-9_.-]+", "-", wanted or "skylift").strip("-._")[:60] or "skylift"
    return f"{slug}-{attempt_id}"


def _place(configuration: Configuration, *, under_runner: bool) -> dict[str, Any]:
    files = {f"{SECRETS_FOLDER}/{name}": path for name, path in configuration.secrets.items()}
    if configuration.pool_secret and under_runner:
        files[POOL_SECRET_FILE] = configuration.pool_secret
    return {
        "entrypoint": configuration.entrypoint,
        "platform": configuration.platform,
        "user": configuration.user,
        "working_dir": configuration.working_dir,
        "init": configuration.init,
        "privileged": configuration.privileged or None,
        "network": next(iter(configuration.networks), None),
        "network_mode": configuration.network_mode,
        "volumes": configuration.volumes + [f"{source}:{target}:ro" for target, source in files.items()],
    }


def _limits(configuration: Configuration) -> dict[str, Any]:
    gpus = configuration.gpus
    wanted: dict[str, Any] = {"capabilities": [["gpu"]]}
    if isinstance(gpus, list):
        wanted["device_ids"] = gpus
    else:
        wanted["count"] = -1 if gpus == "all" else gpus
    return {
        "nano_cpus": int(configuration.cpus * 1e9) if configuration.cpus else None,
        "mem_limit": configuration.mem_limit,
        "memswap_limit": configuration.memswap_limit,
        "shm_size": configuration.shm_size,
        "device_requests": [wanted] if gpus else None,
    }


def _texts(value: Any) -> Iterator[str]:
    """Every text in a value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield str(key)
            yield from _texts(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _texts(each)


def registry_of(image: str) -> str:
    """The host that an image comes from."""
    first, slash, _ = image.partition("/")
    is_host = slash and ("." in first or ":" in first or first == "localhost")
    return "docker.io" if not is_host or first in DOCKER_HUB else first


def auth_for(image: str, credentials: RegistryCredentials | None) -> dict[str, str] | None:
    """What to sign in with. Credentials go to the registry that they are for and to no other, whatever image a run
    names."""
    if credentials is None:
        return None
    url = credentials.registry_url
    if url:
        host = re.sub(r"^https?://", "", url).partition("/")[0]
        if ("docker.io" if host in DOCKER_HUB else host) != registry_of(image):
            return None
    known = {"username": credentials.username, "password": credentials.password}
    return known | ({"serveraddress": url} if url else {})


def pull_policy(configuration: Configuration) -> str:
    """As asked; else an image is fetched anew where its tag is `latest` or none, as Prefect's worker does."""
    if configuration.image_pull_policy:
        return configuration.image_pull_policy
    name = configuration.image.rpartition("/")[2]
    moves = "@" not in name and name.partition(":")[2] in ("", "latest")
    return "Always" if moves else "IfNotPresent"
