"""IAM: roles with their one inline policy, and, where it is asked for, a user with an access key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import unquote

from skylift_infra.aws.account import Account, has_marks, tag_list, tags_of, telling
from skylift_infra.resources import Found, Made, Resource

POLICY = "skylift"
"""The name of every inline policy."""
Document = dict[str, Any]


class _Principal(Resource):
    """Somebody with one inline policy. IAM has the same calls for each kind, told apart by `word`."""

    word: ClassVar[str]
    finds_itself = True

    def __init__(
        self,
        account: Account,
        tags: Mapping[str, str],
        key: str,
        name: str,
        policy: Document | None,
        trust: Document | None = None,
    ) -> None:
        super().__init__(key, name)
        self.account, self.tags, self.policy, self.trust = account, tags, policy, trust

    def look(self, made: Made) -> Found | None:
        found: dict[str, Any] = {}
        with telling(f"read the {self.words}", "NoSuchEntity"):
            found = self._call("get_{}")[self.word.title()]
        if not found:
            return None
        trusted = self.trust is None or _document(found["AssumeRolePolicyDocument"]) == self.trust
        differences = [] if trusted else ["who may take it"]
        if self.policy:
            held = None
            with telling(f"read the policy of the {self.words}", "NoSuchEntity"):
                held = _document(self._call("get_{}_policy", PolicyName=POLICY)["PolicyDocument"])
            differences += [] if held == self.policy else ["what it may do"]
        owned = has_marks(tags_of(found.get("Tags")), self.tags)
        return Found({"arn": found["Arn"], "name": self.name}, owned, tuple(differences))

    def create(self, made: Made) -> None:
        with telling(f"create the {self.words}", "EntityAlreadyExists"):
            self._call("create_{}", Tags=tag_list(self.tags), **self._born_with())
        self._put()

    def mend(self, made: Made, found: Found) -> None:
        self._put()

    def delete(self, found: Found) -> None:
        with telling(f"delete the policy of the {self.words}", "NoSuchEntity"):
            self._call("delete_{}_policy", PolicyName=POLICY)
        with telling(f"delete the {self.words}", "NoSuchEntity"):
            self._call("delete_{}")

    def _born_with(self) -> Mapping[str, str]:
        return {}

    def _put(self) -> None:
        if self.policy:
            with telling(f"say what the {self.words} may do"):
                self._call("put_{}_policy", PolicyName=POLICY, PolicyDocument=json.dumps(self.policy))

    def _call(self, operation: str, **arguments: Any) -> Any:
        call = getattr(self.account.client("iam"), operation.format(self.word))
        return call(**{f"{self.word.title()}Name": self.name}, **arguments)


class Role(_Principal):
    """A role, the trust in it, and what it may do; `policy` None: nothing, until somebody attaches more."""

    kind, word = "IAM role", "role"

    def mend(self, made: Made, found: Found) -> None:
        with telling(f"mend the trust in the {self.words}"):
            self._call("update_assume_{}_policy", PolicyDocument=json.dumps(self.trust))
        super().mend(made, found)

    def _born_with(self) -> Mapping[str, str]:
        return {
            "AssumeRolePolicyDocument": json.dumps(self.trust),
            "Description": "Made by Skylift for a work pool",
        }


class User(_Principal):
    """A user for a dispatcher that has no identity of its own in AWS; may do what `policy` says."""

    kind, word = "IAM user", "user"


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
