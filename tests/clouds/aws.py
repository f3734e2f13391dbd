"""The local AWS: one endpoint that the real SDK talks to. It owns the life of ECS's tasks, which neither stand-in ends
by itself, and passes everything else on to one of them.

    python -m tests.clouds.aws [ministack|moto]      serves until it is interrupted, and says how to use it
"""

from __future__ import annotations

import re
import signal
import sys
import threading
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import urlencode

import urllib3

from tests.clouds import aws_policies
from tests.clouds.audit import AUDIT
from tests.clouds.aws_backends import BACKENDS, KEYS, REGION, Backend
from tests.clouds.aws_rights import FREE, Rights
from tests.clouds.aws_wire import Asked, Malformed, error, ok, refusal, understand
from tests.clouds.containers import Containers
from tests.clouds.ecs_quota import Quotas
from tests.clouds.ecs_rules import RefusedError, check, check_definition, invalid
from tests.clouds.ecs_tasks import Task, Tasks
from tests.clouds.http_cloud import Answer, HttpCloud, Request
from tests.clouds.journal import Call, Journal
from tests.clouds.mischief import AnswerLost, Mischief, Refused

HOP = frozenset(["host", "connection", "content-length", "transfer-encoding", "expect", "accept-encoding"])
VCPUS = 6.0
"""Of Fargate, that a new account may use at once."""


