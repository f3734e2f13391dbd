"""The worked example of docs/base-job-templates.md does what the page says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from skylift.templates import Fetched, Layer, TemplateError, check_job_variables, check_template, render

PAGE = Path(__file__).parents[2] / "docs" / "base-job-templates.md"
SECRET = "postgres://etl:s3cret@db.example.com/etl"


def part(kind: str) -> str:
    found = re.search(rf"^```\w+ {kind}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found, kind
    return found[1]


def test_the_example() -> None:
    template = json.loads(part("template"))
    layers = [
        Layer("deployment 'etl/nightly'", json.loads(part("deployment"))),
        Layer("flow run 'red-fox'", json.loads(part("flow run"))),
    ]
    check_template(template)
    check_job_variables(template, layers[:1], complete=False)
    check_job_variables(template, layers, complete=True)
    lookup = Fetched(blocks={("secret", "etl-database"): {"value": SECRET}})
    result = render(template, layers, context={"flow": {"name": "etl"}, "flow_run": {"name": "red-fox"}}, lookup=lookup)
    assert result.configuration == json.loads(part("result"))
    assert result.secrets == {SECRET}


def test_the_example_of_an_error() -> None:
    template = json.loads(part("template"))
    layers = [
        Layer("deployment 'etl/nightly'", json.loads(part("deployment"))),
        Layer("flow run 'red-fox'", {"cpu": 128}),
    ]
    with pytest.raises(TemplateError) as caught:
        check_job_variables(template, layers, complete=True)
    assert str(caught.value) == part("error").strip()
