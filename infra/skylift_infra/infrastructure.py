"""Plan, apply and destroy over a list of resources.

Nothing here remembers anything: each pass looks first and acts on what it sees, so that a pass after a failure, or
after an answer that was lost, goes on where the other ended. What was made is recorded as it goes.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from skylift.provisioner import Action, Answers, Handover, Plan, ProvisionError, Record, Step
from skylift_infra.pages import page_of
from skylift_infra.resources import Found, Made, NotYetError, Outputs, Resource

SETTLES_WITHIN = 120.0
"""Seconds that a cloud may take until it shows what it has just made, or no longer shows what it has removed."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0


class CloudInfrastructure:
    """See `skylift.provisioner.Infrastructure`; a cloud gives the resources and the hand-over."""

    def __init__(
        self,
        place: str,
        answers: Answers,
        resources: Sequence[Resource],
        handover: Callable[[Made], Handover],
        *,
        pool_changes: Sequence[str] = (),
        former: Sequence[Resource] = (),
        settles_within: float = SETTLES_WITHIN,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.place, self.answers, self.resources, self.handover = place, answers, resources, handover
        self.pool_changes = pool_changes
        self.former = former
        """What other answers would have made, and made once perhaps: removed where it is there."""
        self.settles_within, self.sleep, self.clock = settles_within, sleep, clock

    def plan(self) -> Plan:
        made: dict[str, Outputs] = {}
        steps = [self._step(resource, self._see(resource, made)) for resource in self.resources]
        return Plan(self.place, (*steps, *(_step(resource, "delete") for resource, _ in self._no_longer_wanted(made))))

    def apply(self, record: Callable[[Record], None], progress: Callable[[Step], None]) -> Handover:
        made: dict[str, Outputs] = {}
        entries: dict[str, Any] = {}
        for resource in self.resources:
            found = self._see(resource, made)
            step = self._step(resource, found)
            progress(step)
            if step.action == "create":
                entries[resource.key] = _entry(resource, Found({}))
                record(self._record(entries))  # before: should we die in between, destroy knows where to look
                self._patiently(lambda resource=resource: resource.create(made))  # type: ignore[misc]
                found = self._until(resource, made, lambda seen: bool(seen and not seen.differences))
            elif found and step.action == "update":
                self._patiently(lambda resource=resource, found=found: resource.mend(made, found))  # type: ignore[misc]
                found = self._until(resource, made, lambda seen: bool(seen and not seen.differences))
            assert found  # noqa: S101 - looked for until it was there
            made[resource.key] = found.outputs
            entries[resource.key] = _entry(resource, found)
            record(self._record(entries))
        for resource, found in self._no_longer_wanted(made):
            self._remove(resource, found, made, progress)
        return self.handover(made)

    def removal(self) -> Plan:
        steps = []
        for resource, found in reversed(self._all_there()):
            action: Action = "delete" if found.owned else "keep"
            steps.append(_step(resource, action))
        return Plan(self.place, tuple(steps))

    def destroy(self, record: Callable[[Record], None], progress: Callable[[Step], None]) -> None:
        there = self._all_there()
        entries = {resource.key: _entry(resource, found) for resource, found in there if found.owned}
        made = {resource.key: found.outputs for resource, found in there}
        for resource, found in reversed(there):
            if not found.owned:
                continue
            self._remove(resource, found, made, progress)
            entries.pop(resource.key)
            record(self._record(entries))
        record(self._record({}))

    def _remove(self, resource: Resource, found: Found, made: Made, progress: Callable[[Step], None]) -> None:
        progress(_step(resource, "delete"))
        self._patiently(lambda: resource.delete(found))
        self._until(resource, made, lambda seen: seen is None or not seen.owned)

    def _all_there(self) -> list[tuple[Resource, Found]]:
        made: dict[str, Outputs] = {}
        seen = [(each, self._see(each, made, to_remove=True)) for each in (*self.resources, *self.former)]
        return [(resource, found) for resource, found in seen if found]

    def _no_longer_wanted(self, made: dict[str, Outputs]) -> list[tuple[Resource, Found]]:
        """The last made first."""
        seen = [(each, self._see(each, made, to_remove=True)) for each in self.former]
        return [(each, found) for each, found in reversed(seen) if found and found.owned]

    def _see(self, resource: Resource, made: dict[str, Outputs], *, to_remove: bool = False) -> Found | None:
        """Look, where what that takes is there; what is found is noted in `made`."""
        if not resource.finds_itself and any(need not in made for need in resource.needs):
            return None
        found = resource.look(made)
        if found and not found.owned and not resource.may_be_foreign and not to_remove:
            raise ProvisionError(
                f"There is a {resource.kind} named {resource.name!r} already, and it does not belong to this work pool",
                remedy="Choose another name, or remove it if nobody needs it",
            )
        if found:
            made[resource.key] = found.outputs
        return found

    def _step(self, resource: Resource, found: Found | None) -> Step:
        action: Action = "create"
        if found:
            action = "nothing" if found.owned else "adopt"
            action = "update" if found.owned and found.differences else action
        return _step(resource, action, found)

    def _patiently(self, work: Callable[[], None]) -> None:
        """Do it, again and again while the cloud is not ready for it."""
        pauses = self._pauses()
        while True:
            try:
                return work()
            except NotYetError:
                if not next(pauses, False):
                    raise

    def _pauses(self) -> Iterator[bool]:
        """Wait a little longer each time, until the cloud has had its time."""
        until, pause = self.clock() + self.settles_within, FIRST_PAUSE
        while self.clock() <= until:
            self.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter is no secret
            pause = min(LONGEST_PAUSE, pause * 2)
            yield True

    def _until(self, resource: Resource, made: Made, so: Callable[[Found | None], bool]) -> Found | None:
        """Look until it is so: clouds tell late what they have done."""
        pauses = self._pauses()
        while not so(found := resource.look(made)):
            if not next(pauses, False):
                what = "; ".join(found.differences) if found else "it is not to be seen"
                raise ProvisionError(
                    f"The {resource.kind} {resource.name!r} did not come to be as it should within "
                    f"{self.settles_within:g} s: {what}",
                    remedy="Run the command again: it goes on from here",
                )
        return found

    def _record(self, entries: dict[str, Any]) -> Record:
        return {"place": self.place, "answers": dict(self.answers), "resources": dict(entries)}


def _step(resource: Resource, action: Action, found: Found | None = None) -> Step:
    return Step(
        resource.key,
        resource.kind,
        resource.name,
        action,
        found.differences if found else (),
        resource.idle_cost,
        resource.words,
        resource.verbs,
        page_of(found.outputs) if found else "",
    )


def _entry(resource: Resource, found: Found) -> dict[str, Any]:
    return {"kind": resource.kind, "name": resource.name, "owned": found.owned, "outputs": dict(found.outputs)}
