"""The list of a pool's resources in AWS, in the order in which they are made, and what the pool is told of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from skylift.provisioner import Answers, Handover, PoolIdentity, Question
from skylift_ecs.permissions import Names
from skylift_infra.aws import network, policies
from skylift_infra.aws.account import Account, known_region, open_account, telling
from skylift_infra.aws.events import StateRule
from skylift_infra.aws.identities import AccessKey, Role, User
from skylift_infra.aws.images import login
from skylift_infra.aws.place import Cluster, LogGroup, PoolSecret, Repository
from skylift_infra.deploy_script import deploy_script
from skylift_infra.infrastructure import CloudInfrastructure
from skylift_infra.names import digest, stem
from skylift_infra.resources import Made, Resource, marks


class EcsProvisioner:
    """See `skylift.provisioner.Provisioner`."""

    type = "ecs:push"
    block_type = "aws-credentials"
    registry_login = "aws ecr get-login-password | docker login --username AWS --password-stdin {registry}"

    @property
    def questions(self) -> Sequence[Question]:
        return (
            Question("region", "AWS region", default=known_region()),
            Question("cluster", "ECS cluster (empty: one of its own)", default="", customary=True),
            Question("repository", "ECR repository (empty: one of its own)", default="", customary=True),
            Question("subnets", "Subnets", default=[], kind="list"),
            Question("security_group", "Security group (empty: one of its own)", default="", customary=True),
            Question("dispatcher", "ARN of who pushes runs (empty: this account)", default="", customary=True),
            Question(
                "events_to", "ARN of the queue or function that is told of task states", default="", customary=True
            ),
            Question("with_access_key", "Push with an access key", default=False, kind="switch"),
        )

    def open(self, pool: PoolIdentity, answers: Answers) -> CloudInfrastructure:
        account = open_account(answers["region"])
        layout = Layout(account, pool, answers)
        return CloudInfrastructure(
            f"AWS account {account.id} in region {account.region}",
            answers,
            layout.resources(),
            layout.handover,
            pool_changes=layout.pool_changes(),
        )


class Layout:
    """One pool's names and resources in one account."""

    def __init__(self, account: Account, pool: PoolIdentity, answers: Answers) -> None:
        self.account, self.pool, self.answers = account, pool, answers
        self.tags = marks(pool)
        self.stem = stem(pool)
        self.cluster = answers["cluster"] or self.stem
        self.log_group = f"/skylift/{self.stem}"
        self.external_id = digest(pool, 32)
        self.key: AccessKey | None = None

    def resources(self) -> list[Resource]:
        account, tags, stem = self.account, self.tags, self.stem
        tasks_trust = policies.trust_of_tasks(account.id)
        return [
            Cluster(account, tags, "cluster", self.cluster),
            LogGroup(account, tags, "logs", self.log_group),
            Repository(account, tags, "repository", self.answers["repository"] or stem),
            PoolSecret(account, tags, "secret", self._secret),
            Role(
                account,
                tags,
                "execution",
                self._role("execution"),
                policies.execution_policy(self._names(), self._secret_pattern),
                tasks_trust,
            ),
            Role(account, tags, "task", self._role("task"), None, tasks_trust),
            *self._dispatcher(),
            *self._network(),
            *self._events(),
        ]

    @property
    def _dispatcher_is(self) -> str:
        return "user" if self.answers["with_access_key"] else "role"

    @property
    def _secret(self) -> str:
        return f"{self.stem}-admission"

    @property
    def _secret_pattern(self) -> str:
        """AWS adds six characters of its own to a secret's name."""
        return self.account.arn("secretsmanager", f"secret:{self._secret}-??????")

    def _role(self, what: str) -> str:
        return f"{self.stem}-{what}"

    def _names(self) -> Names:
        """Every name is known before anything is there."""
        account = self.account
        return Names(
            partition=account.partition,
            region=account.region,
            account=account.id,
            cluster=self.cluster,
            log_group=self.log_group,
            roles=tuple(
                account.arn("iam", f"role/{self._role(each)}", regional=False) for each in ("execution", "task")
            ),
            dispatcher=account.arn("iam", f"{self._dispatcher_is}/{self._role('dispatcher')}", regional=False),
        )

    def _dispatcher(self) -> list[Resource]:
        rights = policies.dispatcher_policy(self._names())
        if self.answers["with_access_key"]:
            name = self._role("dispatcher")
            known = self.pool.block.get("aws_access_key_id")
            self.key = AccessKey(self.account, "key", name, known, ("user",))
            return [User(self.account, self.tags, "user", name, rights), self.key]
        root = f"arn:{self.account.partition}:iam::{self.account.id}:root"
        trust = policies.trust_of_dispatcher(self.answers["dispatcher"] or root, self.external_id)
        return [Role(self.account, self.tags, "dispatcher", self._role("dispatcher"), rights, trust)]

    def _network(self) -> list[Resource]:
        account, tags, stem = self.account, self.tags, self.stem
        group = self.answers["security_group"]
        if self.answers["subnets"]:
            found: list[Resource] = [network.ExistingNetwork(account, "network", ids=self.answers["subnets"])]
            where = "network"
        elif default := self._usable_default():
            found, where = [network.ExistingNetwork(account, "network", vpc=default)], "network"
        else:
            with telling("list the availability zones"):
                zones = account.client("ec2").describe_availability_zones()["AvailabilityZones"]
            names = sorted(each["ZoneName"] for each in zones)[: network.ZONES]
            subnets = [
                network.Subnet(account, tags, f"subnet-{number}", f"{stem}-{zone}", zone, number)
                for number, zone in enumerate(names)
            ]
            found, where = (
                [
                    network.Vpc(account, tags, "vpc", stem),
                    network.InternetGateway(account, tags, "gateway", stem, ("vpc",)),
                    *subnets,
                    network.RouteTable(account, tags, "routes", stem, tuple(each.key for each in subnets)),
                ],
                "vpc",
            )
        return found if group else [*found, network.SecurityGroup(account, tags, "security-group", stem, where)]

    def _usable_default(self) -> str | None:
        """The default VPC, unless a VPC of ours is there already: a plan does not change its mind."""
        if network.Vpc(self.account, self.tags, "vpc", self.stem).seen():
            return None
        default = network.default_vpc(self.account)
        return default if default and network.subnets_in(self.account, vpc=default) else None

    def _events(self) -> list[Resource]:
        target = self.answers.get("events_to")
        return [StateRule(self.account, self.tags, "events", self.stem, target, "cluster")] if target else []

    # -- what the pool is told ----------------------------------------------------------------------------------------

    def pool_changes(self) -> list[str]:
        block = f"aws-credentials block {self.pool.name}-aws-credentials"
        held = "an access key, sealed" if self.answers["with_access_key"] else "the role to assume, and no key"
        return [
            f"Write the {block}: {held}",
            "Set the cluster, roles, network, log group and pool secret in the base job template",
        ]

    def handover(self, made: Made) -> Handover:
        subnets = made["network"]["subnets"] if "network" in made else _ids(made, "subnet-")
        vpc = made["network"]["vpc"] if "network" in made else made["vpc"]["id"]
        group = self.answers["security_group"] or made["security-group"]["id"]
        host = made["repository"]["uri"].partition("/")[0]
        return Handover(
            variables={
                "cluster": self.cluster,
                "execution_role_arn": made["execution"]["arn"],
                "task_role_arn": made["task"]["arn"],
                "vpc_id": vpc,
                "subnets": subnets,
                "security_groups": [group],
                "configure_cloudwatch_logs": True,
                "cloudwatch_logs_options": {"awslogs-group": self.log_group, "awslogs-create-group": "false"},
                "pool_secret": made["secret"]["arn"],
            },
            block_data=self._block(made),
            block_keeps_secrets=bool(self.key and not self.key.secret),
            block_variable="aws_credentials",
            admission_secret_hash=made["secret"]["sha256"],
            registry=made["repository"]["uri"],
            build_namespace=host,  # each image name is a repository of its own in ECR
            login=lambda: login(self.account, host),
            notes=[deploy_script(self.pool.name, f"{made['repository']['uri']}:first", "ECS")],
        )

    def _block(self, made: Made) -> Mapping[str, Any]:
        region = {"region_name": self.account.region}
        if not self.key:
            return region | {"role_arn": made["dispatcher"]["arn"], "external_id": self.external_id}
        secret = {"aws_secret_access_key": self.key.secret} if self.key.secret else {}
        return region | {"aws_access_key_id": made["key"]["id"]} | secret


def _ids(made: Made, prefix: str) -> list[str]:
    return [outputs["id"] for key, outputs in made.items() if key.startswith(prefix)]
