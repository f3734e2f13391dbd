"""Launches that meet, that hang, and whose answers are lost; and what follows where a name cannot promise enough."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest

from skylift.provider import BusyError, Launch, OutOfCapacity, TooLate, Unreachable
from skylift_modal import ModalProvider, client, connection
from tests.clouds.modal_sandboxes import Result
from tests.providers.contract import new_launch, wait_for, watch
from tests.providers.modal.support import ModalHarness, local_modal

CREATE = "SandboxCreateV2"


@pytest.fixture
def harness() -> Iterator[ModalHarness]:
    with local_modal() as cloud:
        yield ModalHarness(cloud)


@contextmanager
def another_process() -> Iterator[None]:
    """Connections of its own, with nothing known of the launches of this one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "_connections", {})
        yield
        connection.close_connections()


def launched(provider: ModalProvider, launch: Launch) -> str | None:
    try:
        return provider.launch(launch)
    except Unreachable:
        return None


def ended(harness: ModalHarness, launch: Launch) -> bool:
    provider = harness.provider()
    return (
        wait_for(lambda: provider.status([watch(launch)])[launch.attempt_id].phase, lambda p: p == "ended", 10)
        == "ended"
    )


def test_while_the_first_runs_a_held_launch_adopts_it(harness: ModalHarness) -> None:
    held = harness.mischief.order(CREATE, "hold")
    launch = new_launch(harness.configuration("endless", {}))
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(launched, harness.provider(), launch)
        assert held.reached.wait(10)
        with another_process():
            handle = harness.provider().launch(launch)
        held.released.set()
        assert slow.result(10) == handle
    assert harness.starts(launch.attempt_id) == 1
    assert harness.journal.count(CREATE, "ALREADY_EXISTS") == 1


def test_a_launch_held_beyond_the_first_ones_end_is_seen_as_one_attempt(harness: ModalHarness) -> None:
    """The one hole: the name is free again. Under the runner admission turns the second away; a bare command runs
    twice. Whatever it is, it counts as the same attempt, and stopping and cleaning take in both."""
    held = harness.mischief.order(CREATE, "hold")
    launch = new_launch(harness.configuration("lines", {}))
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(launched, harness.provider(), launch)
        assert held.reached.wait(10)
        with another_process():
            handle = harness.provider().launch(launch)
            assert ended(harness, launch)
        held.released.set()
        assert slow.result(10) == handle, "the oldest is the attempt's, whoever made it"
    assert ended(harness, launch)
    provider = harness.provider()
    assert provider.status([watch(launch)])[launch.attempt_id].handle == handle
    assert len(harness.leftovers()) == 2
    provider.cleanup(watch(launch))
    assert harness.leftovers() == []


def test_what_waited_for_too_long_is_not_sent(harness: ModalHarness) -> None:
    """Frozen between the look for an earlier sandbox and the request that makes one: the hook in the SDK sees it."""
    harness.mischief.order("ImageGetOrCreate", "delay", seconds=0.6)
    launch = new_launch(harness.configuration("lines", {}))
    with pytest.raises(TooLate):
        harness.provider().launch(replace(launch, send_before=time.monotonic() + 0.5))
    assert not harness.journal.calls(CREATE)


@pytest.mark.parametrize("kind", ["break", "lose_answer"])
def test_the_sdk_never_asks_for_a_sandbox_twice(harness: ModalHarness, kind: str) -> None:
    """By itself it would, up to four times; a short run would then run as often."""
    harness.mischief.order(CREATE, kind, times=9)  # type: ignore[arg-type]
    launch = new_launch(harness.configuration("lines", {}))
    launched(harness.provider(), launch)
    assert len(harness.journal.calls(CREATE)) == 1


def test_a_lost_answer_is_found_at_once(harness: ModalHarness) -> None:
    harness.mischief.order(CREATE, "lose_answer")
    launch = new_launch(harness.configuration("endless", {}))
    assert harness.provider().launch(launch).endswith(next(iter(harness.cloud.sandboxes.all)))


