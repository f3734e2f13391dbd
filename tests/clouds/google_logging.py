"""Cloud Logging of the local Google: what containers print, and its query language as far as it is used."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.clouds.containers import Container
from tests.clouds.google_errors import ApiError
from tests.clouds.google_execution import Execution, time_of

SEVERITIES = ("DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY")
TOKEN = re.compile(r'\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<sign>!=|>=|<=|[()=<>])|(?P<word>[^\s()=<>!"]+))')
SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
Entry = dict[str, Any]
Test = Callable[[Entry], bool]


class Logs:
    """Entries in the order in which they are visible."""

    def __init__(self) -> None:
        self.executions: dict[str, Execution] = {}
        """By short name; they stay when executions are deleted, as their logs do."""
        self.containers: dict[str, list[Container]] = {}
        self.delay = 0.0
        """Seconds until a line can be read; every second one comes twice as late, and so do Cloud Run's own."""

    def entries_list(self, params: Any, query: Any, body: dict[str, Any]) -> dict[str, Any]:
        wanted = parse(body.get("filter", ""))
        projects = [each.removeprefix("projects/") for each in body.get("resourceNames", [])]
        if not projects:
            raise ApiError(400, "INVALID_ARGUMENT", "No resource names given")
        newest_first = body.get("orderBy", "timestamp asc") == "timestamp desc"
        found = [each for each in self._visible() if each["resource"]["labels"]["project_id"] in projects]
        found = [each for each in found if wanted(each)]
        found.sort(key=lambda each: (each["timestamp"], each["insertId"]), reverse=newest_first)
        start, size = int(body.get("pageToken") or 0), body.get("pageSize") or 50
        more = {"nextPageToken": str(start + size)} if start + size < len(found) else {}
        return {"entries": found[start : start + size], **more}

    def _visible(self) -> Iterator[Entry]:
        now = datetime.now(UTC)
        for name, execution in [*self.executions.items()]:
            for container in self.containers.get(name, []):
                for number, (at, line) in enumerate([*container.lines]):
                    if at + timedelta(seconds=self.delay * (1 + number % 2)) <= now:
                        yield _entry(execution, "stdout", at, number, line)
            if execution.ended_at and execution.ended_at + timedelta(seconds=2 * self.delay) <= now:
                yield from self._last_words(execution)

    def _last_words(self, execution: Execution) -> Iterator[Entry]:
        at = execution.ended_at or datetime.now(UTC)
        for container in self.containers.get(execution.short_name, []):
            if container.out_of_memory:
                used = f"Memory limit of {(container.memory or 0) >> 20} MiB exceeded with more used."
                yield _entry(execution, "varlog/system", at, 1, used, "ERROR")
            yield _entry(execution, "varlog/system", at, 2, f"Container called exit({container.exit_code}).", "INFO")
        if not execution.succeeded:
            yield _entry(execution, "varlog/system", at, 3, execution.failure, "ERROR")


def _entry(execution: Execution, log: str, at: datetime, number: int, line: str, severity: str = "DEFAULT") -> Entry:
    parts = execution.name.split("/")
    entry: Entry = {
        "logName": f"projects/{parts[1]}/logs/run.googleapis.com%2F{log.replace('/', '%2F')}",
        "resource": {
            "type": "cloud_run_job",
            "labels": {"project_id": parts[1], "location": parts[3], "job_name": parts[5]},
        },
        "labels": {"run.googleapis.com/execution_name": execution.short_name},
        "timestamp": time_of(at),
        "receiveTimestamp": time_of(at),
        "insertId": f"{number:012d}",
        "severity": severity,
    }
    try:
        structured = json.loads(line) if line.startswith("{") else None
    except ValueError:
        structured = None
    return entry | ({"jsonPayload": structured} if isinstance(structured, dict) else {"textPayload": line})


def parse(text: str) -> Test:
    """A filter as a test of entries. Raises `ApiError` (400) for what it does not understand."""
    tokens = _tokens(text)
    if not tokens:
        return lambda entry: True
    test, rest = _either(tokens)
    if rest:
        raise ApiError(400, "INVALID_ARGUMENT", f"Unparseable filter: syntax error at '{rest[0]}'")
    return test


def _tokens(text: str) -> list[str]:
    found, at = [], 0
    while text[at:].strip():
        match = TOKEN.match(text, at)
        if not match:
            raise ApiError(400, "INVALID_ARGUMENT", f"Unparseable filter: syntax error at '{text[at:]}'")
        found.append(match.group().strip())
        at = match.end()
    return found


def _either(tokens: list[str]) -> tuple[Test, list[str]]:
    tests, rest = [], tokens
    while True:
        test, rest = _both(rest)
        tests.append(test)
        if rest[:1] != ["OR"]:
            return (lambda entry: any(each(entry) for each in tests)), rest
        rest = rest[1:]


def _both(tokens: list[str]) -> tuple[Test, list[str]]:
    tests, rest = [], tokens
    while True:
        test, rest = _one(rest)
        tests.append(test)
        if rest[:1] != ["AND"]:
            return (lambda entry: all(each(entry) for each in tests)), rest
        rest = rest[1:]


def _one(tokens: list[str]) -> tuple[Test, list[str]]:
    match tokens:
        case ["(", *rest]:
            test, rest = _either(rest)
            if rest[:1] != [")"]:
                raise ApiError(400, "INVALID_ARGUMENT", "Unparseable filter: ')' is missing")
            return test, rest[1:]
        case ["log_id", "(", name, ")", *rest]:
            suffix = "/logs/" + json.loads(name).replace("/", "%2F")
            return (lambda entry: entry["logName"].endswith(suffix)), rest
        case [field, sign, value, *rest] if sign in SIGNS:
            return _comparison(field, sign, value), rest
        case [start, quoted, sign, value, *rest] if start.endswith(".") and sign in SIGNS:
            return _comparison(start + quoted, sign, value), rest
    raise ApiError(400, "INVALID_ARGUMENT", f"Unparseable filter: syntax error at '{' '.join(tokens[:3])}'")


def _comparison(field: str, sign: str, value: str) -> Test:
    wanted = json.loads(value) if value.startswith('"') else value
    path = [each.strip('"') for each in re.findall(r'"[^"]*"|[^."]+', field)]

    def test(entry: Entry) -> bool:
        found: Any = entry
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        if found is None:
            return False
        if path == ["severity"]:
            return SIGNS[sign](SEVERITIES.index(found), SEVERITIES.index(wanted))
        if path == ["timestamp"]:
            return SIGNS[sign](_nanoseconds(found), _nanoseconds(wanted))
        return SIGNS[sign](found, wanted)

    return test


def _nanoseconds(stamp: str) -> int:
    whole, _, fraction = stamp.rstrip("Z").partition(".")
    return int(datetime.fromisoformat(whole + "+00:00").timestamp()) * 10**9 + int(fraction.ljust(9, "0") or 0)
