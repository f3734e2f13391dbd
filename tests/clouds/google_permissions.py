"""Which permission each call of provisioning needs, by cloud.google.com/iam/docs/permissions-reference."""

from __future__ import annotations

MORE = {
    "serviceusage.services.get": "serviceusage.services.get",
    "serviceusage.services.enable": "serviceusage.services.enable",
    "cloudresourcemanager.projects.get": "resourcemanager.projects.get",
    "cloudresourcemanager.projects.getIamPolicy": "resourcemanager.projects.getIamPolicy",
    "cloudresourcemanager.projects.setIamPolicy": "resourcemanager.projects.setIamPolicy",
    "iam.projects.serviceAccounts.create": "iam.serviceAccounts.create",
    "iam.projects.serviceAccounts.get": "iam.serviceAccounts.get",
    "iam.projects.serviceAccounts.list": "iam.serviceAccounts.list",
    "iam.projects.serviceAccounts.delete": "iam.serviceAccounts.delete",
    "iam.projects.serviceAccounts.enable": "iam.serviceAccounts.enable",
    "iam.projects.serviceAccounts.getIamPolicy": "iam.serviceAccounts.getIamPolicy",
    "iam.projects.serviceAccounts.setIamPolicy": "iam.serviceAccounts.setIamPolicy",
    "iam.projects.serviceAccounts.keys.create": "iam.serviceAccountKeys.create",
    "iam.projects.serviceAccounts.keys.list": "iam.serviceAccountKeys.list",
    "iam.projects.serviceAccounts.keys.delete": "iam.serviceAccountKeys.delete",
    "iam.projects.roles.create": "iam.roles.create",
    "iam.projects.roles.get": "iam.roles.get",
    "iam.projects.roles.patch": "iam.roles.update",
    "iam.projects.roles.delete": "iam.roles.delete",
    "iam.projects.roles.undelete": "iam.roles.undelete",
    **{
        f"iam.projects.locations.workloadIdentityPools.{kind}{verb}": f"iam.{right}.{verb}"
        for kind, right in (("", "workloadIdentityPools"), ("providers.", "workloadIdentityPoolProviders"))
        for verb in ("create", "get", "delete", "undelete")
    },
    "iam.projects.locations.workloadIdentityPools.patch": "iam.workloadIdentityPools.update",
    "iam.projects.locations.workloadIdentityPools.providers.patch": "iam.workloadIdentityPoolProviders.update",
    "artifactregistry.projects.locations.repositories.create": "artifactregistry.repositories.create",
    "artifactregistry.projects.locations.repositories.get": "artifactregistry.repositories.get",
    "artifactregistry.projects.locations.repositories.patch": "artifactregistry.repositories.update",
    "artifactregistry.projects.locations.repositories.delete": "artifactregistry.repositories.delete",
    "secretmanager.projects.secrets.getIamPolicy": "secretmanager.secrets.getIamPolicy",
    "secretmanager.projects.secrets.versions.access": "secretmanager.versions.access",
    "pubsub.projects.topics.create": "pubsub.topics.create",
    "pubsub.projects.topics.get": "pubsub.topics.get",
    "pubsub.projects.topics.delete": "pubsub.topics.delete",
    "pubsub.projects.subscriptions.create": "pubsub.subscriptions.create",
    "pubsub.projects.subscriptions.get": "pubsub.subscriptions.get",
    "pubsub.projects.subscriptions.modifyPushConfig": "pubsub.subscriptions.update",
    "pubsub.projects.subscriptions.delete": "pubsub.subscriptions.delete",
    "pubsub.projects.topics.getIamPolicy": "pubsub.topics.getIamPolicy",
    "pubsub.projects.topics.setIamPolicy": "pubsub.topics.setIamPolicy",
    "logging.projects.sinks.create": "logging.sinks.create",
    "logging.projects.sinks.get": "logging.sinks.get",
    "logging.projects.sinks.patch": "logging.sinks.update",
    "logging.projects.sinks.delete": "logging.sinks.delete",
}
"""By method; beside those of `tests.clouds.google`."""