class LocalAws(HttpCloud):
    """`allowed`: the actions that are permitted; None: all. `quotas`: whether the documented rates are enforced.
    `enforced`: whether sessions of roles, and tasks, may do what the roles' policies say and nothing else."""

    def __init__(
        self,
        backend: Backend,
        *,
        allowed: Collection[str] | None = None,
        quotas: bool = False,
        enforced: bool = False,
    ) -> None:
        super().__init__()
        self.backend = backend
        self.journal, self.mischief, self.containers = Journal(), Mischief(), Containers()
        self.rights = Rights(backend) if enforced else None
        self.tasks = Tasks(backend, self.containers, self.rights)
        self.allowed = allowed
        self.quotas = Quotas() if quotas else None
        self._lock = threading.Lock()
        self._tokens: dict[tuple[str, str], tuple[Mapping[str, Any], list[Task]]] = {}
        self._definitions: dict[str, dict[str, Any]] = {}
        self._own: dict[tuple[str, str], Callable[[Mapping[str, Any]], Answer]] = {
            ("ecs", "RunTask"): lambda request: self.run_task(request),
            ("ecs", "StopTask"): self._stop_task,
            ("ecs", "DescribeTasks"): self._describe_tasks,
            ("ecs", "ListTasks"): self._list_tasks,
            # Neither stand-in knows it.
            ("servicequotas", "GetServiceQuota"): lambda request: ok({"Quota": {**request, "Value": VCPUS}}),
        }
        self._http = urllib3.PoolManager(maxsize=64, retries=False)

    @property
    def credentials(self) -> dict[str, Any]:
        """For a work pool's `aws_credentials`."""
        return {**KEYS, "region_name": REGION, "aws_client_parameters": {"endpoint_url": self.url}}

    def left(self) -> list[str]:
        """Tasks that are not over, and files: all that belongs to single attempts."""
        s3 = self.backend.client("s3")
        buckets = [each["Name"] for each in s3.list_buckets()["Buckets"]]
        files = [f for each in buckets for f in s3.list_objects_v2(Bucket=each).get("Contents", [])]
        running = [task.arn for task in self.tasks.shown() if task.about["lastStatus"] != "STOPPED"]
        return [*running, *(each["Key"] for each in files)]

    def close(self) -> None:
        super().close()
        AUDIT.closes("AWS", self.left())
        self.tasks.close()
        self._http.clear()

    def answer(self, request: Request) -> Answer:
        try:
            asked = understand(request)
        except Malformed as complaint:
            return error("ecs", "SerializationException", str(complaint))
        self.journal.note(Call(asked.operation, {"service": asked.service, **asked.parameters}, asked.secret))
        try:
            self.mischief.before(asked.operation)
            answer = self._answer(asked, request)
            self.mischief.after(asked.operation)
        except Refused as refused:
            answer = refusal(asked, refused.kind)
        except RefusedError as refused:
            answer = error(asked.service, refused.code, str(refused), **refused.fields)
        except AnswerLost:
            self.journal.answered(asked.operation, "lost")
            raise
        self.journal.answered(asked.operation, _outcome(answer))
        return answer

    def _answer(self, asked: Asked, request: Request) -> Answer:
        if self.allowed is not None:
            for action in self._actions(asked):
                if action not in self.allowed and action not in FREE:
                    return refusal(asked, "deny")
        key = re.search(r"Credential=([^/]+)/", request.headers.get("authorization", ""))
        missing = self.rights.missing(asked, key[1] if key else "") if self.rights else None
        if missing:
            return asked.denied(missing.action, missing.resource)
        own = self._own.get((asked.service, asked.operation))
        if asked.operation == "SimulatePrincipalPolicy":
            return aws_policies.simulate(self.backend, asked.parameters)
        if asked.service == "ecs":
            if self.quotas and not self.quotas.allows(asked.operation, asked.parameters):
                return refusal(asked, "throttle")
            if asked.operation == "RegisterTaskDefinition":
                check_definition(asked.parameters)
            elif asked.operation == "DeregisterTaskDefinition":
                self.forget_definitions()
        answer = own(asked.parameters) if own else self._pass_on(request)
        if self.rights and asked.operation == "AssumeRole" and isinstance(answer.body, bytes):
            self.rights.assumed(asked, answer.body)
        return answer

    def forget_definitions(self) -> None:
        """One may have been deregistered."""
        self._definitions.clear()

    def _actions(self, asked: Asked) -> list[str]:
        """What the caller needs: tagging and passing roles are permissions of their own."""
        actions = [asked.action]
        if asked.service == "ecs" and asked.operation in ("RunTask", "RegisterTaskDefinition"):
            actions += ["ecs:TagResource"] if asked.parameters.get("tags") else []
            roles = asked.parameters.get("executionRoleArn") or asked.parameters.get("taskRoleArn")
            actions += ["iam:PassRole"] if roles else []
        return actions

    def _pass_on(self, request: Request) -> Answer:
        url = self.backend.url + request.path + (f"?{urlencode(request.query)}" if request.query else "")
        headers = {name: value for name, value in request.headers.items() if name not in HOP}
        found = self._http.request(request.method, url, body=request.body, headers=headers)
        kept = {name: value for name, value in found.headers.items() if name.lower() not in {*HOP, "date", "server"}}
        return Answer(found.status, found.data, kept)

    # -- ECS's tasks --------------------------------------------------------------------------------------------------

    def run_task(self, request: Mapping[str, Any]) -> Answer:
        cluster = self._cluster(request)
        definition = self._definition(request["taskDefinition"])
        check(request, definition)
        key = (cluster, request.get("clientToken", ""))
        with self._lock:
            known = self._tokens.get(key) if key[1] else None
            if known and known[0] != request:
                ids = [task.arn for task in known[1]]
                message = "The clientToken is already in use with different parameters"
                raise RefusedError("ConflictException", message, resourceIds=ids)
            started = known[1] if known else []
            if not known:
                started = [self.tasks.start(cluster, request, definition) for _ in range(request.get("count", 1))]
                self._tokens[key] = (request, started)
        return ok({"tasks": [_shown(task, tags=True) for task in started], "failures": []})

    def _stop_task(self, request: Mapping[str, Any]) -> Answer:
        task = self._find(self._cluster(request), request["task"])
        if not task:
            raise invalid("The referenced task was not found.")
        self.tasks.stop(task, request.get("reason") or "Task stopped by user")
        return ok({"task": _shown(task, tags=False)})

    def _describe_tasks(self, request: Mapping[str, Any]) -> Answer:
        cluster = self._cluster(request)
        if not 1 <= len(request["tasks"]) <= 100:
            raise invalid("Tasks must be between 1 and 100 in number")
        found = {name: self._find(cluster, name) for name in request["tasks"]}
        tags = "TAGS" in (request.get("include") or [])
        return ok(
            {
                "tasks": [_shown(task, tags=tags) for task in found.values() if task],
                "failures": [{"arn": name, "reason": "MISSING"} for name, task in found.items() if not task],
            }
        )

    def _list_tasks(self, request: Mapping[str, Any]) -> Answer:
        cluster = self._cluster(request)
        filters = {"family", "serviceName", "containerInstance", "desiredStatus", "launchType"} & set(request)
        if "startedBy" in request and filters:
            raise invalid("startedBy must be the only filter")
        wanted = request.get("desiredStatus", "RUNNING")
        arns = sorted(
            task.arn
            for task in self.tasks.shown()
            if task.about["clusterArn"].endswith(f"/{cluster}")
            and task.about["desiredStatus"] == wanted
            and request.get("startedBy") in (None, task.about["startedBy"])
            and request.get("family") in (None, task.definition["family"])
        )
        first, size = int(request.get("nextToken") or 0), request.get("maxResults", 100)
        page = {"taskArns": arns[first : first + size]}
        return ok(page | ({"nextToken": str(first + size)} if len(arns) > first + size else {}))

    def _find(self, cluster: str, name: str) -> Task | None:
        task_id = name.rpartition("/")[2]
        shown = (each for each in self.tasks.shown() if each.id == task_id)
        return next((each for each in shown if each.about["clusterArn"].endswith(f"/{cluster}")), None)

    def _cluster(self, request: Mapping[str, Any]) -> str:
        name: str = request.get("cluster", "default").rpartition("/")[2]
        with self._lock:
            if name in self._definitions.setdefault("clusters", {}):
                return name
        found = self.backend.client("ecs").describe_clusters(clusters=[name])["clusters"]
        if not found or found[0]["status"] != "ACTIVE":
            raise RefusedError("ClusterNotFoundException", "Cluster not found.")
        self._definitions.setdefault("clusters", {})[name] = True
        return name

    def _definition(self, name: str) -> dict[str, Any]:
        if name not in self._definitions:
            try:
                found = self.backend.client("ecs").describe_task_definition(taskDefinition=name)["taskDefinition"]
            except Exception as failed:
                raise RefusedError("ClientException", "TaskDefinition not found.") from failed
            if found.get("status") == "INACTIVE":
                raise RefusedError("ClientException", "TaskDefinition is inactive")
            if not name.rpartition(":")[2].isdigit():
                return dict(found)
            self._definitions[name] = found
        return self._definitions[name]


def _shown(task: Task, *, tags: bool) -> dict[str, Any]:
    with task.lock:
        about = {key: value for key, value in task.about.items() if tags or key != "tags"}
        return {**about, "containers": [dict(each) for each in about["containers"]]}


def _outcome(answer: Answer) -> str:
    if answer.status < 300:
        return "ok"
    if isinstance(answer.body, bytes) and b'"__type"' in answer.body:
        return answer.body.split(b'"__type": "', 1)[-1].split(b'"', 1)[0].decode(errors="replace")
    return str(answer.status)


def main() -> None:
    """Serve, for a demo."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    kind = BACKENDS[sys.argv[1] if len(sys.argv) > 1 else "ministack"]
    with kind() as backend, LocalAws(backend) as cloud:
        backend.client("ecs").create_cluster(clusterName="demo")
        print(f"export AWS_ENDPOINT_URL={cloud.url} AWS_REGION={REGION}")
        print("export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test   # any will do; the cluster is 'demo'")
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
