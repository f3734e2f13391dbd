"""The port to the places a flow run is pushed to, and the few kinds of errors that they answer with.

The docstrings are the contract. Every method returns soon, may be called again at any time, and treats "not there" as
an answer. A provider holds no state of its own: whatever it must know later is in the handle or found by the attempt's
id.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, runtime_checkable
from uuid import UUID

from skylift.errors import SkyliftError


class ProviderError(SkyliftError):
    """The provider could not do it."""

    def __init__(self, message: str | None = None, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.remedy = remedy


class BusyError(ProviderError):
    """Come back later: the request was refused for now, and nothing was started."""

    def __init__(
        self, message: str | None = None, *, retry_after: float | None = None, remedy: str | None = None
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.retry_after = retry_after
        """Seconds, where the provider said how long."""


class Throttled(BusyError):  # noqa: N818 - the design's word
    """The provider limits how often it may be called."""


class OutOfCapacity(BusyError):  # noqa: N818
    """The provider has no room for this just now."""


class Rejected(ProviderError):  # noqa: N818
    """This request will never work; `remedy` says what to change."""


class Unreachable(ProviderError):  # noqa: N818
    """The provider did not answer, or not to us: network or credentials. Whether it did start is unknown."""


class TooLate(Unreachable):
    """The lease ran out before this request was sent, so it was not: whoever has the lease now goes on."""


@dataclass(frozen=True, slots=True)
class Launch:
    """One attempt to start a flow run. Built from what was frozen before the first call, so a relaunch is the same."""

    attempt_id: UUID
    """The launch token: random, never used for anything else."""
    flow_run_id: UUID
    installation_id: UUID
    claimed_at: datetime
    configuration: Mapping[str, Any]
    """The work pool's `job_configuration`, rendered; `command` (a list of strings) and `env` are always there."""
    send_before: float = float("inf")
    """`time.monotonic()` after which nothing may be sent any more, because the lease may be another's by then."""
    secrets: frozenset[str] = frozenset()
    """Values that may stand nowhere but in the fields that the provider keeps secret (see `skylift.confidential`)."""

    def ensure_in_time(self) -> None:
        """To be called last before a request that may start something. Raises `TooLate`."""
        if time.monotonic() > self.send_before:
            raise TooLate


Phase = Literal["starting", "running", "ended", "gone"]

Fault = Literal["capacity", "setup"]
"""Why something that was accepted never began. capacity: there was no room; another try may find some, here or as one
of the run's `capacity_fallbacks` says. setup: no image, secret or permission; it would end the same way again."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What the provider says of one attempt now."""

    phase: Phase
    """`gone`: the provider knows nothing of it (any more), and it is certain that nothing of it runs."""
    handle: str | None = None
    exit_code: int | None = None
    """Of an ended one: the exit code, 128 + N where signal N ended it, None where the provider cannot tell."""
    reason: str | None = None
    """The provider's own words, for people."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    fault: Fault | None = None
    """Only of an ended one in which no code of the run's own has begun."""
    remedy: str | None = None
    """What to do about `reason`, where the provider knows."""


@dataclass(frozen=True, slots=True)
class Watched:
    """An attempt as its provider is told of it. `handle` is None while no answer to launch was recorded."""

    attempt_id: UUID
    handle: str | None
    configuration: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Quota:
    """A token bucket: how many launches at once, and how many a second after that."""

    rate: float
    burst: int
    key: str | None = None
    """Pools with the same key share one bucket (an account and region, say); None: a bucket for each pool."""


