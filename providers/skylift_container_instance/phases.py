"""Pure: what Azure tells of a container group, as the port's observation.

Azure goes on trying where an image cannot be pulled or a location is full, long after it is clear how that ends, and it
has no clock for how long a container may run. So a judgement may say that the group must be stopped before the
observation is true: `must_stop`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from skylift.provider import Fault, Observation
from skylift_container_instance.errors import NO_ROOM, QUOTA
from skylift_container_instance.views import Container, Event, Group

PATIENCE = 3
"""How often Azure may fail at something that might yet go well, such as a registry that did not answer."""
TERMINAL = ("Succeeded", "Failed", "Stopped")
KILLED, ASKED_TO_END = 137, 143


@dataclass(frozen=True, slots=True)
class Judgement:
    observation: Observation
    must_stop: bool = False


@dataclass(frozen=True, slots=True)
class Trouble:
    """A kind of event that keeps a container from starting."""

    fault: Fault
    pattern: str
    """A regular expression over "name: message"."""
    remedy: str
    for_good: bool = True
    """Whether one such event is enough."""


IMAGE = "Correct 'image'; for a private registry set 'image_registry', and let its identity pull (role AcrPull)"
TROUBLES = (
    Trouble("capacity", r"InsufficientCapacity|not available in the location|no available (capacity|nodes)", NO_ROOM),
    Trouble("capacity", r"quota .*exceed|exceed.* quota|QuotaReached", QUOTA.format(quota="StandardCores")),
    Trouble(
        "setup",
        r"(pull|image|manifest)\b.*(not found|unknown|denied|unauthorized|forbidden|does not exist)"
        r"|pull.*authentication required|InaccessibleImage|InvalidImageName|ErrImageNeverPull|ImageOsType",
        IMAGE,
    ),
    Trouble(
        "setup", r"[Ff]ailed to pull image|ErrImagePull|ImagePullBackOff|[Bb]ack-?off pulling", IMAGE, for_good=False
    ),
    Trouble(
        "setup",
        r"executable file not found|no such file or directory|exec format error",
        "Correct 'command' or 'entrypoint', or use an image that has the program",
    ),
    Trouble(
        "setup",
        r"[Ff]ailedMount|[Ff]ailed to mount|AzureFile|volume .*fail",
        "Correct 'volumes': share, storage account and its key",
        for_good=False,
    ),
    Trouble(
        "setup",
        r"[Ss]ubnet|network profile|[Vv]irtual network|IP address.*(exhaust|full)",
        "Correct 'subnet_ids': a subnet with free addresses, delegated to Microsoft.ContainerInstance/containerGroups",
        for_good=False,
    ),
)


def judge(group: Group, *, now: datetime, time_limit: float | None = None) -> Judgement:
    """`time_limit`: seconds from the container's start after which it must be over."""
    container = group.container
    if not container or not has_begun(group):
        return _not_begun(group)
    if group.state == "Stopped":
        return Judgement(_stopped(group, container, time_limit))
    if container.state == "Terminated":
        return Judgement(_ended(group, container))
    running = Observation("running", group.id, started_at=container.started_at)
    return Judgement(running, must_stop=_ran_for(container, now) > (time_limit or float("inf")))


def has_begun(group: Group) -> bool:
    """Whether code of the run's own has."""
    container = group.container
    if not container:
        return False
    return bool(container.started_at) or container.state == "Running" or container.exit_code is not None


def _not_begun(group: Group) -> Judgement:
    over = group.state in TERMINAL
    if found := find_trouble(group):
        trouble, event = found
        reason = f"{event.name}: {event.message}".removesuffix(".")
        ended = Observation("ended", group.id, reason=reason, fault=trouble.fault, remedy=trouble.remedy)
        return Judgement(ended, must_stop=not over)
    if group.state == "Stopped":
        return Judgement(Observation("ended", group.id, reason="It was stopped through Azure before it started"))
    if over or group.provisioning == "Failed":
        words = _last_words(group.events) or "Azure could not start the container group, and does not say why"
        return Judgement(Observation("ended", group.id, reason=words), must_stop=not over)
    return Judgement(Observation("starting", group.id, reason=_last_words(group.events) or group.provisioning or None))


def needs_a_look(group: Group) -> bool:
    """Whether a list's entry says too little: only of one that Azure has yet to find a node for is there no more."""
    return group.container is None and group.provisioning != "Pending"


def find_trouble(group: Group) -> tuple[Trouble, Event] | None:
    """What keeps the group's container from starting, and for sure by now."""
    warnings = [each for each in group.events if each.kind != "Normal"]
    for trouble in TROUBLES:
        events = [each for each in warnings if re.search(trouble.pattern, f"{each.name}: {each.message}")]
        times = sum(each.count for each in events)
        if events and (trouble.for_good or times >= PATIENCE or group.provisioning == "Failed"):
            return trouble, events[-1]
    return None


def _stopped(group: Group, container: Container, time_limit: float | None) -> Observation:
    """By us or by somebody else. It was running, or it would not be called stopped; so exit code 0 means nothing."""
    reason = "It was stopped through Azure"
    if time_limit and container.ended_at and _ran_for(container, container.ended_at) > time_limit:
        reason = f"It ran longer than its time limit of {time_limit:g} s, and was stopped"
    ended = _ended(group, container)
    return replace(ended, exit_code=ended.exit_code or None, reason=reason, remedy=None)


def _ran_for(container: Container, until: datetime) -> float:
    """Seconds."""
    return (until - container.started_at).total_seconds() if container.started_at else 0.0


def _ended(group: Group, container: Container) -> Observation:
    code = container.exit_code
    reason, remedy = _how_it_ended(container)
    if container.restarts:
        reason = "; ".join(filter(None, [reason, f"Azure restarted it {container.restarts} times"]))
    started = container.started_at
    ended = container.ended_at
    return Observation(
        "ended",
        group.id,
        exit_code=code,
        reason=reason,
        remedy=remedy,
        started_at=started,
        ended_at=max(started, ended) if started and ended else ended,
    )


def _how_it_ended(container: Container) -> tuple[str | None, str | None]:
    detail = container.detail if container.detail not in ("Completed", "Error", "") else None
    if re.search("oom", container.detail, re.IGNORECASE):
        return f"It ran out of memory ({container.detail})", "Raise 'memory', which is in GB"
    if container.exit_code == KILLED:
        reason = "It was killed (SIGKILL): most often because it ran out of memory, else by Azure's moving it"
        return reason, "Raise 'memory', which is in GB, if the run needs more"
    if container.exit_code == ASKED_TO_END:
        return "It was asked to end (SIGTERM)", None
    return detail, None


def _last_words(events: Sequence[Event]) -> str | None:
    return f"{events[-1].name}: {events[-1].message}".removesuffix(".") if events else None
