"""The list of a pool's resources in Google Cloud, in the order in which they are made, and what the pool is told of
them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from skylift.provisioner import Answers, Handover, PoolIdentity, ProvisionError, Question
from skylift_cloud_run.credentials import Credentials
from skylift_infra.deploy_script import deploy_script
from skylift_infra.gcp import federation, grants, in_force, names
from skylift_infra.gcp.grants import Grant
from skylift_infra.gcp.identities import CustomRole, Key, PushingAccount, RuntimeAccount, email_of
from skylift_infra.gcp.images import login
from skylift_infra.gcp.place import Api, PoolSecret, Repository, Sink, Topic
from skylift_infra.gcp.project import Project, known_project, known_region, list_projects, member
from skylift_infra.gcp.rights import ACCESSOR, ACT_AS, FEDERATE, IMPERSONATE, PUBLISH, pushing_permissions
from skylift_infra.gcp.subscription import Subscription, listener
from skylift_infra.infrastructure import CloudInfrastructure
from skylift_infra.resources import Made, Resource

APIS = {
    "run": "Cloud Run",
    "artifactregistry": "Artifact Registry",
    "iam": "Identity and Access Management",
    "iamcredentials": "IAM Service Account Credentials",
    "cloudresourcemanager": "Cloud Resource Manager",
    "secretmanager": "Secret Manager",
    "logging": "Cloud Logging",
}
REGION = re.compile(r"[a-z]+-[a-z]+[0-9]+")


class CloudRunProvisioner:
    """See `skylift.provisioner.Provisioner`."""

    block_type = "gcp-credentials"
    registry_login = "gcloud auth configure-docker {registry}"

    def __init__(self, type_: str) -> None:
        self.type = type_

    @property
    def questions(self) -> Sequence[Question]:
        return (
            Question("project", "Google Cloud project", default=known_project(), choices=lambda _: list_projects()),
            Question("region", "Region", default=known_region()),
            Question("repository", "Artifact Registry repository (empty: one of its own)", default="", customary=True),
            Question(
                "service_account", "Service account that runs have (empty: one of its own)", default="", customary=True
            ),
            Question("dispatcher", "Who pushes runs (empty: you)", default="", customary=True),
            Question(
                "events_to",
                "Who is told when runs end: a Pub/Sub topic, or the function's address|account (empty: nobody)",
                default="",
                customary=True,
            ),
            Question("with_key", "Push with a key", default=False, kind="switch"),
        )

    def open(self, pool: PoolIdentity, answers: Answers) -> CloudInfrastructure:
        if not REGION.fullmatch(answers["region"]):
            raise ProvisionError(f"{answers['region']!r} is no region of Google's", remedy="One is us-central1")
        project = Project(answers["project"], answers["region"])
        project.check()
        layout = Layout(project, pool, answers)
        return CloudInfrastructure(
            f"GCP project {project.id} in region {project.region}",
            answers,
            layout.resources(),
            layout.handover,
            pool_changes=layout.pool_changes(),
            former=layout.former(),
        )


class Layout:
    """One pool's names and resources in one project."""

    def __init__(self, project: Project, pool: PoolIdentity, answers: Answers) -> None:
        self.project, self.pool, self.answers = project, pool, answers
        self.labels = names.labels(pool)
        self.stem = names.stem(pool)
        self.runtime = answers.get("service_account") or names.account_id(pool, "run")
        self.runtime_email = email_of(project, self.runtime)
        self.pushing = PushingAccount(
            project, pool, "dispatcher", names.account_id(pool, "push"), keyless=not answers["with_key"]
        )
        self.secret = f"{self.stem}-admission"
        self.key: Key | None = None

    def resources(self) -> list[Resource]:
        project, pool = self.project, self.pool
        runtime = RuntimeAccount(project, pool, "runtime", self.runtime, "Has the runs")
        return [
            *self._apis(),
            Repository(project, self.labels, "repository", self.answers.get("repository") or self.stem),
            runtime,
            PoolSecret(project, self.labels, "secret", self.secret),
            self._grant_reading(),
            CustomRole(project, pool, "role", names.role_id(pool), pushing_permissions()),
            self.pushing,
            *self._grants_of_pushing(),
            *self._way_in(),
            *self._events(),
        ]

    def _apis(self) -> list[Resource]:
        wanted = APIS | ({"pubsub": "Pub/Sub"} if self.answers.get("events_to") else {})
        wanted |= {"sts": "Security Token Service"} if self.outsider and not self.answers["with_key"] else {}
        return [Api(self.project, f"api-{each}", f"{each}.googleapis.com", title) for each, title in wanted.items()]

    def _grant_reading(self) -> Resource:
        return Grant(
            "secret-reading",
            grants.of_secret(self.project, self.secret),
            ACCESSOR,
            f"serviceAccount:{self.runtime_email}",
            ("secret", "runtime"),
            title=f"reading of secret {self.secret} to {self.runtime}",
        )

    def _grants_of_pushing(self) -> list[Resource]:
        who = f"serviceAccount:{self.pushing.email}"
        return [
            Grant(
                "pushing",
                grants.of_project(self.project),
                lambda made: str(made["role"]["name"]),
                who,
                ("api-cloudresourcemanager", "role", "dispatcher"),
                title=f"custom role {names.role_id(self.pool)} to {self.pushing.name}",
            ),
            Grant(
                "acting",
                grants.of_account(self.project, self.runtime_email),
                ACT_AS,
                who,
                ("runtime", "dispatcher"),
                title=f"Service Account User on {self.runtime} alone to {self.pushing.name}",
            ),
        ]

    def _way_in(self) -> list[Resource]:
        """How whoever dispatches becomes the pushing account."""
        if self.answers["with_key"]:
            self.key = Key(self.project, "key", self.pushing, self.pool.block.get("key_id"))
            return [self.key]
        found: list[Resource] = self._federation()
        for number, who in enumerate(self.impersonators):
            found.append(
                Grant(
                    f"impersonation-{number}",
                    grants.of_account(self.project, self.pushing.email),
                    IMPERSONATE,
                    who,
                    ("dispatcher",),
                    title=f"impersonation of {self.pushing.name} to {who}",
                    only=self.impersonators,
                )
            )
        return found

    def _federation(self) -> list[Resource]:
        """For a dispatcher in AWS or Azure."""
        who = self.outsider
        if not who:
            return []
        return [
            federation.IdentityPool(self.project, self.pool),
            federation.IdentityProvider(self.project, self.pool, "identity-provider", who.provider, who),
            Grant(
                "federation",
                grants.of_account(self.project, self.pushing.email),
                FEDERATE,
                lambda made: federation.member(self.project, self.pool, who),
                ("dispatcher", "identity-provider"),
                title=f"impersonation of {self.pushing.name} to {who.words}",
                only=lambda made: [federation.member(self.project, self.pool, who)],
            ),
        ]

    def former(self) -> list[Resource]:
        """What let in whoever dispatched from another cloud before."""
        who = None if self.answers["with_key"] else self.outsider
        pool = [] if who else [federation.IdentityPool(self.project, self.pool)]
        others = [each for each in federation.PROVIDERS if not who or each != who.provider]
        providers = [
            federation.IdentityProvider(self.project, self.pool, f"former-identity-provider-{each}", each, None)
            for each in others
        ]
        grant = Grant(
            "former-federation",
            grants.of_account(self.project, self.pushing.email),
            FEDERATE,
            "nobody",
            ("dispatcher",),
            title=f"impersonation of {self.pushing.name} to whoever dispatched from another cloud",
            only=(),
        )
        return [*pool, *providers, *([] if who else [grant])]

    @property
    def named(self) -> list[str]:
        return [each.strip() for each in (self.answers.get("dispatcher") or "").split(",") if each.strip()]

    @cached_property
    def outsider(self) -> federation.Outsider | None:
        """The dispatcher in another cloud, if there is one. Raises `ProvisionError` where there are two."""
        found = [each for each in map(federation.outsider, self.named) if each]
        if len(found) > 1:
            raise ProvisionError("Only one dispatcher can be in another cloud", remedy="Name one with --dispatcher")
        return found[0] if found else None

    @property
    def impersonators(self) -> list[str]:
        """Whom the answer names, or whoever types."""
        within = [member(each) for each in self.named if not federation.outsider(each)]
        return within if self.named else [self.project.person]

    def _events(self) -> list[Resource]:
        answer = self.answers.get("events_to")
        if not answer:
            return []
        told = listener(answer)
        name = self.stem if told else answer
        topic = name if name.startswith("projects/") else f"{self.project.name}/topics/{name}"
        pushed = [Subscription(self.project, self.labels, "subscription", self.stem, topic, told)] if told else []
        return [
            Topic(self.project, self.labels, "topic", topic),
            Sink(self.project, self.pool, "sink", self.stem, topic),
            Grant(
                "publishing",
                grants.of_topic(self.project, topic),
                PUBLISH,
                lambda made: str(made["sink"]["writer"]),
                ("topic", "sink"),
                title=f"publishing in topic {topic} to log sink {self.stem}",
            ),
            *pushed,
        ]

    # -- what the pool is told ----------------------------------------------------------------------------------------

    def pool_changes(self) -> list[str]:
        block = f"gcp-credentials block {self.pool.name}-gcp-credentials"
        settings = "Set project, region, service account and pool secret in the base job template"
        if self.answers["with_key"]:
            return [f"Create {block} to store the service account key, sealed", settings]
        lines = [f"Create {block} to store which service account to impersonate, and no key", settings]
        if not self.answers.get("dispatcher"):
            lines.append("(Where Skylift itself runs without an identity that Google knows, say --with-key)")
        return lines

    def handover(self, made: Made) -> Handover:
        registry = made["repository"]["uri"]
        return Handover(
            variables={
                "project": self.project.id,
                "region": self.project.region,
                "service_account_name": made["runtime"]["email"],
                "pool_secret": made["secret"]["name"],
            },
            block_data=self._block(made),
            block_keeps_secrets=bool(self.key and not self.key.told),
            block_variable="credentials",
            admission_secret_hash=made["secret"]["sha256"],
            registry=registry,
            login=lambda: login(self.project, registry.partition("/")[0]),
            notes=[*self._warning(made), deploy_script(self.pool.name, f"{registry}/hello:first", "Cloud Run")],
        )

    def _warning(self, made: Made) -> list[str]:
        """Waits for the rights, where it can be tried from here whether they are in force."""
        may_try = bool(self.key.told) if self.key else not self.answers.get("dispatcher")
        who = Credentials.model_validate(self._block(made))
        if not may_try or in_force.wait(who, self.project.id, pushing_permissions(), self.runtime_email):
            return []
        return ["Google has not put the new rights in force yet: the first runs may be refused for some minutes."]

    def _block(self, made: Made) -> Mapping[str, Any]:
        if not self.key:
            held = {"project": self.project.id, "impersonate_service_account": made["dispatcher"]["email"]}
            return {**held, **self._by_federation()}
        told = {"service_account_info": self.key.told} if self.key.told else {}
        return {"project": self.project.id, "key_id": made["key"]["id"], **told}

    def _by_federation(self) -> Mapping[str, Any]:
        if not self.outsider:
            return {}
        way = {"workload_identity_provider": federation.audience(self.project, self.pool, self.outsider)}
        application = self.outsider.application
        return {**way, "azure_application": application} if application else way
