"""Stands in for Google's own command line where Prefect's provisioner calls it: the same commands, on the local Google.

It is started as a program of its own, with the standard library alone.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROJECT = "central-kit-405415"


def ask(method: str, path: str, body: Any = None) -> Any:
    """As gcloud does, its errors end the command with a word on stderr."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{os.environ['SKYLIFT_GOOGLE_ENDPOINT']}/{path}", data=data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        sys.exit(f"ERROR: (gcloud) {json.load(error)['error']['message']}")


def main(args: Sequence[str]) -> None:
    words = [each for each in args if not each.startswith("--")]
    flags = dict(each.lstrip("-").partition("=")[::2] for each in args if each.startswith("--"))
    match words:
        case []:
            print("Google Cloud SDK, or what stands in for it")
        case ["auth", "list"]:
            print(json.dumps([{"account": "ann@example.com", "status": "ACTIVE"}]))
        case ["projects", "list"]:
            found = ask("GET", "v3/projects:search")["projects"]
            print(json.dumps([{"projectId": each["projectId"], "name": each["displayName"]} for each in found]))
        case ["config", "get-value", "project"]:
            print(PROJECT)
        case ["config", "get-value", "run/region"] | ["auth", "configure-docker", _]:
            pass
        case ["services", "enable", service]:
            for each in (service, "iam.googleapis.com", "logging.googleapis.com"):  # new projects have those
                ask("POST", f"v1/projects/{flags['project']}/services/{each}:enable", {})
        case ["artifacts", "repositories", "create", name]:
            parent = f"projects/{flags['project']}/locations/{flags['location']}"
            ask("POST", f"v1/{parent}/repositories?repositoryId={name}", {"format": flags["repository-format"].upper()})
        case ["iam", "service-accounts", "create", name, _title]:
            ask("POST", f"v1/projects/{flags['project']}/serviceAccounts", {"accountId": name})
        case ["projects", "add-iam-policy-binding", project]:
            policy = ask("POST", f"v3/projects/{project}:getIamPolicy", {"options": {"requestedPolicyVersion": 3}})
            policy.setdefault("bindings", []).append({"role": flags["role"], "members": [flags["member"]]})
            ask("POST", f"v3/projects/{project}:setIamPolicy", {"policy": policy})
        case ["iam", "service-accounts", "keys", "create", path]:
            key = ask("POST", f"v1/projects/{PROJECT}/serviceAccounts/{flags['iam-account']}/keys", {})
            Path(path).write_bytes(base64.b64decode(key["privateKeyData"]))
        case _:
            sys.exit(f"ERROR: (gcloud) Invalid choice: {' '.join(args)}")


if __name__ == "__main__":
    main(sys.argv[1:])
