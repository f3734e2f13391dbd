"""Decides from a history alone whether the design's rules 1 to 7 were kept.

Claims are ordered by when they were committed. Where a record leaves room for doubt (a slot is free a little earlier
than its record says, say) nothing is found: whatever is found did happen.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Any

from tests.chaos.storm.history import History, Rows

TERMINAL = {"COMPLETED", "FAILED", "CANCELLED", "CRASHED"}
DOUBT = timedelta(seconds=30)
"""For so long after its record a slot may still have been occupied for others."""
Faults = Iterator[str]


@dataclass(frozen=True)
class Claim:
    """One attempt's beginning."""

    attempt: str
    run: str
    at: datetime
    committed: datetime
    ended: datetime | None


@dataclass(frozen=True)
class Wait:
    """From one state of a run that waits to be claimed until its next state (both committed)."""

    since: datetime
    until: datetime | None
    due: datetime


class Facts:
    """A history with its indexes."""

    def __init__(self, history: History) -> None:
        self.history, self.asked, self.witness = history, history.asked, history.witness
        store = history.store
        self.runs = {row["id"]: row for row in store["flow_runs"]}
        self.pools = {row["id"]: row for row in store["work_pools"]}
        self.queues = {row["id"]: row for row in store["work_queues"]}
        self.deployments = {row["id"]: row for row in store["deployments"]}
        self.starts = Counter(run for word, run, *_ in history.evidence if word == "start")
        self.stops = Counter(run for word, run, *_ in history.evidence if word == "stop")

    @cached_property
    def states(self) -> dict[str, Rows]:
        """Of each run, in the order of their commits."""
        found: dict[str, Rows] = defaultdict(list)
        for row in sorted(self.history.store["flow_run_states"], key=lambda row: (row["committed"], row["id"])):
            found[row["flow_run_id"]].append(row)
        return found

    @cached_property
    def claims(self) -> list[Claim]:
        """In the order of their commits."""
        ended = {row["id"]: row["ended_at"] for row in self.history.store["ended_attempts"]}
        lines = [row for row in self.history.store["flow_run_timeline"] if row["kind"] == "claimed"]
        found = [
            Claim(row["attempt_id"], row["flow_run_id"], row["at"], row["committed"], ended.get(row["attempt_id"]))
            for row in lines
        ]
        return sorted(found, key=lambda claim: (claim.committed, claim.at))

    @cached_property
    def waits(self) -> dict[str, list[Wait]]:
        found: dict[str, list[Wait]] = defaultdict(list)
        for run, states in self.states.items():
            for state, following in zip(states, [*states[1:], None], strict=True):
                if state["type"] == "SCHEDULED":
                    due = state["state_details"].get("scheduled_time") or state["timestamp"]
                    until = following["committed"] if following else None
                    found[run].append(Wait(state["committed"], until, due))
        return found

    @cached_property
    def lost(self) -> set[str]:
        """Runs of which a machine was taken away."""
        attempts = {*self.witness["lost"]}
        return {claim.run for claim in self.claims if claim.attempt in attempts}

    def named(self, run: str) -> str:
        row = self.runs.get(run)
        return f"{row['name']} ({run})" if row else run


def never_two(facts: Facts) -> Faults:
    """1: of an attempt one container is admitted, a run has one attempt at a time, and its code runs once."""
    for run, times in facts.starts.items():
        if times > 1:
            yield f"the code of {facts.named(run)} began {times} times"
    by_run: dict[str, list[Claim]] = defaultdict(list)
    for claim in facts.claims:
        by_run[claim.run].append(claim)
    for run, claims in by_run.items():
        for earlier, later in pairwise(claims):
            if earlier.ended is None or earlier.ended > later.committed:
                yield f"{facts.named(run)} had two attempts at once: {earlier.attempt} and {later.attempt}"


def never_none(facts: Facts) -> Faults:
    """1: what was due was launched, ran, and its end is known."""
    for run, row in facts.runs.items():
        if row["state_type"] not in TERMINAL and not _lies_ahead(facts, row):
            yield f"{facts.named(run)} is {row['state_name']} in the end"
        completed = row["state_type"] == "COMPLETED"
        if completed and (facts.starts[run], facts.stops[run]) != (1, 1):
            yield f"{facts.named(run)} is completed; it began {facts.starts[run]} and ended {facts.stops[run]} times"
        if row["state_type"] in ("FAILED", "CRASHED") and run not in facts.lost:
            last = facts.states[run][-1]
            yield f"{facts.named(run)} is {last['name']}, and nothing was done to it: {last['message']}"
        if row["state_type"] == "CANCELLED" and row["name"] not in facts.asked["cancelled"]:
            yield f"{facts.named(run)} is cancelled, and nobody asked for it"


def _lies_ahead(facts: Facts, run: dict[str, Any]) -> bool:
    return bool(run["state_type"] == "SCHEDULED" and run["expected_start_time"] > facts.asked["until"])


def limits_hold(facts: Facts) -> Faults:
    """2: no claim while there are as many occupied slots as the limit allows."""
    groups: dict[str, list[Claim]] = defaultdict(list)
    for claim in facts.claims:
        run = facts.runs[claim.run]
        for kind, rows, key in (
            ("pool", facts.pools, run["work_pool_id"]),
            ("queue", facts.queues, run["work_queue_id"]),
            ("deployment", facts.deployments, run["deployment_id"]),
        ):
            if rows[key]["concurrency_limit"] is not None:
                groups[f"{kind} {rows[key]['name']} ({key}), limit {rows[key]['concurrency_limit']}"].append(claim)
    for what, claims in groups.items():
        limit = int(what.rpartition(" ")[2])
        for at, claim in enumerate(claims):
            occupied = sum(each.ended is None or each.ended > claim.committed for each in claims[: at + 1])
            if occupied > limit:
                yield f"{what}: {occupied} slots when {facts.named(claim.run)} was claimed"


