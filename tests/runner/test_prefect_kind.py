"""Prefect flows under the runner, without Prefect: what the relay passes on, and what its two processes get to see."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import struct
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from skylift import relay as relay_module
from skylift.bootstrap import bootstrap_command
from skylift.relay import Relay
from skylift.runner import Api
from tests.runner.conftest import Runners, interpreters
from tests.runner.control_plane import TOKEN, Attempt, ControlPlane
from tests.runner.websocket_client import PING, PONG, TEXT, Client

ROOT = str(Path(__file__).resolve().parents[2])
PYTHONS = interpreters()


class Front:
    """A relay before the control plane, and what it said."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane, self.said = plane, list[str]()
        self.api = Api(plane.url)
        self.api.headers["Authorization"] = f"Bearer {TOKEN}"
        self.relay = Relay(self.api, "/api", self.said.append)
        parts = urllib.parse.urlsplit(self.relay.url)
        self.prefix = parts.path
        self.http = http.client.HTTPConnection("127.0.0.1", parts.port or 0, timeout=20)

    def open(self, path: str = "/events/in", **options: Any) -> Client:
        return Client(self.relay.url + path, **options)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        self.http.request(method, self.prefix + path, data, sent)
        answer = self.http.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()

    def ids(self) -> list[str]:
        return [event["id"] for event in self.plane.events]

    def posts(self) -> int:
        return self.plane.paths().count("/api/events")

    def close(self) -> None:
        self.http.close()
        assert self.relay.close(5)
        self.relay.shutdown()
        self.relay.server_close()
        for connection in self.api.idle:
            connection.close()


