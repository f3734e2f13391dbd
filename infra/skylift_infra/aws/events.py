"""Who is told of the cluster's task states, so that an end is seen within a second: a rule, and its leave to tell.

Sources: docs.aws.amazon.com/eventbridge (resource-based policies for targets, input transformation).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from skylift.provisioner import ProvisionError
from skylift_infra.aws.account import Account, has_marks, tag_list, tags_of, telling
from skylift_infra.resources import Found, Made, Resource

SERVICE = "events.amazonaws.com"
TARGET_ID = "skylift"
WAKEUP = {"InputPathsMap": {"at": "$.time"}, "InputTemplate": '{"verb": "observe", "at": <at>}'}
"""A queue gets no event but a wakeup, for that is what Skylift takes from queues."""


class Queue:
    """An SQS queue as a target: the one of `observe`."""

    transformed: Mapping[str, Any] = {"InputTransformer": WAKEUP}

    def __init__(self, account: Account, arn: str) -> None:
        self.account, self.arn = account, arn

    def allows(self, sid: str, rule: str) -> bool:
        found: dict[str, Any] = {}
        with telling(f"read the policy of the queue {self.arn}", *NO_QUEUE):
            found = self._policy()
        return self._statement(sid, rule) in found.get("Statement", [])

    def allow(self, sid: str, rule: str) -> None:
        with telling(f"let EventBridge send to the queue {self.arn}"):
            self._write([*self._others(sid), self._statement(sid, rule)])

    def forbid(self, sid: str) -> None:
        with telling(f"take EventBridge's leave to send to the queue {self.arn}", *NO_QUEUE):
            others = self._others(sid)
            if others != self._policy().get("Statement", []):
                self._write(others)

    def _statement(self, sid: str, rule: str) -> dict[str, Any]:
        return {
            "Sid": sid,
            "Effect": "Allow",
            "Principal": {"Service": SERVICE},
            "Action": "sqs:SendMessage",
            "Resource": self.arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
        }

    def _others(self, sid: str) -> list[dict[str, Any]]:
        """What is allowed to anybody else stays."""
        return [each for each in self._policy().get("Statement", []) if each.get("Sid") != sid]

    def _policy(self) -> dict[str, Any]:
        sqs = self.account.client("sqs")
        found = sqs.get_queue_attributes(QueueUrl=self._url(), AttributeNames=["Policy"])
        text = found.get("Attributes", {}).get("Policy")
        policy: dict[str, Any] = json.loads(text) if text else {}
        return policy

    def _write(self, statements: list[dict[str, Any]]) -> None:
        document = {**(self._policy() or {"Version": "2012-10-17"}), "Statement": statements}
        text = json.dumps(document) if statements else ""  # which removes it
        self.account.client("sqs").set_queue_attributes(QueueUrl=self._url(), Attributes={"Policy": text})

    def _url(self) -> str:
        return str(self.account.client("sqs").get_queue_url(QueueName=self.arn.rpartition(":")[2])["QueueUrl"])


NO_QUEUE = ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue")


class Function:
    """A Lambda function as a target: `observe` itself."""

    transformed: Mapping[str, Any] = {}

    def __init__(self, account: Account, arn: str) -> None:
        self.account, self.arn = account, arn

    def allows(self, sid: str, rule: str) -> bool:
        found = "{}"
        with telling(f"read the policy of the function {self.arn}", "ResourceNotFoundException"):
            found = self.account.client("lambda").get_policy(FunctionName=self.arn)["Policy"]
        return any(
            each.get("Sid") == sid and rule in json.dumps(each) for each in json.loads(found).get("Statement", [])
        )

    def allow(self, sid: str, rule: str) -> None:
        with telling(f"let EventBridge call the function {self.arn}", "ResourceConflictException"):
            self.account.client("lambda").add_permission(
                FunctionName=self.arn,
                StatementId=sid,
                Action="lambda:InvokeFunction",
                Principal=SERVICE,
                SourceArn=rule,
            )

    def forbid(self, sid: str) -> None:
        with telling(f"take EventBridge's leave to call the function {self.arn}", "ResourceNotFoundException"):
            self.account.client("lambda").remove_permission(FunctionName=self.arn, StatementId=sid)


def target_of(account: Account, arn: str) -> Queue | Function:
    """Raises `ProvisionError` for what EventBridge could not tell by a policy of its target's."""
    parts = arn.split(":")
    kinds: dict[str, type[Queue] | type[Function]] = {"sqs": Queue, "lambda": Function}
    here = len(parts) > 5 and parts[3:5] == [account.region, account.id]
    if not here or parts[2] not in kinds:
        raise ProvisionError(
            f"{arn!r} cannot be told of task states",
            remedy=f"Give --events-to the ARN of a queue or function in account {account.id}, region {account.region}",
        )
    return kinds[parts[2]](account, arn)


class StateRule(Resource):
    """Tells a queue or function of the cluster's task states, and has leave to."""

    kind = "EventBridge rule"

    def __init__(
        self, account: Account, tags: Mapping[str, str], key: str, name: str, target: str, cluster: str
    ) -> None:
        super().__init__(key, name, (cluster,))
        self.account, self.tags, self.cluster = account, tags, cluster
        self.target = target_of(account, target)

    def _pattern(self, made: Made) -> dict[str, Any]:
        detail = {"clusterArn": [made[self.cluster]["arn"]]}
        return {"source": ["aws.ecs"], "detail-type": ["ECS Task State Change"], "detail": detail}

    @property
    def _told(self) -> dict[str, Any]:
        return {"Id": TARGET_ID, "Arn": self.target.arn, **self.target.transformed}

    def look(self, made: Made) -> Found | None:
        events, found, targets = self.account.client("events"), None, []
        with telling(f"read the rule {self.name}", "ResourceNotFoundException"):
            found = events.describe_rule(Name=self.name)
            targets = events.list_targets_by_rule(Rule=self.name)["Targets"]
            tags = tags_of(events.list_tags_for_resource(ResourceARN=found["Arn"])["Tags"])
        if not found:
            return None
        differences = [] if json.loads(found["EventPattern"]) == self._pattern(made) else ["what it listens to"]
        differences += [] if self._told in targets else ["whom it tells"]
        differences += [] if self.target.allows(self.name, found["Arn"]) else ["its leave to tell"]
        return Found({"arn": found["Arn"]}, has_marks(tags, self.tags), tuple(differences))

    def create(self, made: Made) -> None:
        self.mend(made, Found({}))

    def mend(self, made: Made, found: Found) -> None:
        events = self.account.client("events")
        with telling(f"make the rule {self.name}"):
            pattern = json.dumps(self._pattern(made))
            new = {} if found.outputs else {"Tags": tag_list(self.tags)}
            rule = events.put_rule(Name=self.name, EventPattern=pattern, State="ENABLED", **new)["RuleArn"]
            events.put_targets(Rule=self.name, Targets=[self._told])
        if not self.target.allows(self.name, rule):
            self.target.allow(self.name, rule)

    def delete(self, found: Found) -> None:
        """The leave first: while the rule is there, it is found again."""
        self.target.forbid(self.name)
        events = self.account.client("events")
        with telling(f"delete the rule {self.name}", "ResourceNotFoundException"):
            events.remove_targets(Rule=self.name, Ids=[TARGET_ID])
            events.delete_rule(Name=self.name)
