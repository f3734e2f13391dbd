"""The roles: one of our own with what the provider declares, and Google's where they say just one thing.

Sources: cloud.google.com/iam/docs/service-account-permissions (what acting as and impersonating an account take),
cloud.google.com/run/docs/reference/iam/permissions, cloud.google.com/secret-manager/docs/access-control,
cloud.google.com/logging/docs/access-control, cloud.google.com/logging/docs/export/configure_export_v2 (who writes
for a sink).
"""

from __future__ import annotations

from skylift_cloud_run.client import PERMISSIONS, SECRET_PERMISSIONS

ACT_AS = "roles/iam.serviceAccountUser"
"""On the account that runs have, alone: on the project `iam.serviceAccounts.actAs` would be leave to be anybody."""
IMPERSONATE = "roles/iam.serviceAccountTokenCreator"
FEDERATE = "roles/iam.workloadIdentityUser"
ACCESSOR = "roles/secretmanager.secretAccessor"
PUBLISH = "roles/pubsub.publisher"
ON_THE_ACCOUNT = frozenset(["iam.serviceAccounts.actAs"])


def pushing_permissions() -> list[str]:
    """What goes into the custom role: all that the provider's calls need on the project, from its own declaration. Of
    the calls for secrets only the look whether a version is there; making secrets for bare commands takes leave to say
    who may read any secret of the project."""
    declared = {each for needed in PERMISSIONS.values() for each in needed} | set(SECRET_PERMISSIONS["has_version"])
    return sorted(declared - ON_THE_ACCOUNT)
