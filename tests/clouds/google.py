"""The local Google: Cloud Run, Cloud Logging, Secret Manager and who may do what, on one loopback port.

Routes, and what may be sent and answered, come from Google's own discovery documents; containers really run. It can be
started by itself: `python -m tests.clouds.google`.
"""

from __future__ import annotations

import base64
import json
import random
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

from tests.clouds.audit import AUDIT
from tests.clouds.containers import Containers
from tests.clouds.google_discovery import Method, check_answer, check_request, find_method
from tests.clouds.google_errors import ApiError, denied, of_mischief, too_many
from tests.clouds.google_events import audit_entry, pushed
from tests.clouds.google_execution import Execution
from tests.clouds.google_logging import Logs
from tests.clouds.google_run import Run
from tests.clouds.google_secrets import Secrets
from tests.clouds.http_cloud import Answer, HttpCloud, Request
from tests.clouds.journal import Call, Journal
from tests.clouds.mischief import AnswerLost, Mischief, Refused

Handler = Callable[[dict[str, str], dict[str, str], Any], dict[str, Any]]
PERMISSIONS = {
    "run.projects.locations.jobs.create": "run.jobs.create",
    "run.projects.locations.jobs.get": "run.jobs.get",
    "run.projects.locations.jobs.list": "run.jobs.list",
    "run.projects.locations.jobs.patch": "run.jobs.update",
    "run.projects.locations.jobs.delete": "run.jobs.delete",
    "run.projects.locations.jobs.run": "run.jobs.runWithOverrides",
    "run.projects.locations.jobs.executions.get": "run.executions.get",
    "run.projects.locations.jobs.executions.list": "run.executions.list",
    "run.projects.locations.jobs.executions.cancel": "run.executions.cancel",
    "run.projects.locations.jobs.executions.delete": "run.executions.delete",
    "run.projects.locations.jobs.executions.tasks.list": "run.tasks.list",
    "run.projects.locations.operations.get": "run.operations.get",
    "logging.entries.list": "logging.logEntries.list",
    "secretmanager.projects.secrets.create": "secretmanager.secrets.create",
    "secretmanager.projects.secrets.addVersion": "secretmanager.versions.add",
    "secretmanager.projects.secrets.get": "secretmanager.secrets.get",
    "secretmanager.projects.secrets.list": "secretmanager.secrets.list",
    "secretmanager.projects.secrets.delete": "secretmanager.secrets.delete",
    "secretmanager.projects.secrets.setIamPolicy": "secretmanager.secrets.setIamPolicy",
    "secretmanager.projects.secrets.versions.get": "secretmanager.versions.get",
}
"""By Google's IAM reference (cloud.google.com/iam/docs/permissions-reference); a method that is not here needs none."""
WINDOW = 60.0