def priority_is_a_waterfall(facts: Facts) -> Faults:
    """3: while one of a higher queue may start, none of a lower one is claimed; within a queue the earliest first."""
    waiting = [(facts.runs[run], wait) for run, waits in facts.waits.items() if run in facts.runs for wait in waits]
    for claim in facts.claims:
        run = facts.runs[claim.run]
        queue, due = facts.queues[run["work_queue_id"]], _due_of(facts, claim)
        for other, wait in waiting:
            if other["work_pool_id"] != run["work_pool_id"] or not _waited_through(facts, other, wait, claim):
                continue
            theirs = facts.queues[other["work_queue_id"]]
            is_before = theirs["priority"] < queue["priority"] or (theirs is queue and due and wait.due < due)
            if is_before and _had_room(facts, other, claim):
                yield f"{facts.named(run['id'])} was claimed while {facts.named(other['id'])} waited before it"


def _due_of(facts: Facts, claim: Claim) -> datetime | None:
    before = [wait for wait in facts.waits[claim.run] if wait.since <= claim.committed]
    return before[-1].due if before else None


def _waited_through(facts: Facts, run: dict[str, Any], wait: Wait, claim: Claim) -> bool:
    """Whether it was due, and free to be claimed, from before the claim began until after it was committed."""
    if wait.due > claim.at or wait.since >= claim.at or (wait.until and wait.until <= claim.committed):
        return False
    return not any(
        each.run == run["id"] and each.committed <= claim.committed and (each.ended is None or each.ended > claim.at)
        for each in facts.claims
    )


def _had_room(facts: Facts, run: dict[str, Any], claim: Claim) -> bool:
    """Whether its queue and its deployment had, beyond doubt."""
    for rows, column in ((facts.queues, "work_queue_id"), (facts.deployments, "deployment_id")):
        limit = rows[run[column]]["concurrency_limit"]
        if limit is not None:
            held = sum(
                facts.runs[each.run][column] == run[column]
                and each.committed <= claim.committed
                and (each.ended is None or each.ended > claim.at - DOUBT)
                for each in facts.claims
            )
            if held >= limit:
                return False
    return True


def terminal_is_terminal(facts: Facts) -> Faults:
    """4: after its end a run has no other state; nobody retried any."""
    for run, states in facts.states.items():
        over = [state["type"] in TERMINAL for state in states]
        if any(over[:-1]):
            yield f"{facts.named(run)} went on after its end: {' '.join(state['name'] for state in states)}"


def what_was_asked_for_is_there(facts: Facts) -> Faults:
    """5: every slot, every delivery and every order has its run, and just one."""
    slots = facts.history.store["schedule_slots"]
    made = {(row["deployment_id"], row["slot"]) for row in slots if row["flow_run_id"]}
    for each in facts.asked["slots"]:
        is_older = each["slot"] <= facts.deployments[each["deployment"]]["created"]
        if not is_older and (each["deployment"], each["slot"]) not in made:
            yield f"the slot {each['slot']} of {facts.deployments[each['deployment']]['name']} has no run"
    names = Counter(row["name"] for row in facts.runs.values())
    for act in facts.asked["acts"]:
        if not act["answered"]:
            yield f"{act['what']} {act['key']} never had an answer"
        elif act["what"] != "cancel" and names[act["key"]] != 1:
            yield f"{act['what']} {act['key']} was answered and has {names[act['key']]} runs"


def nothing_is_left(facts: Facts) -> Faults:
    """5: nobody waits, no slot is held, and nothing has to be cleaned up."""
    store = facts.history.store
    for row in store["due"]:
        if row["due_at"] <= facts.asked["until"]:
            yield f"{facts.named(row['flow_run_id'])} still waits to be claimed"
    yield from (f"the slot of attempt {row['id']} is still occupied" for row in store["attempts"])
    yield from (f"attempt {row['id']} is not cleaned up" for row in store["ended_attempts"] if row["cleanup_at"])
    for where, left in facts.witness["left"].items():
        if left:
            yield f"left at {where}: {', '.join(map(str, left[:5]))}"


def secrets_are_not_told(facts: Facts) -> Faults:
    """6: none is in a log, an error, a task definition, an override, what a cloud shows, or the database."""
    for who, text in facts.history.said.items():
        for number, secret in enumerate(facts.history.secrets):
            if secret in text:
                at = text.index(secret)
                yield f"secret {number} stands in {who!r}: …{text[max(0, at - 60) : at]}…"


def tokens_open_their_own_run_only(facts: Facts) -> Faults:
    """7: what was tried with a run's token on another run was refused."""
    for each in facts.asked["thefts"]:
        if each["status"] < 400:
            yield f"with the token of {each['whose']} {each['what']} of {each['victim']} had {each['status']}"


RULES: dict[str, tuple[Callable[[Facts], Faults], ...]] = {
    "1 never two, never none": (never_two, never_none),
    "2 limits hold": (limits_hold,),
    "3 priority is a waterfall": (priority_is_a_waterfall,),
    "4 terminal is terminal": (terminal_is_terminal,),
    "5 nothing due is lost": (what_was_asked_for_is_there, nothing_is_left),
    "6 secrets are not told": (secrets_are_not_told,),
    "7 a run token opens its own run only": (tokens_open_their_own_run_only,),
}


def judge(history: History) -> dict[str, list[str]]:
    """The faults that were found, by rule; rules that were kept have none."""
    facts = Facts(history)
    return {rule: [fault for check in checks for fault in check(facts)] for rule, checks in RULES.items()}