def test_a_refusal_tells_when_to_come_back(harness: ModalHarness) -> None:
    harness.mischief.order(CREATE, "throttle")
    begun = time.monotonic()
    with pytest.raises(BusyError) as caught:
        harness.provider().launch(new_launch(harness.configuration("lines", {})))
    assert caught.value.retry_after == 7
    assert time.monotonic() - begun < 3, "the SDK would have waited those seconds itself"


def test_an_image_that_takes_long_is_waited_for_elsewhere(
    harness: ModalHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LAUNCH_TIMEOUT", 0.5)
    harness.cloud.service.build_seconds = 1.2
    launch = new_launch(harness.configuration("lines", {}))
    with pytest.raises(BusyError) as caught:
        harness.provider().launch(launch)
    assert caught.value.retry_after
    assert "building" in str(caught.value)
    assert not harness.journal.calls(CREATE)
    time.sleep(1)
    harness.provider().launch(launch)
    assert ended(harness, launch)


def test_a_gpu_that_is_not_free_is_not_waited_for(harness: ModalHarness) -> None:
    """The SDK would wait for 21 minutes, and end the sandbox if it were told to wait less."""
    harness.cloud.sandboxes.wait_for_room = True
    launch = new_launch({**harness.configuration("lines", {}), "gpu": "H100", "timeout_seconds": 1})
    begun = time.monotonic()
    provider = harness.provider()
    provider.launch(launch)
    assert time.monotonic() - begun < 3
    assert provider.status([watch(launch)])[launch.attempt_id].phase == "starting"
    assert not harness.journal.calls("SandboxTerminate")
    provider.stop(watch(launch), 0)
    assert ended(harness, launch)


@pytest.mark.parametrize(
    ("status", "fault"),
    [(Result.GENERIC_STATUS_INIT_FAILURE, "setup"), (Result.GENERIC_STATUS_INTERNAL_FAILURE, "capacity")],
)
def test_what_was_accepted_and_never_began(harness: ModalHarness, status: int, fault: str) -> None:
    harness.cloud.sandboxes.doom = [Result(status=status, exception="a volume could not be mounted")]  # type: ignore[arg-type]
    launch = new_launch(harness.configuration("lines", {}))
    provider = harness.provider()
    provider.launch(launch)
    seen = provider.status([watch(launch)])[launch.attempt_id]
    assert (seen.phase, seen.exit_code, seen.fault) == ("ended", None, fault)
    assert "a volume could not be mounted" in (seen.reason or "")
    assert provider.logs(watch(launch), 5) == []
    assert provider.output_since(watch(launch), 0) == ([], 0)


def test_a_time_limit_is_told_as_such(harness: ModalHarness) -> None:
    launch = new_launch({**harness.configuration("endless", {}), "timeout_seconds": 0.5})
    harness.provider().launch(launch)
    assert ended(harness, launch)
    seen = harness.provider().status([watch(launch)])[launch.attempt_id]
    assert seen.exit_code == 124
    assert "timeout_seconds" in (seen.remedy or "")


def test_an_app_that_was_deleted_is_made_anew(harness: ModalHarness) -> None:
    provider = harness.provider()
    provider.launch(new_launch(harness.configuration("lines", {})))
    harness.cloud.service.apps.clear()
    launch = new_launch(harness.configuration("lines", {}))
    with pytest.raises(Unreachable):
        provider.launch(launch)
    provider.launch(launch)
    assert ended(harness, launch)


def test_sixteen_threads_share_one_connection(harness: ModalHarness) -> None:
    provider = harness.provider()
    launches = [new_launch(harness.configuration("lines", {})) for _ in range(48)]
    with ThreadPoolExecutor(16) as pool:
        handles = list(pool.map(provider.launch, launches))
        looks = list(pool.map(lambda _: provider.status([watch(each) for each in launches]), range(16)))
    assert len(set(handles)) == len(launches)
    assert all(set(look) == {each.attempt_id for each in launches} for look in looks)
    assert len(connection._connections) == 1
    assert harness.journal.count("ImageGetOrCreate") <= 16, "once the image is known nobody asks for it"
    assert len(harness.journal.calls("SandboxListV2")) <= 2 * len(launches) + 2 * 16, "one list tells of all"
    assert all(each.daemon for each in threading.enumerate() if "modal" in each.name or "thread_inner" in each.name)


def test_no_room_at_all(harness: ModalHarness) -> None:
    harness.mischief.order(CREATE, "no_room")
    with pytest.raises(OutOfCapacity) as caught:
        harness.provider().launch(new_launch(harness.configuration("lines", {})))
    assert "capacity_fallbacks" in (caught.value.remedy or "")


def test_records_whose_tags_cannot_be_taken_off(harness: ModalHarness) -> None:
    """If Modal keeps the tags of what has ended, cleaning up is no error, and the record is forgotten with its age."""
    harness.cloud.service.tags_are_final = True
    provider = harness.provider()
    launch = new_launch(harness.configuration("lines", {}))
    provider.launch(launch)
    assert ended(harness, launch)
    provider.cleanup(watch(launch))
    found = provider.list_attempts(launch.installation_id, launch.configuration)
    assert [each.attempt_id for each in found] == [launch.attempt_id]
    for each in harness.cloud.sandboxes.all.values():
        each.created_at -= 26 * 3600
    assert provider.list_attempts(launch.installation_id, launch.configuration) == []
    harness.cloud.sandboxes.all.clear()  # with their age


def test_a_list_that_is_behind_hides_nothing(harness: ModalHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists of clouds lag; a sandbox's name does not."""
    monkeypatch.setattr(harness.cloud.sandboxes, "page", lambda request: [])
    provider = harness.provider()
    launch = new_launch(harness.configuration("endless", {}))
    handle = provider.launch(launch)
    assert provider.launch(launch) == handle
    assert provider.status([watch(launch)])[launch.attempt_id].phase in ("starting", "running")
    provider.stop(watch(launch), 0)
    assert ended(harness, launch)
    assert harness.starts(launch.attempt_id) <= 1


@pytest.mark.parametrize("operation", ["SandboxTerminateV2", "SandboxTagsSetV2"])
def test_lost_answers_to_a_stop_and_to_cleaning_up(harness: ModalHarness, operation: str) -> None:
    harness.mischief.order(operation, "lose_answer")
    provider = harness.provider()
    launch = new_launch(harness.configuration("endless", {}))
    provider.launch(launch)
    provider.stop(watch(launch), 0)
    assert ended(harness, launch)
    provider.cleanup(watch(launch))
    assert harness.leftovers() == []


def test_whatever_goes_wrong_each_attempt_starts_once(harness: ModalHarness) -> None:
    """Answers are lost, calls fail and are delayed by chance; each launch is tried until it has its answer.

    It is tried again at once, before a delayed request has been carried out. What runs on keeps its name from that;
    for what has ended meanwhile the core waits longer than any call takes, see the launch that is held above.
    """
    for kind, share in (("lose_answer", 0.1), ("break", 0.1), ("delay", 0.05)):
        harness.mischief.chance(kind, share)  # type: ignore[arg-type]
    provider = harness.provider()

    def until_launched(launch: Launch) -> str:
        while True:
            try:
                return provider.launch(launch)
            except (Unreachable, BusyError):
                continue

    launches = [new_launch(harness.configuration("endless", {})) for _ in range(16)]
    with ThreadPoolExecutor(8) as pool:
        handles = list(pool.map(until_launched, launches))
    harness.mischief.behave()
    asked = len(harness.journal.calls(CREATE))
    assert wait_for(lambda: harness.journal.count(CREATE), lambda answered: answered == asked, 10) == asked
    assert len(set(handles)) == len(launches)
    seen = provider.status([watch(launch) for launch in launches])
    assert [seen[launch.attempt_id].handle for launch in launches] == handles
    assert len(harness.cloud.sandboxes.all) == len(launches)
    for launch in launches:
        provider.stop(watch(launch), 0)
    assert all(ended(harness, launch) for launch in launches)
    assert [harness.starts(launch.attempt_id) for launch in launches] == [1] * len(launches)
