"""What `skylift work-pool check` finds of an engine, by reading only."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from skylift.provider import Finding, ProviderError
from skylift_docker.client import Engine
from skylift_docker.errors import is_missing, to_error
from skylift_docker.images import is_there
from skylift_docker.request import Configuration, auth_for, pull_policy, read_configuration

LOOPBACK = re.compile(r"127\..*|localhost|::1")
UNITS = {"b": 1, "k": 2**10, "m": 2**20, "g": 2**30}
NO_COMMAND = ["true"]


def check(engine_of: Callable[[str | None], Engine], configuration: Mapping[str, Any]) -> Sequence[Finding]:
    """Everything; raises nothing."""
    try:
        wanted = read_configuration({"command": NO_COMMAND, **configuration})
        engine = engine_of(wanted.engine)
        info = engine.info()
        version = engine.version()
    except Exception as error:
        return [_failed("Engine", error)]
    told = f"{info['Name']}: version {version.get('Version')}, API {version.get('ApiVersion')}, {info.get('OSType')}"
    found = [Finding("Engine", "ok", f"{told}/{info.get('Architecture')}")]
    for what, look in (("Image", _image), ("Network", _networks)):
        try:
            found += look(engine, wanted)
        except Exception as error:
            found.append(_failed(what, error))
    return [*found, *_size(wanted, info), *_gpus(wanted, info), *_secrets(wanted)]


def _failed(what: str, error: Exception) -> Finding:
    known = to_error(error) if not isinstance(error, ProviderError) else error
    return Finding(what, "failed", str(known), known.remedy)


def _image(engine: Engine, wanted: Configuration) -> Iterator[Finding]:
    policy = pull_policy(wanted)
    there = is_there(engine, wanted)
    if there and policy != "Always":
        yield Finding("Image", "ok", f"{wanted.image} is on the engine's machine")
        return
    if policy == "Never":
        remedy = "Build or pull it there, or set image_pull_policy to IfNotPresent"
        yield Finding(
            "Image", "failed", f"{wanted.image} is not on the engine's machine, and is not to be pulled", remedy
        )
        return
    try:
        engine.distribution(wanted.image, auth_for(wanted.image, wanted.registry_credentials))
        yield Finding("Image", "ok", f"{wanted.image} can be pulled")
    except Exception as error:
        yield _not_asked(wanted, error, there=there)


def _not_asked(wanted: Configuration, error: Exception, *, there: bool) -> Finding:
    cannot = is_missing(error) and not re.search("manifest|repository|image", str(error), re.IGNORECASE)
    if cannot:  # Podman's answer to all questions about registries
        where = "is there, and is pulled anew for each run" if there else "is pulled by the first run that needs it"
        return Finding("Image", "unknown", f"{wanted.image} {where}; this engine cannot tell whether that works")
    known = to_error(error)
    return Finding("Image", "failed", str(known), known.remedy)


def _networks(engine: Engine, wanted: Configuration) -> Iterator[Finding]:
    for name in wanted.networks:
        engine.network(name)
    api = os.environ.get("SKYLIFT_API_URL", "http://127.0.0.1")
    mode = wanted.container_create_kwargs.get("network_mode") or wanted.network_mode
    told = ", ".join(wanted.networks) or mode or "the engine's default network"
    if mode != "host" and LOOPBACK.fullmatch(urlsplit(api).hostname or ""):
        yield Finding(
            "Network",
            "warning",
            f"Containers on {told} do not reach the API where it listens on this machine's loopback address",
            "Set network_mode to host, or SKYLIFT_API_URL to an address that containers reach",
        )
    else:
        yield Finding("Network", "ok", f"Containers use {told}")


def _size(wanted: Configuration, info: Mapping[str, Any]) -> Iterator[Finding]:
    cpus, memory = int(info.get("NCPU") or 0), int(info.get("MemTotal") or 0)
    has = f"The machine has {cpus} CPUs and {memory / 2**30:.1f} GiB"
    if wanted.cpus and cpus and wanted.cpus > cpus:
        yield Finding("CPUs", "failed", f"{wanted.cpus:g} CPUs are asked for. {has}", "Lower 'cpus'")
    if wanted.mem_limit and memory and size_in_bytes(wanted.mem_limit) > memory:
        message = f"The limit {wanted.mem_limit} is more than there is. {has}"
        yield Finding("Memory", "warning", message, "Lower 'mem_limit'")
    if not wanted.mem_limit:
        message = f"A run may take all memory: no limit is set. {has}"
        yield Finding("Memory", "warning", message, "Set 'mem_limit', and a concurrency limit for the pool")
    else:
        yield Finding("Room", "ok", has)


def size_in_bytes(text: str) -> float:
    """Of a number with b, k, m or g behind it."""
    unit = text[-1].lower()
    return float(text[:-1]) * UNITS[unit] if unit in UNITS else float(text)


def _gpus(wanted: Configuration, info: Mapping[str, Any]) -> Iterator[Finding]:
    if not wanted.gpus:
        return
    if "nvidia" in (info.get("Runtimes") or {}):
        yield Finding("GPUs", "ok", "The engine has NVIDIA's runtime")
    else:
        message = "The engine does not say that it has NVIDIA's runtime; newer ones reach GPUs without"
        yield Finding("GPUs", "unknown", message, "Install the NVIDIA container toolkit on its machine")


def _secrets(wanted: Configuration) -> Iterator[Finding]:
    paths = [*wanted.secrets.values(), *([wanted.pool_secret] if wanted.pool_secret else [])]
    if paths:
        message = f"Files of the engine's machine that cannot be looked at from here: {', '.join(sorted(paths))}"
        yield Finding("Secrets", "unknown", message)
