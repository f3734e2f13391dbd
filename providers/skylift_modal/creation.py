"""How a sandbox comes to be: look for it, make sure of App and image, ask once, and find it if the answer is lost.

All of it runs in the SDK's event loop.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID

from skylift.extras import sdk
from skylift.provider import Unreachable
from skylift_modal.connection import Connection
from skylift_modal.departure import LAUNCH, Answered, Departure
from skylift_modal.errors import to_error
from skylift_modal.records import Record
from skylift_modal.request import ImagePlan, Plan

if TYPE_CHECKING:
    from skylift_modal.client import Modal


async def start(
    connection: Connection, client: Any, place: Modal, plan: Plan, attempt_id: UUID, departure: Departure
) -> Record:
    """The attempt's sandbox, the oldest if there are several; one that is over counts too."""
    async with connection.launching.setdefault(attempt_id, asyncio.Lock()):
        found = await place.find(client, attempt_id)
        return found[0] if found else await _make(connection, client, place, plan, attempt_id, departure)


async def _make(
    connection: Connection, client: Any, place: Modal, plan: Plan, attempt_id: UUID, departure: Departure
) -> Record:
    app = await _app(connection, place)
    departure.building = True
    image = await _image(connection, place, app, plan.image)
    departure.building = False
    LAUNCH.set(departure)
    try:
        await _create(connection, place, app, image, plan)
    except Exception as error:
        if not departure.sandbox_id:
            await _not_created(connection, client, place, attempt_id, error)
    found = await _look(client, place, attempt_id)
    if found:
        return found[0]
    if departure.sandbox_id:  # a list that is behind, and a name that is free again: then the answer's own word counts
        return Record(departure.sandbox_id, app.app_id, attempt_id, "")
    raise Unreachable("Modal does not know yet whether it made the sandbox.", remedy="It is asked again by itself")


async def _look(client: Any, place: Modal, attempt_id: UUID) -> list[Record]:
    """After the sandbox was asked for. Raises `Unreachable`: what is said of this look is not said of the sandbox."""
    try:
        return await place.find(client, attempt_id)
    except Exception as error:
        raise Unreachable(
            f"Modal was asked for the sandbox, and then did not tell of it: {to_error(error)}",
            remedy="It is asked again by itself",
        ) from error


async def app_id(connection: Connection, place: Modal) -> str | None:
    """None where the App is not there."""
    try:
        return str((await _app(connection, place, create=False)).app_id)
    except sdk("modal.exception", extra="modal").NotFoundError as error:
        if "environment" in str(error).lower().split("'", 1)[0]:
            raise
        return None


async def _app(connection: Connection, place: Modal, *, create: bool = True) -> Any:
    key = (place.environment, place.place.app_name)
    if key not in connection.apps:
        connection.apps[key] = await sdk("modal", extra="modal").App.lookup.aio(
            key[1], client=connection.client, environment_name=key[0] or None, create_if_missing=create
        )
    return connection.apps[key]


async def _image(connection: Connection, place: Modal, app: Any, plan: ImagePlan) -> Any:
    """Built, or found built: Modal keeps what was built from an equal definition."""
    key = (place.environment, plan)
    if key not in connection.images:
        made = sdk("modal", extra="modal").Image
        if plan.reference:
            secret = _secret(plan.registry_secret, place) if plan.registry_secret else None
            image = made.from_registry(plan.reference, secret=secret, add_python=plan.python_version)
        else:
            image = made.debian_slim(python_version=plan.python_version)
        if plan.packages:
            image = image.pip_install(*plan.packages)
        connection.images[key] = await image.build.aio(app)
    return connection.images[key]


async def _create(connection: Connection, place: Modal, app: Any, image: Any, plan: Plan) -> None:
    modal = sdk("modal", extra="modal")
    named = [_secret(name, place) for name in plan.secret_names]
    volumes = {
        path: modal.Volume.from_name(name, environment_name=place.environment or None)
        for path, name in plan.volumes.items()
    }
    await modal.Sandbox.create.aio(
        *plan.command,
        app=app,
        name=plan.name,
        tags=dict(plan.tags),
        image=image,
        secrets=[*named, modal.Secret.from_dict(dict(plan.env))],  # the later ones win
        volumes=volumes,
        client=connection.client,
        **plan.options,
    )


async def _not_created(connection: Connection, client: Any, place: Modal, attempt_id: UUID, error: Exception) -> None:
    """Raises what the error means, unless it leaves open whether there is a sandbox: then a look tells."""
    if not isinstance(error, Answered):
        meant = to_error(error)
        if isinstance(meant, Unreachable) and await _look(client, place, attempt_id):
            return
        raise meant from error
    if error.status == "ALREADY_EXISTS":  # another's launch of this attempt was quicker
        return
    if error.status == "NOT_FOUND":
        connection.forget()
        raise Unreachable(
            f"Modal no longer knows the App or the image ({error}).", remedy="They are made anew by the next call"
        ) from error
    raise to_error(error) from error


def _secret(name: str, place: Modal) -> Any:
    return sdk("modal", extra="modal").Secret.from_name(name, environment_name=place.environment or None)
