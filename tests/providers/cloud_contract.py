"""What every provider of a cloud must do beyond the contract, against a local cloud that misbehaves on demand."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Literal
from uuid import UUID

import pytest

from skylift.provider import (
    BusyError,
    FindsStrays,
    Launch,
    OutOfCapacity,
    Provider,
    Rejected,
    Throttled,
    TooLate,
    Unreachable,
)
from tests.clouds.containers import Containers
from tests.clouds.journal import Journal
from tests.clouds.mischief import Mischief
from tests.providers.contract import Harness, ProviderContract, new_launch, wait_for, watch

CloudProgram = Literal["hungry", "unpullable"]
"""hungry: takes more memory than it was given. unpullable: accepted, and never starts for want of its image."""
SECRET = "hunter2-hunter2-hunter2"
LONG = pytest.mark.long


class CloudHarness(Harness):
    """How the suite reaches one provider and the local cloud behind it."""

    mischief: Mischief
    journal: Journal
    containers: Containers
    launch_operations: tuple[str, ...]
    """The calls of a launch that change something, in their order; the last one starts the container."""
    exact_for_bare = True
    """Whether two launches of one attempt that are under way at once start a bare command once. Where not, admission
    alone keeps user code from running twice, and observe heals only when the first cannot be under way any more."""

    @abstractmethod
    def cloud_configuration(self, program: CloudProgram) -> dict[str, Any]:
        """A rendered job configuration."""

    @abstractmethod
    def leftovers(self) -> list[str]:
        """What is there of ours that belongs to single attempts (so no jobs or task definitions), by the cloud's own
        words."""

    def starts(self, attempt_id: UUID) -> int:
        return sum(each.env.get("SKYLIFT_ATTEMPT") == str(attempt_id) for each in [*self.containers.all.values()])


class CloudContract(ProviderContract):
    """Subclasses give a `harness` fixture that is a `CloudHarness`, with a cloud of each test's own."""

    @pytest.fixture
    def harness(self) -> CloudHarness:
        raise NotImplementedError("a provider's test class gives its own harness")

    @pytest.mark.parametrize("nth", range(4))
    def test_a_lost_answer_is_healed_by_another_launch(
        self, harness: CloudHarness, provider: Provider, nth: int
    ) -> None:
        if nth >= len(harness.launch_operations):
            pytest.skip("a launch makes fewer calls that change something")
        harness.mischief.order(harness.launch_operations[nth], "lose_answer", times=20)
        launch = new_launch(harness.configuration("lines", {}))
        handle = self._healed(harness, provider, launch)
        assert provider.launch(launch) == handle
        assert harness.starts(launch.attempt_id) == 1

    @pytest.mark.parametrize("heard", [True, False], ids=["answered", "answer lost"])
    @pytest.mark.parametrize(
        "kind", ["no_room", pytest.param("throttle", marks=LONG), pytest.param("deny", marks=LONG)]
    )
    def test_what_is_refused_after_the_start_is_no_refusal(
        self, harness: CloudHarness, provider: Provider, kind: Any, heard: bool
    ) -> None:
        """A look that is throttled says nothing of the call that starts it: it may run."""
        starts = harness.launch_operations[-1]
        if not heard:
            harness.mischief.order(starts, "lose_answer")
        harness.mischief.order("*", kind, times=500, behind=starts)
        self._healed(harness, provider, new_launch(harness.configuration("lines", {})))

    def _healed(self, harness: CloudHarness, provider: Provider, launch: Launch) -> str:
        """Launched while the cloud misbehaves, and again when it does not: it starts once. The handle."""
        self._launched(provider, launch)
        harness.mischief.behave()
        handle = harness.provider().launch(launch)
        assert self.observed(harness, provider, launch, "ended").handle == handle
        assert harness.starts(launch.attempt_id) == 1
        return handle

    def test_a_slow_dispatcher_and_the_one_that_took_over_start_it_once(
        self, harness: CloudHarness, provider: Provider
    ) -> None:
        if not harness.exact_for_bare:
            pytest.skip("see `exact_for_bare`")
        held = harness.mischief.order(harness.launch_operations[-1], "hold")
        launch = new_launch(harness.configuration("lines", {}))
        with ThreadPoolExecutor(1) as pool:
            slow = pool.submit(self._launched, harness.provider(), launch)
            assert held.reached.wait(harness.patience)
            handle = harness.provider().launch(launch)
            held.released.set()
            assert slow.result(harness.patience) in (handle, None)
        self.observed(harness, provider, launch, "ended")
        assert harness.starts(launch.attempt_id) == 1

    @staticmethod
    def _launched(provider: Provider, launch: Launch) -> str | None:
        try:
            return provider.launch(launch)
        except Unreachable:
            return None

    @staticmethod
    def _refused(provider: Provider, launch: Launch) -> Rejected | None:
        try:
            provider.launch(launch)
        except Rejected as error:
            return error
        return None

    def test_who_is_too_late_sends_nothing_that_starts(self, harness: CloudHarness, provider: Provider) -> None:
        launch = replace(new_launch(harness.configuration("lines", {})), send_before=time.monotonic() - 1)
        with pytest.raises(TooLate):
            provider.launch(launch)
        assert not harness.journal.calls(harness.launch_operations[-1])

    @pytest.mark.parametrize(("kind", "expected"), [("throttle", Throttled), ("no_room", OutOfCapacity)])
    def test_refused_for_now(
        self, harness: CloudHarness, provider: Provider, kind: Any, expected: type[BusyError]
    ) -> None:
        harness.mischief.order(harness.launch_operations[-1], kind, times=50)
        launch = new_launch(harness.configuration("lines", {}))
        with pytest.raises(expected):
            provider.launch(launch)
        assert harness.starts(launch.attempt_id) == 0
        harness.mischief.behave()
        provider.launch(launch)
        self.observed(harness, provider, launch, "ended")

    def test_refused_for_want_of_a_right(self, harness: CloudHarness, provider: Provider) -> None:
        harness.mischief.order(harness.launch_operations[-1], "deny", times=50)
        launch = new_launch(harness.configuration("lines", {}))
        with pytest.raises((Rejected, Unreachable)) as caught:
            provider.launch(launch)
        assert caught.value.remedy
        assert harness.starts(launch.attempt_id) == 0

    def test_a_cloud_that_is_broken_is_unreachable(self, harness: CloudHarness, provider: Provider) -> None:
        harness.mischief.order("*", "break", times=500)
        launch = new_launch(harness.configuration("lines", {}))
        begun = time.monotonic()
        with pytest.raises(Unreachable):
            provider.launch(launch)
        assert time.monotonic() - begun < provider.call_timeout + 5
        answers: Mapping[UUID, Any] = {}
        try:
            answers = provider.status([watch(launch, "handle")])
        except Unreachable:
            pass
        assert launch.attempt_id not in answers, "who could not be asked is not gone"

    def test_who_takes_too_much_memory(self, harness: CloudHarness, provider: Provider) -> None:
        launch = new_launch(harness.cloud_configuration("hungry"))
        provider.launch(launch)
        ended = self.observed(harness, provider, launch, "ended")
        assert ended.exit_code != 0
        assert "memory" in f"{ended.reason} {ended.remedy}".lower()

    def test_who_never_starts_for_want_of_its_image(self, harness: CloudHarness, provider: Provider) -> None:
        launch = new_launch(harness.cloud_configuration("unpullable"))
        refused = self._refused(provider, launch)
        if refused:  # by a cloud that looks for the image at once
            assert refused.remedy
        else:
            ended = self.observed(harness, provider, launch, "ended")
            assert (ended.fault, ended.exit_code) == ("setup", None)
            assert ended.reason
            assert ended.remedy
        assert harness.starts(launch.attempt_id) == 0

    def test_secrets_stand_only_in_fields_made_for_them(self, harness: CloudHarness, provider: Provider) -> None:
        configuration = harness.configuration("lines", {"DB_PASSWORD": SECRET})
        launch = replace(new_launch(configuration), secrets=frozenset([SECRET]))
        refused = self._refused(provider, launch)
        if refused:  # where the cloud leaves no way
            assert refused.remedy
        else:
            self.observed(harness, provider, launch, "ended")
            (container,) = [
                each
                for each in harness.containers.all.values()
                if each.env.get("SKYLIFT_ATTEMPT") == str(launch.attempt_id)
            ]
            assert container.env["DB_PASSWORD"] == SECRET
            provider.cleanup(watch(launch))
        assert SECRET not in harness.journal.shown()

    def test_a_secret_in_the_command_is_refused(self, harness: CloudHarness, provider: Provider) -> None:
        configuration = harness.configuration("lines", {})
        configuration["command"] = ["echo", f"--password={SECRET}"]
        launch = replace(new_launch(configuration), secrets=frozenset([SECRET]))
        with pytest.raises(Rejected) as caught:
            provider.launch(launch)
        assert caught.value.remedy
        assert SECRET not in harness.journal.shown()
        assert SECRET not in str(caught.value)

    def test_nothing_is_left(self, harness: CloudHarness, provider: Provider) -> None:
        launches = [new_launch(harness.configuration(program, {})) for program in ("lines", "fails", "endless")]
        launches.append(new_launch(harness.cloud_configuration("unpullable")))
        for launch in launches:
            self._refused(provider, launch)
        assert harness.leftovers(), "the test can see what it looks for"
        for launch in launches:
            self.end(harness, provider, launch)
        assert wait_for(harness.leftovers, lambda left: not left, harness.patience) == []
        assert not harness.containers.alive()

    def test_strays_are_told_from_what_others_run(self, harness: CloudHarness, provider: Provider) -> None:
        assert isinstance(provider, FindsStrays)
        configuration = harness.configuration("lines", {})
        launch = new_launch(configuration)
        provider.launch(launch)
        self.observed(harness, provider, launch, "ended")
        if not harness.forgets:
            assert not provider.list_attempts(launch.installation_id, configuration), "nothing of it is left to remove"
            return
        found = wait_for(lambda: provider.list_attempts(launch.installation_id, configuration), bool, harness.patience)
        assert [each.attempt_id for each in found] == [launch.attempt_id]
        assert provider.status(found)[launch.attempt_id].phase == "ended"
        provider.cleanup(found[0])
        assert not wait_for(
            lambda: provider.list_attempts(launch.installation_id, configuration), lambda left: not left, 5
        )
