"""IAM: roles with their one inline policy, and, where it is asked for, a user with an access key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from skylift_infra.aws.account import Account, has_marks, tag_list, tags_of, telling
from skylift_infra.resources import Found, Made, Resource

POLICY = "skylift"
"""The name of every inline policy."""
Document = dict[str, Any]


class Role(Resource):
    """A role, the trust in it, and what it may do; `policy` None: nothing, until somebody attaches more."""

    kind = "IAM role"
    finds_itself = True

    def __init__(
        self,
        account: Account,
        tags: Mapping[str, str],
        key: str,
        name: str,
        trust: Document,
        policy: Document | None,
    ) -> None:
        super().__init__(key, name)
        self.account, self.tags, self.trust, self.policy = account, tags, trust, policy

    def look(self, made: Made) -> Found | None:
        iam = self.account.client("iam")
        found = None
        with telling(f"read the role {self.name}", "NoSuchEntity"):
            found = iam.get_role(RoleName=self.name)["Role"]
        if not found:
            return None
        differences = [] if _document(found["AssumeRolePolicyDocument"]) == self.trust else ["who may take it"]
        if self.policy:
            held = None
            with telling(f"read the policy of the role {self.name}", "NoSuchEntity"):
                held = _document(iam.get_role_policy(RoleName=self.name, PolicyName=POLICY)["PolicyDocument"])
            differences += [] if held == self.policy else ["what it may do"]
        owned = has_marks(tags_of(found.get("Tags")), self.tags)
        return Found({"arn": found["Arn"], "name": self.name}, owned, tuple(differences))

    def create(self, made: Made) -> None:
        with telling(f"create the role {self.name}", "EntityAlreadyExists"):
            self.account.client("iam").create_role(
                RoleName=self.name,
                AssumeRolePolicyDocument=json.dumps(self.trust),
                Description="Made by Skylift for a work pool",
                Tags=tag_list(self.tags),
            )
        self._put()

    def mend(self, made: Made, found: Found) -> None:
        with telling(f"mend the trust in the role {self.name}"):
            self.account.client("iam").update_assume_role_policy(
                RoleName=self.name, PolicyDocument=json.dumps(self.trust)
            )
        self._put()

    def delete(self, found: Found) -> None:
        iam = self.account.client("iam")
        with telling(f"delete the policy of the role {self.name}", "NoSuchEntity"):
            iam.delete_role_policy(RoleName=self.name, PolicyName=POLICY)
        with telling(f"delete the role {self.name}", "NoSuchEntity"):
            iam.delete_role(RoleName=self.name)

    def _put(self) -> None:
        if self.policy:
            with telling(f"say what the role {self.name} may do"):
                self.account.client("iam").put_role_policy(
                    RoleName=self.name, PolicyName=POLICY, PolicyDocument=json.dumps(self.policy)
                )


class User(Resource):
    """A user for a dispatcher that has no identity of its own in AWS; may do what `policy` says."""

    kind = "IAM user"
    finds_itself = True

    def __init__(
        self,
        account: Account,
        tags: Mapping[str, str],
        key: str,
        name: str,
        policy: Document,
    ) -> None:
        super().__init__(key, name)
        self.account, self.tags, self.policy = account, tags, policy

    def look(self, made: Made) -> Found | None:
        iam = self.account.client("iam")
        found = None
        with telling(f"read the user {self.name}", "NoSuchEntity"):
            found = iam.get_user(UserName=self.name)["User"]
        if not found:
            return None
        held = None
        with telling(f"read the policy of the user {self.name}", "NoSuchEntity"):
            held = _document(iam.get_user_policy(UserName=self.name, PolicyName=POLICY)["PolicyDocument"])
        differences = () if held == self.policy else ("what it may do",)
        return Found(
            {"arn": found["Arn"], "name": self.name}, has_marks(tags_of(found.get("Tags")), self.tags), differences
        )

    def create(self, made: Made) -> None:
        with telling(f"create the user {self.name}", "EntityAlreadyExists"):
            self.account.client("iam").create_user(UserName=self.name, Tags=tag_list(self.tags))
        self.mend(made, Found({}))

    def mend(self, made: Made, found: Found) -> None:
        with telling(f"say what the user {self.name} may do"):
            self.account.client("iam").put_user_policy(
                UserName=self.name, PolicyName=POLICY, PolicyDocument=json.dumps(self.policy)
            )

    def delete(self, found: Found) -> None:
        iam = self.account.client("iam")
        with telling(f"delete the policy of the user {self.name}", "NoSuchEntity"):
            iam.delete_user_policy(UserName=self.name, PolicyName=POLICY)
        with telling(f"delete the user {self.name}", "NoSuchEntity"):
            iam.delete_user(UserName=self.name)


class AccessKey(Resource):
    """The user's one key. Its secret is told once, so a key that the pool's block does not hold is made anew."""

    kind = "access key of"

    def __init__(self, account: Account, key: str, user: str, known_id: str | None, needs: tuple[str, ...]) -> None:
        super().__init__(key, user, needs)
        self.account, self.known_id = account, known_id
        self.secret: str | None = None

    def look(self, made: Made) -> Found | None:
        ids: list[str] = []
        with telling(f"list the access keys of {self.name}", "NoSuchEntity"):
            found = self.account.client("iam").list_access_keys(UserName=self.name)["AccessKeyMetadata"]
            ids = [each["AccessKeyId"] for each in found]
        if not ids:
            return None
        known = [self.known_id] if self.known_id in ids else []
        stray = [each for each in ids if each not in known]
        differences = ("its secret is not in the pool's credentials block",) if stray else ()
        return Found({"id": known[0] if known else ids[0]}, True, differences, detail=stray)

    def create(self, made: Made) -> None:
        with telling(f"create an access key for {self.name}"):
            found = self.account.client("iam").create_access_key(UserName=self.name)["AccessKey"]
        self.known_id, self.secret = found["AccessKeyId"], found["SecretAccessKey"]

    def mend(self, made: Made, found: Found) -> None:
        self._remove(found.detail)
        if self.known_id != found.outputs["id"]:
            self.create(made)

    def delete(self, found: Found) -> None:
        self._remove({found.outputs["id"], *found.detail})

    def _remove(self, ids: Any) -> None:
        for each in ids:
            with telling(f"delete an access key of {self.name}", "NoSuchEntity"):
                self.account.client("iam").delete_access_key(UserName=self.name, AccessKeyId=each)


def _document(value: Any) -> Document:
    """IAM answers documents as URL-quoted text; the SDK parses some of them."""
    parsed: Document = json.loads(unquote(value)) if isinstance(value, str) else value
    return parsed
