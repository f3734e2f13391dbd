"""Admission, the states, heartbeats, the end, and all of it through outages."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import pytest

from tests.runner.conftest import Runners
from tests.runner.control_plane import TOKEN, ControlPlane

PRINT = [sys.executable, "-c", "print('ran')"]


def test_first_word_is_admission_and_the_last_is_the_end(plane: ControlPlane, runners: Runners) -> None:
    attempt = plane.attempt(kind="command", command=PRINT)
    ended = runners.run(attempt, env={"SKYLIFT_INSTANCE": "task/1"})
    assert ended.code == 0
    assert "ran" in ended.output
    admit = plane.calls[0]
    assert admit.path == f"/api/attempts/{attempt.id}/admit"
    assert admit.authorization is None
    assert admit.body["nonce"] == "secret-nonce"
    assert admit.body["instance"].startswith("task/1/")
    assert all(call.authorization == f"Bearer {TOKEN}" for call in plane.calls[1:])
    assert plane.calls[-1].path.endswith("/end")
    assert attempt.states == ["RUNNING"]
    assert attempt.end == {
        "instance": attempt.instance,
        "outcome": "completed",
        "exit_code": 0,
        "signal": None,
        "reason": None,
        "traceback": None,
    }
    assert attempt.messages("stdout") == ["ran"]


def test_six_runners_race_and_one_runs(plane: ControlPlane, runners: Runners) -> None:
    attempt = plane.attempt(kind="command", command=PRINT)
    started = [runners.start(attempt) for _ in range(6)]
    ended = [runners.wait(process) for process in started]
    assert [one.code for one in ended] == [0] * 6
    assert sum("another instance" in one.output for one in ended) == 5
    assert attempt.messages("stdout") == ["ran"]
    assert attempt.states == ["RUNNING"]


def test_an_attempt_given_up_is_not_run(plane: ControlPlane, runners: Runners) -> None:
    attempt = plane.attempt(kind="command", command=PRINT)
    attempt.given_up = True
    ended = runners.run(attempt)
    assert ended.code == 0
    assert "given up" in ended.output
    assert len(plane.calls) == 1


def test_an_unknown_attempt_is_an_error_in_one_line(plane: ControlPlane, runners: Runners) -> None:
    attempt = plane.attempt()
    del plane.attempts[attempt.id]
    ended = runners.run(attempt)
    assert ended.code == 1
    assert "admission was refused (404)" in ended.output


def test_missing_environment_is_named(plane: ControlPlane, runners: Runners) -> None:
    ended = runners.run(plane.attempt(), env={"SKYLIFT_API_URL": "", "SKYLIFT_ATTEMPT": ""})
    assert ended.code == 1
    assert "SKYLIFT_API_URL and SKYLIFT_ATTEMPT must be set" in ended.output


def test_admission_waits_for_an_api_that_is_not_there_yet(plane: ControlPlane, runners: Runners) -> None:
    attempt = plane.attempt(kind="command", command=PRINT)
    plane.close()
    process = runners.start(attempt)
    with pytest.raises(TimeoutError):
        _wait(lambda: process.poll() is not None, 0.6)
    plane.open()
    assert runners.wait(process).code == 0
    assert attempt.end is not None


def test_admission_does_not_wait_for_ever(plane: ControlPlane, runners: Runners) -> None:
    attempt = plane.attempt()
    plane.close()
    ended = runners.run(attempt, patch="runner.ADMIT_PATIENCE = 0.6")
    assert ended.code == 1
    assert "not admitted: POST http://127.0.0.1" in ended.output


def test_an_outage_of_five_seconds_in_mid_run_loses_nothing(plane: ControlPlane, runners: Runners) -> None:
    script = "import time\nfor i in range(12): print('line', i, flush=True); time.sleep(0.5)"
    with ControlPlane() as second, ControlPlane() as third:
        planes = {"refused": plane, "503": second, "drop": third}
        attempts = {
            kind: one.attempt(kind="command", command=[sys.executable, "-c", script]) for kind, one in planes.items()
        }
        started = [runners.start(attempts[kind], env={"SKYLIFT_API_URL": one.url}) for kind, one in planes.items()]
        for kind, one in planes.items():
            one.wait(lambda kind=kind: attempts[kind].logs)  # type: ignore[misc]
        plane.close()
        second.outage, third.outage = "503", "drop"
        time.sleep(5.2)
        plane.open()
        second.outage = third.outage = None
        assert [runners.wait(process).code for process in started] == [0, 0, 0]
    for attempt in attempts.values():
        assert list(dict.fromkeys(attempt.messages("stdout"))) == [f"line {i}" for i in range(12)]
        assert attempt.end is not None
        assert attempt.end["outcome"] == "completed"
    assert len(attempts["503"].messages("stdout")) == 12


def test_an_outage_at_the_end_delays_the_report(plane: ControlPlane, runners: Runners) -> None:
    attempt = plane.attempt(kind="command", command=[sys.executable, "-c", "import time; time.sleep(1)"])
    process = runners.start(attempt)
    plane.wait(lambda: attempt.states)
    plane.outage = "503"
    plane.wait(lambda: plane.calls[-1].path.endswith("/end"))
    plane.outage = None
    assert runners.wait(process).code == 0
    assert attempt.end is not None


def test_an_end_that_nobody_takes_is_exit_code_1(plane: ControlPlane, runners: Runners) -> None:
    attempt = plane.attempt(kind="command", command=[sys.executable, "-c", "import time; time.sleep(1)"])
    process = runners.start(attempt, patch="runner.END_PATIENCE = 0.5")
    plane.wait(lambda: attempt.states)
    plane.close()
    ended = runners.wait(process)
    assert ended.code == 1
    assert "the end (completed) could not be reported" in ended.output


def test_wait_is_asked_again_with_a_new_transition(plane: ControlPlane, runners: Runners) -> None:
    attempt = plane.attempt(kind="command", command=PRINT)
    attempt.answers = [{"status": "WAIT", "state": None, "details": {"delay_seconds": 0.3}}]
    assert runners.run(attempt).code == 0
    asked = [call for call in plane.calls if call.path.endswith("/set_state")]
    assert len(asked) == 2
    assert asked[1].at - asked[0].at >= 0.3
    assert len({call.body["state"]["state_details"]["transition_id"] for call in asked}) == 2
    assert attempt.end is not None


@pytest.mark.parametrize("verb", ["admit", "set_state", "end"])
def test_an_answer_that_is_lost_is_asked_for_again_and_the_run_goes_on(
    plane: ControlPlane, runners: Runners, verb: str
) -> None:
    attempt = plane.attempt(kind="command", command=PRINT)
    plane.unheard = {verb}
    ended = runners.run(attempt)
    assert (ended.code, plane.unheard) == (0, set())
    assert attempt.messages("stdout") == ["ran"]
    assert attempt.states == ["RUNNING"]
    assert attempt.end is not None
    assert attempt.end["outcome"] == "completed"


@pytest.mark.parametrize("status", ["ABORT", "REJECT"])
def test_a_refused_running_starts_nothing(plane: ControlPlane, runners: Runners, status: str) -> None:
    attempt = plane.attempt(kind="command", command=PRINT)
    attempt.answers = [{"status": status, "state": None, "details": {"reason": "the run is over"}}]
    ended = runners.run(attempt)
    assert ended.code == 0
    assert "ran" not in ended.output.split()
    assert attempt.end is not None
    assert (attempt.end["outcome"], attempt.end["reason"]) == ("not_started", "the run is over")


def test_heartbeats_name_the_instance_and_follow_the_answer(plane: ControlPlane, runners: Runners) -> None:
    attempt = plane.attempt(kind="command", command=[sys.executable, "-c", "import time; time.sleep(1.2)"])
    attempt.terms["heartbeat_seconds"] = 0.1
    assert runners.run(attempt).code == 0
    beats = [call for call in plane.calls if call.path.endswith("/heartbeat")]
    assert len(beats) >= 5
    assert {call.body["instance"] for call in beats} == {attempt.instance}


def test_token_and_nonce_reach_neither_child_nor_output(
    plane: ControlPlane, runners: Runners, write: Callable[..., str]
) -> None:
    code = write(
        "def dump():\n"
        "    print(open('/proc/self/environ').read().replace('\\0', '\\n'))\n"
        "    print(open('/proc/self/cmdline').read().replace('\\0', ' '))\n"
    )
    for terms in (
        {"entrypoint": "flows.py:dump", "code": [{"path": code}]},
        {"kind": "command", "command": ["sh", "-c", "cat /proc/self/environ /proc/self/cmdline | tr '\\0' '\\n'"]},
    ):
        attempt = plane.attempt(**terms, env={"MY_SECRET": "for the child"})
        ended = runners.run(attempt)
        assert ended.code == 0, ended.output
        assert "MY_SECRET=for the child" in attempt.messages()
        assert f"SKYLIFT_FLOW_RUN_ID={attempt.run_id}" in attempt.messages()
        everything = ended.output + json.dumps(attempt.logs) + json.dumps(attempt.end)
        assert TOKEN not in everything
        assert "secret-nonce" not in everything
        assert "SKYLIFT_ATTEMPT" not in everything


@pytest.mark.parametrize(("status", "said"), [(403, "admission was refused (403)"), (200, "the answer is no JSON")])
def test_answers_of_others_than_the_api(plane: ControlPlane, runners: Runners, status: int, said: str) -> None:
    """A gateway's page for people: an error is one at once, a log-in page instead of an answer after some patience."""
    plane.page = (status, b"<html>")
    ended = runners.run(plane.attempt(), patch="runner.ADMIT_PATIENCE = 0.5")
    assert ended.code == 1
    assert said in ended.output
    assert len(plane.calls) < 5


