"""The module for pools on Modal: it makes nothing there, and tells Skylift what `--provision-infra` would tell it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest

from skylift.provisioner import PoolIdentity
from skylift_infra.modal.provisioner import stem
from tests.support.service import ROOT, clean_environment, serving
from tests.terraform.conftest import TOKEN_SECRET, Open
from tests.terraform.workspace import TERRAFORM, TerraformError, Workspace, planned_resources

pytestmark = [pytest.mark.terraform, pytest.mark.timeout(300)]

MODULE = TERRAFORM / "pools" / "modal"
POOL = PoolIdentity("My nightly Pool!", "modal:push", UUID("0192f0c1-2f4b-7cc3-8f3e-6f1d2a9b4c5d"))


def apply(terraform: Workspace, env: Mapping[str, str]) -> str:
    state = f"-state={terraform.scratch / 'state'}"
    return terraform.run("apply", "-auto-approve", "-no-color", "-lock=false", state, env=env)


def test_it_makes_nothing_and_names_the_app_as_the_provisioner_does(workspace: Open) -> None:
    terraform = workspace(MODULE)
    terraform.init()
    plan = terraform.plan(f"-var-file={MODULE / 'tests' / 'values.tfvars'}")
    assert [*planned_resources(plan)] == ["terraform_data.registration[0]"]
    told = plan["planned_values"]["outputs"]["registration"]["value"]
    assert told["name"] == POOL.name
    assert told["variables"] == {"environment_name": "flows", "app_name": stem(POOL), "pool_secret": None}
    assert told["credentials"]["data"] == {"token_id": "ak-abc"}


def test_skylift_is_told_and_told_again_and_never_without_the_tokens_secret(workspace: Open, tmp_path: Any) -> None:
    """By the real command, against the real service, as somebody who applies the example does it."""
    terraform = workspace(MODULE / "examples" / "pool")
    terraform.init()
    home = tmp_path / "home"
    home.mkdir()
    with serving(home) as service:
        env = {"SKYLIFT_API_URL": service.url, "PATH": f"{ROOT / '.venv' / 'bin'}:{clean_environment()['PATH']}"}
        unsaid = {name: value for name, value in terraform.env.items() if name != "TF_VAR_token_secret"}
        with pytest.raises(TerraformError, match="local-exec provisioner error"):
            apply(replace(terraform, env=unsaid), env)
        assert httpx.get(f"{service.url}/work_pools/nightly", timeout=30).status_code == 404
        said = apply(terraform, env)
        assert "Apply complete!" in said
        assert TOKEN_SECRET not in said + (tmp_path / "state").read_text()
        pool = httpx.get(f"{service.url}/work_pools/nightly", timeout=30).raise_for_status().json()
        assert (pool["type"], pool["status"], pool["concurrency_limit"]) == ("modal:push", "READY", 20)
        properties = pool["base_job_template"]["variables"]["properties"]
        assert properties["environment_name"]["default"] == "flows"
        assert TOKEN_SECRET not in json.dumps(pool)
        url = f"{service.url}/block_types/slug/modal-credentials/block_documents/name/nightly-modal-credentials"
        block = httpx.get(url, params={"include_secrets": True}, timeout=30).raise_for_status().json()["data"]
        assert block == {**block, "token_id": "ak-0000", "token_secret": TOKEN_SECRET}
        assert "0 added, 0 changed, 0 destroyed" in apply(replace(terraform, env=unsaid), env), (
            "the second time there is nothing to do"
        )