class LocalGoogle(HttpCloud):
    """One Google with any number of projects, each of which exists as soon as it is named."""

    def __init__(self) -> None:
        super().__init__()
        self.containers, self.journal, self.mischief = Containers(), Journal(), Mischief()
        self.secrets, self.logs = Secrets(), Logs()
        self.run = Run(self.containers, self.secrets, self._ended)
        self.allowed: frozenset[str] | None = None
        """The permissions that callers have; None: all."""
        self.tokens: dict[str, str] | None = None
        """Access tokens that are accepted, and whose they are; None: nobody is asked for one."""
        self.refuses_jwts = False
        self.quotas: dict[str, int] = {}
        """Calls a minute and region, by `Job run requests`, `Read requests`, `Write requests`; none: no limit."""
        self.listeners: list[Callable[[dict[str, Any]], None]] = []
        """Each gets every event that a Pub/Sub push subscription would be sent."""
        self.events_come_twice = False
        self._late: list[dict[str, Any]] = []
        self._spent: dict[str, deque[float]] = {}
        self._random = random.Random(0)
        self._handlers = self._all_handlers()

    def left(self) -> list[str]:
        """What belongs to single attempts: jobs of one run, executions, and secrets that were made for them."""
        own = [name for name, job in self.run.jobs.items() if job.body.get("labels", {}).get("skylift-role") == "run"]
        made = [name for name, secret in self.secrets.all.items() if "skylift-attempt" in secret.body.get("labels", {})]
        ran = [name for name, execution in self.run.executions.items() if "SKYLIFT_ATTEMPT" in execution.env]
        return [*own, *ran, *made]

    def close(self) -> None:
        super().close()
        AUDIT.closes("Google", self.left())
        with self.run.lock:
            self.run.is_closed = True
        self.containers.close()

    # -- requests ------------------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Answer:
        if request.path == "/token":
            return self._token(request)
        try:
            return Answer(200, self._answer(request))
        except ApiError as error:
            return Answer(error.code, error.body())

    def _answer(self, request: Request) -> Any:
        path = unquote(request.path)
        method, params = find_method(request.method, path)
        try:
            answer = self._perform(method, params, request)
        except ApiError as error:
            self.journal.answered(method.id, error.status)
            raise
        except AnswerLost:
            self.journal.answered(method.id, "lost")
            raise
        self.journal.answered(method.id, "ok")
        return answer

    def _perform(self, method: Method, params: dict[str, str], request: Request) -> Any:
        query, sent = dict(request.query), request.json()
        self._note(method, params, query, sent)
        body = check_request(method, query, sent)
        permission = PERMISSIONS.get(method.id, "")
        self._authorize(permission, request.headers)
        try:
            self.mischief.before(method.id)
        except Refused as refused:
            raise of_mischief(refused.kind, permission) from None
        self._spend(method, body)
        handler = self._handlers.get(method.id)
        if not handler:
            raise ApiError(501, "UNIMPLEMENTED", f"{method.id} is not part of the local Google")
        with self.run.lock:
            answer = handler(params, query, body)
            for name in [*self.run.executions]:
                self.logs.executions.setdefault(name.rpartition("/")[2], self.run.executions[name])
        check_answer(method, answer)
        self.mischief.after(method.id)
        return answer

    def _note(self, method: Method, params: Mapping[str, str], query: Mapping[str, str], sent: Any) -> None:
        shown, secret = {"path": dict(params), "query": dict(query), "body": sent}, None
        if method.id == "secretmanager.projects.secrets.addVersion":
            secret = base64.b64decode(sent.get("payload", {}).get("data", "")).decode()
            shown["body"] = {}
        self.journal.note(Call(method.id, shown, secret))

    def _authorize(self, permission: str, headers: Mapping[str, str]) -> None:
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if self.tokens is not None and token.count(".") == 2 and not self.refuses_jwts:
            self.tokens[token] = _claims(token)["iss"]  # a JWT that a service account's key has signed itself
        if self.tokens is not None and token not in self.tokens:
            message = "Request had invalid authentication credentials. Expected OAuth 2 access token."
            raise ApiError(401, "UNAUTHENTICATED", message)
        if permission and self.allowed is not None and permission not in self.allowed:
            raise denied(permission)

    def _spend(self, method: Method, body: Any) -> None:
        """Google counts the calls of the last minute."""
        if not method.id.startswith("run."):
            return
        starts = method.id.endswith("jobs.run") or (method.id.endswith("jobs.create") and "startExecutionToken" in body)
        reads = method.verb == "GET"
        kinds = ["Job run requests"] if starts else []
        kinds += [] if method.id.endswith("jobs.run") else ["Read requests" if reads else "Write requests"]
        for kind in kinds:
            calls = self._spent.setdefault(kind, deque())
            now = time.monotonic()
            with self.run.lock:
                while calls and calls[0] < now - WINDOW:
                    calls.popleft()
                if kind in self.quotas and len(calls) >= self.quotas[kind]:
                    raise too_many(kind)
                calls.append(now)

    def _all_handlers(self) -> dict[str, Handler]:
        run, secrets = self.run, self.secrets
        jobs, under = "run.projects.locations.jobs", "secretmanager.projects.secrets"
        return {
            f"{jobs}.create": run.jobs_create,
            f"{jobs}.get": run.jobs_get,
            f"{jobs}.list": run.jobs_list,
            f"{jobs}.patch": run.jobs_patch,
            f"{jobs}.delete": run.jobs_delete,
            f"{jobs}.run": run.jobs_run,
            f"{jobs}.executions.get": run.executions_get,
            f"{jobs}.executions.list": run.executions_list,
            f"{jobs}.executions.cancel": run.executions_cancel,
            f"{jobs}.executions.delete": run.executions_delete,
            f"{jobs}.executions.tasks.list": run.tasks_list,
            "run.projects.locations.operations.get": run.operations_get,
            "logging.entries.list": self._entries,
            f"{under}.create": secrets.secrets_create,
            f"{under}.addVersion": secrets.secrets_add_version,
            f"{under}.get": secrets.secrets_get,
            f"{under}.list": secrets.secrets_list,
            f"{under}.delete": secrets.secrets_delete,
            f"{under}.setIamPolicy": secrets.secrets_set_iam_policy,
            f"{under}.versions.get": secrets.versions_get,
            "cloudresourcemanager.projects.testIamPermissions": self._test_permissions,
            "iamcredentials.projects.serviceAccounts.generateAccessToken": self._impersonate,
        }

    def _entries(self, params: dict[str, str], query: dict[str, str], body: Any) -> dict[str, Any]:
        for each in [*self.containers.all.values()]:
            known = self.logs.containers.setdefault(each.env["CLOUD_RUN_EXECUTION"], [])
            if each not in known:
                known.append(each)
        return self.logs.entries_list(params, query, body)

    def _test_permissions(self, params: dict[str, str], query: dict[str, str], body: Any) -> dict[str, Any]:
        asked = body.get("permissions", [])
        return {"permissions": [each for each in asked if self.allowed is None or each in self.allowed]}

    # -- tokens --------------------------------------------------------------------------------------------------------

    def _token(self, request: Request) -> Answer:
        """Where a service account's key buys a token (RFC 7523)."""
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        token = self._new_token(_claims(form["assertion"])["iss"])
        return Answer(200, {"access_token": token, "expires_in": 3600, "token_type": "Bearer"})

    def _impersonate(self, params: dict[str, str], query: dict[str, str], body: Any) -> dict[str, Any]:
        email = params["name"].rpartition("/")[2]
        return {"accessToken": self._new_token(email), "expireTime": "2999-01-01T00:00:00Z"}

    def _new_token(self, whose: str) -> str:
        token = f"token-of-{whose}-{self._random.randrange(10**9)}"
        if self.tokens is not None:
            self.tokens[token] = whose
        return token

    # -- events --------------------------------------------------------------------------------------------------------

    def _ended(self, execution: Execution) -> None:
        self.logs.executions.setdefault(execution.short_name, execution)
        if not self.listeners:
            return
        event = pushed(audit_entry(execution))
        waiting = [*self._late, event]
        self._late = []
        if self.events_come_twice:  # again with the next ones, in another order
            self._late = [event]
            self._random.shuffle(waiting)
        threading.Thread(target=self._tell, args=(waiting,), daemon=True).start()

    def _tell(self, events: list[dict[str, Any]]) -> None:
        for each in events:
            for listener in self.listeners:
                listener(each)


def _claims(token: str) -> dict[str, Any]:
    """Of a JWT, whose signature is not looked at."""
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    return found


def main() -> None:
    """Until SIGINT or SIGTERM."""
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    with LocalGoogle() as cloud:
        print(f"SKYLIFT_GOOGLE_ENDPOINT={cloud.url}", flush=True)
        over.wait()


if __name__ == "__main__":
    main()