def test_a_full_queue_does_not_hide_how_a_function_ended(
    plane: ControlPlane, runners: Runners, write: Callable[..., str]
) -> None:
    code = write("def go():\n    for i in range(300): print(i, 'x' * 100)\n")
    attempt = plane.attempt(entrypoint="flows.py:go", code=[{"path": code}])
    plane.log_outage = True
    process = runners.start(attempt, patch="runner.QUEUE_BYTES, runner.HOLD_SECONDS = 20_000, 1.5")
    plane.wait(lambda: "/api/logs/" in plane.paths())
    plane.outage = "503"
    plane.wait(lambda: plane.calls[-1].path.endswith("/heartbeat"))
    plane.outage, plane.log_outage = None, False
    runners.wait(process)
    assert attempt.end is not None
    assert attempt.end["outcome"] == "completed"


def test_a_proxy_is_used_and_no_proxy_is_honoured(plane: ControlPlane, runners: Runners) -> None:
    attempt = plane.attempt(kind="command", command=PRINT)
    proxy = f"http://user:pass@127.0.0.1:{plane.port}"
    env = {"http_proxy": proxy, "SKYLIFT_API_URL": "http://skylift.invalid/api"}
    ended = runners.run(attempt, env=env, patch="runner.ADMIT_PATIENCE = 0.5")
    assert plane.paths()[0] == f"http://skylift.invalid/api/attempts/{attempt.id}/admit"
    assert "user" not in ended.output
    other = plane.attempt(kind="command", command=PRINT)
    dead = {"http_proxy": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9", "no_proxy": "127.0.0.1"}
    assert runners.run(other, env=dead).code == 0
    assert other.end is not None


def test_an_unknown_kind_is_ours_to_answer_for(plane: ControlPlane, runners: Runners) -> None:
    attempt = plane.attempt(kind="cobol")
    assert runners.run(attempt).code == 0
    assert attempt.end is not None
    assert attempt.end["outcome"] == "crashed"
    assert "'cobol'" in attempt.end["reason"]


def _wait(condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)
