"""A local AWS account: what is in it, and calls to it that go wrong."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from botocore.exceptions import ClientError

from skylift.provisioner import PoolIdentity
from skylift_infra.aws import PROVISIONER
from skylift_infra.aws.account import Account
from tests.clouds.aws_backends import Backend
from tests.infra.pools import LocalPools

POOL = PoolIdentity("nightly", "ecs:push", UUID(int=7))


class CallLostError(Exception):
    """The test's network failed here."""


@dataclass
class LocalAccount(LocalPools):
    """`fail_at`: the number of the call that goes wrong; with `acts_first` it is done and its answer lost."""

    provisioner = PROVISIONER
    usual = POOL
    backend: Backend
    calls: list[str] = field(default_factory=list)
    fail_at: int | None = None
    acts_first: bool = False

    def watch(self, monkeypatch: Any) -> None:
        """From now on calls are counted, and the one at `fail_at` goes wrong."""
        real = Account.client

        def watched(account: Account, service: str) -> Any:
            return _Watched(self, service, real(account, service))

        monkeypatch.setattr(Account, "client", watched)

    def called(self, name: str, call: Callable[[], Any]) -> Any:
        number = len(self.calls)
        self.calls.append(name)
        if number != self.fail_at:
            return call()
        if self.acts_first:
            with suppress(ClientError):  # a refusal is an answer, too
                call()
        raise CallLostError(name)

    def everything(self) -> dict[str, list[str]]:
        """All that is there, by kind."""
        iam, ec2 = self.client("iam"), self.client("ec2")
        found: dict[str, list[str]] = {
            "roles": [each["RoleName"] for each in iam.list_roles()["Roles"]],
            "users": [each["UserName"] for each in iam.list_users()["Users"]],
            "clusters": self.client("ecs").list_clusters()["clusterArns"],
            "repositories": [
                each["repositoryName"] for each in self.client("ecr").describe_repositories()["repositories"]
            ],
            "log groups": [each["logGroupName"] for each in self.client("logs").describe_log_groups()["logGroups"]],
            "secrets": [each["Name"] for each in self.client("secretsmanager").list_secrets()["SecretList"]],
            "rules": [each["Name"] for each in self.client("events").list_rules()["Rules"]],
        }
        for listing, answer, name in (
            ("describe_vpcs", "Vpcs", "VpcId"),
            ("describe_subnets", "Subnets", "SubnetId"),
            ("describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
            ("describe_route_tables", "RouteTables", "RouteTableId"),
            ("describe_security_groups", "SecurityGroups", "GroupId"),
        ):
            found[answer] = [each[name] for each in getattr(ec2, listing)()[answer]]
        return {kind: sorted(names) for kind, names in found.items()} | {"may tell": self._may_tell()}

    def _may_tell(self) -> list[str]:
        """What queues and functions allow."""
        sqs, functions = self.client("sqs"), self.client("lambda")
        found = []
        for url in sqs.list_queues().get("QueueUrls", []):
            held = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"]).get("Attributes", {})
            found += [each["Sid"] for each in json.loads(held.get("Policy") or "{}").get("Statement", [])]
        for each in functions.list_functions()["Functions"]:
            with suppress(ClientError):
                policy = functions.get_policy(FunctionName=each["FunctionName"])["Policy"]
                found += [one["Sid"] for one in json.loads(policy)["Statement"]]
        return sorted(found)

    def with_the_service(self) -> None:
        """Skylift's own queue and function, as its deployment makes them."""
        self.client("sqs").create_queue(QueueName="skylift-observe")
        functions, code = self.client("lambda"), io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("app.py", "def handler(event, context): pass")
        with suppress(functions.exceptions.ResourceConflictException):  # it is there
            functions.create_function(
                FunctionName="skylift-observe",
                Runtime="python3.12",
                Role="arn:aws:iam::000000000000:role/any",
                Handler="app.handler",
                Code={"ZipFile": code.getvalue()},
            )

    def keys_of(self, user: str) -> list[str]:
        found = self.client("iam").list_access_keys(UserName=user)["AccessKeyMetadata"]
        return [each["AccessKeyId"] for each in found]

    def without_default_vpc(self) -> None:
        """As accounts are where somebody has cleaned up."""
        ec2 = self.client("ec2")
        for subnet in ec2.describe_subnets()["Subnets"]:
            ec2.delete_subnet(SubnetId=subnet["SubnetId"])
        for gateway in ec2.describe_internet_gateways()["InternetGateways"]:
            for attached in gateway["Attachments"]:
                ec2.detach_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"], VpcId=attached["VpcId"])
            ec2.delete_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"])
        for vpc in ec2.describe_vpcs()["Vpcs"]:
            ec2.delete_vpc(VpcId=vpc["VpcId"])

    def client(self, service: str) -> Any:
        """The SDK's own, which is neither counted nor goes wrong."""
        return self.backend.client(service)


class _Watched:
    """A client of the SDK whose calls are told of."""

    def __init__(self, account: LocalAccount, service: str, client: Any) -> None:
        self._account, self._service, self._real = account, service, client

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self._real, name)

        def call(**arguments: Mapping[str, Any]) -> Any:
            return self._account.called(f"{self._service}.{name}", lambda: operation(**arguments))

        return call
