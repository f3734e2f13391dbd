"""What every provider must do, as tests. A provider's own test module subclasses and gives a `harness` fixture.

class TestProcess(ProviderContract):
    @pytest.fixture
    def harness(self, tmp_path): return ProcessHarness(tmp_path)
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar
from uuid import UUID, uuid4

import pytest

from skylift.provider import (
    FindsStrays,
    ForwardsOutput,
    Launch,
    Observation,
    Provider,
    Rejected,
    Watched,
)

T = TypeVar("T")
Program = Literal["lines", "fails", "endless", "stubborn", "broken"]
"""lines: prints "one", "two", "three" and exits 0. fails: exits 3. endless: runs until it is asked to end.
stubborn: ignores the request to end. broken: a configuration that can never start anything."""


class Harness(ABC):
    """How the suite reaches one provider."""

    patience = 20.0
    """Seconds that the provider may take to say that something started or ended."""
    grace = 0.2
    forgets = True
    """Whether what was cleaned up is gone from the provider at once, its lines included. ECS keeps an ended task for an
    hour, and its log for longer, and lets nobody take them away; then only what would go on is listed as left."""

    @abstractmethod
    def provider(self) -> Provider:
        """A new object over the same place, as another process of the service would have it."""

    @abstractmethod
    def configuration(self, program: Program, env: Mapping[str, str]) -> dict[str, Any]:
        """A rendered job configuration whose user code also counts its start (see `starts`)."""

    @abstractmethod
    def starts(self, attempt_id: UUID) -> int:
        """How often user code of this attempt began: evidence that is not the provider's own word."""


def wait_for(look: Callable[[], T], wanted: Callable[[T], bool], patience: float) -> T:
    """Look until it is as wanted; the last look is returned in any case."""
    until = time.monotonic() + patience
    while not wanted(seen := look()) and time.monotonic() < until:
        time.sleep(0.01)
    return seen


def new_launch(
    configuration: Mapping[str, Any], attempt_id: UUID | None = None, installation_id: UUID | None = None
) -> Launch:
    """A launch of a run that nobody else knows, with the variables that a launch always has."""
    attempt = attempt_id or uuid4()
    env = {**configuration["env"], "SKYLIFT_ATTEMPT": str(attempt)}
    return Launch(attempt, uuid4(), installation_id or uuid4(), datetime.now(UTC), {**configuration, "env": env})


def watch(launch: Launch, handle: str | None = None) -> Watched:
    return Watched(launch.attempt_id, handle, launch.configuration)


