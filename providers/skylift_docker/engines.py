"""Which engine: the operator says so in the service's environment. No job variable can: a run must not choose.

A pool may name one of several with the constant `engine` in its job configuration (not a variable); the address is
always the environment's.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass

from skylift.provider import Rejected, Unreachable


@dataclass(frozen=True, slots=True)
class Address:
    url: str
    """unix:///path or tcp://host:port"""
    certificates: str | None = None
    """A folder with ca.pem, cert.pem and key.pem: TLS with both sides known. None: a plain connection."""


def address_of(engine: str | None, environment: Mapping[str, str]) -> Address:
    """Of the engine of this name; None: the usual one.

    Raises `Rejected` for a name that the operator has not set, `Unreachable` where no usual one is found.
    """
    suffix = f"_{engine.upper().replace('-', '_')}" if engine else ""
    variable = f"SKYLIFT_DOCKER_HOST{suffix}" if engine else "DOCKER_HOST"
    url = environment.get(variable) or (None if engine else _usual_socket(environment))
    if engine and not url:
        raise Rejected(
            f"The work pool names the container engine {engine!r}, and the service does not know it",
            remedy=f"Set {variable} where Skylift itself runs, or remove 'engine' from the pool's job configuration",
        )
    if not url:
        raise Unreachable(
            "No container engine is found: DOCKER_HOST is not set, and no socket is where Docker or Podman have theirs",
            remedy="Start Docker, or Podman's socket (systemctl enable --now podman.socket), or set DOCKER_HOST",
        )
    own = environment.get(f"SKYLIFT_DOCKER_CERT_PATH{suffix}") if engine else None
    shared = environment.get("DOCKER_CERT_PATH") if environment.get("DOCKER_TLS_VERIFY") else None
    return Address(url, None if url.startswith("unix:") else own or shared)


def _usual_socket(environment: Mapping[str, str]) -> str | None:
    run = environment.get("XDG_RUNTIME_DIR")
    places = ["/var/run/docker.sock", "/run/podman/podman.sock"]
    if run:
        places += [f"{run}/docker.sock", f"{run}/podman/podman.sock"]
    return next((f"unix://{place}" for place in places if _is_socket(place)), None)


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode) and os.access(path, os.R_OK | os.W_OK)
    except OSError:
        return False
