"""The typed façade over boto3's clients: every call that the provider makes while it serves runs.

Each method is marked with the permissions that it needs, raises the port's errors only, and is bounded in time. What
changes something is sent once; what only asks may be sent again by the SDK.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from skylift.provider import ProviderError
from skylift_ecs.credentials import Credentials, Session
from skylift_ecs.errors import from_failure, to_error
from skylift_ecs.permissions import needs

Task = Mapping[str, Any]
PAGE = 100
"""Tasks that DescribeTasks takes, and ListTasks gives, at once."""


class EcsClient:
    """What one set of credentials reaches in its region."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.key = session.credentials.key()
        self._last_word = threading.local()
        self._starting()

    @property
    def credentials(self) -> Credentials:
        return self.session.credentials

    @cached_property
    def region(self) -> str:
        return str(self._asking("ecs").meta.region_name)

    def _asking(self, service: str) -> Any:
        return self.session.client(service, again=True)

    def _changing(self, service: str) -> Any:
        return self.session.client(service, again=False)

    def _starting(self) -> None:
        """Whoever runs a task is asked for the last time when its request is signed and about to go out."""

        def last_word(**_: Any) -> None:
            ensure = getattr(self._last_word, "ensure", None)
            if ensure:
                ensure()

        events = self._changing("ecs").meta.events
        events.register("before-send.ecs.RunTask", last_word, unique_id=f"skylift-{id(self)}")

    # -- tasks --------------------------------------------------------------------------------------------------------

    @needs("ecs:RunTask", "ecs:TagResource", "iam:PassRole")
    def run_task(self, request: Mapping[str, Any], ensure: Callable[[], None]) -> str:
        """The ARN of the task; of the one that this token has already started, where there is one. `ensure` is called
        when all that is left to do is to send; whatever it raises keeps that from happening."""
        self._last_word.ensure = ensure
        try:
            answer = self._changing("ecs").run_task(**request)
        except Exception as error:
            earlier = _conflict(error)
            if earlier:
                return earlier
            raise to_error("RunTask", error) from error
        finally:
            self._last_word.ensure = None
        if answer.get("failures") or not answer.get("tasks"):
            raise from_failure((answer.get("failures") or [{}])[0])
        return str(answer["tasks"][0]["taskArn"])

    @needs("ecs:StopTask")
    def stop_task(self, cluster: str, arn: str, reason: str) -> None:
        """One that is not there is stopped already."""
        try:
            self._changing("ecs").stop_task(cluster=cluster, task=arn, reason=reason[:255])
        except Exception as error:
            code, message = _told(error)
            absent = code == "InvalidParameterException" and re.search("task was not found", message, re.IGNORECASE)
            if not absent and code != "ClusterNotFoundException":
                raise to_error("StopTask", error) from error

    @needs("ecs:DescribeTasks")
    def describe_tasks(self, cluster: str, arns: Sequence[str], *, tags: bool = False) -> list[Task]:
        """Those that are there, `PAGE` of them at most; a cluster that is not there has none."""
        include = {"include": ["TAGS"]} if tags else {}
        try:
            answer = self._asking("ecs").describe_tasks(cluster=cluster, tasks=list(arns), **include)
        except Exception as error:
            if _told(error)[0] == "ClusterNotFoundException":
                return []
            raise to_error("DescribeTasks", error) from error
        return list(answer.get("tasks", []))

    @needs("ecs:ListTasks")
    def list_tasks(
        self, cluster: str, *, started_by: str | None = None, stopped: bool = False, pages: int | None = None
    ) -> Iterator[list[str]]:
        """Pages of ARNs: of tasks that are to run, or (`stopped`) that are to be stopped or are, for about an hour.
        With `started_by` Amazon takes no other filter. Eventually consistent."""
        wanted = {"startedBy": started_by} if started_by else {"desiredStatus": "STOPPED" if stopped else "RUNNING"}
        pager = self._asking("ecs").get_paginator("list_tasks")
        limit = {"PaginationConfig": {"MaxItems": pages * PAGE}} if pages else {}
        try:
            for page in pager.paginate(cluster=cluster, maxResults=PAGE, **wanted, **limit):
                yield list(page["taskArns"])
        except Exception as error:
            if _told(error)[0] != "ClusterNotFoundException":
                raise to_error("ListTasks", error) from error

    # -- task definitions ---------------------------------------------------------------------------------------------

    @needs("ecs:DescribeTaskDefinition")
    def describe_definition(self, name: str) -> dict[str, Any] | None:
        """A definition by ARN, or the latest active one of a family, with its tags under `tags`; None: there is
        none."""
        try:
            answer = self._asking("ecs").describe_task_definition(taskDefinition=name, include=["TAGS"])
        except Exception as error:
            code, message = _told(error)
            if code == "ClientException" and re.search("unable to describe task definition", message, re.IGNORECASE):
                return None
            raise to_error("DescribeTaskDefinition", error) from error
        tags = {each["key"]: each.get("value", "") for each in answer.get("tags") or []}
        return {**answer["taskDefinition"], "tags": tags}

    @needs("ecs:ListTaskDefinitions")
    def list_definitions(self, family: str, limit: int) -> list[str]:
        """ARNs of the active revisions of a family, the newest first."""
        return self._all("ListTaskDefinitions", "taskDefinitionArns", limit, familyPrefix=family, sort="DESC")

    @needs("ecs:ListTaskDefinitionFamilies")
    def list_families(self, prefix: str, limit: int) -> list[str]:
        """Families with an active revision."""
        return self._all("ListTaskDefinitionFamilies", "families", limit, familyPrefix=prefix)

    def _all(self, operation: str, field: str, limit: int, **wanted: Any) -> list[str]:
        method = re.sub(r"(?<!^)([A-Z])", r"_\1", operation).lower()
        try:
            pager = self._asking("ecs").get_paginator(method)
            pages = pager.paginate(status="ACTIVE", PaginationConfig={"MaxItems": limit, "PageSize": 100}, **wanted)
            return [each for page in pages for each in page[field]]
        except Exception as error:
            raise to_error(operation, error) from error

    @needs("ecs:RegisterTaskDefinition", "ecs:TagResource", "iam:PassRole")
    def register_definition(self, definition: Mapping[str, Any]) -> str:
        answer = self._change("ecs", "RegisterTaskDefinition", **definition)
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    @needs("ecs:DeregisterTaskDefinition")
    def deregister_definition(self, arn: str) -> None:
        self._change("ecs", "DeregisterTaskDefinition", taskDefinition=arn)

    # -- network and identity -----------------------------------------------------------------------------------------

    @needs("ec2:DescribeSubnets")
    def subnets(self, vpc_id: str | None) -> list[str]:
        """All subnets of a VPC, or the default VPC's default ones, sorted."""
        name, value = ("vpc-id", vpc_id) if vpc_id else ("default-for-az", "true")
        try:
            answer = self._asking("ec2").describe_subnets(Filters=[{"Name": name, "Values": [value]}])
        except Exception as error:
            raise to_error("DescribeSubnets", error) from error
        return sorted(each["SubnetId"] for each in answer["Subnets"])

    @needs("sts:GetCallerIdentity")
    def identity(self) -> dict[str, str]:
        """`Account` and `Arn` of whoever these credentials are. It takes no longer than one call."""
        answer = self._change("sts", "GetCallerIdentity")
        return {"Account": answer["Account"], "Arn": answer["Arn"]}

    # -- logs ---------------------------------------------------------------------------------------------------------

    @needs("logs:CreateLogGroup")
    def create_log_group(self, name: str) -> None:
        """One that is there already is fine; so is not being allowed to, where somebody else has made it."""
        try:
            self._changing("logs").create_log_group(logGroupName=name)
        except Exception as error:
            code = _told(error)[0]
            if code not in ("ResourceAlreadyExistsException", "AccessDeniedException", "AccessDenied"):
                raise to_error("CreateLogGroup", error) from error

    @needs("logs:GetLogEvents")
    def log_events(self, group: str, stream: str, **where: Any) -> dict[str, Any]:
        """`events` and the tokens of the pages beside; without events where there is no such stream (yet). `where`:
        arguments of GetLogEvents."""
        try:
            answer = self._asking("logs").get_log_events(logGroupName=group, logStreamName=stream, **where)
        except Exception as error:
            if _told(error)[0] == "ResourceNotFoundException":
                return {"events": []}
            raise to_error("GetLogEvents", error) from error
        return dict(answer)

    # -- secrets of bare commands -------------------------------------------------------------------------------------

    @needs("s3:PutObject")
    def put_object(self, bucket: str, key: str, body: bytes) -> None:
        self._change("s3", "PutObject", Bucket=bucket, Key=key, Body=body)

    @needs("s3:DeleteObject")
    def delete_object(self, bucket: str, key: str) -> None:
        """One that is not there is deleted already."""
        self._change("s3", "DeleteObject", Bucket=bucket, Key=key)

    @needs("s3:ListBucket")
    def list_objects(self, bucket: str, prefix: str) -> list[str]:
        try:
            pages = self._asking("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            return [each["Key"] for page in pages for each in page.get("Contents", [])]
        except Exception as error:
            raise to_error("ListObjectsV2", error) from error

    def _change(self, service: str, operation: str, **arguments: Any) -> Any:
        method = re.sub(r"(?<!^)([A-Z])", r"_\1", operation).lower()
        try:
            return getattr(self._changing(service), method)(**arguments)
        except Exception as error:
            raise to_error(operation, error) from error


def _told(error: Exception) -> tuple[str, str]:
    """Code and message of what Amazon answered; empty where it was something else."""
    if isinstance(error, ProviderError):
        return "", ""
    told = (getattr(error, "response", None) or {}).get("Error") or {}
    return str(told.get("Code", "")), str(told.get("Message", ""))


def _conflict(error: Exception) -> str | None:
    """The task that the request's token was used for before."""
    if _told(error)[0] != "ConflictException":
        return None
    ids = getattr(error, "response", {}).get("resourceIds") or []
    return str(ids[0]) if ids else None


class Clients:
    """One façade for each set of credentials, kept for as long as the process lives."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: dict[str, EcsClient] = {}

    def of(self, credentials: Credentials) -> EcsClient:
        """Raises `Rejected` where the SDK is not installed, and one of the port's errors where nobody is signed in."""
        key = credentials.key()
        with self._lock:
            try:
                if key not in self._clients:
                    self._clients[key] = EcsClient(Session(credentials))
            except Exception as error:
                raise to_error("sign-in", error) from error
            return self._clients[key]
