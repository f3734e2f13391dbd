"""The `modal:push` provider: each attempt is a sandbox, named and tagged by it."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any
from uuid import UUID

from skylift.provider import Finding, Launch, Observation, ProviderError, Quota, Unreachable, Watched
from skylift_modal import check, output, request
from skylift_modal.client import PIECE, Modal
from skylift_modal.departure import Departure
from skylift_modal.errors import SETTINGS
from skylift_modal.observe import observe
from skylift_modal.records import Record
from skylift_modal.request import Place

CREATES_PER_SECOND = 5
"""Of a workspace, unless Modal has raised it: its own words are "Sandbox creation rate limit (5/s) exceeded"."""
ONE_BY_ONE = 4
"""Up to so many attempts are asked about by their own tags; more are found in a list of all that is ours."""
ALIVE = timedelta(seconds=request.LONGEST, hours=1)
"""Sandboxes older than this are over: none lives longer than a day."""
CLEANED = "skylift-cleaned"


class ModalProvider:
    """Runs flow runs as sandboxes of Modal. See `docs/providers/modal.md` for what is promised."""

    type = "modal:push"
    display_name = "Modal (push)"
    description = "Runs each flow run in a sandbox of its own on Modal, with CPUs or GPUs, seconds after it is due."
    call_timeout = 60.0
    look_every = 3.0
    python = "python"
    stops_softly = False
    remembers_stops = False

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def base_job_template(self) -> dict[str, Any]:
        template: dict[str, Any] = json.loads(files("skylift_modal").joinpath("base_job_template.json").read_text())
        return template

    def quota(self, configuration: Mapping[str, Any]) -> Quota | None:
        """Five a second for a workspace (see `CREATES_PER_SECOND`), whichever pools push to it."""
        try:
            place = request.read_place(configuration)
            workspace = self._workspace(place)
        except ProviderError:
            return Quota(rate=CREATES_PER_SECOND, burst=CREATES_PER_SECOND)
        return Quota(rate=CREATES_PER_SECOND, burst=CREATES_PER_SECOND, key=f"modal/{workspace}")

    def launch(self, launch: Launch) -> str:
        plan = request.plan(launch)
        launch.ensure_in_time()
        modal = Modal(request.read_place(launch.configuration))
        return modal.launch(plan, launch.attempt_id, Departure(launch.ensure_in_time)).handle

    def status(self, watched: Sequence[Watched]) -> Mapping[UUID, Observation]:
        places: dict[str, list[Watched]] = {}
        found: dict[UUID, Observation] = {}
        trouble: ProviderError | None = None
        for each in watched:
            try:
                places.setdefault(_place(each).model_dump_json(), []).append(each)
            except ProviderError as error:  # of this one alone
                trouble = error
        for group in places.values():
            try:
                found |= self._status(group)
            except ProviderError as error:
                trouble = error
        if trouble and not found:
            raise trouble if isinstance(trouble, Unreachable) else Unreachable(str(trouble), remedy=trouble.remedy)
        return found

    def stop(self, watched: Watched, grace: float) -> None:
        """By force and at once: Modal knows no other way, so `grace` is what the runner has had before."""
        modal = self._reach(watched)
        for each in modal.of_attempt(watched.attempt_id):
            if not each.ended:
                modal.terminate(each)

    def logs(self, watched: Watched, last: int) -> list[str]:
        modal = self._reach(watched)
        record = _speaker(modal.of_attempt(watched.attempt_id))
        if not record or not record.placed:
            return []
        return output.last_lines(modal.last_entries(record, 100 + 10 * last), last)

    def output_since(self, watched: Watched, offset: int) -> tuple[list[tuple[datetime, str]], int]:
        """See `skylift.provider.ForwardsOutput`; one call reads about a megabyte at most."""
        modal = self._reach(watched)
        record = _speaker(modal.of_attempt(watched.attempt_id))
        if not record or not record.placed:
            return [], offset
        since = output.reads_from(offset) or datetime.fromtimestamp(record.created_at, UTC) - timedelta(minutes=1)
        pieces = modal.entries_since(record, since)
        complete = sum(len(text) for _, text in pieces) <= PIECE
        return output.whole_lines(pieces, offset, ended=record.ended and complete)

    def cleanup(self, watched: Watched) -> None:
        """Modal keeps the record of a sandbox. What is taken off it are our marks: then it is nobody's any more."""
        modal = self._reach(watched)
        found = modal.of_attempt(watched.attempt_id)
        if any(not each.ended for each in found):
            raise Unreachable(
                f"A sandbox of attempt {watched.attempt_id} still runs.",
                remedy="It is stopped, and the cleaning tried again, by itself.",
            )
        for each in found:
            modal.retag(each, {CLEANED: str(watched.attempt_id)})

    def list_attempts(self, installation_id: UUID, configuration: Mapping[str, Any]) -> Sequence[Watched]:
        """See `skylift.provider.FindsStrays`. Ended ones for a day: the tags of older ones could not be taken off."""
        if not configuration:
            return []
        place = request.read_place(configuration)
        modal = Modal(place)
        reached = {name: configuration[name] for name in Place.model_fields if configuration.get(name) is not None}
        reached["app_name"] = place.app_name
        handles: dict[UUID, str] = {}
        for each in modal.every({request.INSTALLATION: str(installation_id)}, ALIVE):  # the newest first
            if each.attempt_id:
                handles[each.attempt_id] = each.handle
        return [Watched(attempt_id, handle, reached) for attempt_id, handle in handles.items()]

    def check(self, configuration: Mapping[str, Any]) -> Sequence[Finding]:
        """See `skylift.provider.Checks`."""
        return check.findings(configuration)

    def links(self, watched: Watched) -> Mapping[str, str]:
        """See `skylift.provider.Links`."""
        app_id, _, sandbox_id = (watched.handle or "").partition("/")
        found = {"quota": f"{SETTINGS}/usage"}
        if sandbox_id:
            found |= {"run": f"https://modal.com/id/{sandbox_id}", "logs": f"https://modal.com/id/{app_id}"}
        return found

    def _status(self, watched: Sequence[Watched]) -> dict[UUID, Observation]:
        modal = self._reach(watched[0])
        records: dict[UUID, list[Record]] = {}
        if len(watched) > ONE_BY_ONE:
            for each in reversed(modal.every(request.MARK, ALIVE)):
                if each.attempt_id:
                    records.setdefault(each.attempt_id, []).append(each)
        alone = [each.attempt_id for each in watched if each.attempt_id not in records]
        answers = {**records, **(modal.of_attempts(alone) if alone else {})}
        if not answers:
            raise Unreachable("Modal could not be asked.", remedy="It is asked again by itself")
        return {each.attempt_id: observe(answers[each.attempt_id]) for each in watched if each.attempt_id in answers}

    def _reach(self, watched: Watched) -> Modal:
        return Modal(_place(watched))

    def _workspace(self, place: Place) -> str:
        """Asked once in the life of the process."""
        modal = Modal(place)
        with self._lock:
            known = modal.connection.workspace
            if known is None:
                known = modal.connection.workspace = modal.identify().workspace_id
        return known


def _place(watched: Watched) -> Place:
    """Raises `Unreachable` where nobody knows it: taking the default for it would find nothing, and call that gone."""
    if not watched.configuration:
        raise Unreachable(
            f"Where attempt {watched.attempt_id} was launched cannot be read any more.",
            remedy="Give the service back the key that its launch request is sealed with",
        )
    return request.read_place(watched.configuration)


def _speaker(records: Sequence[Record]) -> Record | None:
    """Whose output it is (see `observe`)."""
    alive = [each for each in records if not each.ended]
    longest = max(records, key=lambda each: each.finished_at - each.started_at, default=None)
    return alive[0] if alive else longest
