"""Who pulls images and who pushes runs: managed identities, whom they trust, and, where it is asked for, an
application of the directory with a secret."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from skylift_infra.azure.account import Account, ask
from skylift_infra.azure.errors import AbsentError, just_made, seen, telling
from skylift_infra.azure.place import Tags, has_marks
from skylift_infra.resources import Found, Made, Resource

AUDIENCE = "api://AzureADTokenExchange"
LIVES, RENEWED_BEFORE = timedelta(days=365), timedelta(days=30)
"""Of a client secret."""


class Identity(Resource):
    """A user-assigned managed identity."""

    kind = "managed identity"
    finds_itself = True

    def __init__(self, account: Account, tags: Tags, key: str, group: str, name: str) -> None:
        super().__init__(key, name, ("group",))
        self.account, self.tags, self.group = account, tags, group

    def look(self, made: Made) -> Found | None:
        identities = self.account.identities.user_assigned_identities
        found = seen(f"look at the identity {self.name}", lambda: identities.get(self.group, self.name))
        if not found:
            return None
        outputs = {"id": found.id, "principal": found.principal_id, "client": found.client_id}
        return Found(outputs, has_marks(found.tags, self.tags))

    def create(self, made: Made) -> None:
        with just_made(), telling(f"create the identity {self.name}"):
            self.account.identities.user_assigned_identities.create_or_update(
                self.group, self.name, {"location": self.account.location, "tags": dict(self.tags)}
            )

    def delete(self, found: Found) -> None:
        with suppress(AbsentError), telling(f"delete the identity {self.name}"):
            self.account.identities.user_assigned_identities.delete(self.group, self.name)


class Federation(Resource):
    """Whose tokens an identity of ours takes for its own: those of a dispatcher outside of Azure."""

    kind = "federated credential"
    finds_itself = True
    NAME = "dispatcher"

    def __init__(
        self, account: Account, key: str, group: str, identity: str, issuer: str, subject: str, needs: tuple[str, ...]
    ) -> None:
        super().__init__(key, f"{identity}/{self.NAME}", needs)
        self.account, self.group, self.identity = account, group, identity
        self.trust = {"issuer": issuer, "subject": subject, "audiences": [AUDIENCE]}

    def look(self, made: Made) -> Found | None:
        trusts = self.account.identities.federated_identity_credentials
        found = seen(f"look at whom {self.identity} trusts", lambda: trusts.get(self.group, self.identity, self.NAME))
        if not found:
            return None
        held = {"issuer": found.issuer, "subject": found.subject, "audiences": list(found.audiences or [])}
        return Found({}, True, () if held == self.trust else ("whom it trusts",))

    def create(self, made: Made) -> None:
        with just_made(), telling(f"say whom {self.identity} trusts"):
            self.account.identities.federated_identity_credentials.create_or_update(
                self.group, self.identity, self.NAME, {"properties": self.trust}
            )

    def mend(self, made: Made, found: Found) -> None:
        self.create(made)

    def delete(self, found: Found) -> None:
        with suppress(AbsentError), telling(f"end the trust of {self.identity}"):
            self.account.identities.federated_identity_credentials.delete(self.group, self.identity, self.NAME)


class Application(Resource):
    """An application registration, for a dispatcher that can have no identity. Its `uniqueName` makes creating it
    again the same (https://learn.microsoft.com/graph/api/application-upsert)."""

    kind = "application"
    finds_itself = True

    def __init__(self, account: Account, tags: Tags, key: str, name: str) -> None:
        super().__init__(key, name)
        self.account = account
        self.marks = [f"{key}={value}" for key, value in tags.items()]

    def look(self, made: Made) -> Found | None:
        what = f"look at the application {self.name}"
        found = seen(what, lambda: ask(self.account.graph, "GET", f"/applications(uniqueName='{self.name}')"))
        binned = None if found else self._in_the_bin()
        found = found or binned
        if not found:
            return None
        owned = set(self.marks) <= set(found.get("tags") or [])
        differences = ("it is in the directory's bin",) if binned else ()
        return Found({"id": found["id"], "client": found["appId"]}, owned, differences)

    def _in_the_bin(self) -> dict[str, Any] | None:
        """Where the directory keeps it for 30 days, and its name with it. Not everybody may look there."""
        url: str | None = "/directory/deletedItems/microsoft.graph.application?$select=id,appId,uniqueName,tags"
        while url:
            page: dict[str, Any] = {"value": []}
            with telling("look at the deleted applications", "Authorization_RequestDenied", "Forbidden"):
                page = ask(self.account.graph, "GET", url)
            for each in page["value"]:
                if each.get("uniqueName") == self.name:
                    return dict(each)
            url = page.get("@odata.nextLink")
        return None

    def create(self, made: Made) -> None:
        body = {"displayName": self.name, "signInAudience": "AzureADMyOrg", "tags": self.marks}
        with telling(f"register the application {self.name}"):
            url = f"/applications(uniqueName='{self.name}')"
            ask(self.account.graph, "PATCH", url, body, {"Prefer": "create-if-missing"})

    def mend(self, made: Made, found: Found) -> None:
        self._purge(found)
        self.create(made)

    def delete(self, found: Found) -> None:
        with suppress(AbsentError), telling(f"delete the application {self.name}"):
            ask(self.account.graph, "DELETE", f"/applications/{found.outputs['id']}")
        self._purge(found)

    def _purge(self, found: Found) -> None:
        with suppress(AbsentError), telling(f"delete the application {self.name} for good"):
            ask(self.account.graph, "DELETE", f"/directory/deletedItems/{found.outputs['id']}")


class Principal(Resource):
    """The application as somebody who can be given rights."""

    kind = "service principal of"

    def __init__(self, account: Account, key: str, name: str, needs: tuple[str, ...]) -> None:
        super().__init__(key, name, needs)
        self.account = account

    def look(self, made: Made) -> Found | None:
        url = self._url(made["application"]["client"])
        found = seen(f"look at the principal {self.name}", lambda: ask(self.account.graph, "GET", url))
        return Found({"principal": found["id"], "client": found["appId"]}) if found else None

    def create(self, made: Made) -> None:
        with just_made(), telling(f"create the principal of the application {self.name}"):
            url = self._url(made["application"]["client"])
            ask(self.account.graph, "PATCH", url, {"displayName": self.name}, {"Prefer": "create-if-missing"})

    def delete(self, found: Found) -> None:
        with suppress(AbsentError), telling(f"delete the principal of the application {self.name}"):
            ask(self.account.graph, "DELETE", self._url(found.outputs["client"]))

    def _url(self, client: str) -> str:
        return f"/servicePrincipals(appId='{client}')"


class Secret(Resource):
    """The application's one secret. It is told once, so one that the pool's block does not hold is made anew, as is
    one that ends soon."""

    kind = "client secret of"

    def __init__(self, account: Account, key: str, name: str, known_id: str | None, needs: tuple[str, ...]) -> None:
        super().__init__(key, name, needs)
        self.account, self.known_id = account, known_id
        self.value: str | None = None

    def look(self, made: Made) -> Found | None:
        application = made["application"]["id"]
        what = f"look at the secrets of {self.name}"
        url = f"/applications/{application}?$select=passwordCredentials"
        found = seen(what, lambda: ask(self.account.graph, "GET", url))
        ends = {each["keyId"]: each["endDateTime"] for each in (found or {}).get("passwordCredentials") or []}
        if not ends:
            return None
        known = self.known_id if self.known_id in ends else None
        differences = []
        if [each for each in ends if each != known]:
            differences.append("its secret is not in the pool's credentials block")
        elif self._ends_soon(ends[known or ""]):
            differences.append(f"it ends on {ends[known or ''][:10]}")
        stray = [each for each in ends if each != known or differences]
        outputs = {"id": known or next(iter(ends)), "application": application}
        return Found(outputs, True, tuple(differences), detail=stray)

    def _ends_soon(self, when: str) -> bool:
        return datetime.fromisoformat(when[:19]).replace(tzinfo=UTC) < now() + RENEWED_BEFORE

    def create(self, made: Made) -> None:
        ends = (now() + LIVES).strftime("%Y-%m-%dT%H:%M:%SZ")
        wanted = {"passwordCredential": {"displayName": "Skylift", "endDateTime": ends}}
        with just_made(), telling(f"make a secret of the application {self.name}"):
            url = f"/applications/{made['application']['id']}/addPassword"
            told = ask(self.account.graph, "POST", url, wanted)
        self.known_id, self.value = told["keyId"], told["secretText"]

    def mend(self, made: Made, found: Found) -> None:
        """The new one first: until the block holds it, runs are pushed with the old one, if it is still known."""
        if not self.value:
            self.create(made)
        self._remove(found.outputs["application"], [each for each in found.detail if each != self.known_id])

    def delete(self, found: Found) -> None:
        self._remove(found.outputs["application"], {found.outputs["id"], *found.detail})

    def _remove(self, application: str, ids: Any) -> None:
        for each in ids:
            with suppress(AbsentError), telling(f"remove a secret of the application {self.name}", "BadRequest"):
                ask(self.account.graph, "POST", f"/applications/{application}/removePassword", {"keyId": each})


def now() -> datetime:
    return datetime.now(UTC)


def trusted(dispatcher: str) -> Mapping[str, str] | None:
    """`issuer|subject` taken apart; None where nothing is given. Raises `ValueError`."""
    if not dispatcher:
        return None
    issuer, bar, subject = dispatcher.partition("|")
    if not bar or not issuer.startswith("https://") or not subject:
        raise ValueError(dispatcher)
    return {"issuer": issuer, "subject": subject}
