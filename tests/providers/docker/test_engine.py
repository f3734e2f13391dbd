"""What only a real engine and a registry can show: pulls, networks, files, users, limits of time, long lines."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from skylift.provider import BusyError, Launch, Observation, Rejected, Throttled, Unreachable
from skylift_docker import DockerProvider
from tests.clouds.registry import PASSWORD, USER
from tests.providers.contract import new_launch, wait_for, watch
from tests.providers.docker.support import DockerHarness, running_harness

pytestmark = pytest.mark.containers
SECRET = "hunter2-hunter2"


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[DockerHarness]:
    yield from running_harness(tmp_path)


@pytest.fixture
def provider(harness: DockerHarness) -> DockerProvider:
    return harness.provider()


@pytest.fixture
def registry(harness: DockerHarness) -> Iterator[str]:
    """Its host; what was pulled from it is removed again."""
    host = os.environ["TEST_REGISTRY"]
    yield host
    engine = harness.containers.engine
    harness.containers.close()
    for image in engine.images():
        if any(host in tag for tag in image["RepoTags"] or []):
            engine.remove_image(image["Id"], force=True)


def bare(harness: DockerHarness, script: str, **more: Any) -> Launch:
    return new_launch({**harness.configuration("lines", {}), "command": ["sh", "-c", script], **more})


def ended(provider: DockerProvider, launch: Launch) -> Observation:
    seen = wait_for(
        lambda: provider.status([watch(launch)])[launch.attempt_id], lambda now: now.phase in ("ended", "gone"), 30
    )
    assert seen.phase == "ended"
    return seen


def ran(provider: DockerProvider, launch: Launch) -> list[str]:
    """What it said; it must end well."""
    provider.launch(launch)
    seen = ended(provider, launch)
    said = provider.logs(watch(launch), 100)
    assert seen.exit_code == 0, [seen, *said]
    return said


class TestImages:
    def test_is_pulled_where_it_is_not_there(
        self, harness: DockerHarness, provider: DockerProvider, registry: str
    ) -> None:
        launch = bare(harness, "echo pulled", image=f"{registry}/open/tool:1")
        assert ran(provider, launch) == ["pulled"]
        assert ran(provider, bare(harness, "echo again", image=f"{registry}/open/tool:1")) == ["again"]
        assert len(harness.journal.calls("ImageCreate")) == 1, "it was there the second time"
        always = bare(harness, "echo anew", image=f"{registry}/open/tool:1", image_pull_policy="Always")
        assert ran(provider, always) == ["anew"]
        assert len(harness.journal.calls("ImageCreate")) == 2

    def test_needs_credentials_that_nobody_sees(
        self, harness: DockerHarness, provider: DockerProvider, registry: str
    ) -> None:
        image = f"{registry}/private/tool:1"
        with pytest.raises(Rejected) as caught:
            provider.launch(bare(harness, "true", image=image))
        assert "registry_credentials" in str(caught.value.remedy)
        known = {"username": USER, "password": PASSWORD, "registry_url": f"http://{registry}"}
        elsewhere = known | {"registry_url": "https://ghcr.io"}
        with pytest.raises(Rejected):
            provider.launch(bare(harness, "true", image=image, registry_credentials=elsewhere))
        launch = bare(harness, "echo let in", image=image, registry_credentials=known)
        assert ran(provider, replace(launch, secrets=frozenset([PASSWORD]))) == ["let in"]
        assert PASSWORD not in harness.journal.shown()

    def test_is_not_pulled_where_that_is_not_wanted(
        self, harness: DockerHarness, provider: DockerProvider, registry: str
    ) -> None:
        image = f"{registry}/open/tool:1"
        with pytest.raises(Rejected) as caught:
            provider.launch(bare(harness, "true", image=image, image_pull_policy="Never"))
        assert "image" in str(caught.value)
        assert not harness.journal.calls("ImageCreate")

    def test_what_is_there_will_do_where_a_pull_fails(
        self, harness: DockerHarness, provider: DockerProvider, registry: str
    ) -> None:
        assert ran(provider, bare(harness, "echo mine", image_pull_policy="IfPossible")) == ["mine"]
        assert harness.journal.calls("ImageCreate")
        with pytest.raises(Rejected):
            provider.launch(bare(harness, "true", image=f"{registry}/open/tool:none", image_pull_policy="IfPossible"))

    def test_a_registry_that_has_had_enough(
        self, harness: DockerHarness, provider: DockerProvider, registry: str
    ) -> None:
        with pytest.raises(Throttled) as caught:
            provider.launch(bare(harness, "true", image=f"{registry}/busy/tool:1"))
        assert caught.value.retry_after
        assert caught.value.remedy

    def test_a_registry_that_is_away(self, harness: DockerHarness, provider: DockerProvider) -> None:
        with pytest.raises(Unreachable) as caught:
            provider.launch(bare(harness, "true", image="127.0.0.1:1/open/tool:1"))
        assert "registry" in str(caught.value.remedy)

    def test_a_slow_pull_goes_on_beside(
        self, harness: DockerHarness, registry: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(DockerProvider, "call_timeout", 2.0)
        provider = harness.provider()
        launch = bare(harness, "echo at last", image=f"{registry}/slow/tool:1")
        with pytest.raises(BusyError) as caught:
            provider.launch(launch)
        assert "still being pulled" in str(caught.value)
        assert caught.value.retry_after
        monkeypatch.setattr(DockerProvider, "call_timeout", 45.0)
        assert ran(provider, launch) == ["at last"]
        assert len(harness.journal.calls("ImageCreate")) == 1, "the second launch waited for the first one's pull"


class TestSecrets:
    def test_variables_of_a_bare_command(self, harness: DockerHarness, provider: DockerProvider) -> None:
        script = 'echo "$TOKEN"; echo "$PLAIN"; ls -a /.skylift'
        value = f"{SECRET} 'quoted' $HOME"
        launch = bare(harness, script, env={"TOKEN": value, "PLAIN": "x"}, user="65534:65534")
        launch = replace(launch, secrets=frozenset([SECRET]))
        said = ran(provider, launch)
        assert said[:2] == [value, "x"]
        assert "env" not in said[2:], "the file is gone"
        (container,) = harness.containers.ours()
        assert SECRET not in str(harness.containers.engine.inspect_container(container["Id"]))
        assert SECRET not in harness.journal.shown()
        assert harness.journal.calls("PutContainerArchive")

    def test_files_of_the_machine(self, harness: DockerHarness, provider: DockerProvider, tmp_path: Path) -> None:
        (tmp_path / "password").write_text(SECRET)
        secrets = {"db": str(tmp_path / "password")}
        said = ran(provider, bare(harness, "cat /run/secrets/db; (: > /run/secrets/db) || echo kept", secrets=secrets))
        assert f"{SECRET}kept" in said, said

    def test_the_pools(self, harness: DockerHarness, provider: DockerProvider, tmp_path: Path) -> None:
        (tmp_path / "pool").write_text(f"{SECRET}\n")
        command = ["python3", "-I", "-c", "import os; print(os.environ['SKYLIFT_POOL_SECRET'])"]
        more = {"command": command, "env": {"SKYLIFT_NONCE": "n"}, "pool_secret": str(tmp_path / "pool")}
        assert ran(provider, new_launch({**harness.configuration("lines", {}), **more})) == [SECRET]


class TestContainers:
    def test_networks(self, harness: DockerHarness, provider: DockerProvider) -> None:
        engine = harness.containers.engine
        names = ["tests-one", "tests-two"]
        for name in names:
            engine.create_network(name)
        try:
            launch = bare(harness, "sleep 30", networks=names)
            provider.launch(launch)
            (container,) = harness.containers.ours()
            joined = engine.inspect_container(container["Id"])["NetworkSettings"]["Networks"]
            assert set(joined) == set(names)
            with pytest.raises(Rejected) as caught:
                provider.launch(bare(harness, "true", networks=["nowhere"]))
            assert "networks" in str(caught.value.remedy)
            with pytest.raises(Rejected):
                provider.launch(bare(harness, "true", networks=["tests-one", "nowhere"]))
            assert len(harness.containers.ours()) == 1, "what was refused leaves nothing"
        finally:
            harness.containers.close()
            for name in names:
                engine.remove_network(name)

    def test_limits_and_users(self, harness: DockerHarness, provider: DockerProvider) -> None:
        who = "python3 -c 'import os; print(os.getuid())'"
        script = f"{who}; cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; pwd"
        more: dict[str, Any] = {"mem_limit": "96m", "cpus": 0.5, "user": "1234", "working_dir": "/tmp"}
        provider.launch(launch := bare(harness, "sleep 30", **more))
        (container,) = harness.containers.ours()
        told = harness.containers.engine.inspect_container(container["Id"])
        assert told["HostConfig"]["NanoCpus"] == 500_000_000
        assert told["HostConfig"]["Memory"] == 96 * 2**20
        provider.stop(watch(launch), 0)
        said = ran(provider, bare(harness, script, **more))
        assert said[0] == "1234"
        assert str(96 * 2**20) in said
        assert said[-1] == "/tmp"

    def test_an_init_process_hears_for_commands_that_do_not(
        self, harness: DockerHarness, provider: DockerProvider
    ) -> None:
        launch = bare(harness, "exec sleep 600", init=True)
        provider.launch(launch)
        began = time.monotonic()
        provider.stop(watch(launch), 20)
        assert ended(provider, launch).exit_code == 143
        assert time.monotonic() - began < 15

    def test_a_time_limit_is_kept_by_whoever_looks(self, harness: DockerHarness, provider: DockerProvider) -> None:
        launch = bare(harness, "trap 'exit 143' TERM; while :; do sleep 0.1; done", timeout_seconds=1.5)
        provider.launch(launch)
        seen = ended(provider, launch)
        assert "time limit" in str(seen.reason)
        assert seen.exit_code == 143
        assert seen.started_at
        assert seen.ended_at
        assert (seen.ended_at - seen.started_at).total_seconds() >= 1

    def test_a_stop_before_the_start_removes_it(self, harness: DockerHarness, provider: DockerProvider) -> None:
        launch = bare(harness, "true")
        harness.mischief.order("ContainerStart", "break", times=5)
        with pytest.raises(Unreachable):
            provider.launch(launch)
        assert provider.status([watch(launch)])[launch.attempt_id].phase == "starting"
        provider.stop(watch(launch), 5)
        assert provider.status([watch(launch)])[launch.attempt_id].phase == "gone"
        assert harness.leftovers() == []

    def test_what_runs_is_not_cleaned_up(self, harness: DockerHarness, provider: DockerProvider) -> None:
        launch = bare(harness, "sleep 600", container_create_kwargs={"volumes": ["/scratch"]})
        handle = provider.launch(launch)
        with pytest.raises(Unreachable):
            provider.cleanup(watch(launch, handle))
        provider.stop(watch(launch, handle), 0)
        ended(provider, launch)
        provider.cleanup(watch(launch, handle))
        assert harness.leftovers() == []

    def test_another_engines_runs_are_not_gone(self, harness: DockerHarness, provider: DockerProvider) -> None:
        launch = bare(harness, "true")
        elsewhere = watch(launch, "another-machine/0123abcd")
        assert provider.status([elsewhere]) == {}
        provider.stop(elsewhere, 0)
        with pytest.raises(Unreachable):
            provider.cleanup(elsewhere)

    def test_long_lines_and_many(self, harness: DockerHarness, provider: DockerProvider) -> None:
        script = "python3 -c \"print('é' * 50000); [print(n) for n in range(20000)]; print('end', end='')\""
        launch = bare(harness, script)
        provider.launch(launch)
        lines, offset = list[str](), 0
        until = time.monotonic() + 60
        while (not lines or lines[-1] != "end") and time.monotonic() < until:
            more, offset = provider.output_since(watch(launch), offset)
            lines += [text for _, text in more]
        assert lines == ["é" * 50000, *map(str, range(20000)), "end"]
        assert provider.output_since(watch(launch), offset) == ([], offset)

    def test_a_log_that_cannot_be_read(self, harness: DockerHarness, provider: DockerProvider) -> None:
        launch = bare(harness, "echo unheard", container_create_kwargs={"log_config": {"type": "none", "config": {}}})
        provider.launch(launch)
        ended(provider, launch)
        assert provider.output_since(watch(launch), 0) == ([], 0)
        assert provider.logs(watch(launch), 5) == []

    def test_names_are_for_people(self, harness: DockerHarness, provider: DockerProvider) -> None:
        launch = bare(harness, "true", name="brave otter", labels={"team": "ours"})
        provider.launch(launch)
        (container,) = harness.containers.ours()
        assert container["Names"][0].startswith(f"/brave-otter-{launch.attempt_id}-")
        assert container["Labels"]["team"] == "ours"
        assert container["Labels"]["io.skylift.flow-run"] == str(launch.flow_run_id)


class TestCheck:
    def test_a_pool_that_will_do(self, harness: DockerHarness, provider: DockerProvider) -> None:
        place = {"image": harness.image, "network_mode": "host", "mem_limit": "64m"}
        found = {each.what: each for each in provider.check(place)}
        assert {each.verdict for each in found.values()} == {"ok"}
        assert set(found) == {"Engine", "Image", "Network", "Room"}

    def test_a_pool_that_will_not(self, harness: DockerHarness, provider: DockerProvider) -> None:
        place = {
            "image": "localhost/no/such:1",
            "image_pull_policy": "Never",
            "networks": ["nowhere"],
            "cpus": 1000,
            "mem_limit": "9999g",
            "gpus": "all",
            "secrets": {"a": "/x"},
        }
        found = {each.what: each for each in provider.check(place)}
        assert {what for what, each in found.items() if each.verdict == "failed"} == {"Image", "Network", "CPUs"}
        assert found["Memory"].verdict == "warning"
        assert all(each.remedy for each in found.values() if each.verdict in ("failed", "warning"))
        assert not harness.journal.calls("ImageCreate", "ContainerCreate")

    def test_a_loopback_api_is_out_of_reach(self, harness: DockerHarness, provider: DockerProvider) -> None:
        found = {each.what: each for each in provider.check({"image": harness.image})}
        assert found["Network"].verdict == "warning"
        assert "network_mode" in str(found["Network"].remedy)

    def test_an_image_that_is_not_there_yet(self, harness: DockerHarness, provider: DockerProvider) -> None:
        found = {each.what: each for each in provider.check({"image": "localhost/no/such:1"})}
        assert found["Image"].verdict in ("unknown", "failed")
