"""What the process provider adds to the contract: environment, output, working directory, errors."""

from __future__ import annotations

import errno
import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from jsonschema import Draft202012Validator

from skylift.provider import OutOfCapacity, Rejected, Unreachable, Watched
from skylift_process import PROVIDER, ProcessProvider, shim
from skylift_process.adapter import default_root, place_id
from skylift_process.errors import to_error
from skylift_process.folder import AttemptFolder
from skylift_process.output import LINE_LIMIT, Output, to_text
from skylift_process.request import Configuration, child_environment, encode_request, read_configuration
from tests.providers.contract import new_launch, wait_for, watch
from tests.providers.process.support import ProcessHarness


@pytest.fixture
def harness(tmp_path: Path) -> ProcessHarness:
    return ProcessHarness(tmp_path)


@pytest.fixture
def provider(harness: ProcessHarness) -> ProcessProvider:
    return harness.provider()


def test_the_child_gets_its_own_environment_and_little_of_the_services(
    harness: ProcessHarness, provider: ProcessProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKYLIFT_DATABASE_URL", "postgresql://someone:secret-1@db/skylift")
    monkeypatch.setenv("SOME_API_KEY", "secret-2")
    monkeypatch.setenv("HTTPS_PROXY", "http://someone:secret-3@proxy:3128")
    monkeypatch.setenv("TZ", "Europe/Lisbon")
    watched, _ = harness.run({"command": ["env"], "env": {"TOKEN": "secret-4", "EMPTY": ""}})
    lines = provider.logs(watched, 100)
    assert {"TOKEN=secret-4", "EMPTY=", "TZ=Europe/Lisbon", f"SKYLIFT_ATTEMPT={watched.attempt_id}"} <= set(lines)
    assert not [line for line in lines if "secret" in line and not line.startswith("TOKEN=")]
    assert any(line.startswith("PATH=") for line in lines)


def test_secrets_are_never_on_disk_nor_in_a_command_line(harness: ProcessHarness, provider: ProcessProvider) -> None:
    launch = new_launch(harness.configuration("endless", {"TOKEN": "secret-5-secret"}))
    watched = watch(launch, provider.launch(launch))
    started = AttemptFolder(harness.root, launch.attempt_id).read_started()
    assert started
    for pid in (started.shim[0], started.child[0]):
        assert b"secret-5" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert b"secret-5" not in Path(f"/proc/{started.shim[0]}/environ").read_bytes()
    provider.stop(watched, 0)
    harness.wait(watched, "ended")
    files = [path for path in harness.root.rglob("*") if path.is_file()]
    assert len(files) >= 5
    assert not [path for path in files if b"secret-5" in path.read_bytes()]
    assert not [path for path in harness.root.rglob("*") if stat.S_IMODE(path.stat().st_mode) & 0o077]


def test_a_long_command_and_environment_arrive_whole(harness: ProcessHarness, provider: ProcessProvider) -> None:
    text = "x" * 100_000
    configuration = harness.script('printf "%s\n" ${#TEXT} ${#OTHER}', {"TEXT": text, "OTHER": text})
    watched, _ = harness.run(configuration)
    assert provider.logs(watched, 5) == ["100000", "100000"]


def test_runs_in_a_fresh_directory_or_in_the_one_asked_for(
    harness: ProcessHarness, provider: ProcessProvider, tmp_path: Path
) -> None:
    watched, _ = harness.run({"command": ["pwd"], "env": {}})
    assert provider.logs(watched, 1) == [str(harness.root / str(watched.attempt_id) / "work")]
    watched, _ = harness.run({"command": ["pwd"], "env": {}, "working_dir": str(tmp_path)})
    assert provider.logs(watched, 1) == [str(tmp_path)]
    watched, _ = harness.run({"command": ["pwd"], "env": {"HOME": str(tmp_path)}, "working_dir": "~"})
    assert provider.logs(watched, 1) == [str(tmp_path)]


@pytest.mark.parametrize(
    ("configuration", "culprit"),
    [
        ({"command": ["no-such-program"], "env": {}}, "no-such-program"),
        ({"command": ["true"], "env": {}, "working_dir": "/no/such/place"}, "/no/such/place"),
        ({"command": ["true"], "env": {}, "working_dir": "relative"}, "relative"),
        ({"command": ["/etc/passwd"], "env": {}}, "/etc/passwd"),
        ({"command": [], "env": {}}, "command"),
        ({"command": [""], "env": {}}, "command"),
        ({"command": ["true"], "env": {"A=B": "1"}}, "A=B"),
        ({"command": ["true"], "env": {"A": 5}}, "env.A"),
        ({"command": ["true"], "env": {}, "image": "x"}, "image"),
        ({"command": ["true"], "env": {}, "timeout_seconds": 0}, "timeout_seconds"),
    ],
)
def test_what_cannot_work_is_named(provider: ProcessProvider, configuration: dict[str, object], culprit: str) -> None:
    launch = new_launch(configuration)
    with pytest.raises(Rejected, match=culprit) as caught:
        provider.launch(launch)
    assert caught.value.remedy
    for seen in provider.status([watch(launch)]).values():
        assert seen.phase == "gone" or culprit in (seen.reason or "")


def test_output_is_bounded_and_the_first_and_the_last_of_it_are_kept(
    harness: ProcessHarness, provider: ProcessProvider
) -> None:
    watched, observed = harness.run({"command": ["seq", "-f", "line %.0f of many", "1000000"], "env": {}})
    assert observed.exit_code == 0
    folder = harness.root / str(watched.attempt_id)
    size = sum(path.stat().st_size for path in folder.glob("output.*"))
    assert size <= (shim.SEGMENTS_KEPT + 1) * shim.SEGMENT
    assert provider.logs(watched, 2) == ["line 999999 of many", "line 1000000 of many"]
    lines: list[str] = []
    offset, before = 0, -1
    while offset != before:
        before = offset
        more, offset = provider.output_since(watched, offset)
        lines += [text for _, text in more]
    assert lines[0] == "line 1 of many"
    assert lines[-1] == "line 1000000 of many"
    assert sum("bytes of output were left out" in line for line in lines) == 1


def test_output_that_is_no_text_is_shown_all_the_same(harness: ProcessHarness, provider: ProcessProvider) -> None:
    watched, _ = harness.run({"command": ["head", "-c", "300000", "/dev/urandom"], "env": {}})
    offset, before, lines = 0, -1, 0
    while offset != before:
        before = offset
        more, offset = provider.output_since(watched, offset)
        lines += len(more)
        assert not [text for _, text in more if "\0" in text or "\n" in text]
    assert offset == 300_000
    assert lines > 100


def test_lines_carry_the_time_they_came(harness: ProcessHarness, provider: ProcessProvider) -> None:
    begun = datetime.now(UTC)
    watched, observed = harness.run({"command": ["sh", "-c", "echo a; sleep 0.4; echo b; printf open"], "env": {}})
    (first, second, third), _ = provider.output_since(watched, 0)
    assert [first[1], second[1], third[1]] == ["a", "b", "open"]
    assert (second[0] - first[0]).total_seconds() > 0.3
    assert observed.ended_at
    assert begun <= first[0] <= second[0] <= observed.ended_at


def test_an_open_line_waits_for_its_end(tmp_path: Path) -> None:
    (tmp_path / "output.0").write_bytes(b"one\ntw")
    output = Output(tmp_path)
    lines, offset = output.lines(0, ended=False)
    assert ([text for _, text in lines], offset) == (["one"], 4)
    assert output.lines(4, ended=False) == ([], 4)
    (tmp_path / "output.0").write_bytes(b"one\ntwo\n" + b"x" * (LINE_LIMIT + 1))
    lines, offset = Output(tmp_path).lines(4, ended=False)
    assert [text for _, text in lines] == ["two", "x" * LINE_LIMIT]
    assert offset == 8 + LINE_LIMIT
    assert [text for _, text in Output(tmp_path).lines(offset, ended=True)[0]] == ["x"]


def test_text_is_made_of_anything() -> None:
    assert to_text(b"10%\r50%\r100%\r") == "100%"
    assert to_text(b"a\0b\xff") == "a\ufffdb\ufffd"


def test_cleanup_spares_what_runs_and_leaves_nothing_of_what_ended(
    harness: ProcessHarness, provider: ProcessProvider
) -> None:
    launch = new_launch(harness.script("mkdir sealed; touch sealed/file; chmod 0 sealed; exec sleep 600"))
    watched = watch(launch, provider.launch(launch))
    with pytest.raises(Unreachable):
        provider.cleanup(watched)
    assert harness.wait(watched, "running").phase == "running"
    provider.stop(watched, 0)
    harness.wait(watched, "ended")
    provider.cleanup(watched)
    assert sorted(path.name for path in harness.root.iterdir()) == ["id", "removed"]
    assert list((harness.root / "removed").iterdir()) == []


def test_a_mark_that_belongs_to_nobody_goes_after_a_day(harness: ProcessHarness, provider: ProcessProvider) -> None:
    fresh, old = Watched(uuid4(), None), Watched(uuid4(), None)
    for watched in (fresh, old):
        provider.stop(watched, 1)
    long_ago = time.time() - 2 * 86_400
    os.utime(harness.root / str(old.attempt_id), (long_ago, long_ago))
    assert provider.list_attempts(uuid4(), {}) == []
    assert (harness.root / str(fresh.attempt_id)).exists()
    assert not (harness.root / str(old.attempt_id)).exists()


def test_another_state_folder_is_not_taken_for_gone(harness: ProcessHarness, tmp_path: Path) -> None:
    watched, _ = harness.run(harness.script(":"))
    other = ProcessProvider(tmp_path / "other")
    with pytest.raises(Unreachable, match="another state folder"):
        other.status([watched])
    with pytest.raises(Unreachable, match="another state folder"):
        other.stop(watched, 1)
    unknown = Watched(uuid4(), None)
    assert set(other.status([watched, unknown])) == {unknown.attempt_id}


def test_the_state_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYLIFT_HOME", str(tmp_path))
    assert PROVIDER.root == default_root() == tmp_path / "process"
    monkeypatch.delenv("SKYLIFT_HOME")
    assert default_root().is_absolute()


def test_a_full_disk_and_a_full_machine_are_worth_another_try() -> None:
    for step, number in [("fork", errno.EAGAIN), ("fork", errno.ENOMEM), ("state", errno.ENOSPC)]:
        assert isinstance(to_error(step, number, "x", "/"), OutOfCapacity)
    assert isinstance(to_error("state", errno.EROFS, "x", "/"), Unreachable)
    assert isinstance(to_error("exec", errno.ELOOP, "x", "/"), Rejected)


def test_the_template_declares_what_the_configuration_takes() -> None:
    template = PROVIDER.base_job_template()
    variables, configuration = template["variables"], template["job_configuration"]
    Draft202012Validator.check_schema(variables)
    assert set(variables["properties"]) == set(configuration) == set(Configuration.model_fields)
    assert configuration == {name: f"{{{{ {name} }}}}" for name in configuration}
    defaults = {name: one["default"] for name, one in variables["properties"].items() if "default" in one}
    assert read_configuration({"command": ["true"], "env": {}, **defaults}).runner is True


def test_a_request_is_read_as_it_was_written_or_not_at_all() -> None:
    env = {"A": "b=c", "EMPTY": "", "TEXT": "two\nlines \udcff"}
    raw = encode_request(["run", "", "é"], env, "/some where", 17, 2.5)
    read = shim.Request(raw)
    assert (read.command, read.env, read.working_dir) == (["run", "", "é"], env, "/some where")
    assert (read.deadline, read.timeout) == (17, 2.5)
    for cut in range(len(raw)):
        with pytest.raises(ValueError, match="incomplete"):
            shim.Request(raw[:cut])


def test_the_attempts_mark_cannot_be_overridden() -> None:
    attempt_id = uuid4()
    configuration = Configuration(command=["x"], env={"SKYLIFT_ATTEMPT": "another", "PATH": "/mine"})
    env = child_environment(configuration, attempt_id, {"PATH": "/theirs", "LC_ALL": "C", "SKYLIFT_HOME": "/x"})
    expected = {"PATH": "/mine", "LC_ALL": "C", "PYTHONUNBUFFERED": "1", "SKYLIFT_ATTEMPT": str(attempt_id)}
    assert env == expected


def test_the_shim_is_small(harness: ProcessHarness, provider: ProcessProvider) -> None:
    launch = new_launch(harness.configuration("endless", {}))
    watched = watch(launch, provider.launch(launch))
    pid = wait_for(lambda: AttemptFolder(harness.root, launch.attempt_id).read_started(), bool, 20)
    assert pid
    status = Path(f"/proc/{pid.shim[0]}/status").read_text()
    fields = shim.stat_fields(pid.shim[0])
    provider.stop(watched, 0)
    harness.wait(watched, "ended")
    assert int(status.split("VmRSS:")[1].split()[0]) < 14_000  # about 9,000 kB here; builds differ
    assert int(fields[11]) + int(fields[12]) <= 10  # hundredths of a second; 2 here


def test_the_folder_has_one_name_however_many_begin_at_once_or_are_killed_over_it(tmp_path: Path) -> None:
    (tmp_path / ".id-left").write_text("")
    with ThreadPoolExecutor(8) as threads:
        names = set(threads.map(lambda _: place_id.__wrapped__(tmp_path), range(8)))
    assert len(names) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["id"]
