"""What the policies of a role or user allow, with the conditions that ours use: the emulators leave conditions out."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote
from xml.sax.saxutils import escape

from tests.clouds.aws_backends import Backend
from tests.clouds.http_cloud import Answer

Statement = Mapping[str, Any]


def simulate(backend: Backend, parameters: Mapping[str, str]) -> Answer:
    """The answer to SimulatePrincipalPolicy."""
    context = {
        parameters[f"{entry}.ContextKeyName"]: parameters[f"{entry}.ContextKeyValues.member.1"]
        for entry in {re.sub(r"\.ContextKeyName$", "", name) for name in parameters if name.endswith("ContextKeyName")}
    }
    held = list(statements(backend, parameters["PolicySourceArn"]))
    results = "".join(
        "<member>"
        f"<EvalActionName>{escape(action)}</EvalActionName><EvalResourceName>{escape(resource)}</EvalResourceName>"
        f"<EvalDecision>{'allowed' if is_allowed(held, action, resource, context) else 'implicitDeny'}</EvalDecision>"
        "</member>"
        for action in members(parameters, "ActionNames")
        for resource in members(parameters, "ResourceArns") or ["*"]
    )
    body = f"<EvaluationResults>{results}</EvaluationResults><IsTruncated>false</IsTruncated>"
    inner = f"<SimulatePrincipalPolicyResult>{body}</SimulatePrincipalPolicyResult>"
    xml = f'<SimulatePrincipalPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">{inner}'
    return Answer(200, f"{xml}</SimulatePrincipalPolicyResponse>".encode(), {"Content-Type": "text/xml"})


def members(parameters: Mapping[str, str], name: str) -> list[str]:
    """A list as the query protocol has it."""
    return [value for key, value in parameters.items() if re.fullmatch(rf"{name}\.member\.\d+", key)]


def statements(backend: Backend, arn: str) -> Iterator[Statement]:
    """Of the inline policies; nothing of ours is attached otherwise."""
    iam, (kind, _, name) = backend.client("iam"), arn.rpartition(":")[2].partition("/")
    key = "RoleName" if kind == "role" else "UserName"
    for policy in getattr(iam, f"list_{kind}_policies")(**{key: name})["PolicyNames"]:
        found = getattr(iam, f"get_{kind}_policy")(**{key: name, "PolicyName": policy})["PolicyDocument"]
        document = json.loads(unquote(found)) if isinstance(found, str) else found
        yield from document["Statement"]


def is_allowed(held: list[Statement], action: str, resource: str, context: Mapping[str, str]) -> bool:
    return any(
        each["Effect"] == "Allow"
        and any(fnmatch.fnmatchcase(action.lower(), pattern.lower()) for pattern in each["Action"])
        and any(fnmatch.fnmatchcase(resource, pattern) for pattern in each["Resource"])
        and holds(each.get("Condition", {}), context)
        for each in held
    )


def holds(conditions: Mapping[str, Any], context: Mapping[str, str]) -> bool:
    """Whether all of a statement's conditions are met."""
    for operator, tests in conditions.items():
        assert operator in ("StringEquals", "ArnEquals"), f"{operator} is not known here"
        if any(context.get(key) != wanted for key, wanted in tests.items()):
            return False
    return True