class ProviderContract:
    """The behaviour that `skylift.provider.Provider` promises."""

    @pytest.fixture
    def harness(self) -> Harness:
        raise NotImplementedError("a provider's test class gives its own harness")

    @pytest.fixture
    def provider(self, harness: Harness) -> Provider:
        return harness.provider()

    def observed(self, harness: Harness, provider: Provider, launch: Launch, *phases: str) -> Observation:
        """The observation, as soon as it is in one of the phases."""
        found = wait_for(
            lambda: provider.status([watch(launch)])[launch.attempt_id],
            lambda seen: seen.phase in phases,
            harness.patience,
        )
        assert found.phase in phases
        return found

    def end(self, harness: Harness, provider: Provider, launch: Launch) -> None:
        provider.stop(watch(launch), 0)
        self.observed(harness, provider, launch, "ended", "gone")
        provider.cleanup(watch(launch))

    def test_says_what_it_is(self, provider: Provider) -> None:
        assert provider.type
        assert provider.display_name
        assert provider.description
        assert provider.call_timeout > 0
        template = provider.base_job_template()
        assert set(template) == {"variables", "job_configuration"}
        assert {"command", "env"} <= set(template["job_configuration"])
        assert provider.base_job_template() is not template

    def test_what_was_launched_runs_once_and_ends(self, harness: Harness, provider: Provider) -> None:
        launch = new_launch(harness.configuration("lines", {}))
        handle = provider.launch(launch)
        ended = self.observed(harness, provider, launch, "ended")
        assert (ended.exit_code, ended.handle) == (0, handle)
        assert ended.started_at is not None
        assert ended.ended_at is not None
        assert ended.started_at.utcoffset() == ended.ended_at.utcoffset() is not None
        assert ended.started_at <= ended.ended_at
        assert harness.starts(launch.attempt_id) == 1

    def test_an_exit_code_is_told(self, harness: Harness, provider: Provider) -> None:
        launch = new_launch(harness.configuration("fails", {}))
        provider.launch(launch)
        assert self.observed(harness, provider, launch, "ended").exit_code == 3

    def test_a_launch_again_starts_nothing_new(self, harness: Harness, provider: Provider) -> None:
        launch = new_launch(harness.configuration("endless", {}))
        handle = provider.launch(launch)
        assert harness.provider().launch(launch) == handle
        self.observed(harness, provider, launch, "running")
        assert provider.launch(launch) == handle
        self.end(harness, provider, launch)
        assert harness.starts(launch.attempt_id) <= 1

    def test_a_launch_again_after_the_end_starts_nothing(self, harness: Harness, provider: Provider) -> None:
        launch = new_launch(harness.configuration("lines", {}))
        handle = provider.launch(launch)
        self.observed(harness, provider, launch, "ended")
        assert harness.provider().launch(launch) == handle
        self.observed(harness, provider, launch, "ended")
        assert harness.starts(launch.attempt_id) == 1

    def test_launches_at_once_of_one_attempt_start_one(self, harness: Harness) -> None:
        launch = new_launch(harness.configuration("lines", {}))
        providers = [harness.provider() for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            handles = set(pool.map(lambda provider: provider.launch(launch), providers))
        assert len(handles) == 1
        self.observed(harness, providers[0], launch, "ended")
        assert harness.starts(launch.attempt_id) == 1

    def test_another_object_finds_stops_and_cleans_it(self, harness: Harness, provider: Provider) -> None:
        launch = new_launch(harness.configuration("endless", {}))
        handle = provider.launch(launch)
        other = harness.provider()
        assert self.observed(harness, other, launch, "running").handle == handle
        other.stop(watch(launch, handle), harness.grace)
        self.observed(harness, other, launch, "ended", "gone")
        other.cleanup(watch(launch, handle))
        if harness.forgets:
            assert self.observed(harness, provider, launch, "gone").exit_code is None

    def test_what_nobody_launched_is_gone(self, harness: Harness, provider: Provider) -> None:
        strangers = [watch(new_launch(harness.configuration("lines", {}))) for _ in range(3)]
        found = provider.status(strangers)
        assert {found[one.attempt_id].phase for one in strangers} == {"gone"}
        assert provider.logs(strangers[0], 5) == []
        provider.cleanup(strangers[0])
        assert dict(provider.status([])) == {}

    def test_many_are_asked_about_at_once(self, harness: Harness, provider: Provider) -> None:
        launches = [new_launch(harness.configuration("lines", {})) for _ in range(3)]
        for launch in launches:
            provider.launch(launch)
        for launch in launches:
            self.observed(harness, provider, launch, "ended")
        found = provider.status([watch(launch) for launch in launches])
        assert {launch.attempt_id for launch in launches} == set(found)

    def test_who_is_stopped_before_the_launch_never_starts(self, harness: Harness, provider: Provider) -> None:
        if not provider.remembers_stops:
            pytest.skip("observe waits until no launch can be under way")
        launch = new_launch(harness.configuration("lines", {}))
        provider.stop(watch(launch), harness.grace)
        provider.launch(launch)
        assert self.observed(harness, provider, launch, "gone", "ended").exit_code is None
        assert harness.starts(launch.attempt_id) == 0

    def test_stopping_again_changes_nothing(self, harness: Harness, provider: Provider) -> None:
        launch = new_launch(harness.configuration("endless", {}))
        provider.launch(launch)
        self.observed(harness, provider, launch, "running")
        for _ in range(3):
            provider.stop(watch(launch), harness.grace)
        first = self.observed(harness, provider, launch, "ended", "gone")
        provider.stop(watch(launch), harness.grace)
        assert self.observed(harness, provider, launch, "ended", "gone") == first
        assert first.exit_code != 0

    def test_who_will_not_listen_is_ended_by_force(self, harness: Harness, provider: Provider) -> None:
        launch = new_launch(harness.configuration("stubborn", {}))
        provider.launch(launch)
        wait_for(lambda: harness.starts(launch.attempt_id), lambda count: count == 1, harness.patience)
        provider.stop(watch(launch), harness.grace)
        assert self.observed(harness, provider, launch, "ended", "gone").exit_code in (None, 137)

    def test_what_can_never_work_is_rejected_with_a_remedy(self, harness: Harness, provider: Provider) -> None:
        launch = new_launch(harness.configuration("broken", {"API_TOKEN": "of-no-block"}))
        for _ in range(2):
            with pytest.raises(Rejected) as caught:
                provider.launch(launch)
            assert caught.value.remedy
            assert "of-no-block" not in f"{caught.value} {caught.value.remedy}"
        assert harness.starts(launch.attempt_id) == 0

    def test_the_last_lines_are_kept(self, harness: Harness, provider: Provider) -> None:
        launch = new_launch(harness.configuration("lines", {}))
        provider.launch(launch)
        self.observed(harness, provider, launch, "ended")
        lines = wait_for(lambda: provider.logs(watch(launch), 2), lambda seen: len(seen) == 2, harness.patience)
        assert lines == ["two", "three"]

    def test_cleaning_up_twice_is_fine(self, harness: Harness, provider: Provider) -> None:
        launch = new_launch(harness.configuration("lines", {}))
        provider.launch(launch)
        self.observed(harness, provider, launch, "ended")
        for _ in range(2):
            provider.cleanup(watch(launch))
        if harness.forgets:
            self.observed(harness, provider, launch, "gone")
            assert provider.logs(watch(launch), 5) == []
        else:
            self.observed(harness, provider, launch, "ended")

    def test_strays_are_found_by_installation(self, harness: Harness, provider: Provider) -> None:
        if not isinstance(provider, FindsStrays):
            pytest.skip("this provider cannot list what carries our mark")
        configuration = harness.configuration("endless", {})
        running, other = new_launch(configuration), new_launch(configuration)
        handle = provider.launch(running)
        provider.launch(other)

        def found() -> dict[UUID, str | None]:
            listed = provider.list_attempts(running.installation_id, configuration)
            return {one.attempt_id: one.handle for one in listed}

        assert wait_for(found, bool, harness.patience) == {running.attempt_id: handle}
        self.end(harness, provider, running)
        assert wait_for(found, lambda seen: not seen, harness.patience) == {}
        self.end(harness, provider, other)

    def test_output_is_forwarded_once_in_whole_lines(self, harness: Harness, provider: Provider) -> None:
        if not isinstance(provider, ForwardsOutput):
            pytest.skip("this provider does not hold output")
        launch = new_launch(harness.configuration("lines", {}))
        provider.launch(launch)
        lines: list[str] = []
        offset = 0
        until = time.monotonic() + harness.patience
        while len(lines) < 3 and time.monotonic() < until:
            more, offset = provider.output_since(watch(launch), offset)
            lines += [text for _, text in more]
            assert all(at.utcoffset() is not None for at, _ in more)
        self.observed(harness, provider, launch, "ended")
        assert lines == ["one", "two", "three"]
        assert provider.output_since(watch(launch), offset) == ([], offset)
