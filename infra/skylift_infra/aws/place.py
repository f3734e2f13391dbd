"""Where tasks run: cluster, log group, image repository, the pool's secret."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping

from skylift_infra.aws.account import Account, has_marks, tag_list, tags_of, telling
from skylift_infra.aws.policies import lifecycle_policy
from skylift_infra.resources import Found, Made, Resource

PROVIDERS = ["FARGATE", "FARGATE_SPOT"]
KEPT_DAYS = 30


class Cluster(Resource):
    """An ECS cluster on Fargate. One that is not ours is used as it is."""

    kind = "ECS cluster"
    may_be_foreign = True
    finds_itself = True

    def __init__(self, account: Account, tags: Mapping[str, str], key: str, name: str) -> None:
        super().__init__(key, name)
        self.account, self.tags = account, tags

    def look(self, made: Made) -> Found | None:
        with telling(f"read the cluster {self.name}"):
            found = self.account.client("ecs").describe_clusters(clusters=[self.name], include=["TAGS"])["clusters"]
        live = [each for each in found if each.get("status") != "INACTIVE"]
        if not live:
            return None
        owned = has_marks(tags_of(live[0].get("tags"), key="key", value="value"), self.tags)
        missing = set(PROVIDERS) - set(live[0].get("capacityProviders") or [])
        return Found(
            {"arn": live[0]["clusterArn"], "name": self.name},
            owned,
            ("its capacity providers",) if missing and owned else (),
        )

    def create(self, made: Made) -> None:
        with telling(f"create the cluster {self.name}"):
            self.account.client("ecs").create_cluster(
                clusterName=self.name,
                tags=tag_list(self.tags, key="key", value="value"),
                capacityProviders=PROVIDERS,
                defaultCapacityProviderStrategy=[{"capacityProvider": "FARGATE", "weight": 1}],
            )

    def mend(self, made: Made, found: Found) -> None:
        with telling(f"give the cluster {self.name} its capacity providers"):
            self.account.client("ecs").put_cluster_capacity_providers(
                cluster=self.name,
                capacityProviders=PROVIDERS,
                defaultCapacityProviderStrategy=[{"capacityProvider": "FARGATE", "weight": 1}],
            )

    def delete(self, found: Found) -> None:
        with telling(f"delete the cluster {self.name}", "ClusterNotFoundException"):
            self.account.client("ecs").delete_cluster(cluster=self.name)


class LogGroup(Resource):
    """Where tasks write; old lines go."""

    kind = "log group"
    finds_itself = True

    def __init__(self, account: Account, tags: Mapping[str, str], key: str, name: str) -> None:
        super().__init__(key, name)
        self.account, self.tags = account, tags
        self.arn = account.arn("logs", f"log-group:{name}")

    def look(self, made: Made) -> Found | None:
        logs = self.account.client("logs")
        with telling(f"read the log group {self.name}"):
            found = logs.describe_log_groups(logGroupNamePrefix=self.name)["logGroups"]
            exact = [each for each in found if each["logGroupName"] == self.name]
            tags = logs.list_tags_for_resource(resourceArn=self.arn)["tags"] if exact else {}
        if not exact:
            return None
        differences = () if exact[0].get("retentionInDays") == KEPT_DAYS else ("how long lines are kept",)
        return Found({"name": self.name}, has_marks(tags, self.tags), differences)

    def create(self, made: Made) -> None:
        with telling(f"create the log group {self.name}", "ResourceAlreadyExistsException"):
            self.account.client("logs").create_log_group(logGroupName=self.name, tags=dict(self.tags))
        self.mend(made, Found({}))

    def mend(self, made: Made, found: Found) -> None:
        with telling(f"limit how long {self.name} keeps lines"):
            self.account.client("logs").put_retention_policy(logGroupName=self.name, retentionInDays=KEPT_DAYS)

    def delete(self, found: Found) -> None:
        with telling(f"delete the log group {self.name}", "ResourceNotFoundException"):
            self.account.client("logs").delete_log_group(logGroupName=self.name)


class Repository(Resource):
    """For images. One that is not ours is used as it is; ours is removed with its images."""

    kind = "ECR repository"
    may_be_foreign = True
    finds_itself = True
    idle_cost = "$0.10 a GB of images a month"

    def __init__(self, account: Account, tags: Mapping[str, str], key: str, name: str) -> None:
        super().__init__(key, name)
        self.account, self.tags = account, tags

    def look(self, made: Made) -> Found | None:
        ecr, found = self.account.client("ecr"), []
        with telling(f"read the repository {self.name}", "RepositoryNotFoundException"):
            found = ecr.describe_repositories(repositoryNames=[self.name])["repositories"]
        if not found:
            return None
        held = None
        with telling(f"read what the repository {self.name} keeps", "LifecyclePolicyNotFoundException"):
            tags = tags_of(ecr.list_tags_for_resource(resourceArn=found[0]["repositoryArn"])["tags"])
            held = json.loads(ecr.get_lifecycle_policy(repositoryName=self.name)["lifecyclePolicyText"])
        owned = has_marks(tags, self.tags)
        differences = ("how long untagged images are kept",) if owned and held != lifecycle_policy() else ()
        return Found({"uri": found[0]["repositoryUri"], "arn": found[0]["repositoryArn"]}, owned, differences)

    def create(self, made: Made) -> None:
        with telling(f"create the repository {self.name}", "RepositoryAlreadyExistsException"):
            self.account.client("ecr").create_repository(repositoryName=self.name, tags=tag_list(self.tags))
        self.mend(made, Found({}))

    def mend(self, made: Made, found: Found) -> None:
        with telling(f"say how long {self.name} keeps untagged images"):
            self.account.client("ecr").put_lifecycle_policy(
                repositoryName=self.name, lifecyclePolicyText=json.dumps(lifecycle_policy())
            )

    def delete(self, found: Found) -> None:
        with telling(f"delete the repository {self.name}", "RepositoryNotFoundException"):
            self.account.client("ecr").delete_repository(repositoryName=self.name, force=True)


class PoolSecret(Resource):
    """What the pool's containers show at their admission, beside the nonce."""

    kind = "secret"
    finds_itself = True
    idle_cost = "$0.40 a month"

    def __init__(self, account: Account, tags: Mapping[str, str], key: str, name: str) -> None:
        super().__init__(key, name)
        self.account, self.tags = account, tags

    def look(self, made: Made) -> Found | None:
        manager, found, value = self.account.client("secretsmanager"), None, ""
        with telling(f"read the secret {self.name}", "ResourceNotFoundException"):
            found = manager.describe_secret(SecretId=self.name)
            value = manager.get_secret_value(SecretId=self.name)["SecretString"]
        if not found or found.get("DeletedDate"):
            return None
        outputs = {"arn": found["ARN"], "sha256": hashlib.sha256(value.encode()).hexdigest()}
        return Found(outputs, has_marks(tags_of(found.get("Tags")), self.tags))

    def create(self, made: Made) -> None:
        with telling(f"create the secret {self.name}", "ResourceExistsException"):
            self.account.client("secretsmanager").create_secret(
                Name=self.name,
                Description="Admits the runs of a Skylift work pool",
                SecretString=secrets.token_urlsafe(32),
                Tags=tag_list(self.tags),
            )

    def delete(self, found: Found) -> None:
        with telling(f"delete the secret {self.name}", "ResourceNotFoundException"):
            self.account.client("secretsmanager").delete_secret(SecretId=self.name, ForceDeleteWithoutRecovery=True)
