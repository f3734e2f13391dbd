"""Managed pools: what stands between them and the provider that the operator chose."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from skylift import collections, rendering
from skylift.errors import NotFoundError
from skylift.ids import new_id
from skylift.managed import ManagedProvider
from skylift.models.flows import DeploymentCreate, FlowCreate
from skylift.provider import FindsStrays, ForwardsOutput, Provider, Rejected
from skylift.registry import Providers
from skylift.store import deployments, flows
from skylift_process import ProcessProvider
from tests.providers.contract import ProviderContract
from tests.providers.process.support import ProcessHarness
from tests.support.cloud import Cloud
from tests.support.installation import Installation

MANAGED = "prefect:managed"


class ManagedHarness(ProcessHarness):
    def provider(self) -> ManagedProvider:  # type: ignore[override]
        return ManagedProvider(ProcessProvider(self.root))


class TestManaged(ProviderContract):
    """It keeps the promises of the provider behind it."""

    @pytest.fixture
    def harness(self, tmp_path: Path) -> ManagedHarness:
        return ManagedHarness(tmp_path)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Installation]:
    place = Installation(f"sqlite:///{tmp_path / 'skylift.db'}")
    place.store.ensure_current()
    yield place
    place.close()


def frozen(place: Installation, variables: dict[str, Any], **deployment: Any) -> rendering.Frozen:
    template = collections.base_job_template(place.parts.providers, MANAGED)
    place.pool(type=MANAGED, base_job_template=template)
    flow, _ = place.store.transaction(flows.create, FlowCreate(name="flow"))
    wanted = DeploymentCreate(
        name="d", flow_id=flow.id, work_pool_name="pool", job_variables=variables, entrypoint="a.py:go", **deployment
    )
    made, _ = place.store.transaction(deployments.upsert, wanted)
    run = place.run(made.id)
    with place.store.reading() as tx:
        return rendering.freeze(place.parts, tx, rendering.read_origins(tx, [run])[run], new_id(), "nonce")


def test_it_runs_under_the_other_provider_which_never_sees_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://pip.example.com/simple")
    harness = ManagedHarness(tmp_path)
    script = harness.script('echo "$SKYLIFT_PACKAGES $PIP_INDEX_URL"', image="ghcr.io/acme/flows:1")
    watched, ended = harness.run(script)
    assert ended.exit_code == 0
    assert harness.provider().logs(watched, 1) == [f"{tmp_path / 'packages'} https://pip.example.com/simple"]
    harness.provider().cleanup(watched)


def test_what_the_provider_knows_is_passed_on_and_what_nobody_knows_is_refused(tmp_path: Path) -> None:
    harness = ManagedHarness(tmp_path)
    with pytest.raises(Rejected, match="extinct"):
        harness.run(harness.script("true", extinct=1))


def test_it_has_the_optional_powers_of_the_other_and_no_more() -> None:
    for provider in (ProcessProvider(), Cloud()):
        behind: Provider = provider
        managed = ManagedProvider(behind)
        for power in (FindsStrays, ForwardsOutput):
            assert isinstance(managed, power) == isinstance(behind, power)


def test_the_operator_chooses_the_provider() -> None:
    cloud = Cloud()
    chosen = Providers({cloud.type: cloud}, managed=cloud.type).get(MANAGED)
    assert isinstance(chosen, ManagedProvider)
    assert chosen.provider is cloud
    usual = Providers().get(MANAGED)
    assert isinstance(usual, ManagedProvider)
    assert usual.provider.type == "process:push"
    assert {MANAGED, "process:push"} <= set(Providers().types)


@pytest.mark.parametrize("name", ["ecs:psh", MANAGED])
def test_a_choice_that_is_not_installed_is_said_at_once(name: str) -> None:
    with pytest.raises(NotFoundError, match=f"SKYLIFT_MANAGED_PROVIDER names {re.escape(repr(name))}.*process:push"):
        Providers(managed=name)


def test_the_runner_is_told_of_the_packages(place: Installation) -> None:
    made = frozen(place, {"pip_packages": ["pandas>=2"], "timeout_seconds": 10}, engine="python")
    assert made.terms
    assert made.terms["packages"] == {"install": ["pandas>=2"], "prefect": False}
    assert "pip_packages" not in made.configuration
    # The installation's time is not the run's.
    assert made.configuration["timeout_seconds"] > 600


def test_prefect_is_brought_for_its_flows(place: Installation) -> None:
    made = frozen(place, {}, engine="prefect")
    assert made.terms
    assert made.terms["packages"] == {"install": [], "prefect": True}


def test_a_command_of_ones_own_brings_its_own_prefect(place: Installation) -> None:
    command = "uv run prefect flow-run execute"
    made = frozen(place, {"command": command}, engine="prefect")
    assert made.terms
    assert made.terms["packages"] is None
