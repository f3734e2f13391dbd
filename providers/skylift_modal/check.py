"""Whether runs of a pool would start, found by reading only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from skylift.confidential import POOL_SECRET
from skylift.provider import Finding, ProviderError, Rejected
from skylift_modal import client, request
from skylift_modal.client import Modal

SOON = timedelta(days=14)


def findings(configuration: Mapping[str, Any]) -> list[Finding]:
    """Raises nothing."""
    found: list[Finding] = []
    try:
        found.extend(_findings(configuration))
    except ProviderError as error:
        found.append(_failed("Modal", error))
    return found


def _findings(configuration: Mapping[str, Any]) -> Iterator[Finding]:
    # Commands and environments are the runs' own; what the pool has of them is not rendered to the end here.
    shape = {**configuration, "command": ["true"], "env": {}}
    try:
        wanted = request.read_configuration(shape)
    except Rejected as error:
        yield _failed("Configuration", error)
        return
    try:
        modal = Modal(request.read_place(configuration))
        yield _identity(modal)
    except ProviderError as error:
        yield _failed("Identity", error)
        return
    yield _app(modal)
    yield _image(modal, wanted)
    yield from _named(modal, wanted)
    yield _network(wanted)
    yield Finding(
        "Quota",
        "ok",
        "Launches are paced at 5 a second for the whole workspace, which is Modal's own default",
        "Where Modal has raised it, raise the pool's launch rate as well",
    )


def _identity(modal: Modal) -> Finding:
    identity = modal.identify()
    message = f"The token is {identity.who or 'a user'}'s, of workspace {identity.workspace or identity.workspace_id}"
    if identity.expires and identity.expires < datetime.now(UTC) + SOON:
        return Finding("Identity", "warning", f"{message}, and ends {identity.expires:%Y-%m-%d}", "Make a new token")
    return Finding("Identity", "ok", message)


def _app(modal: Modal) -> Finding:
    name, where = modal.place.app_name, modal.environment or "the default environment"
    try:
        there = modal.has_app()
    except ProviderError as error:
        return _failed("App", error)
    if there:
        return Finding("App", "ok", f"{name!r} is there, in {where}")
    remedy = f"For that the token's owner must be a {client.ROLE}"
    return Finding("App", "ok", f"{name!r} is not there yet; the first launch makes it, in {where}", remedy)


def _image(modal: Modal, wanted: request.Configuration) -> Finding:
    named = wanted.image or "Modal's own Debian"
    if wanted.registry_secret:
        try:
            modal.look_up("Secret", wanted.registry_secret)
        except ProviderError as error:
            return _failed("Image", error)
    if wanted.image and (wanted.image.endswith("latest") or ":" not in wanted.image.rpartition("/")[2]):
        message = f"{named} is a moving tag: Modal keeps the image as it was when it was first used"
        return Finding("Image", "warning", message, "Name a version")
    return Finding("Image", "unknown", f"{named}: whether it can be pulled shows at the first launch, which builds it")


def _named(modal: Modal, wanted: request.Configuration) -> Iterator[Finding]:
    pool_secret = [("Pool secret", "Secret", wanted.pool_secret)] if wanted.pool_secret else []
    secrets = [("Secret", "Secret", name) for name in wanted.secrets or []]
    volumes = [("Volume", "Volume", name) for name in (wanted.volumes or {}).values()]
    for what, kind, name in pool_secret + secrets + volumes:
        try:
            modal.look_up(kind, name, *([POOL_SECRET] if what == "Pool secret" else []))
            yield Finding(what, "ok", f"{name!r} is there")
        except ProviderError as error:
            yield _failed(what, error)


def _network(wanted: request.Configuration) -> Finding:
    if wanted.block_network:
        return Finding("Network", "warning", "The network is blocked: only bare commands can run", "Switch it on")
    if wanted.outbound_cidr_allowlist is not None or wanted.outbound_domain_allowlist is not None:
        message = "Only what is on the allowlist can be reached, so Skylift's API must be on it"
        return Finding("Network", "warning", message, "Add the API's domain or addresses, unless they are there")
    return Finding("Network", "ok", "Everything outside can be reached, and nothing from outside")


def _failed(what: str, error: ProviderError) -> Finding:
    return Finding(what, "failed", str(error), error.remedy)