@pytest.fixture
def front(plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    monkeypatch.setattr(relay_module, "EVENT_LINGER", 0.1)
    front = Front(plane)
    yield front
    front.close()


# -- websockets -------------------------------------------------------------------------------------------------------


def test_the_handshake(front: Front) -> None:
    opened = front.open(key="dGhlIHNhbXBsZSBub25jZQ==")  # the one of the RFC
    assert opened.status == 101
    assert opened.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert opened.headers["sec-websocket-protocol"] == "prefect"
    opened.greet().leave()
    plain = front.open(protocol=None)
    assert plain.status == 101
    assert "sec-websocket-protocol" not in plain.headers
    plain.say({"id": "without a greeting"})
    plain.leave()
    assert front.relay.close(5)
    assert front.ids() == ["without a greeting"]
    refused = [front.open("/logs/out"), front.open("/flow_runs")]
    refused.append(Client(front.relay.url.replace(front.prefix, "/guessed/api") + "/events/in"))
    assert [each.status for each in refused] == [404] * 3
    for each in refused:
        each.hang_up()


def test_frames_of_every_size_fragments_and_pings(front: Front) -> None:
    opened = front.open().greet()
    for size in (0, 100, 200, 70_000, 1_000_000):
        opened.say({"id": f"{size}", "text": "x" * size})
    text = json.dumps({"id": "in parts", "text": "äöü" * 50}, ensure_ascii=False).encode()
    parts = [text[i : i + 7] for i in range(0, len(text), 7)]
    for i, part in enumerate(parts):
        opened.send(0 if i else TEXT, part, final=i == len(parts) - 1)
        if i % 5 == 0:
            opened.send(PING, b"between %d" % i)
            assert opened.receive() == (PONG, b"between %d" % i)
    opened.send(PONG, b"unasked")
    for byte in opened.frame(TEXT, b'{"id": "slowly"}'):
        opened.socket.sendall(bytes([byte]))
    opened.leave()
    assert front.relay.close(5)
    assert front.ids() == ["0", "100", "200", "70000", "1000000", "in parts", "slowly"]
    assert front.plane.events[5]["text"] == "äöü" * 50


@pytest.mark.parametrize(
    ("code", "frames"),
    [
        (1002, [{"opcode": TEXT, "data": b"x", "masked": False}]),
        (1002, [{"opcode": TEXT, "data": b"x", "reserved": 64}]),
        (1002, [{"opcode": 0, "data": b"x"}]),
        (1002, [{"opcode": 3}]),
        (1002, [{"opcode": PING, "data": b"x" * 126}]),
        (1002, [{"opcode": PING, "final": False}]),
        (1002, [{"opcode": TEXT, "data": b"a", "final": False}, {"opcode": TEXT, "data": b"b"}]),
        (1007, [{"opcode": TEXT, "data": b"\xff\xfe\xff"}]),
        (1003, [{"opcode": TEXT, "data": b"no json"}]),
        (1003, [{"opcode": TEXT, "data": b'["no event"]'}]),
    ],
)
def test_who_breaks_the_protocol_is_told_how(front: Front, code: int, frames: list[dict[str, Any]]) -> None:
    opened = front.open().greet()
    for frame in frames:
        opened.send(**frame)
    assert opened.closed_with() == code
    opened.hang_up()


def test_too_big_a_frame_and_wrong_greetings(front: Front) -> None:
    opened = front.open().greet()
    opened.socket.sendall(bytes([129, 255]) + struct.pack("!Q", 1 << 40))
    assert opened.closed_with() == 1009
    opened.hang_up()
    for path, first, code in (("/events/in", "hello", 1008), ("/events/out", "auth", 1002)):
        opened = front.open(path)
        opened.say({"type": first})
        if first == "auth":
            assert opened.hear() == {"type": "auth_success"}
            opened.say({"type": "no filter"})
        assert opened.closed_with() == code
        opened.hang_up()


def test_each_event_once_and_in_batches(front: Front) -> None:
    opened = front.open().greet()
    for number in range(500):
        opened.say({"id": str(number)})
    opened.send(PING)
    assert opened.receive()[0] == PONG
    opened.hang_up()  # without a word, as a killed process does
    again = front.open().greet()
    for number in range(490, 510):
        again.say({"id": str(number)})
    again.leave()
    assert front.relay.close(5)
    assert front.ids() == [str(number) for number in range(510)]
    assert front.posts() <= 6
    assert {call.authorization for call in front.plane.calls} == {f"Bearer {TOKEN}"}


def test_a_bad_event_takes_no_others_along(front: Front) -> None:
    front.plane.bad_events = {"bad"}
    opened = front.open().greet()
    for key in ("a", "bad", "b"):
        opened.say({"id": key})
    opened.leave()
    assert front.relay.close(5)
    assert front.ids() == ["a", "b"]
    assert front.said == ['an event was refused (422): {"detail": "no event"}']


def test_an_api_without_events_is_left_in_peace(front: Front) -> None:
    front.plane.takes_events = False
    opened = front.open().greet()
    for key in ("a", "b", "c"):
        opened.say({"id": key})
        front.plane.wait(lambda: front.posts() == 1)
    opened.leave()
    assert front.relay.close(5)
    assert front.posts() == 1
    assert front.said == ["the API takes no events (404): they are dropped"]


@pytest.mark.parametrize("outage", ["503", "drop"])
def test_events_wait_for_an_api_that_is_away(front: Front, outage: Any) -> None:
    front.plane.outage = outage
    opened = front.open().greet()
    opened.say({"id": "a"})
    front.plane.wait(lambda: front.posts() >= 2)
    opened.say({"id": "b"})
    opened.leave()
    front.plane.outage = None
    assert front.relay.close(10)
    assert front.ids() == ["a", "b"]


def test_who_listens_hears_each_state_once_and_what_was_before(front: Front) -> None:
    def state(name: str) -> dict[str, str]:
        return {"id": str(uuid4()), "type": "X", "name": name, "timestamp": "2030-01-01T00:00:00Z"}

    cancelling, suspended, run = state("Cancelling"), state("Suspended"), str(uuid4())
    listeners = front.relay.listeners
    one = front.open("/events/out").listen(name=["prefect.flow-run.Cancelling"])
    listeners.announce(run, "Suspended", suspended)
    listeners.announce(run, "Cancelling", cancelling)
    listeners.announce(run, "Cancelling", cancelling)
    heard = one.hear()
    assert heard["type"] == "event"
    event = heard["event"]
    assert (event["id"], event["occurred"]) == (cancelling["id"], cancelling["timestamp"])
    assert event["event"] == "prefect.flow-run.Cancelling"
    assert event["resource"] == {"prefect.resource.id": f"prefect.flow-run.{run}"}
    late = front.open("/events/out").listen(prefix=["prefect.flow-run."])
    assert [late.hear()["event"]["id"] for _ in "ab"] == [suspended["id"], cancelling["id"]]
    one.leave()  # and has heard nothing else
    late.leave()


# -- plain HTTP -------------------------------------------------------------------------------------------------------


def test_calls_are_passed_on_with_the_runs_token(front: Front) -> None:
    status, _, body = front.ask("GET", "/variables/x?y=1", Authorization="Basic bWU6bWU=", X_Own="kept")
    assert (status, json.loads(body)["path"]) == (200, "/api/variables/x?y=1")
    sent = front.plane.forwarded[-1].headers
    lowered = {name.lower(): value for name, value in sent.items()}
    assert lowered["authorization"] == f"Bearer {TOKEN}"
    assert lowered["x-own"] == "kept"
    assert list(map(str.lower, sent)).count("authorization") == 1
    assert front.ask("POST", "/echo", {"a": 1})[2] == b'{"method": "POST", "path": "/api/echo", "body": "{\\"a\\": 1}"}'
    front.http.request("POST", f"{front.prefix}/echo", iter([b"a", b"b"]), encode_chunked=True)
    assert json.loads(front.http.getresponse().read())["body"] == "ab"
    front.http.request("GET", "/api/variables/x")
    assert front.http.getresponse().read() == b'{"detail": "Not Found"}'


def test_what_every_client_asks_is_answered_from_memory(front: Front) -> None:
    answers = {front.ask("GET", "/admin/version")[2] for _ in range(3)}
    assert len(answers) == 1
    assert len(front.plane.forwarded) == 1
    assert front.ask("GET", "/csrf-token?client=x")[0] == 404
    assert len(front.plane.forwarded) == 1


@pytest.mark.parametrize("script", [[503, 503], ["drop"], ["drop", 502], [429]])
def test_what_fails_is_tried_again(front: Front, script: list[Any]) -> None:
    front.plane.script = list(script)
    assert front.ask("POST", "/echo", {"a": 1})[0] == 200
    assert [each.body for each in front.plane.forwarded] == [b'{"a": 1}'] * (len(script) + 1)


def test_answers_go_back_as_they_are(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    for status in (201, 204, 404, 409, 422):
        front.plane.script = [status]
        assert front.ask("POST", "/echo", {})[0] == status
    front.plane.script = [307]
    status, headers, _ = front.ask("POST", "/echo", {})
    assert (status, headers["Location"]) == (307, f"{front.prefix}/elsewhere?a=b")
    monkeypatch.setattr(relay_module, "FORWARD_PATIENCE", 0.1)
    front.plane.script = [504] * 5  # Prefect's client does not try that again, but 503
    status, headers, body = front.ask("POST", "/echo", {})
    assert (status, headers["Retry-After"]) == (503, "2")
    assert b"504 Gateway Timeout" in body


def test_a_crash_is_told_with_the_reason_of_who_stopped_the_engine(front: Front) -> None:
    path, crashed = "/echo/set_state", {"state": {"type": "CRASHED", "message": "terminated"}, "force": True}
    front.ask("POST", path, crashed)
    front.relay.crash = {"message": "The platform stopped the container"}
    front.ask("POST", path, crashed)
    front.ask("POST", path, {"state": {"type": "COMPLETED"}})
    told = [json.loads(each.body)["state"].get("message") for each in front.plane.forwarded]
    assert told == ["terminated", "The platform stopped the container", None]


def test_nothing_is_passed_on_for_an_attempt_that_was_given_up(front: Front) -> None:
    front.relay.given_up = True
    assert front.ask("POST", "/echo/set_state", {"state": {"type": "CRASHED"}})[0] == 403
    assert front.plane.forwarded == []


# -- the two processes ------------------------------------------------------------------------------------------------

ENGINE = """
import os, signal, sys, time
def stop(number, frame):
    open("engine-stopped", "w").close()
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
open("engine", "w").write(str(os.getpid()))
print("12:00:00.000 | INFO    | engine up", flush=True)
while True: time.sleep(0.05)
"""
SUPERVISOR = """
import json, os, subprocess, sys, urllib.request
sys.path.insert(0, {root!r})
from tests.runner.websocket_client import Client
api = os.environ["PREFECT_API_URL"]
def call(path, value):
    request = urllib.request.Request(api + path, json.dumps(value).encode(), {{"Content-Type": "application/json"}})
    return urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open(request).status
run = os.environ["PREFECT__FLOW_RUN_ID"]
def propose(kind):
    call(f"/flow_runs/{{run}}/set_state", {{"state": {{"type": kind, "message": "by itself"}}}})
def engine():
    return subprocess.Popen([sys.executable, "-c", {engine!r}], start_new_session=True)
{body}
"""


def prefect(body: str) -> list[str]:
    return [sys.executable, "-c", SUPERVISOR.format(root=ROOT, engine=ENGINE, body=body)]


def flow(plane: ControlPlane, body: str, **terms: Any) -> Attempt:
    return plane.attempt(kind="prefect", command=prefect(body), **terms)


def engine_pid(runners: Runners) -> int:
    path, deadline = runners.folder / "work" / "engine", time.monotonic() + 15
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline, "the engine did not start"
        time.sleep(0.02)
    return int(path.read_text())


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_the_child_finds_its_api_and_no_credentials(plane: ControlPlane, runners: Runners) -> None:
    body = (
        "propose('RUNNING'); socket = Client(api + '/events/in').greet(); socket.say({'id': 'e'})\n"
        "print('12:00:00.000 | INFO | by Prefect'); print('bare words'); print(json.dumps(dict(os.environ)))\n"
        "propose('COMPLETED')\n"
    )
    attempt = flow(plane, body, env={"PREFECT_API_KEY": "k", "NO_PROXY": "internal", "SECRET": "s"})
    ended = runners.run(attempt, env={"PREFECT_API_AUTH_STRING": "a:b", "PREFECT_API_URL": "http://elsewhere/api"})
    assert ended.code == 0, ended.output
    env = next(json.loads(line) for line in ended.output.splitlines() if line.startswith("{"))
    assert env["PREFECT_API_URL"].startswith("http://127.0.0.1:")
    assert env["PREFECT__FLOW_RUN_ID"] == attempt.run_id
    assert env["NO_PROXY"] == "internal,127.0.0.1"
    assert env["SECRET"] == "s"
    assert {"PREFECT_API_KEY", "PREFECT_API_AUTH_STRING", "SKYLIFT_NONCE"}.isdisjoint(env)
    assert TOKEN not in ended.output
    assert attempt.states == ["RUNNING", "COMPLETED"], "the runner asks for nothing itself"
    assert [event["id"] for event in plane.events] == ["e"]
    assert attempt.logs == [], "Prefect sends its own"
    assert attempt.end is not None
    assert (attempt.end["outcome"], attempt.end["exit_code"]) == ("exited", 0)
    assert attempt.end["reason"].startswith("The process ended with exit code 0\nLast lines:\nbare words\n{")
    assert plane.paths().index("/api/events") < plane.paths().index(f"/api/attempts/{attempt.id}/end")


@pytest.mark.parametrize("python", [PYTHONS[-1], *(pytest.param(one, marks=pytest.mark.long) for one in PYTHONS[1:-1])])
def test_on_every_python(plane: ControlPlane, runners: Runners, python: str) -> None:
    body = (
        "propose('RUNNING'); ears = Client(api + '/events/out').listen(); socket = Client(api + '/events/in').greet()\n"
        "[socket.say({'id': str(number), 'text': 'x' * 70000}) for number in range(3)]\n"
        "print('heard', ears.hear()['event']['event']); engine(); propose('CANCELLED')\n"
    )
    attempt = flow(plane, body, grace_seconds=5.0)
    process = runners.start(attempt, argv=bootstrap_command(plane.url, python=python))
    plane.wait(lambda: attempt.states)
    attempt.state = "CANCELLING"
    ended = runners.wait(process)
    assert "heard prefect.flow-run.Cancelling" in ended.output, ended.output
    assert [event["id"] for event in plane.events] == ["0", "1", "2"]
    assert attempt.states == ["RUNNING", "CANCELLED"]


def test_sigterm_is_for_the_engine_and_spares_its_supervisor(plane: ControlPlane, runners: Runners) -> None:
    body = "propose('RUNNING'); code = engine().wait(); propose('CRASHED'); print('supervisor saw', code)\n"
    attempt = flow(plane, body)
    process = runners.start(attempt)
    engine_pid(runners)
    process.send_signal(signal.SIGTERM)
    ended = runners.wait(process)
    assert "supervisor saw 0" in ended.output
    assert (runners.folder / "work" / "engine-stopped").exists()
    proposed = [call.body["state"] for call in plane.calls if call.path.endswith("/set_state")]
    assert proposed[-1]["message"] == "The platform stopped the container (SIGTERM)"
    assert attempt.end is not None
    assert attempt.end["outcome"] == "crashed"


def test_a_supervisor_that_is_to_reschedule_gets_the_signal(plane: ControlPlane, runners: Runners) -> None:
    body = (
        "import signal; child = engine()\n"
        "def stop(number, frame): propose('SCHEDULED'); child.terminate()\n"
        "signal.signal(signal.SIGTERM, stop); open('ready', 'w').close(); child.wait()\n"
    )
    attempt = flow(plane, body, env={"PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR": "reschedule"})
    process = runners.start(attempt)
    engine_pid(runners)
    process.send_signal(signal.SIGTERM)
    assert runners.wait(process).code == 0
    assert attempt.states == ["SCHEDULED"]


CANCELS_ITSELF = """
ears, child = Client(api + "/events/out"), engine()
ears.listen(name=["prefect.flow-run.Cancelling"]); open("ready", "w").close()
event = ears.hear()["event"]
child.terminate(); child.wait(); print("hook ran", event["id"], flush=True); propose("CANCELLED")
"""


@pytest.mark.parametrize("by_platform", [False, True])
def test_a_cancelled_flow_cancels_itself(plane: ControlPlane, runners: Runners, by_platform: bool) -> None:
    """Also where the platform's signal comes before the heartbeat's answer."""
    attempt = flow(plane, CANCELS_ITSELF, heartbeat_seconds=60.0 if by_platform else 0.2)
    process = runners.start(attempt)
    engine_pid(runners)
    until(lambda: (runners.folder / "work" / "ready").exists())
    attempt.state = "CANCELLING"
    told = attempt.told()["id"]
    if by_platform:
        process.send_signal(signal.SIGTERM)
    ended = runners.wait(process)
    assert f"hook ran {told}" in ended.output
    assert attempt.states == ["CANCELLED"]
    assert attempt.end is not None
    assert attempt.end["outcome"] == "cancelled"


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_who_does_not_cancel_itself_is_stopped(plane: ControlPlane, runners: Runners) -> None:
    attempt = flow(plane, "sys.exit(engine().wait())", grace_seconds=1.0)
    process = runners.start(attempt)
    engine_pid(runners)
    attempt.state = "CANCELLING"
    runners.wait(process)
    assert (runners.folder / "work" / "engine-stopped").exists()
    assert attempt.end is not None
    assert attempt.end["outcome"] == "cancelled"


def test_a_suspended_flow_is_told_and_never_crashes_for_it(plane: ControlPlane, runners: Runners) -> None:
    body = (
        "ears, child = Client(api + '/events/out'), engine()\n"
        "ears.listen(name=['prefect.flow-run.Suspended'])\n"
        "print('heard', ears.hear()['event']['event'], flush=True); child.wait()\n"
    )
    attempt = flow(plane, body, grace_seconds=1.0)
    process = runners.start(attempt)
    pid = engine_pid(runners)
    attempt.state, attempt.state_name = "PAUSED", "Suspended"
    ended = runners.wait(process)
    assert "heard prefect.flow-run.Suspended" in ended.output
    assert not (runners.folder / "work" / "engine-stopped").exists(), "no SIGTERM: the engine would report a crash"
    assert not alive(pid)
    assert attempt.end is not None
    assert attempt.end["outcome"] == "suspended"


def test_a_dead_supervisor_takes_the_engine_along(plane: ControlPlane, runners: Runners) -> None:
    attempt = flow(plane, "engine(); import time; time.sleep(60)")
    process = runners.start(attempt)
    pid = engine_pid(runners)
    os.kill(int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]), signal.SIGKILL)
    runners.wait(process)
    assert not alive(pid)
    assert attempt.end is not None
    assert attempt.end["outcome"] == "crashed"
    assert "SIGKILL" in attempt.end["reason"]


def test_given_up_means_no_further_word(plane: ControlPlane, runners: Runners) -> None:
    attempt = flow(plane, "propose('RUNNING'); engine().wait(); propose('CRASHED')")
    process = runners.start(attempt)
    pid = engine_pid(runners)
    attempt.given_up = True
    assert runners.wait(process).code == 0
    assert not alive(pid)
    assert attempt.states == ["RUNNING"]
    assert attempt.end is None


def test_without_prefect_the_reason_says_so(plane: ControlPlane, runners: Runners) -> None:
    attempt = plane.attempt(kind="prefect", command=["prefect", "flow-run", "execute"], env={"PATH": "/nowhere"})
    assert runners.run(attempt).code == 0
    assert attempt.end is not None
    assert attempt.end["outcome"] == "failed"
    assert "Prefect must be installed" in attempt.end["reason"]


def test_the_relay_is_not_open_to_the_world(front: Front) -> None:
    assert front.relay.server_address[0] == "127.0.0.1"
    assert len(front.prefix) > len("/api") + 12
    with socket.socket() as elsewhere, pytest.raises(OSError, match="refused"):
        elsewhere.connect(("127.0.0.2", front.relay.server_address[1]))
