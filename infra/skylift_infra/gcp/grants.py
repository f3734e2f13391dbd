"""IAM policies: one binding at a time, read, changed and written back with its etag; everybody else's stay as they
are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from skylift_infra.gcp.errors import seen, telling
from skylift_infra.gcp.project import Project
from skylift_infra.resources import Found, Made, Resource

Policy = dict[str, Any]
VERSION = 3
"""Policies are asked for in this form, or conditions of others would be lost when they are written back."""


@dataclass(frozen=True, slots=True)
class Holder:
    """What has an IAM policy."""

    what: str
    """In words."""
    methods: Callable[[], Any]
    """The SDK's collection with `getIamPolicy` and `setIamPolicy`."""
    resource: str
    asks_in_body: bool = False
    """How the version that is wanted is told: the older APIs take it in a body."""

    def read(self) -> Policy | None:
        """None where there is no such thing."""
        if self.asks_in_body:
            body = {"options": {"requestedPolicyVersion": VERSION}}
            request = self.methods().getIamPolicy(resource=self.resource, body=body)
        else:
            request = self.methods().getIamPolicy(resource=self.resource, options_requestedPolicyVersion=VERSION)
        return seen(f"read who may do what on {self.what}", request)

    def write(self, policy: Policy) -> None:
        """Raises `NotYetError` where somebody else has changed it since it was read."""
        with telling(f"say who may do what on {self.what}"):
            self.methods().setIamPolicy(resource=self.resource, body={"policy": policy}).execute()


def of_project(project: Project) -> Holder:
    methods = lambda: project.api("cloudresourcemanager").projects()  # noqa: E731
    return Holder(f"project {project.id}", methods, project.name, asks_in_body=True)


def of_account(project: Project, email: str) -> Holder:
    methods = lambda: project.api("iam").projects().serviceAccounts()  # noqa: E731
    return Holder(f"service account {email}", methods, f"projects/-/serviceAccounts/{email}")


def of_secret(project: Project, name: str) -> Holder:
    methods = lambda: project.api("secretmanager").projects().secrets()  # noqa: E731
    return Holder(f"secret {name}", methods, f"{project.name}/secrets/{name}")


def of_topic(project: Project, topic: str) -> Holder:
    methods = lambda: project.api("pubsub").projects().topics()  # noqa: E731
    return Holder(f"topic {topic}", methods, topic)


class Grant(Resource):
    """A role for somebody on something. Bindings with conditions are other people's, and are not looked at."""

    kind = "IAM binding"
    verbs = ("Grant", "Granting")

    def __init__(
        self,
        key: str,
        holder: Holder,
        role: str | Callable[[Made], str],
        member: str | Callable[[Made], str],
        needs: tuple[str, ...],
        *,
        title: str,
        only: Sequence[str] | Callable[[Made], Sequence[str]] | None = None,
    ) -> None:
        """`only`: who alone is to have this role here, and whoever has it beside them is a difference; None: all."""
        super().__init__(key, title, needs)
        self.holder, self._only = holder, only
        self._role, self._member = role, member

    @property
    def words(self) -> str:
        return self.name

    def _wanted(self, made: Made) -> tuple[str, str]:
        role = self._role if isinstance(self._role, str) else self._role(made)
        return role, self._member if isinstance(self._member, str) else self._member(made)

    def _others(self, members: Sequence[str], made: Made) -> list[str]:
        """Those who are not to have it."""
        only = self._only(made) if callable(self._only) else self._only
        return [] if only is None else [each for each in members if each not in only]

    def look(self, made: Made) -> Found | None:
        role, member = self._wanted(made)
        members = _members(self.holder.read() or {}, role)
        others = self._others(members, made)
        if member not in members and not others:
            return None
        lacking = () if member in members else (f"{member} has it not",)
        return Found({"role": role, "member": member}, True, (*lacking, *(f"{each} has it, too" for each in others)))

    def create(self, made: Made) -> None:
        role, member = self._wanted(made)
        self._change(role, add=member, take=lambda members: (_gone(member), *self._others(members, made)))

    def mend(self, made: Made, found: Found) -> None:
        self.create(made)

    def delete(self, found: Found) -> None:
        """Where only some are to have it, whoever has it is ours to take it from."""
        member = found.outputs["member"]
        every = self._only is not None
        self._change(found.outputs["role"], take=lambda members: (member, _gone(member), *(members if every else ())))

    def _change(self, role: str, *, take: Callable[[Sequence[str]], tuple[str, ...]], add: str | None = None) -> None:
        policy = self.holder.read()
        if policy is None:
            if add:
                self.holder.write({"bindings": [{"role": role, "members": [add]}]})  # which says that it is not there
            return
        changed = changed_policy(policy, role, add=add, take=take(_members(policy, role)))
        if changed != policy:
            self.holder.write(changed)


def changed_policy(policy: Policy, role: str, *, add: str | None = None, take: tuple[str, ...] = ()) -> Policy:
    """Of the one binding without a condition for this role; whatever else is in the policy stays, its etag included.
    `take`: members, or beginnings of such that end with `?uid=`."""
    bindings = []
    kept = [each for each in _members(policy, role) if not any(_fits(each, one) for one in take)]
    if add and add not in kept:
        kept.append(add)
    place = next((index for index, each in enumerate(policy.get("bindings", [])) if _is(each, role)), None)
    for index, each in enumerate(policy.get("bindings", [])):
        if not _is(each, role):
            bindings.append(each)
        elif index == place and kept:
            bindings.append({**each, "members": kept})
    if place is None and kept:
        bindings.append({"role": role, "members": kept})
    return {**policy, "bindings": bindings}


def _members(policy: Policy, role: str) -> list[str]:
    return [each for binding in policy.get("bindings", []) if _is(binding, role) for each in binding.get("members", [])]


def _is(binding: Policy, role: str) -> bool:
    return binding["role"] == role and not binding.get("condition")


def _fits(member: str, taken: str) -> bool:
    return member == taken or (taken.endswith("?uid=") and member.startswith(taken))


def _gone(member: str) -> str:
    """How policies go on naming an account that was deleted."""
    return f"deleted:{member}?uid="
