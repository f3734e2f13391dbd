"""Managed work pools: a small base job template of our own, before a provider that the operator chose."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from typing import Any
from uuid import UUID

from skylift.provider import (
    Checks,
    FindsStrays,
    ForwardsOutput,
    KeepsPackages,
    Launch,
    Links,
    Observation,
    Provider,
    Quota,
    ReadsEvents,
    Watched,
)

MANAGED = "prefect:managed"
PREFERRED = ["process:push", "ecs:push", "cloud-run-v2:push", "azure-container-instance:push", "modal:push"]
"""Where managed runs go unless SKYLIFT_MANAGED_PROVIDER says so: the first of these that is installed."""


class ManagedProvider:
    """Hands the runs of managed pools to another provider."""

    def __init__(self, provider: Provider) -> None:
        about = described()
        self.type: str = MANAGED
        self.display_name: str = about["display_name"]
        self.description: str = about["description"]
        self.provider = provider
        self.call_timeout, self.look_every = provider.call_timeout, provider.look_every
        self.python = provider.python
        self.stops_softly, self.remembers_stops = provider.stops_softly, provider.remembers_stops
        words = set(provider.base_job_template()["job_configuration"])
        self.foreign = set(about["template"]["job_configuration"]) - words
        """What the template has and the provider knows nothing of: `image`, where it runs processes."""
        # Optional powers are found by their methods, so there are some only where the provider has them.
        if isinstance(provider, FindsStrays):
            self.list_attempts = provider.list_attempts
        if isinstance(provider, ForwardsOutput):
            self.output_since = provider.output_since
        if isinstance(provider, ReadsEvents):
            self.read_event = provider.read_event
        if isinstance(provider, Checks):
            self.check = provider.check
        if isinstance(provider, Links):
            self.links = provider.links

    def base_job_template(self) -> dict[str, Any]:
        template: dict[str, Any] = described()["template"]
        return template

    def quota(self, configuration: Mapping[str, Any]) -> Quota | None:
        return self.provider.quota(self._passed_on(configuration))

    def launch(self, launch: Launch) -> str:
        configuration = self._passed_on(launch.configuration)
        if isinstance(self.provider, KeepsPackages):
            configuration["env"] = {**self.provider.package_environment(), **configuration["env"]}
        return self.provider.launch(replace(launch, configuration=configuration))

    def status(self, watched: Sequence[Watched]) -> Mapping[UUID, Observation]:
        return self.provider.status([self._as_its_own(one) for one in watched])

    def stop(self, watched: Watched, grace: float) -> None:
        self.provider.stop(self._as_its_own(watched), grace)

    def logs(self, watched: Watched, last: int) -> list[str]:
        return self.provider.logs(self._as_its_own(watched), last)

    def cleanup(self, watched: Watched) -> None:
        self.provider.cleanup(self._as_its_own(watched))

    def _passed_on(self, configuration: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in configuration.items() if name not in self.foreign}

    def _as_its_own(self, watched: Watched) -> Watched:
        return replace(watched, configuration=self._passed_on(watched.configuration))


def described() -> dict[str, Any]:
    """What the type is called and its default base job template; the caller's own copy."""
    text = (files("skylift") / "collections" / "prefect-managed.json").read_text("utf-8")
    about: dict[str, Any] = json.loads(text)
    return about
