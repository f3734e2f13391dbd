"""Pure: what Modal's record of a sandbox means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from skylift.provider import Fault, Observation
from skylift_modal.records import Record

KILLED, TIMED_OUT = 137, 124
"""What the SDK itself shows for sandboxes that were terminated, and that ran into their timeout."""
MORE_MEMORY = "Raise 'memory' and 'memory_limit', or use less memory"


@dataclass(frozen=True, slots=True)
class Meaning:
    """Of one status of a result (`GenericResult.GenericStatus` in Modal's protocol)."""

    words: str
    remedy: str | None = None
    exit_code: int | None = None
    """None: the record's own."""
    never_began: Fault | None = None
    """The fault where no code of the run's own had begun."""


MEANINGS = {
    "SUCCESS": Meaning("", exit_code=0),
    "FAILURE": Meaning(
        "",
        "See that 'command', 'working_dir' and 'image' fit each other",
        never_began="setup",
    ),
    "TERMINATED": Meaning("The sandbox was terminated", exit_code=KILLED),
    "TIMEOUT": Meaning(
        "The sandbox ran into its time limit",
        "Raise 'timeout_seconds' (24 hours at most)",
        exit_code=TIMED_OUT,
        never_began="capacity",
    ),
    "INIT_FAILURE": Meaning(
        "The sandbox could not be set up",
        "See what Modal says; check 'image', 'volumes' and 'secrets'",
        never_began="setup",
    ),
    "INTERNAL_FAILURE": Meaning(
        "Modal itself failed", "See https://status.modal.com if it happens again", never_began="capacity"
    ),
    "IDLE_TIMEOUT": Meaning(
        "Modal ended the sandbox because it was idle", "Raise 'idle_timeout', or leave it empty", exit_code=KILLED
    ),
    "MEMORY_MANAGER_EVICTION": Meaning(
        "The sandbox was evicted because its host was short of memory",
        "Reserve what it needs with 'memory'",
        exit_code=KILLED,
        never_began="capacity",
    ),
    "MEMORY_THRASHING_EVICTION": Meaning("The sandbox was ended for want of memory", MORE_MEMORY, exit_code=KILLED),
    "KERNEL_OOM_KILL": Meaning("It ran out of memory and was killed", MORE_MEMORY, exit_code=KILLED),
}


def observe(records: Sequence[Record]) -> Observation:
    """What became of an attempt, by its sandboxes, the oldest first.

    More than one there is only after a request was held up somewhere for longer than the first sandbox lived.
    Admission lets one of them run; those that are turned away are over within seconds, so the one that ran longest
    speaks for all.
    """
    if not records:
        return Observation("gone")
    handle = records[0].handle
    alive = [each for each in records if not each.ended]
    if alive:
        began = [each for each in alive if each.started_at]
        return Observation(
            "running" if began else "starting", handle, started_at=_instant(began[0].started_at) if began else None
        )
    return _ended(max(records, key=lambda each: each.finished_at - (each.started_at or each.finished_at)), handle)


def _ended(record: Record, handle: str) -> Observation:
    meaning = MEANINGS.get(record.status, Meaning(f"Modal says {record.status}"))
    # A machine that was found is taken for a begun command, except where Modal says otherwise: a run that may have
    # begun is lost at worst, and never taken for one that can be launched again without harm.
    began = record.placed and record.status != "INIT_FAILURE"
    fault = None if began else meaning.never_began
    reason = ": ".join(each for each in (meaning.words, record.words) if each)
    return Observation(
        "ended",
        handle,
        exit_code=None if fault else _exit_code(record, meaning),
        reason=reason or None,
        started_at=_instant(record.started_at),
        ended_at=_instant(record.finished_at),
        fault=fault,
        remedy=meaning.remedy if fault or meaning.words else None,
    )


def _exit_code(record: Record, meaning: Meaning) -> int | None:
    if meaning.exit_code is not None:
        return meaning.exit_code
    if record.status != "FAILURE":
        return record.exit_code or None
    code = record.exit_code or 1  # a failure is none of exit code 0
    return code if code > 0 else 128 - code


def _instant(seconds: float) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