class Provider(Protocol):
    """A place that runs flow runs. One object per process; it must be safe to use from many threads."""

    type: str
    """The work pool type, `process:push` for one."""
    display_name: str
    description: str
    call_timeout: float
    """The longest that one `launch` may still reach the provider after it began, in seconds; 60 at most."""
    look_every: float
    """How often observe asks about an attempt that nobody else reports for, in seconds."""
    python: str
    """The interpreter that the runner is started with there, unless the job configuration names one."""
    stops_softly: bool
    """Whether `stop` begins with a signal that the runner hears, so that it can end its run in good order."""
    remembers_stops: bool
    """Whether whoever is stopped before it was started never starts: a launch under way or to come has no effect.
    Where not, a stopped attempt without a handle counts as gone only once no launch of it can be under way."""

    def base_job_template(self) -> dict[str, Any]:
        """The default base job template of new pools: `variables` and `job_configuration`."""
        ...

    def quota(self, configuration: Mapping[str, Any]) -> Quota | None:
        """What the provider allows for launches of a pool, whose job configuration is rendered with its defaults alone;
        None: no limit. May ask the provider once (whose account this is, say) and must remember the answer."""
        ...

    def launch(self, launch: Launch) -> str:
        """Start it and return its handle. Called again for the same attempt it starts nothing new and returns the
        same handle, also while an earlier call is still under way elsewhere.

        Raises `Throttled` or `OutOfCapacity` only where it is certain that nothing was started, `Rejected` where this
        request can never work, `Unreachable` where it is not known.
        """
        ...

    def status(self, watched: Sequence[Watched]) -> Mapping[UUID, Observation]:
        """What became of these, by attempt id. One that the provider does not know is `gone`; one that it could not
        be asked about is left out. Raises `Unreachable` where none could be asked about."""
        ...

    def stop(self, watched: Watched, grace: float) -> None:
        """Ask it to end: softly, and by force after `grace` seconds. Returns at once; `status` tells when it is
        over."""
        ...

    def logs(self, watched: Watched, last: int) -> list[str]:
        """Its last lines of output as the provider kept them; empty where there are none."""
        ...

    def cleanup(self, watched: Watched) -> None:
        """Remove what it left behind. Only ever called after `ended` or `gone`; raises `Unreachable` where it could not
        do it (a late launch is still on its way out, say), to be called again."""
        ...


@runtime_checkable
class FindsStrays(Protocol):
    """Providers that can list what carries an installation's mark."""

    def list_attempts(self, installation_id: UUID, configuration: Mapping[str, Any]) -> Sequence[Watched]:
        """Everything of this installation that has not been cleaned up, whether running or ended, in the place that a
        pool's job configuration names, rendered with its defaults alone. Each with a configuration that the other
        methods can reach it by. Also removes what no attempt needs any more (old task definitions, say)."""
        ...


@dataclass(frozen=True, slots=True)
class Heard:
    """What an event of the cloud says of one attempt."""

    attempt_id: UUID
    observation: Observation


@runtime_checkable
class ReadsEvents(Protocol):
    """Providers whose cloud tells by itself when a run's state changes there."""

    def read_event(self, event: Mapping[str, Any]) -> Sequence[Heard]:
        """What this event says; empty where it is not about attempts. Events may come twice, late and in any order.
        Raises nothing for an event that it does not understand."""
        ...


Verdict = Literal["ok", "warning", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of what `work-pool check` found."""

    what: str
    """A few words: Identity, Permissions, Cluster, Image, Network, Quota, Pool secret…"""
    verdict: Verdict
    message: str
    remedy: str | None = None


@runtime_checkable
class HidesNonces(Protocol):
    """Providers whose place never shows again what a run is started with: there a run's own nonce tells as much as a
    secret of its pool would, beside it."""

    hides_nonces: bool


@runtime_checkable
class Checks(Protocol):
    """Providers that can tell, by reading only, whether runs of a pool would start."""

    def check(self, configuration: Mapping[str, Any]) -> Sequence[Finding]:
        """Look at what a pool's job configuration needs, rendered with its defaults alone. Raises nothing."""
        ...


@runtime_checkable
class Links(Protocol):
    """Providers with a web page for what they run."""

    def links(self, watched: Watched) -> Mapping[str, str]:
        """URLs by what they show: `run`, `logs`, `quota`. Asks nobody."""
        ...


@runtime_checkable
class ForwardsOutput(Protocol):
    """Providers that hold the output of a bare command, for runs that no runner reports for."""

    def output_since(self, watched: Watched, offset: int) -> tuple[list[tuple[datetime, str]], int]:
        """New complete lines since `offset` (with the instants they were seen), and the offset to ask from next."""
        ...


@runtime_checkable
class KeepsPackages(Protocol):
    """Providers whose machine outlives a run, so that what pip installs for one is there for the next."""

    def package_environment(self) -> dict[str, str]:
        """For the runner that installs packages: SKYLIFT_PACKAGES, the folder to keep them in, and pip's own settings
        of that machine (PIP_*)."""
        ...
