"""Writes down how a real Prefect server describes its answers, as data for the tests.

.venv-prefect/bin/python -m tests.clients.record_schemas
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

os.environ["PREFECT_HOME"] = tempfile.mkdtemp(prefix="schemas-")

import prefect  # type: ignore[import-not-found]
from prefect.server.api.server import create_app  # type: ignore[import-not-found]

RECORD = Path(__file__).with_name("data") / "response_schemas.json"
NOT_SAID = {"title", "description", "examples", "example", "default", "deprecated"}
"""Keywords that say nothing about what is valid."""


def without_words(schema: Any) -> Any:
    if isinstance(schema, list):
        return [without_words(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {}
    for key, value in schema.items():
        if key in ("properties", "$defs"):  # here the keys are names
            found[key] = {name: without_words(each) for name, each in value.items()}
        elif key not in NOT_SAID:
            found[key] = without_words(value)
    return found


def named(schema: Any) -> set[str]:
    """The components that a schema refers to."""
    if isinstance(schema, list):
        return {name for each in schema for name in named(each)}
    if not isinstance(schema, dict):
        return set()
    here = {schema["$ref"].rpartition("/")[2]} if "$ref" in schema else set()
    return here | {name for each in schema.values() for name in named(each)}


def main() -> None:
    document = create_app(ephemeral=True, webserver_only=True).openapi()
    responses = {}
    for path, methods in document["paths"].items():
        path = path.removeprefix("/api")
        for method, operation in methods.items():
            for code, answer in operation["responses"].items():
                schema = answer.get("content", {}).get("application/json", {}).get("schema")
                if code.startswith("2") and schema:
                    responses[f"{method.upper()} {path}"] = without_words(schema)
    known, todo = {}, named(responses)
    while todo:
        name = todo.pop()
        known[name] = without_words(document["components"]["schemas"][name])
        todo |= named(known[name]) - set(known)
    record = {"prefect": prefect.__version__, "responses": responses, "components": {"schemas": known}}
    RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    print(len(responses), "responses,", len(known), "components")


if __name__ == "__main__":
    main()
