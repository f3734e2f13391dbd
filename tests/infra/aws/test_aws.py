"""An ECS pool's infrastructure on a local AWS: made, kept, mended, and removed, whatever fails on the way."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Network
from typing import Any

import pytest

from skylift.provisioner import ProvisionError
from skylift.wakeups import Observe
from skylift_functions.messages import from_text
from skylift_infra.aws.network import free_block
from tests.infra.aws.account import POOL, CallLostError, LocalAccount

STEM = "skylift-nightly-131c8c21"
QUEUE = "arn:aws:sqs:eu-central-1:000000000000:skylift-observe"
FUNCTION = "arn:aws:lambda:eu-central-1:000000000000:function:skylift-observe"
WAYS: dict[str, dict[str, Any]] = {
    "role": {},
    "access key": {"with_access_key": True},
    "own network": {"without_default_vpc": True},
    "events to a queue": {"events_to": QUEUE},
    "events to a function": {"events_to": FUNCTION},
}


def prepare(account: LocalAccount, way: str) -> dict[str, Any]:
    answers = dict(WAYS[way])
    if answers.pop("without_default_vpc", False):
        account.without_default_vpc()
    if "events_to" in answers:
        account.with_the_service()
    return answers


def test_the_plan_of_an_empty_account(account: LocalAccount) -> None:
    before = account.everything()
    plan = account.plan().as_json()
    assert account.everything() == before, "planning only reads"
    vpc = before["Vpcs"][0]
    assert plan == {
        "place": "AWS account 000000000000 in region eu-central-1",
        "changes": 8,
        "steps": [
            {"key": key, "kind": kind, "name": name, "action": action, "why": []}
            for key, kind, name, action in (
                ("cluster", "ECS cluster", STEM, "create"),
                ("logs", "log group", f"/skylift/{STEM}", "create"),
                ("repository", "ECR repository", STEM, "create"),
                ("secret", "secret", f"{STEM}-admission", "create"),
                ("execution", "IAM role", f"{STEM}-execution", "create"),
                ("task", "IAM role", f"{STEM}-task", "create"),
                ("dispatcher", "IAM role", f"{STEM}-dispatcher", "create"),
                ("network", "subnets", f"of the default VPC {vpc}", "adopt"),
                ("security-group", "security group", STEM, "create"),
            )
        ],
    }


@pytest.mark.parametrize("way", WAYS)
def test_made_once_and_removed_without_a_trace(account: LocalAccount, way: str) -> None:
    answers = prepare(account, way)
    before = account.everything()
    handover = account.apply(**answers)
    known = replace(POOL, block=handover.block_data)
    made = account.everything()
    assert account.changes(known, **answers) == {}
    account.apply(known, **answers)
    assert account.everything() == made
    assert "AKIA" not in json.dumps(account.record) or "secret_access" not in json.dumps(account.record)
    account.destroy(known, **answers)
    assert account.everything() == before


def test_the_pool_gets_a_role_and_no_key(account: LocalAccount) -> None:
    handover = account.apply()
    assert set(handover.block_data) == {"region_name", "role_arn", "external_id"}
    trust = account.client("iam").get_role(RoleName=f"{STEM}-dispatcher")["Role"]["AssumeRolePolicyDocument"]
    (statement,) = trust["Statement"]
    assert statement["Condition"] == {"StringEquals": {"sts:ExternalId": handover.block_data["external_id"]}}
    assert statement["Principal"] == {"AWS": "arn:aws:iam::000000000000:root"}


def test_one_access_key_whose_secret_is_known(account: LocalAccount) -> None:
    handover = account.apply(with_access_key=True)
    first = handover.block_data["aws_access_key_id"]
    assert handover.block_data["aws_secret_access_key"] not in json.dumps(account.record)
    again = account.apply(replace(POOL, block={"aws_access_key_id": first}), with_access_key=True)
    assert again.block_keeps_secrets
    assert "aws_secret_access_key" not in again.block_data
    lost = account.apply(POOL, with_access_key=True)
    assert lost.block_data["aws_access_key_id"] != first
    assert lost.block_data["aws_secret_access_key"]
    assert account.keys_of(f"{STEM}-dispatcher") == [lost.block_data["aws_access_key_id"]]


def test_what_was_changed_by_hand_is_told_and_mended(account: LocalAccount) -> None:
    account.apply()
    iam, ec2 = account.client("iam"), account.client("ec2")
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_role_policy(RoleName=f"{STEM}-dispatcher", PolicyName="skylift", PolicyDocument=json.dumps(everything))
    iam.delete_role(RoleName=f"{STEM}-task")
    account.client("logs").put_retention_policy(logGroupName=f"/skylift/{STEM}", retentionInDays=1)
    group = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": [STEM]}])["SecurityGroups"][0]
    ec2.authorize_security_group_ingress(
        GroupId=group["GroupId"], IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0"
    )
    assert account.changes() == {
        "task": ("create", ()),
        "dispatcher": ("update", ("what it may do",)),
        "logs": ("update", ("how long lines are kept",)),
        "security-group": ("update", ("something may come in",)),
    }
    account.apply()
    assert account.changes() == {}


def test_what_is_somebody_elses_is_refused_or_used(account: LocalAccount) -> None:
    account.client("iam").create_role(RoleName=f"{STEM}-task", AssumeRolePolicyDocument="{}")
    with pytest.raises(ProvisionError, match=f"{STEM}-task") as caught:
        account.plan()
    assert caught.value.remedy
    account.client("iam").delete_role(RoleName=f"{STEM}-task")
    account.client("ecs").create_cluster(clusterName="theirs")
    before = account.everything()
    answers: dict[str, Any] = {"cluster": "theirs", "subnets": before["Subnets"][:1], "security_group": "sg-12345678"}
    handover = account.apply(**answers)
    assert handover.variables["subnets"] == before["Subnets"][:1]
    assert handover.variables["security_groups"] == ["sg-12345678"]
    account.destroy(**answers)
    assert account.everything() == before


def test_wrong_answers_are_told_before_anything_is_made(account: LocalAccount) -> None:
    before = account.everything()
    with pytest.raises(ProvisionError, match="subnet-12345678"):
        account.plan(subnets=["subnet-12345678"])
    assert account.everything() == before


def test_two_pools_share_nothing(account: LocalAccount) -> None:
    account.apply()
    one = account.everything()
    other = replace(POOL, name="hourly")
    account.apply(other)
    account.destroy(other)
    assert account.everything() == one


def _there_and_back(account: LocalAccount, way: str) -> list[str]:
    """The calls that making and removing it takes."""
    answers = dict(WAYS[way])
    answers.pop("without_default_vpc", None)
    account.calls = []
    account.apply(**answers)
    account.destroy(**answers)
    return account.calls


def _failing(account: LocalAccount, way: str, acts_first: bool, at: Collection[int]) -> None:
    """Each of these calls fails once; then the next run completes, and nothing is there twice."""
    answers = prepare(account, way)
    empty = account.everything()
    account.apply(**answers)
    expected = {kind: len(names) for kind, names in account.everything().items()}
    account.destroy(**answers)
    for number in at:
        account.calls, account.fail_at, account.acts_first, failed = [], number, acts_first, 0
        for work in (
            lambda: account.apply(**answers),
            lambda: account.destroy(**answers),
        ):
            try:
                work()
            except CallLostError:
                failed += 1
                work()
                made = {kind: len(names) for kind, names in account.everything().items()}
                assert made == expected or account.everything() == empty, account.calls[number]
        assert failed == 1
        assert account.everything() == empty, account.calls[number]


LOSSES = pytest.mark.parametrize("acts_first", [False, True], ids=["fails", "loses its answer"])


@LOSSES
def test_a_call_may_fail(account: LocalAccount, monkeypatch: pytest.MonkeyPatch, acts_first: bool) -> None:
    """A part of the long tests below."""
    account.watch(monkeypatch)
    count = len(_there_and_back(account, "role"))
    _failing(account, "role", acts_first, range(7, count, 45))


@pytest.mark.long
@pytest.mark.timeout(1200)
@LOSSES
def test_every_call_may_fail(account: LocalAccount, monkeypatch: pytest.MonkeyPatch, acts_first: bool) -> None:
    account.watch(monkeypatch)
    count = len(_there_and_back(account, "role"))
    assert count > 60
    _failing(account, "role", acts_first, range(count))


@pytest.mark.long
@pytest.mark.timeout(1200)
@LOSSES
@pytest.mark.parametrize("way", [each for each in WAYS if each != "role"])
def test_every_call_that_only_another_way_makes_may_fail(
    account: LocalAccount, monkeypatch: pytest.MonkeyPatch, way: str, acts_first: bool
) -> None:
    account.watch(monkeypatch)
    usual = set(_there_and_back(account, "role"))
    prepare(account, way)
    own = [number for number, call in enumerate(_there_and_back(account, way)) if call not in usual]
    assert len(own) > 5
    _failing(account, way, acts_first, own)


def test_task_states_reach_the_queue_as_wakeups(account: LocalAccount) -> None:
    """As Skylift's function takes them from it; whoever else may send there still may."""
    account.with_the_service()
    sqs = account.client("sqs")
    url = sqs.get_queue_url(QueueName="skylift-observe")["QueueUrl"]
    theirs = {"Sid": "theirs", "Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": QUEUE}
    policy = {"Version": "2012-10-17", "Statement": [theirs]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    before = account.everything()
    account.apply(events_to=QUEUE)
    events = account.client(
        "events"
    )  # which takes no events of AWS's own from anybody: so by a rule for another source
    events.put_rule(Name="alike", EventPattern=json.dumps({"source": ["mine"]}), State="ENABLED")
    targets = events.list_targets_by_rule(Rule=STEM)["Targets"]
    events.put_targets(Rule="alike", Targets=targets)
    events.put_events(Entries=[{"Source": "mine", "DetailType": "ECS Task State Change", "Detail": "{}"}])
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    wakeup, at = from_text(message["Body"])
    assert wakeup == Observe()
    assert abs((datetime.now(UTC) - at).total_seconds()) < 60
    events.remove_targets(Rule="alike", Ids=[each["Id"] for each in targets])
    events.delete_rule(Name="alike")
    held = json.loads(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"])
    assert theirs in held["Statement"]
    held["Statement"] = [theirs]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(held)})
    assert account.changes(events_to=QUEUE) == {"events": ("update", ("its leave to tell",))}
    account.apply(events_to=QUEUE)
    assert account.changes(events_to=QUEUE) == {}
    account.destroy(events_to=QUEUE)
    assert account.everything() == before


def test_who_could_not_be_told_is_refused(account: LocalAccount) -> None:
    elsewhere = "arn:aws:sqs:eu-central-1:111122223333:skylift-observe"
    for target in (elsewhere, "arn:aws:events:eu-central-1:000000000000:event-bus/theirs", "skylift-observe"):
        with pytest.raises(ProvisionError, match="cannot be told") as caught:
            account.plan(events_to=target)
        assert "--events-to" in str(caught.value.remedy)


def test_a_vpc_overlaps_no_other() -> None:
    taken = [IPv4Network("10.214.0.0/15"), IPv4Network("10.216.7.0/24")]
    assert str(free_block(taken)) == "10.217.0.0/16"
    with pytest.raises(ProvisionError) as caught:
        free_block([IPv4Network("10.0.0.0/8")])
    assert "--subnets" in str(caught.value.remedy)
