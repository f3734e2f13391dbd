"""Looking at tasks through answers that are behind, and keeping the time that ECS does not keep."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from skylift.provider import Launch, Unreachable, Watched
from skylift_ecs import EcsProvider, tasks
from skylift_ecs.observe import OVERDUE
from tests.clouds.aws import LocalAws
from tests.clouds.ecs_events import disordered
from tests.providers.contract import new_launch, wait_for, watch
from tests.providers.ecs.support import rendered


def launched(cloud: LocalAws, provider: EcsProvider, *command: str, **more: Any) -> tuple[Launch, str]:
    launch = new_launch(rendered(cloud, list(command), {}, **more))
    return launch, provider.launch(launch)


class TestBehind:
    def test_a_task_that_was_just_launched_is_not_gone(self, cloud: LocalAws) -> None:
        cloud.tasks.visible_after = 1.0
        provider = EcsProvider(settle=5)
        launch, handle = launched(cloud, provider, "true")
        assert dict(provider.status([watch(launch, handle)])) == {}, "unknown is not gone"
        seen = wait_for(lambda: provider.status([watch(launch, handle)]), bool, 10)
        assert seen[launch.attempt_id].handle == handle

    def test_a_task_that_stays_missing_is_gone(self, cloud: LocalAws) -> None:
        provider = EcsProvider(settle=0.3)
        launch = new_launch(rendered(cloud, ["true"], {}))
        handle = f"arn:aws:ecs:eu-central-1:000000000000:task/runs/{launch.attempt_id.hex}"
        assert dict(provider.status([watch(launch, handle)])) == {}
        time.sleep(0.35)
        assert provider.status([watch(launch, handle)])[launch.attempt_id].phase == "gone"

    def test_a_launch_again_finds_what_no_list_shows_yet(self, cloud: LocalAws) -> None:
        cloud.tasks.visible_after = 60.0
        provider = EcsProvider()
        launch, handle = launched(cloud, provider, "true")
        assert EcsProvider().launch(launch) == handle
        assert len(cloud.tasks.all) == 1

    def test_who_stopped_is_found_among_those_that_stopped(self, cloud: LocalAws) -> None:
        """A list by `startedBy` shows what is to run only, and takes no other filter."""
        provider = EcsProvider()
        launch, handle = launched(cloud, provider, "sh", "-c", "exit 5")
        assert wait_for(lambda: provider.status([watch(launch, handle)])[launch.attempt_id].exit_code == 5, bool, 10)
        seen = provider.status([watch(launch)])[launch.attempt_id]
        assert (seen.phase, seen.exit_code, seen.handle) == ("ended", 5, handle)

    def test_who_may_be_among_too_many_is_not_called_gone(
        self, cloud: LocalAws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tasks, "STOPPED_PAGES", 1)
        provider = EcsProvider()
        other, handle = launched(cloud, provider, "true")
        assert wait_for(lambda: provider.status([watch(other, handle)])[other.attempt_id].phase == "ended", bool, 10)
        stranger = new_launch(rendered(cloud, ["true"], {}))
        assert dict(provider.status([watch(stranger)])) == {}


class TestBatches:
    def test_many_are_asked_about_in_hundreds(self, cloud: LocalAws) -> None:
        provider = EcsProvider(settle=0)
        launch, handle = launched(cloud, provider, "sleep", "600")
        others = [new_launch(rendered(cloud, ["true"], {})) for _ in range(249)]
        base = handle.rpartition("/")[0]
        asked = [watch(launch, handle), *(watch(each, f"{base}/{each.attempt_id.hex}") for each in others)]
        found = provider.status(asked)
        assert len(found) == 250
        assert len(cloud.journal.calls("DescribeTasks")) == 3
        assert not cloud.journal.calls("ListTasks")

    def test_one_account_that_cannot_be_asked_does_not_hide_the_others(self, cloud: LocalAws) -> None:
        provider = EcsProvider()
        launch, handle = launched(cloud, provider, "sleep", "600")
        nowhere = {"endpoint_url": "http://127.0.0.1:9"}
        away = rendered(cloud, ["true"], {}, aws_credentials={**cloud.credentials, "aws_client_parameters": nowhere})
        lost = new_launch(away)
        found = provider.status([watch(lost, handle), watch(launch, handle)])
        assert set(found) == {launch.attempt_id}
        with pytest.raises(Unreachable):
            provider.status([watch(lost, handle)])


def test_a_bare_command_that_takes_too_long_is_stopped_by_whoever_looks(cloud: LocalAws) -> None:
    provider = EcsProvider()
    launch, handle = launched(cloud, provider, "sleep", "600", timeout_seconds=0.5)
    seen = wait_for(
        lambda: provider.status([watch(launch, handle)])[launch.attempt_id], lambda seen: seen.phase == "ended", 15
    )
    assert seen.exit_code == 143
    assert OVERDUE in (seen.reason or "")


class TestLines:
    def test_an_object_that_has_not_read_before_goes_on_where_another_was(self, cloud: LocalAws) -> None:
        provider = EcsProvider()
        script = "for i in $(seq 300); do echo line $i; done; sleep 1; echo last"
        launch, handle = launched(cloud, provider, "sh", "-c", script)
        lines: list[str] = []
        offset, until = 0, time.monotonic() + 15
        while "last" not in lines and time.monotonic() < until:
            more, offset = EcsProvider().output_since(watch(launch, handle), offset)
            lines += [text for _, text in more]
            more, offset = provider.output_since(watch(launch, handle), offset)
            lines += [text for _, text in more]
        assert lines == [*(f"line {number}" for number in range(1, 301)), "last"]
        assert provider.logs(watch(launch, handle), 2) == ["line 300", "last"]

    def test_without_logs_there_are_no_lines(self, cloud: LocalAws) -> None:
        provider = EcsProvider()
        launch, handle = launched(cloud, provider, "echo", "unheard", configure_cloudwatch_logs=False)
        assert provider.logs(watch(launch, handle), 5) == []
        assert provider.output_since(watch(launch, handle), 3) == ([], 3)
        assert "logs" not in provider.links(watch(launch, handle))


class TestEvents:
    @pytest.mark.parametrize("seed", range(3))
    def test_events_in_any_order_and_twice_are_all_about_their_attempts(self, cloud: LocalAws, seed: int) -> None:
        provider = EcsProvider()
        started = [launched(cloud, provider, "sh", "-c", f"exit {code}") for code in range(3)]
        assert wait_for(lambda: len([1 for each in cloud.tasks.events if _is_end(each)]), lambda n: n == 3, 10) == 3
        heard = [each for event in disordered(cloud.tasks.events, seed) for each in provider.read_event(event)]
        assert {each.attempt_id for each in heard} == {launch.attempt_id for launch, _ in started}
        ends = {each.attempt_id: each.observation for each in heard if each.observation.phase == "ended"}
        described = provider.status([watch(launch, handle) for launch, handle in started])
        for attempt, seen in described.items():
            assert (ends[attempt].exit_code, ends[attempt].reason) == (seen.exit_code, seen.reason)

    def test_no_event_shows_a_tag(self, cloud: LocalAws) -> None:
        launched(cloud, EcsProvider(), "true")
        assert all("tags" not in each["detail"] for each in cloud.tasks.events)


def _is_end(event: dict[str, Any]) -> bool:
    return bool(event["detail"]["lastStatus"] == "STOPPED")


def test_links(cloud: LocalAws) -> None:
    provider = EcsProvider()
    launch, handle = launched(cloud, provider, "true")
    found = provider.links(watch(launch, handle))
    task = handle.rpartition("/")[2]
    assert found["run"].startswith(
        f"https://eu-central-1.console.aws.amazon.com/ecs/v2/clusters/runs/tasks/{task}/configuration"
    )
    assert found["logs"].endswith(f"log-group/skylift/log-events/skylift$252Frun$252F{task}")
    assert "servicequotas" in found["quota"]
    assert provider.links(Watched(launch.attempt_id, None, launch.configuration)) == {}
    china = handle.replace("arn:aws:", "arn:aws-cn:").replace("eu-central-1", "cn-north-1")
    assert "console.amazonaws.cn" in provider.links(watch(launch, china))["run"]


def test_settling_is_shorter_than_the_patience_of_the_core() -> None:
    assert timedelta(seconds=tasks.SETTLE) < timedelta(seconds=EcsProvider.call_timeout)


class TestLostAnswers:
    """Of the calls that come after a launch; the contract has those of the launch itself."""

    def test_a_stop(self, cloud: LocalAws) -> None:
        provider = EcsProvider()
        launch, handle = launched(cloud, provider, "sleep", "600")
        cloud.mischief.order("StopTask", "lose_answer")
        with pytest.raises(Unreachable):
            provider.stop(watch(launch, handle), 0)
        provider.stop(watch(launch, handle), 0)
        ended = wait_for(
            lambda: provider.status([watch(launch, handle)])[launch.attempt_id], lambda seen: seen.phase == "ended", 15
        )
        assert ended.fault is None

    def test_a_clean_up(self, cloud: LocalAws) -> None:
        provider = EcsProvider()
        value = "hunter2-hunter2"
        launch = replace(new_launch(rendered(cloud, ["true"], {"TOKEN": value})), secrets=frozenset([value]))
        handle = provider.launch(launch)
        assert wait_for(lambda: provider.status([watch(launch, handle)])[launch.attempt_id].exit_code == 0, bool, 10)
        cloud.mischief.order("DeleteObject", "lose_answer")
        with pytest.raises(Unreachable):
            provider.cleanup(watch(launch, handle))
        provider.cleanup(watch(launch, handle))
        assert not cloud.left()

    def test_a_collection_of_definitions_is_no_reason_not_to_list(self, cloud: LocalAws) -> None:
        provider = EcsProvider(keep_definitions=timedelta(seconds=-60))
        launch, handle = launched(cloud, provider, "true")
        assert wait_for(lambda: provider.status([watch(launch, handle)])[launch.attempt_id].exit_code == 0, bool, 10)
        cloud.mischief.order("DeregisterTaskDefinition", "lose_answer")
        assert provider.list_attempts(launch.installation_id, launch.configuration) == []
        assert len(cloud.journal.calls("DeregisterTaskDefinition")) == 1
