"""Where container groups run and images lie: resource providers, the resource group, the container registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skylift.provisioner import ProvisionError
from skylift_container_instance.place import TYPE
from skylift_infra.azure.account import Account, finished
from skylift_infra.azure.errors import AbsentError, just_made, seen, telling
from skylift_infra.resources import Found, Made, NotYetError, Resource

Tags = Mapping[str, str]
SKU = "Basic"
"""Of the container registry: the cheapest that there is."""
RUNS = "skylift-installation"
"""The tag that the provider puts on container groups, whose value is the installation's id."""


class Registration(Resource):
    """A resource provider, which a subscription has to register once, and keeps: it costs nothing."""

    kind = "resource provider"
    verbs = ("Register", "Registering")
    finds_itself = True
    may_be_foreign = True

    def __init__(self, account: Account, key: str, namespace: str) -> None:
        super().__init__(key, namespace)
        self.account = account

    def look(self, made: Made) -> Found | None:
        state = "Registered"  # whoever may not look at it is told by Azure where that is not so
        with telling(f"look at the resource provider {self.name}", "AuthorizationFailed"):
            state = self.account.resources.providers.get(self.name).registration_state
        return Found({"namespace": self.name}, owned=False) if state == "Registered" else None

    def create(self, made: Made) -> None:
        with telling(f"register the resource provider {self.name}"):
            self.account.resources.providers.register(self.name)

    def delete(self, found: Found) -> None:
        """Never: others may use it."""


class ResourceGroup(Resource):
    """What the pool's rights are limited to. One that is not ours is used as it is."""

    kind = "resource group"
    finds_itself = True
    may_be_foreign = True

    def __init__(self, account: Account, tags: Tags, key: str, name: str) -> None:
        super().__init__(key, name)
        self.account, self.tags = account, tags

    def look(self, made: Made) -> Found | None:
        found = seen(
            f"look at the resource group {self.name}", lambda: self.account.resources.resource_groups.get(self.name)
        )
        if not found:
            return None
        leaving = found.properties and found.properties.provisioning_state == "Deleting"
        differences = ("it is being removed",) if leaving else ()
        return Found({"id": found.id, "location": found.location}, has_marks(found.tags, self.tags), differences)

    def create(self, made: Made) -> None:
        with telling(f"create the resource group {self.name}"):
            self.account.resources.resource_groups.create_or_update(
                self.name, {"location": self.account.location, "tags": dict(self.tags)}
            )

    def mend(self, made: Made, found: Found) -> None:
        self.create(made)

    def delete(self, found: Found) -> None:
        """With the pool's own container groups, and only where nothing of anybody else's is left in it."""
        groups = self.account.resources
        with telling(f"delete the resource group {self.name}", "ResourceGroupNotFound"):
            held = list(groups.resources.list_by_resource_group(self.name))
            late = [each for each in held if has_marks(each.tags, self.tags)]
            others = [each.name for each in held if each not in late and not self._is_run(each)]
            if others:
                raise ProvisionError(
                    f"The resource group {self.name!r} holds more than Skylift has put there: {', '.join(others)}",
                    remedy="Move it to another group or remove it; then run the command again",
                )
            if late:
                raise NotYetError(f"Azure still shows {', '.join(each.name for each in late)} in {self.name!r}")
            finished(groups.resource_groups.begin_delete(self.name))

    def _is_run(self, held: Any) -> bool:
        installation = self.tags["skylift:installation"]
        return bool(held.type.lower() == TYPE.lower() and (held.tags or {}).get(RUNS) == installation)


class Registry(Resource):
    """For images. One that is not ours is used as it is; ours is removed with its images."""

    kind = "container registry"
    finds_itself = True
    may_be_foreign = True
    idle_cost = "about $5 a month"

    def __init__(self, account: Account, tags: Tags, key: str, group: str, name: str) -> None:
        super().__init__(key, name, ("group",))
        self.account, self.tags, self.group = account, tags, group

    def look(self, made: Made) -> Found | None:
        found = seen(f"look at the registry {self.name}", lambda: self.account.registries.get(self.group, self.name))
        if not found:
            return None
        owned = has_marks(found.tags, self.tags)
        differences = [] if found.properties.provisioning_state == "Succeeded" else ["it is not ready"]
        differences += ["it has an admin user with a password"] if found.properties.admin_user_enabled else []
        outputs = {"id": found.id, "host": found.properties.login_server}
        return Found(outputs, owned, tuple(differences) if owned else ())

    def create(self, made: Made) -> None:
        registry = {
            "location": self.account.location,
            "sku": {"name": SKU},
            "tags": dict(self.tags),
            "properties": {"adminUserEnabled": False},
        }
        with just_made(), telling(f"create the registry {self.name}"):
            finished(self.account.registries.begin_create(self.group, self.name, registry))

    def mend(self, made: Made, found: Found) -> None:
        with telling(f"take the admin user from the registry {self.name}"):
            change = {"properties": {"adminUserEnabled": False}}
            finished(self.account.registries.begin_update(self.group, self.name, change))

    def delete(self, found: Found) -> None:
        with absent_is_fine(), telling(f"delete the registry {self.name}"):
            finished(self.account.registries.begin_delete(self.group, self.name))


class absent_is_fine:  # noqa: N801 - read as a word of the sentence that it stands in
    """Deleting what is gone is no error."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: object, trace: object) -> bool:
        return isinstance(error, AbsentError)


def has_marks(tags: Mapping[str, str] | None, marks: Tags) -> bool:
    return all((tags or {}).get(name) == text for name, text in marks.items())
