"""What is asked of both servers about transitions of flow runs, and how an answer is written down in one line.

Runs under Prefect's interpreter too (`record_transitions.py`): the standard library only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

RECORD = Path(__file__).with_name("data") / "transitions.json"

_PLAIN = [
    *("SCHEDULED/" + name for name in ("Scheduled", "Late", "AwaitingRetry", "AwaitingConcurrencySlot", "Resuming")),
    *("PENDING/" + name for name in ("Pending", "Submitting", "InfrastructurePending")),
    *("RUNNING/" + name for name in ("Running", "Retrying")),
    "COMPLETED/Completed",
    "COMPLETED/Cached",
    "FAILED/Failed",
    "FAILED/TimedOut",
    "CANCELLED/Cancelled",
    "CRASHED/Crashed",
    "PAUSED/Paused",
    "PAUSED/Suspended",
    "CANCELLING/Cancelling",
]
RESULT = {"type": "reference", "storage_key": "key"}
# Marks behind a state's name, and what they put into it. Times are seconds from now.
_MARKS: dict[str, dict[str, Any]] = {
    "later": {"state_details": {"scheduled_time": 3600}},
    "result": {"data": RESULT},
    "over": {"state_details": {"pause_timeout": -60}},
    "leaves": {"state_details": {"pause_reschedule": True}},
    "keyed": {"state_details": {"pause_key": "one"}},
    "pid": {},
}
FROM = [
    *_PLAIN,
    "SCHEDULED/Scheduled+later",
    "SCHEDULED/Scheduled+pid",
    "SCHEDULED/Resuming+pid",
    "PENDING/Pending+later",
    "COMPLETED/Completed+result",
    "PAUSED/Paused+over",
    "PAUSED/Suspended+leaves",
]
TO = [*_PLAIN, "SCHEDULED/Scheduled+later", "COMPLETED/Completed+result", "PAUSED/Suspended+leaves"]
FLAGS = ("deployment", "retries", "force")


def flag_sets() -> Iterator[tuple[str, ...]]:
    """Every subset of FLAGS."""
    for chosen in product((False, True), repeat=len(FLAGS)):
        yield tuple(flag for flag, on in zip(FLAGS, chosen, strict=True) if on)


def state(written: str, now: datetime) -> dict[str, Any]:
    """The body of a state that is written like `PAUSED/Suspended+leaves`."""
    plain, _, mark = written.partition("+")
    type_, _, name = plain.partition("/")
    return in_time({"type": type_, "name": name} | _MARKS.get(mark, {}), now)


def in_time(body: dict[str, Any], now: datetime) -> dict[str, Any]:
    """The body with its relative times made absolute."""
    details = dict(body.get("state_details") or {})
    for key in ("scheduled_time", "pause_timeout"):
        if key in details:
            details[key] = (now + timedelta(seconds=details[key])).isoformat()
    return body | {"state_details": details}


def has_pid(written: str) -> bool:
    return written.endswith("+pid")


def told(code: int, answer: dict[str, Any], run: dict[str, Any]) -> str:
    """An answer of `set_state`, and what is read back of the run, in one line."""
    words = [str(code), answer["status"], f"{run['state_type']}/{run['state_name']}", f"count={run['run_count']}"]
    if answer["state"] is None:
        words.append("stateless")
    elif answer["state"]["id"] != run["state_id"]:
        words.append("another-state")
    for word, field in (("start", "start_time"), ("end", "end_time"), ("next", "next_scheduled_start_time")):
        if run[field]:
            words.append(word)
    policy = run["empirical_policy"]
    if policy.get("resuming"):
        words.append("resuming")
    if policy.get("retry_type"):
        words.append(policy["retry_type"])
    if policy.get("pause_keys"):
        words.append(f"keys={len(policy['pause_keys'])}")
    return " ".join(words)


ID = "00000000-0000-4000-8000-00000000000{}"
_PAUSE = {"type": "PAUSED", "state_details": {"pause_key": "one", "pause_timeout": 600}}
_SUSPEND = {"type": "PAUSED", "name": "Suspended", "state_details": {"pause_key": "one", "pause_reschedule": True}}
_KEYSET = {"schema": "form-schema", "response": "form-response", "description": "form-description"}
_FORM = {
    "type": "PAUSED",
    "state_details": {"pause_key": "form", "pause_timeout": 600, "run_input_keyset": _KEYSET},
}
_SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
_TWICE = {"type": "RUNNING", "state_details": {"transition_id": ID.format(1)}}

# Longer ways. A step is a state that is proposed, or one of the other things that are done to a run.
STORIES: dict[str, dict[str, Any]] = {
    "a retry in process": {
        "policy": {"retries": 1, "retry_delay": 0},
        "steps": [
            {"type": "RUNNING"},
            {"type": "FAILED", "message": "once"},
            {"type": "RUNNING", "name": "Retrying"},
            {"type": "FAILED", "message": "twice"},
        ],
    },
    "a retry in process that waits": {
        "policy": {"retries": 2, "retry_delay": 600},
        "steps": [{"type": "RUNNING"}, {"type": "FAILED"}, {"type": "RUNNING"}, {"type": "CANCELLING"}],
    },
    "no retries": {"policy": {"retries": 0}, "steps": [{"type": "RUNNING"}, {"type": "FAILED"}]},
    "a retry by a person after retries in process": {
        "deployment": True,
        "policy": {"retries": 1},
        "steps": [
            {"type": "RUNNING"},
            {"type": "FAILED"},
            {"type": "RUNNING"},
            {"type": "FAILED"},
            {"type": "SCHEDULED"},
            {"type": "PENDING"},
            {"type": "RUNNING"},
            {"type": "FAILED"},
        ],
    },
    "a pause and its end": {
        "steps": [{"type": "RUNNING"}, _PAUSE, {"type": "RUNNING"}, _PAUSE, {"type": "COMPLETED"}],
    },
    "a pause without a key, twice": {
        "steps": [{"type": "RUNNING"}, {"type": "PAUSED"}, {"resume": None}, {"type": "PAUSED"}, {"resume": None}],
    },
    "a pause is resumed once": {"steps": [{"type": "RUNNING"}, _PAUSE, {"resume": None}, {"resume": None}]},
    "a pause that took too long": {
        "steps": [
            {"type": "RUNNING"},
            {"type": "PAUSED", "state_details": {"pause_timeout": -1}},
            {"resume": None},
        ],
    },
    "a pause that took too long is cancelled": {
        "steps": [
            {"type": "RUNNING"},
            {"type": "PAUSED", "state_details": {"pause_timeout": -1}},
            {"type": "CANCELLING"},
            {"type": "CANCELLED"},
        ],
    },
    "suspended, resumed and run again": {
        "deployment": True,
        "steps": [
            {"type": "RUNNING"},
            _SUSPEND,
            {"resume": None},
            {"type": "PENDING"},
            {"type": "RUNNING"},
            _SUSPEND,
            {"type": "COMPLETED"},
        ],
    },
    "suspended, then cancelled": {
        "deployment": True,
        "steps": [{"type": "RUNNING"}, _SUSPEND, {"type": "CANCELLING"}],
    },
    "resumed, then cancelled": {
        "deployment": True,
        "steps": [{"type": "RUNNING"}, _SUSPEND, {"resume": None}, {"type": "CANCELLING"}],
    },
    "only runs of deployments suspend": {"steps": [{"type": "RUNNING"}, _SUSPEND]},
    "subflows do not suspend": {"deployment": True, "parent": True, "steps": [{"type": "RUNNING"}, _SUSPEND]},
    "a form is filled in": {
        "steps": [
            {"type": "RUNNING"},
            {"input": "form-schema", "value": json.dumps(_SCHEMA)},
            _FORM,
            {"resume": None},
            {"resume": {"age": "old"}},
            {"resume": {"age": 7}},
            {"read input": "form-response"},
        ],
    },
    "a form without a schema": {"steps": [{"type": "RUNNING"}, _FORM, {"resume": {"age": 7}}]},
    "a form whose schema is none": {
        "steps": [{"type": "RUNNING"}, {"input": "form-schema", "value": "{"}, _FORM, {"resume": {"age": 7}}],
    },
    "the same transition once more": {"steps": [_TWICE, _TWICE, _TWICE | {"force": True}]},
    "another after a kept result": {
        "steps": [
            {"type": "RUNNING"},
            {"type": "COMPLETED", "data": RESULT},
            {"type": "COMPLETED", "data": {"type": "unpersisted"}},
            {"type": "COMPLETED", "data": {"type": "unpersisted"}, "force": True},
            {"type": "RUNNING"},
            {"type": "FAILED"},
        ],
    },
    "an unpersisted result holds nothing": {
        "steps": [{"type": "RUNNING"}, {"type": "COMPLETED", "data": {"type": "unpersisted"}}, {"type": "RUNNING"}],
    },
    "resuming ends with the run": {"steps": [{"type": "RUNNING"}, _PAUSE, {"type": "FAILED"}]},
    "a retry forgets the pauses": {
        "deployment": True,
        "steps": [
            {"type": "RUNNING"},
            _PAUSE,
            {"resume": None},
            {"type": "FAILED"},
            {"type": "SCHEDULED"},
            {"type": "RUNNING"},
            _PAUSE,
        ],
    },
    "a policy that is sent again": {
        "steps": [
            {"type": "RUNNING"},
            _PAUSE,
            {"patch": {"empirical_policy": {"retries": 3, "pause_keys": ["one"], "resuming": False}}},
            {"type": "RUNNING"},
            {"patch": {"empirical_policy": {"retries": 3}}},
            _PAUSE,
            {"type": "RUNNING"},
            {"type": "FAILED"},
        ],
    },
    "cancelled by the supervisor": {
        "steps": [
            {"type": "RUNNING"},
            {"type": "CANCELLING"},
            {"type": "RUNNING"},
            {"type": "CANCELLED", "force": True},
        ],
    },
}
