"""A base job template is rendered before there is a pool that has it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.making import Api, ok

TEMPLATE: dict[str, Any] = {
    "variables": {
        "type": "object",
        "properties": {"cpu": {"type": "integer", "default": 256}, "env": {"type": "object"}},
    },
    "job_configuration": {"cpu": "{{ cpu }}", "env": "{{ env }}", "pool": "in {{ ctx.work_pool.name }}"},
}


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    """One database is enough: nothing is stored."""
    return sqlite_url


def _preview(api: Api, **body: Any) -> Any:
    return ok(api.http.post("skylift/template/preview", json={"base_job_template": TEMPLATE} | body))


def test_defaults_and_job_variables_are_filled_in(api: Api) -> None:
    found = _preview(api, job_variables={"env": {"DB_PASSWORD": "hunter2", "STAGE": "test"}})
    assert found["errors"] == []
    assert found["configuration"]["cpu"] == 256
    assert found["configuration"]["env"]["STAGE"] == "test"
    assert "hunter2" not in str(found)


def test_what_is_wrong_names_its_place(api: Api) -> None:
    found = _preview(api, job_variables={"cpu": "abc"})
    assert found["configuration"] is None
    assert [each["path"] for each in found["errors"]] == ["job_variables.cpu"]


def test_what_is_no_template_is_told(api: Api) -> None:
    assert api.http.post("skylift/template/preview", json={}).status_code == 422
    found = _preview(api, base_job_template={"variables": {}, "job_configuration": {"cpu": "{{ cpu"}})
    assert found["configuration"] is None
    assert found["errors"]
