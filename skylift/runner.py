"""The runner: what runs inside the container, around the user's code. docs/design/runner.md says how and why.

Standard library only, Python 3.8 and newer. No image contains it: `bootstrap.py` makes the command that fetches it,
as one file with `relay.py` and `packages.py`. Stages: admit, install packages, load the code, ask for Running, start
the child, watch it, report the end.
"""
# ruff: noqa: UP017, B905 - datetime.UTC and zip(strict) came after Python 3.8

from __future__ import annotations

import base64
import collections
import contextlib
import errno
import functools
import hashlib
import http.client
import io
import json
import math
import os
import queue
import random
import re
import select
import selectors
import shutil
import signal
import ssl
import stat
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import traceback
import urllib.error
import urllib.parse
import urllib.request
import uuid
import zipfile
from collections.abc import Callable, Generator, Iterator, Mapping
from datetime import datetime, timezone
from typing import IO, Any

from skylift.packages import InstallError, provide_packages
from skylift.relay import Relay

ADMIT_PATIENCE, CALL_PATIENCE, END_PATIENCE = 120.0, 300.0, 300.0  # seconds through an outage
PLATFORM_GRACE = 8.0  # the shortest notice before SIGKILL is Cloud Run's: ten seconds
LEFTOVER_GRACE = 5.0
CODE_SECONDS, CODE_BYTES, CODE_FILES = 300.0, 2 << 30, 100_000
LINE_BYTES, BATCH_LINES, BATCH_BYTES, QUEUE_BYTES = 100_000, 200, 500_000, 8_000_000
LINGER, HOLD_SECONDS = 1.0, 30.0
EVENTS_PATIENCE = 30.0  # for the last events of a Prefect flow
SIGNAL_PATIENCE = 2.0  # to ask the API why the platform stops us
LAST_LINES = "\nLast lines:\n"
DEBUG, INFO, WARNING, ERROR = 10, 20, 30, 40
CREDENTIALS = ("Authorization", "Proxy-Authorization")
RETRIED = {408, 429, 500, 502, 503, 504}
OOM_FILES = ["/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"]
# Not for the child:
PRIVATE = {"SKYLIFT_NONCE", "SKYLIFT_POOL_SECRET", "SKYLIFT_ATTEMPT", "SKYLIFT_INSTANCE", "SKYLIFT_PACKAGES"}
PREFECT_CREDENTIALS = {"PREFECT_API_KEY", "PREFECT_API_AUTH_STRING"}
PREFECT_LINE = re.compile(r"\d\d:\d\d:\d\d\.\d{3} \| ")  # its handler of the API has sent what it prints so
SECRETS: list[str] = []  # token and nonce, so that no answer of a server can carry them into a log
# Modules of the user's must not shadow the standard library while the child is still ours.
CHILD = "import sys;sys.path=[p for p in sys.path if p];exec(sys.stdin.buffer.read(int(sys.argv[1])))"


class CodeError(Exception):
    """The user's code cannot be had or started; the message says what is wrong and what there is."""


class HaltedError(Exception):
    """Something wants the run to end."""


def pass_on(fd: int, data: bytes) -> None:
    """Write it all; a closed output is nobody's business."""
    with contextlib.suppress(OSError):
        while data:
            data = data[os.write(fd, data) :]


def say(text: str) -> None:
    """A line on the container's own stderr."""
    for secret in filter(None, SECRETS):
        text = text.replace(secret, "***")
    pass_on(2, f"skylift | {text}\n".encode("utf-8", "replace"))


def shown(url: str) -> str:
    """The URL as it may be shown: without user, password and query."""
    return re.sub(r"//[^/@]*@", "//", url.partition("?")[0])


def shorten(text: str | None, size: int) -> str | None:
    """Its beginning and end, where it is longer than `size` characters."""
    if text is None or len(text) <= size:
        return text
    return f"{text[: size // 2]}\n[... {len(text) - size} characters cut ...]\n{text[-size // 2 :]}"


class Api:
    """POSTs of JSON to the control plane: kept-alive connections, patient with an outage, through proxies."""

    def __init__(self, url: str) -> None:
        self.url = urllib.parse.urlsplit(url.rstrip("/"))
        self.idle: list[http.client.HTTPConnection] = []
        self.headers = {"Content-Type": "application/json", "User-Agent": "skylift-runner"}
        self.secure = self.url.scheme == "https"
        self.host, self.port = self.url.hostname or "", self.url.port or (443 if self.secure else 80)
        self.base, self.proxy, self.proxy_headers = self.url.path, None, {}
        proxies = urllib.request.getproxies()
        proxy = proxies.get(self.url.scheme) or proxies.get("all")
        if proxy and not urllib.request.proxy_bypass(f"{self.host}:{self.port}"):
            self.proxy = urllib.parse.urlsplit(proxy if "://" in proxy else f"http://{proxy}")
            if self.proxy.username:
                user = urllib.parse.unquote(f"{self.proxy.username}:{self.proxy.password or ''}")
                self.proxy_headers["Proxy-Authorization"] = f"Basic {base64.b64encode(user.encode()).decode()}"
            if not self.secure:  # https is tunnelled, plain http goes as an absolute address
                self.base = f"http://{self.url.netloc}{self.url.path}"
                self.headers.update(self.proxy_headers)

    def post(self, path: str, value: Any, patience: float = 0.0, timeout: float = 30.0) -> tuple[int, Any]:
        """Status and answer. Tries again for `patience` seconds; ConnectionError: no answer that decides."""

        def check(status: int, answer: bytes) -> str | None:
            if status < 400 and answer:  # not from our API: a gateway, or a page for people to log in on
                try:
                    json.loads(answer)
                except ValueError:
                    return "and the answer is no JSON"
            return None

        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        status, _, answer = self.call("POST", path, body, {}, patience, timeout, check)
        try:
            return status, json.loads(answer) if answer else None
        except ValueError:
            return status, answer[:300].decode("utf-8", "replace")

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        patience: float = 0.0,
        timeout: float = 30.0,
        check: Callable[[int, bytes], str | None] = lambda status, answer: None,
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Status, headers and answer; `headers` are sent beside our own, and win except for the credentials.

        `check` says what is wrong with an answer that is not to be taken for one. For the rest see `post`.
        """
        deadline, pause = time.monotonic() + patience, 0.25
        sent = {name.lower(): value for name, value in self.headers.items()}
        sent.update({name.lower(): value for name, value in headers.items()})
        sent.update({name.lower(): self.headers[name] for name in CREDENTIALS if name in self.headers})
        while True:
            reused, wait = bool(self.idle), pause * random.uniform(0.5, 1.0)  # noqa: S311
            try:
                status, back, answer = self._ask(method, path, body, sent, timeout)
                problem = f"{status} {http.client.responses.get(status, '')}".strip()
                if status not in RETRIED:
                    complaint = check(status, answer)
                    if complaint is None:
                        return status, back, answer
                    problem += f", {complaint}"
                else:
                    retry_after = next((value for name, value in back if name.lower() == "retry-after"), "")
                    if re.fullmatch("[0-9]{1,9}", retry_after):
                        wait = max(wait, min(float(retry_after), 30.0))
            except (OSError, http.client.HTTPException) as error:
                if reused:
                    continue  # a kept connection that the other side had closed costs no patience
                problem = str(error) or type(error).__name__
            if time.monotonic() + wait > deadline:
                raise ConnectionError(f"{method} {shown(self.url.geturl())}{shown(path)}: {problem}")
            time.sleep(wait)
            pause = min(pause * 2, 8.0)

    def _ask(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], timeout: float
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        try:
            connection = self.idle.pop()
        except IndexError:
            connection = self._connection(timeout)
        try:
            if connection.sock:
                connection.sock.settimeout(timeout)
            connection.request(method, self.base + path, body, headers)
            response = connection.getresponse()
            answer = response.read()
        except BaseException:
            connection.close()
            raise
        if not response.will_close:
            self.idle.append(connection)
        return response.status, response.getheaders(), answer

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        host, port = (self.proxy.hostname or "", self.proxy.port or 80) if self.proxy else (self.host, self.port)
        if not self.secure:
            return http.client.HTTPConnection(host, port, timeout=timeout)
        secure = http.client.HTTPSConnection(host, port, timeout=timeout, context=ssl.create_default_context())
        if self.proxy:
            secure.set_tunnel(self.host, self.port, self.proxy_headers)
        return secure


class Logs:
    """The run's log lines, in order and in batches. A slow API holds the child back, but not for ever."""

    def __init__(self, api: Api, flow_run: str) -> None:
        self.api, self.flow_run, self.change = api, flow_run, threading.Condition()
        self.queue: collections.deque[bytes] = collections.deque()
        self.size, self.sending, self.dropped, self.last = 0, 0, 0, 0.0
        self.urgent = self.stuck = self.refused = False
        threading.Thread(target=self._pump, daemon=True).start()

    def put(self, name: str, level: int, text: str, at: float | None = None, wait: bool = True) -> None:
        with self.change:
            if wait and not self.change.wait_for(
                lambda: self.size < QUEUE_BYTES or self.urgent or self.stuck, HOLD_SECONDS
            ):
                self.stuck = True
            if self.refused or (wait and self.stuck and self.size >= QUEUE_BYTES and not self.urgent):
                self.dropped += 1
                return
            if self.dropped:
                lost, self.dropped = self.dropped, 0
                self._add("skylift.runner", WARNING, f"[{lost} lines are missing here: the API took none]", at)
            self._add(name, level, text, at)

    def _add(self, name: str, level: int, text: str, at: float | None) -> None:
        self.last = max(at or time.time(), self.last + 1e-6)  # readers sort by time: keep the order that we saw
        stamp = datetime.fromtimestamp(self.last, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        text = text.replace("\x00", "\ufffd")  # PostgreSQL refuses it
        while True:
            entry = {
                "name": name,
                "level": level,
                "message": text,
                "timestamp": stamp,
                "flow_run_id": self.flow_run,
            }
            data = json.dumps(entry, ensure_ascii=False).encode("utf-8", "replace")
            if len(data) <= BATCH_BYTES - 2:
                break
            text = f"{text[: len(text) // 2]} [... cut]"
        self.queue.append(data)
        self.size += len(data)
        if len(self.queue) in (1, BATCH_LINES):
            self.change.notify_all()

    def _pump(self) -> None:
        sent = 0.0
        while True:
            with self.change:
                self.change.wait_for(lambda: bool(self.queue))
                linger = max(0.0, sent + LINGER - time.monotonic())
                self.change.wait_for(lambda: self.urgent or len(self.queue) >= BATCH_LINES, linger)
                batch: list[bytes] = []
                total = 2
                while self.queue and len(batch) < BATCH_LINES and total + len(self.queue[0]) < BATCH_BYTES:
                    batch.append(self.queue.popleft())
                    total += len(batch[-1]) + 1
                self.sending, sent = len(batch), time.monotonic()
            self._send(b"[" + b",".join(batch) + b"]")
            with self.change:
                self.size -= sum(map(len, batch))
                self.sending, self.stuck = 0, False
                self.change.notify_all()

    def _send(self, body: bytes) -> None:
        pause = 0.5
        while not self.refused:
            try:
                status, _ = self.api.post("/logs/", body)
            except ConnectionError as error:
                if pause == 0.5:
                    say(f"the logs wait: {error}")
                time.sleep(pause)
                pause = min(pause * 2, 2.0)
                continue
            if status >= 400:
                say(f"log lines were refused ({status})")
                self.refused = status in (401, 403, 404, 410)
            return

    def flush(self, seconds: float) -> bool:
        """From now on nothing waits for fuller batches. False: some are still unsent after `seconds`."""
        with self.change:
            self.urgent = True
            self.change.notify_all()
            return self.change.wait_for(lambda: not self.queue and not self.sending, seconds)


class Lines:
    """Bytes of one stream in, log lines out. A traceback stays in one piece."""

    def __init__(self, output: Output, name: str) -> None:
        self.output, self.name, self.level = output, name, INFO if name == "stdout" else WARNING
        self.line, self.cut = bytearray(), 0
        self.block: list[str] = []

    def feed(self, data: bytes, at: float) -> None:
        *whole, rest = data.split(b"\n")
        for part in whole:
            self._add(part)
            self._end(at)
        self._add(rest)

    def _add(self, part: bytes) -> None:
        again = part.rstrip(b"\r").rfind(b"\r") + 1  # a progress bar writes over itself: its last state counts
        if part.strip(b"\r") and (again or self.line.endswith(b"\r")):
            self.line, self.cut, part = bytearray(), 0, part[again:]
        room = LINE_BYTES - len(self.line)
        self.line += part[:room]
        self.cut += max(0, len(part) - room)

    def _end(self, at: float) -> None:
        text = self.line.decode("utf-8", "replace").rstrip("\r")
        text += f" [... {self.cut} bytes cut]" if self.cut else ""
        self.line, self.cut = bytearray(), 0
        self.output.keep(text)
        if self.block or text.startswith("Traceback (most recent call last)"):
            self.block.append(text)
            if (len(self.block) == 1 or text[:1].isspace()) and len(self.block) < 1000:
                return
            text, level, self.block = "\n".join(self.block)[:LINE_BYTES], ERROR, []
        else:
            level = self.level
        self.output.post(self.name, level, text, at)

    def close(self) -> None:
        if self.line:
            self._end(time.time())
        if self.block:
            self.output.post(self.name, ERROR, "\n".join(self.block)[:LINE_BYTES])
            self.block = []


class Output:
    """What the child says: stdout, stderr, and the reports of a Python child (print, logging, its end)."""

    def __init__(self, logs: Logs) -> None:
        self.logs, self.own_lines = logs, re.compile("(?!)")
        self.is_posted = True
        self.tail: collections.deque[str] = collections.deque(maxlen=10)
        self.end: dict[str, Any] | None = None
        self.lines: dict[tuple[str, int], Lines] = {}
        self.parts: dict[tuple[str, int], str] = collections.defaultdict(str)
        self.report = b""

    def read(self, pipes: dict[int, str]) -> None:
        """Thread: until every pipe is at its end."""
        with selectors.DefaultSelector() as chooser:
            for fd, kind in pipes.items():
                chooser.register(fd, selectors.EVENT_READ, kind)
            while chooser.get_map():
                for key, _ in chooser.select():
                    data = os.read(key.fd, 65536)
                    if not data:
                        chooser.unregister(key.fd)
                        os.close(key.fd)
                    elif key.data == "report":
                        self._read_report(data)
                    else:
                        self._text(key.data, 0, data, time.time())
        for lines in self.lines.values():
            lines.close()

    def keep(self, text: str) -> None:
        """As one of the last lines, for the message about a crash."""
        if not self.own_lines.match(text):
            self.tail.append(text[:500])

    def post(self, name: str, level: int, text: str, at: float | None = None) -> None:
        if self.is_posted:
            self.logs.put(name, level, text, at)

    def last_lines(self) -> str:
        return LAST_LINES + "\n".join(self.tail) if self.tail else ""

    def _text(self, kind: str, source: int, data: bytes, at: float) -> None:
        pass_on(1 if kind == "stdout" else 2, data)
        if (kind, source) not in self.lines:
            self.lines[kind, source] = Lines(self, kind)
        self.lines[kind, source].feed(data, at)

    def _read_report(self, data: bytes) -> None:
        *whole, self.report = (self.report + data).split(b"\n")
        for line in whole:
            with contextlib.suppress(ValueError, TypeError):  # somebody else wrote to our pipe
                kind, source, at, piece, done = json.loads(line)
                if kind in ("stdout", "stderr"):
                    self._text(kind, source, piece.encode("latin-1"), at)
                    continue
                self.parts[kind, source] += piece
                if done:
                    self._heard(kind, json.loads(self.parts.pop((kind, source))), at)

    def _heard(self, kind: str, said: Any, at: float) -> None:
        if kind == "end":
            self.end = said
            return
        name, level, text = said
        pass_on(2, f"{level:>2} {name} | {text}\n".encode("utf-8", "replace"))
        self.post(name, level, text if len(text) <= LINE_BYTES else f"{text[:LINE_BYTES]} [... cut]", at)


def processes() -> Iterator[tuple[int, int, int]]:
    """(pid, parent, session) of all that live, zombies left out."""
    try:
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        pids = []
    for pid in pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:
            state, parent, _, session = file.read().rpartition(b")")[2].split()[:4]
            if state not in (b"Z", b"X"):
                yield pid, int(parent), int(session)
    if not pids:  # no /proc, as on macOS
        with subprocess.Popen(["ps", "-A", "-o", "pid=,ppid=,pgid=,stat="], stdout=subprocess.PIPE) as asked:
            for row in map(bytes.split, asked.communicate()[0].splitlines()):
                if int(row[0]) != asked.pid and not row[3].startswith(b"Z"):
                    yield int(row[0]), int(row[1]), int(row[2])


def descendants(child: int | None) -> set[int]:
    """Everything below this process, and (should orphans not come to us) all of the child's session."""
    rows, me = list(processes()), os.getpid()
    found = {pid for pid, _, session in rows if child is not None and session == child}
    grown = {me}
    while grown:
        grown = {pid for pid, parent, _ in rows if (parent in grown or parent in found) and pid not in found}
        found |= grown
    return found - {me}


def session_of(pid: int) -> int | None:
    with contextlib.suppress(OSError):
        return os.getsid(pid)
    return None


def signal_all(pids: set[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def adopt_orphans() -> None:
    """Become a subreaper, so that a process whose parent ends comes to us (Linux; elsewhere best effort)."""
    with contextlib.suppress(Exception):
        import ctypes

        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


def oom_kills() -> int:
    """How often the kernel has killed in this cgroup for lack of memory."""
    for path in OOM_FILES:
        with contextlib.suppress(OSError, ValueError), open(path) as file:
            return int(dict(line.split() for line in file).get("oom_kill", 0))
    return 0


def load_code(steps: list[dict[str, Any]], home: str, env: dict[str, str], note: Callable[[str], None]) -> list[str]:
    """Carry out the code steps below `home`; the folders, in order. Raises CodeError."""
    folders = []
    for number, step in enumerate(steps):
        folder = os.path.join(home, str(number))
        if step.get("path"):
            folder = os.path.abspath(step["path"])
        elif step.get("git"):
            note(f"Fetching {shown(step['git'])} at {step.get('ref') or 'its default branch'}")
            fetch_git(step["git"], step.get("ref"), folder, env)
        elif step.get("archive"):
            note(f"Fetching {shown(step['archive'])}")
            with tempfile.TemporaryFile() as file:
                download(step["archive"], step.get("sha256"), file)
                extract(file, folder)
        else:
            raise CodeError(f"Code step {number + 1} has none of 'git', 'archive' and 'path'.")
        inside = os.path.realpath(os.path.join(folder, step.get("subdirectory") or ""))
        if inside != os.path.realpath(folder) and not inside.startswith(os.path.realpath(folder) + os.sep):
            raise CodeError(f"The subdirectory {step['subdirectory']!r} leads out of the code.")
        if not os.path.isdir(inside):
            there = ", ".join(sorted(os.listdir(folder))[:20]) if os.path.isdir(folder) else "nothing"
            wanted = step.get("subdirectory") or step.get("path")
            raise CodeError(f"The code has no folder {wanted!r}; there is: {there}.")
        folders.append(inside)
    return folders


def fetch_git(url: str, ref: str | None, folder: str, env: dict[str, str]) -> None:
    """The tree of a branch, tag or commit. Credentials come with `env` or the URL and are never shown."""
    env = {"GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new", **env}
    env.update(GIT_TERMINAL_PROMPT="0", GIT_ALLOW_PROTOCOL="https:http:ssh:git:file", LC_ALL="C")
    deadline = time.monotonic() + CODE_SECONDS

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", *arguments], cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE, timeout=max(1.0, deadline - time.monotonic()),
            )  # fmt: skip
        except FileNotFoundError:
            raise CodeError(
                f"The code {shown(url)} needs git, which this image does not have: install git in it, "
                "or let the deployment name an archive URL instead."
            ) from None
        except subprocess.TimeoutExpired:
            raise CodeError(f"git took more than {CODE_SECONDS:.0f} s to fetch {shown(url)}.") from None
        error = done.stderr.decode("utf-8", "replace").strip().replace(url, shown(url))
        return re.sub(r"//[^/@\s]*@", "//", error) or "git failed" if done.returncode else None

    def fetch() -> str | None:
        problem = git("fetch", "--quiet", "--depth=1", "--", url, ref or "HEAD")
        if problem is None:
            return git("checkout", "--quiet", "--detach", "FETCH_HEAD")
        if re.fullmatch("[0-9a-f]{7,64}", ref or ""):  # a short id, or a server that gives no single commits
            all_refs = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
            return git("fetch", "--quiet", "--", url, *all_refs) or git("checkout", "--quiet", "--detach", str(ref))
        return problem

    os.makedirs(folder)
    problem = git("init", "--quiet")
    for pause in (0, 2, 5):
        time.sleep(pause)
        problem = problem if pause == 0 and problem else fetch()
        if not problem or not re.search("resolve host|timed out|Connection|early EOF|RPC failed|error: 5", problem):
            break
    if problem:
        raise CodeError(f"The code {shown(url)} at {ref or 'its default branch'} cannot be fetched: {problem[-800:]}")


def download(url: str, sha256: str | None, file: IO[bytes]) -> None:
    """The archive into `file`, in three tries at most."""
    parts, shown_url, deadline = urllib.parse.urlsplit(url), shown(url), time.monotonic() + CODE_SECONDS
    if parts.scheme not in ("http", "https", "file"):
        raise CodeError(f"The archive {shown_url} must be an http, https or file URL.")
    request = urllib.request.Request(parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl())  # noqa: S310
    if parts.username:  # not on to whomever a redirect names
        user = urllib.parse.unquote(f"{parts.username}:{parts.password or ''}")
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(user.encode()).decode()}")
    for pause in (1, 4, None):
        try:
            file.seek(0)
            file.truncate()
            digest = hashlib.sha256()
            with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
                for block in iter(lambda: response.read(1 << 18), b""):
                    digest.update(block)
                    file.write(block)
                    if file.tell() > CODE_BYTES or time.monotonic() > deadline:
                        raise CodeError(f"The archive {shown_url} is too big or too slow to fetch.")
            break
        except (OSError, http.client.HTTPException) as error:
            status = error.code if isinstance(error, urllib.error.HTTPError) else None
            if pause is None or (status and status not in RETRIED):
                why = getattr(error, "reason", None) or type(error).__name__
                raise CodeError(f"The archive {shown_url} cannot be fetched: {status or ''} {why}") from None
            time.sleep(pause)
    if sha256 and digest.hexdigest() != sha256.lower():
        raise CodeError(f"The archive {shown_url} has the SHA-256 {digest.hexdigest()}, not {sha256}.")


def members(archive: zipfile.ZipFile | tarfile.TarFile) -> Iterator[tuple[str, int, Callable[[], Any]]]:
    """(name, file type and mode, open) of each; a symbolic link's content is its target."""
    if isinstance(archive, zipfile.ZipFile):
        for entry in archive.infolist():
            mode = entry.external_attr >> 16 or 0o644
            kind = stat.S_IFDIR if entry.is_dir() else stat.S_IFMT(mode) or stat.S_IFREG
            yield entry.filename, kind | stat.S_IMODE(mode), lambda entry=entry: archive.open(entry)  # type: ignore[misc]
    else:
        for item in archive:
            kind = stat.S_IFREG if item.isreg() or item.islnk() else stat.S_IFDIR if item.isdir() else stat.S_IFIFO
            if item.issym():
                target = os.fsencode(item.linkname)
                yield item.name, stat.S_IFLNK, lambda target=target: io.BytesIO(target)  # type: ignore[misc]
            else:
                yield item.name, kind | item.mode & 0o7777, lambda item=item: archive.extractfile(item)  # type: ignore[misc]


def extract(file: IO[bytes], folder: str) -> None:
    """Unpack .zip or .tar.*; nothing may land or point outside. Links come last: nothing goes through them."""
    root, room, count, links = os.path.realpath(folder), CODE_BYTES, 0, {}
    os.makedirs(root)
    try:
        opened: Any = (
            zipfile.ZipFile(file) if zipfile.is_zipfile(file) else (file.seek(0), tarfile.open(fileobj=file))[1]  # noqa: SIM115
        )
        with opened as archive:
            for name, mode, content in members(archive):
                path, count = os.path.normpath(os.path.join(root, name)), count + 1
                if os.path.isabs(name) or "\\" in name or not (path + os.sep).startswith(root + os.sep):
                    raise CodeError(f"The archive's member {name!r} would land outside of its folder.")
                if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode) and not stat.S_ISLNK(mode):
                    raise CodeError(f"The archive's member {name!r} is neither a file, a folder nor a link.")
                os.makedirs(path if stat.S_ISDIR(mode) else os.path.dirname(path), exist_ok=True)
                if stat.S_ISDIR(mode):
                    continue
                link = io.BytesIO() if stat.S_ISLNK(mode) else None
                with content() as source, link or open(path, "wb") as target:
                    for block in iter(lambda: source.read(1 << 18), b""):
                        room -= len(block)
                        if room < 0 or count > CODE_FILES:
                            raise CodeError("The archive is bigger than what a run may unpack.")
                        target.write(block)
                    if link:
                        links[path] = link.getvalue()[:4096].decode("utf-8", "surrogateescape")
                    else:
                        os.chmod(path, mode & 0o755 | 0o600)
        for path, where in links.items():
            os.symlink(where, path)
        for path, where in links.items():  # only now: one link may lead through another
            if not (os.path.realpath(path) + os.sep).startswith(root + os.sep):
                raise CodeError(f"The archive's link {os.path.relpath(path, root)!r} points outside: {where!r}.")
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        EOFError,
        OSError,
        RuntimeError,
        KeyError,
        ValueError,
    ) as error:
        raise CodeError(f"The archive cannot be unpacked: {type(error).__name__}: {error}") from None


# The child mode: what runs the user's Python function. It shares this file, not this process.


class Reporter:
    """Sends print, logging and the end to the runner, in one order. Every write is a whole line of at most
    PIPE_BUF bytes: those are atomic between threads and forked processes, without a lock."""

    def __init__(self, fd: int) -> None:
        self.fd, self.size = fd, (select.PIPE_BUF - 100) // 6

    def send(self, kind: str, data: bytes, at: float | None = None) -> None:
        head = [kind, os.getpid(), at or time.time()]
        for start in range(0, len(data), self.size):
            piece = data[start : start + self.size].decode("latin-1")
            line = json.dumps([*head, piece, start + self.size >= len(data)], ensure_ascii=False)
            os.write(self.fd, line.encode() + b"\n")

    def stream(self, kind: str, fd: int) -> IO[str]:
        """A text stream like sys.stdout; its file number is the real one: subprocesses can write there."""
        reporter = self

        class Raw(io.RawIOBase):
            def writable(self) -> bool:
                return True

            def fileno(self) -> int:
                return fd

            def write(self, data: Any) -> int:
                reporter.send(kind, bytes(data))
                return len(data)

        buffer = io.BufferedWriter(Raw())
        return io.TextIOWrapper(buffer, encoding="utf-8", errors="backslashreplace", line_buffering=True)

    def take_logging(self) -> None:
        import logging

        reporter = self

        class Handler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                try:
                    said = [record.name, record.levelno, self.format(record)]
                    reporter.send("log", json.dumps(said).encode(), record.created)
                except Exception:
                    self.handleError(record)

        logging.basicConfig(level=INFO, format="%(message)s", handlers=[Handler()])


def resolve(entrypoint: str, folders: list[str]) -> Callable[..., Any]:
    """The function that `path/to/file.py:function` or `package.module:function` names. Raises CodeError."""
    import importlib.util

    where, _, what = entrypoint.rpartition(":")
    if not where or not what:
        raise CodeError(
            f"The entrypoint {entrypoint!r} is not like path/to/file.py:function or package.module:function."
        )
    if where.endswith(".py") or "/" in where:
        if not os.path.isabs(where) and os.path.normpath(where).startswith(os.pardir):
            raise CodeError(f"The entrypoint {entrypoint!r} leads out of the code.")
        path = next(filter(os.path.isfile, (os.path.join(one, where) for one in folders)), None)
        if path is None:
            found = (os.path.join(at, name) for at, _, names in os.walk(folders[0]) for name in names)
            there = sorted(
                os.path.relpath(one, folders[0]) for one, _ in zip(found, range(5000)) if one.endswith(".py")
            )
            raise CodeError(
                f"The entrypoint {entrypoint!r} names a file that is not in {folders[0]}; "
                f"Python files there: {', '.join(there[:10]) or 'none'}."
            )
        sys.path.insert(len(folders), os.path.dirname(os.path.abspath(path)))
        name = os.path.splitext(os.path.basename(path))[0]
        name = name if name not in sys.modules and name.isidentifier() else "skylift_entrypoint"
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise CodeError(f"The entrypoint's file {where!r} is no Python file.")
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    else:
        try:
            module = importlib.import_module(where)
        except ModuleNotFoundError as error:
            if error.name and f"{where}.".startswith(f"{error.name}."):
                raise CodeError(f"The entrypoint {entrypoint!r}: {error}; looked in {', '.join(sys.path)}.") from None
            raise
    target: Callable[..., Any] = module  # type: ignore[assignment]
    for part in what.split("."):
        if not hasattr(target, part):
            own = [key for key, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
            raise CodeError(f"{where} has no {what!r}; it has: {', '.join(own[:10]) or 'no functions'}.")
        target = getattr(target, part)
    if not callable(target):
        raise CodeError(f"{what!r} in {where} is a {type(target).__name__}, not a function.")
    return target


def check_parameters(function: Callable[..., Any], given: dict[str, Any]) -> None:
    """Raises CodeError, which names every parameter that is missing or unknown."""
    import inspect

    try:
        known = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return  # a builtin: the call itself will tell
    named = {one.name for one in known if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)}
    needed = {
        one.name for one in known if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    }
    unknown = [] if any(one.kind is one.VAR_KEYWORD for one in known) else sorted(set(given) - named)
    problems = [f"no value for {', '.join(sorted(needed - set(given)))}"] if needed - set(given) else []
    problems += [f"it has no parameter {', '.join(unknown)}"] if unknown else []
    if problems:
        takes = ", ".join(one.name for one in known) or "none"
        raise CodeError(
            f"The parameters do not fit {getattr(function, '__name__', function)}: {'; '.join(problems)} "
            f"(it takes: {takes})."
        )


def call(function: Callable[..., Any], parameters: dict[str, Any]) -> None:
    """Call it and see it through: coroutines are run, generators are used up."""
    result = function(**parameters)
    if hasattr(result, "__await__"):
        import asyncio

        async def see_through() -> None:
            await result

        asyncio.run(see_through())
    elif isinstance(result, Generator):
        collections.deque(result, maxlen=0)


def user_traceback(error: BaseException) -> str:
    """Without the frames of this file and of the import machinery above the user's."""
    trace = error.__traceback__
    while trace and (trace.tb_frame.f_globals is globals() or "importlib" in trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace))


def child_main(fd: int) -> int:
    """Run the function that stdin tells of; the runner learns over `fd` how it went."""
    import faulthandler

    def terminated(number: int, frame: Any) -> None:
        raise SystemExit(128 + number)  # so that `finally` and context managers run

    order, me = json.loads(sys.stdin.buffer.read()), os.getpid()
    os.set_inheritable(fd, False)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdin, sys.argv = open(0, closefd=False), [order["entrypoint"]]  # noqa: SIM115
    faulthandler.enable(file=2)
    signal.signal(signal.SIGTERM, terminated)
    reporter = Reporter(fd)
    sys.stdout, sys.stderr = reporter.stream("stdout", 1), reporter.stream("stderr", 2)
    reporter.take_logging()
    sys.path[:0] = order["folders"]
    end: dict[str, Any] = {"outcome": "completed"}
    code = 0
    try:
        function = resolve(order["entrypoint"], order["folders"])
        check_parameters(function, order["parameters"])
        call(function, order["parameters"])
    except CodeError as error:
        end, code = {"outcome": "failed", "reason": str(error)}, 1
    except SystemExit as error:
        if error.code not in (None, 0):
            code = error.code if isinstance(error.code, int) else 1
            end = {"outcome": "failed", "reason": f"SystemExit: {error.code}"}
    except BaseException as error:  # KeyboardInterrupt too: it is the user's code's end
        reason = "".join(traceback.format_exception_only(type(error), error)).strip()
        end, code = {"outcome": "failed", "reason": reason, "traceback": user_traceback(error)}, 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    if os.getpid() != me:  # a fork of the user's code came out here: it does not speak for the run
        os._exit(code)
    reporter.send("end", json.dumps(end).encode())
    return code


# The kinds of children. A kind says what to start, what its stdin carries, what it hears of, how it is stopped, and
# how it ended.


class CommandKind:
    asks_itself = False  # for Running; and can be told why it is to stop
    remedy = ""  # for a command that is not there

    def __init__(self, terms: dict[str, Any], folders: list[str], api: Api) -> None:
        self.terms, self.folders, self.api = terms, folders, api

    def prepare(self, env: dict[str, str], output: Output) -> None:
        """Fit its surroundings to it, before the start."""

    def command(self, report: int) -> list[str]:
        if not self.terms.get("command"):
            raise CodeError("The flow run has no command.")
        return [str(word) for word in self.terms["command"]]

    def stdin(self) -> bytes:
        return b""

    def hear(self, flow_run: str, state: dict[str, Any]) -> None:
        """Thread: a state of the run's, as the API knows it. May be the same again."""

    def patience(self, outcome: str) -> float:
        """How much of the grace it gets to stop by itself, before SIGTERM."""
        return 0.0

    def stopped(self, outcome: str, reason: str) -> None:
        """It is about to be stopped, for this."""

    def give_up(self) -> None:
        """Nothing that it says counts any more."""

    def targets(self, child: int, below: set[int]) -> set[int]:
        """Those of its processes that are asked to end."""
        return below

    def close(self, seconds: float) -> bool:
        """Hand over what it has left behind. False: not all of it, as `seconds` were over."""
        return True

    def ended(self, code: int, output: Output) -> dict[str, Any]:
        if code == 0:
            return {"outcome": "completed"}
        return {"outcome": "failed", "reason": f"exit code {code}{output.last_lines()}"}


class PythonKind(CommandKind):
    def command(self, report: int) -> list[str]:
        self.source = globals().get("source") or open(__file__, "rb").read()  # noqa: SIM115
        return [sys.executable or "python3", "-c", CHILD, str(len(self.source)), str(report)]

    def stdin(self) -> bytes:
        if not self.terms.get("entrypoint"):
            raise CodeError("The flow run has no entrypoint.")
        order = {
            "entrypoint": self.terms["entrypoint"],
            "parameters": self.terms.get("parameters") or {},
            "folders": self.folders,
        }
        return bytes(self.source) + json.dumps(order).encode()

    def ended(self, code: int, output: Output) -> dict[str, Any]:
        if output.end:
            return output.end
        told = f"exit code {code}, before the function had returned"
        return {"outcome": "failed", "reason": told + output.last_lines()}


class PrefectKind(CommandKind):
    """Prefect's own engine under `prefect flow-run execute`: a supervisor, and the engine in a session of its own.

    It asks the API for states and sends logs itself, over the relay.
    """

    asks_itself = True
    remedy = " Prefect must be installed in the image, or the job variable 'env' set a PATH on which it is."

    def prepare(self, env: dict[str, str], output: Output) -> None:
        self.relay = Relay(self.api, self.api.url.path, say)
        # SIGTERM is for the supervisor only where the user has chosen what it does then: else it just dies.
        self.is_told = env.get("PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR") in ("reschedule", "relinquish")
        for name in PREFECT_CREDENTIALS:
            env.pop(name, None)
        for name in ("NO_PROXY", "no_proxy"):
            env[name] = ",".join(filter(None, [env.get(name), "127.0.0.1"]))
        env.update(PREFECT_API_URL=self.relay.url, PREFECT__FLOW_RUN_ID=str(self.terms["flow_run"]["id"]))
        output.own_lines, output.is_posted = PREFECT_LINE, False

    def hear(self, flow_run: str, state: dict[str, Any]) -> None:
        if state.get("type") == "CANCELLING":
            self.relay.listeners.announce(flow_run, "Cancelling", state)
        elif state.get("name") == "Suspended":
            self.relay.listeners.announce(flow_run, "Suspended", state)

    def patience(self, outcome: str) -> float:
        # SIGTERM would make a run that is suspended a crashed one.
        return {"cancelled": 0.5, "suspended": math.inf}.get(outcome, 0.0)

    def stopped(self, outcome: str, reason: str) -> None:
        if outcome != "cancelled":
            timed_out = {"type": "FAILED", "name": "TimedOut"} if outcome == "timed_out" else {}
            self.relay.crash = {**timed_out, "message": reason}

    def give_up(self) -> None:
        self.relay.given_up = True

    def targets(self, child: int, below: set[int]) -> set[int]:
        engine = {pid for pid in below if session_of(pid) != child}
        return below - engine if self.is_told else engine or below

    def close(self, seconds: float) -> bool:
        return self.relay.close(seconds)

    def ended(self, code: int, output: Output) -> dict[str, Any]:
        """The exit code tells little: the run's state does, which the server knows."""
        return {"outcome": "exited", "reason": f"The process ended with exit code {code}{output.last_lines()}"}


KINDS = {"command": CommandKind, "python": PythonKind, "prefect": PrefectKind}


class Runner:
    """The main thread takes messages from `inbox`: signals, heartbeats, the child's end. What blocks is a thread."""

    child: subprocess.Popen[bytes] | None = None
    kind: CommandKind | None = None
    home: str | None = None
    halted: tuple[str, str] | None = None  # outcome and reason
    cause: tuple[str, str] | None = None  # `halted`, as it was when the child ended
    code: int | None = None
    term_at = kill_at = math.inf
    given_up = hurry = False

    def __init__(self, api: Api, path: str, instance: str, terms: dict[str, Any]) -> None:
        self.api, self.path, self.instance, self.terms = api, path, instance, terms
        self.inbox: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        grace = terms.get("grace_seconds")
        self.run_id, self.grace = str(terms["flow_run"]["id"]), 30.0 if grace is None else float(grace)
        self.logs, self.over = Logs(api, self.run_id), threading.Event()
        self.output = Output(self.logs)

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        threading.Thread(target=self.beat, daemon=True).start()
        adopt_orphans()
        end: dict[str, Any] = {}
        try:
            end = self.conduct()
        except HaltedError:
            pass  # before the child was started
        except (CodeError, InstallError) as error:
            end = {"outcome": "failed", "reason": str(error)}
        except Exception as error:  # ours or the machine's: no space, no memory, the API
            end = {"outcome": "crashed", "reason": f"The runner could not go on: {type(error).__name__}: {error}"}
            say(traceback.format_exc())
            self.kill_at = time.monotonic()
        try:
            self.watch()  # what was started on the way
            return self.finish(end)
        finally:
            signal_all(self.below(), signal.SIGKILL)  # a git, say, that came too late for the halt
            if self.home:
                shutil.rmtree(self.home, ignore_errors=True)

    def conduct(self) -> dict[str, Any]:
        """Load, ask, start, watch; how it ended, as /end wants it."""
        kind = KINDS.get(self.terms.get("kind") or "python")
        if kind is None:
            raise RuntimeError(f"this runner does not know runs of the kind {self.terms['kind']!r}")
        env, steps = self.environment(), self.terms.get("code") or []
        packages, cache = self.terms.get("packages"), os.environ.get("SKYLIFT_PACKAGES")
        if any("path" not in step for step in steps) or (packages and not cache):
            self.home = tempfile.mkdtemp(prefix="skylift-")
        told = functools.partial(self.note, INFO)
        if packages:
            cache = cache or os.path.join(self.home or "", "packages")
            self.aside(functools.partial(provide_packages, packages, self.terms.get("command"), cache, env, told))
        folders: list[str] = []
        if steps:
            folders = self.aside(functools.partial(load_code, steps, self.home or "", env, told))
        base = folders[-1] if folders else os.getcwd()
        place = os.path.join(base, self.terms.get("working_dir") or "")
        if not os.path.isdir(place):
            raise CodeError(f"The working directory {place!r} does not exist.")
        refusal = None if kind.asks_itself else self.ask_for_running()
        if refusal:
            return refusal
        kills = oom_kills()
        folders = list(dict.fromkeys([base if folders else os.path.abspath(place), os.path.abspath(place), *folders]))
        child = kind(self.terms, folders, self.api)
        self.start(child, place, env)
        self.watch()
        self.logs.flush(0)  # from now on the reader must not be held back: a Python child's end comes behind its output
        self.reader.join(LEFTOVER_GRACE)
        return self.judge(child, self.code, oom_kills() > kills)

    def environment(self) -> dict[str, str]:
        env = {name: value for name, value in os.environ.items() if name not in PRIVATE}
        # Else the lines of a Python command come late, and not at all when it is killed.
        env.setdefault("PYTHONUNBUFFERED", "1")
        env.update(
            SKYLIFT_FLOW_RUN_ID=self.run_id,
            SKYLIFT_FLOW_RUN_NAME=str(self.terms["flow_run"].get("name") or ""),
        )
        for name, value in (self.terms.get("env") or {}).items():
            env.pop(name, None)
            if value is not None:
                env[name] = str(value)
        return env

    def ask_for_running(self) -> dict[str, Any] | None:
        """None once the API says that the run may start; else the end."""
        path, reason = f"/flow_runs/{self.run_id}/set_state", "The API did not accept the state Running"
        while True:
            mine = {"transition_id": str(uuid.uuid4())}  # one for each question: a repeat asks nothing new
            body = {"state": {"type": "RUNNING", "name": "Running", "state_details": mine}, "force": False}
            status, answer = self.aside(functools.partial(self.api.post, path, body, CALL_PATIENCE))
            if status >= 300 or not isinstance(answer, dict):
                return {"outcome": "not_started", "reason": f"{reason} ({status})"}
            details = answer.get("details") or {}
            standing = (answer.get("state") or {}).get("state_details") or {}
            if answer.get("status") == "ACCEPT" or standing.get("transition_id") == mine["transition_id"]:
                return None  # refused where only the answer of the first try was lost
            if answer.get("status") != "WAIT":
                return {
                    "outcome": "not_started",
                    "reason": details.get("reason") or f"{reason}: {answer.get('status')}",
                }
            until = time.monotonic() + float(details.get("delay_seconds") or 1)
            while time.monotonic() < until:
                self.receive(until)
                if self.halted:
                    raise HaltedError

    def start(self, kind: CommandKind, place: str, env: dict[str, str]) -> None:
        pipes = [os.pipe() for _ in range(3)]
        out, err, report = (write for _, write in pipes)
        try:
            command = kind.command(report)
            kind.prepare(env, self.output)
            self.kind = kind
            payload = kind.stdin()
            self.child = subprocess.Popen(
                command, cwd=place, env=env, stdin=subprocess.PIPE if payload else subprocess.DEVNULL,
                stdout=out, stderr=err, pass_fds=[report] if payload else [], start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE):
                raise  # the machine's, not the user's
            where = f"(in {place}, PATH={env.get('PATH')}).{kind.remedy}"
            raise CodeError(f"The command {command[0]!r} cannot be started: {error.strerror} {where}") from None
        finally:
            for fd in (out, err, report):
                os.close(fd)
        kinds = {read: name for (read, _), name in zip(pipes, ("stdout", "stderr", "report"))}
        self.reader = threading.Thread(target=self.output.read, args=(kinds,), daemon=True)
        self.reader.start()
        threading.Thread(target=self.reap, args=(self.child,), daemon=True).start()
        if self.child.stdin:
            threading.Thread(target=self._feed, args=(self.child.stdin, payload), daemon=True).start()

    def _feed(self, pipe: IO[bytes], payload: bytes) -> None:
        with contextlib.suppress(OSError), pipe:  # a child that is gone says so in other ways
            pipe.write(payload)

    def reap(self, child: subprocess.Popen[bytes]) -> None:
        """Thread: collect all that end, as PID 1 and subreapers must, and say when it is the child."""
        while True:
            try:
                pid = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT).si_pid  # type: ignore[union-attr]
            except ChildProcessError:
                return
            except AttributeError:  # macOS before Python 3.13
                pid = child.pid
            if pid == child.pid:
                self.inbox.put(("exited", child.wait()))
            else:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, 0)

    def _on_signal(self, number: int, frame: Any) -> None:
        reason = f"The platform stopped the container ({signal.Signals(number).name})"
        self.hurry = True
        self.inbox.put(("platform", reason))  # SimpleQueue.put may interrupt itself

    def beat(self) -> None:
        """Thread: heartbeats. Their answers say when the next is due and which states the run's states are."""
        every = pause = float(self.terms.get("heartbeat_seconds") or 30)
        while not self.over.wait(pause):
            try:
                status, answer = self.api.post(f"{self.path}/heartbeat", {"instance": self.instance}, timeout=15)
            except ConnectionError as error:
                say(f"heartbeat: {error}")
                pause = min(every, 5.0)
                continue
            pause = every
            if status == 410:
                self.given_up = True
                self.inbox.put(("halt", ("crashed", "The attempt was given up", 0.0)))
            elif status != 200 or not isinstance(answer, dict):
                say(f"heartbeat: the API answered {status}")
            else:
                every = pause = float(answer.get("next") or every)
                self.hear(answer.get("states") or {})

    def hear(self, states: dict[str, dict[str, Any]]) -> bool:
        """Thread: what a heartbeat's answer says; True where the run is to stop for it."""
        for flow_run, state in states.items():
            if self.kind:  # else it is told again
                self.kind.hear(flow_run, state)
        own = states.get(self.run_id) or {}
        if own.get("type") in ("CANCELLING", "CANCELLED"):
            self.inbox.put(("halt", ("cancelled", "Cancelled", self.grace)))
        elif own.get("name") == "Suspended":
            self.inbox.put(("halt", ("suspended", "Suspended", self.grace)))
        else:
            return False
        return True

    def ask_why(self, reason: str) -> None:
        """Thread: the platform stops us. Where that is because the run is cancelled, its hooks have a right to run."""
        with contextlib.suppress(ConnectionError):
            body = {"instance": self.instance}
            status, answer = self.api.post(f"{self.path}/heartbeat", body, timeout=SIGNAL_PATIENCE)
            if status == 200 and self.hear(answer.get("states") or {}):
                return
        self.inbox.put(("halt", ("crashed", reason, PLATFORM_GRACE)))

    def note(self, level: int, text: str) -> None:
        say(text)
        self.logs.put("skylift.runner", level, text, wait=False)  # a stop must not wait for the API

    def aside(self, work: Callable[[], Any]) -> Any:
        """The result of `work`, done on a thread, so that this one hears of halts meanwhile. Raises HaltedError."""

        def go() -> None:
            try:
                self.inbox.put(("done", (work(), None)))
            except BaseException as error:
                self.inbox.put(("done", (None, error)))

        threading.Thread(target=go, daemon=True).start()
        while not self.halted:
            message = self.receive(math.inf)
            if message:
                result, error = message[1]
                if error:
                    raise error
                return result
        raise HaltedError(self.halted[1])

    def receive(self, until: float) -> tuple[str, Any] | None:
        """The next message; None at `until` (monotonic), or after a halt, which is acted on here."""
        try:
            kind, value = self.inbox.get(timeout=max(0.0, min(until - time.monotonic(), 3600.0)))
        except queue.Empty:
            return None
        if kind == "halt":
            self.halt(*value)
            return None
        if kind == "platform" and self.kind and self.kind.asks_itself:
            threading.Thread(target=self.ask_why, args=(value,), daemon=True).start()
            return None
        if kind == "platform":
            self.halt("crashed", value, PLATFORM_GRACE)
            return None
        return kind, value

    def halt(self, outcome: str, reason: str, grace: float) -> None:
        """The run is to end. The first reason is reported; a later halt can only shorten the grace."""
        now, grace = time.monotonic(), min(grace, self.grace)
        self.kill_at = min(self.kill_at, now + grace)
        if self.kind and not grace:
            self.kind.give_up()
        if self.halted is None:
            self.halted = (outcome, reason)
            patience = self.kind.patience(outcome) if self.kind else 0.0
            self.term_at = now + patience * grace if patience else now
            if grace:
                self.note(WARNING, f"Stopping the run: {reason}")
                self.terminate(now)

    def terminate(self, now: float) -> None:
        """SIGTERM to what is to end softly, once its time has come."""
        if now >= self.term_at and self.halted:
            self.term_at = math.inf
            below = self.below()
            if self.kind:
                self.kind.stopped(*self.halted)
            signal_all(self.kind.targets(self.child.pid, below) if self.kind and self.child else below, signal.SIGTERM)

    def below(self) -> set[int]:
        return descendants(self.child.pid if self.child else None)

    def watch(self) -> None:
        """Until nothing is left below us, or cannot be killed. Sets `code` when the child ends."""
        limit = self.terms.get("timeout_seconds") if self.child and self.code is None else None
        expiry, ending = time.monotonic() + float(limit) if limit else math.inf, False
        while True:
            now = time.monotonic()
            if now >= expiry and not self.halted:
                self.halt("timed_out", f"timed out after {limit:g} seconds", self.grace)
            ended = self.child is None or self.code is not None
            self.terminate(now)
            below = self.below() if ended or now >= self.kill_at else set()
            if (ended and not below) or now > self.kill_at + 10:
                return
            if ended and not ending:
                ending, self.kill_at = True, min(self.kill_at, now + min(self.grace, LEFTOVER_GRACE))
                signal_all(below, signal.SIGTERM)
            if now >= self.kill_at:
                signal_all(below, signal.SIGKILL)
            next_look = now + 0.05 if ended or now >= self.kill_at else math.inf
            stop_at = max(min(self.kill_at, self.term_at), now + 0.05)
            message = self.receive(min(next_look, stop_at, math.inf if self.halted else expiry))
            if message and message[0] == "exited":
                self.code, self.cause = message[1], self.halted

    def judge(self, kind: CommandKind, code: int | None, oom: bool) -> dict[str, Any]:
        """How the child's end looks to us; the server decides what state that is."""
        end: dict[str, Any] = {"exit_code": code if code is not None and code >= 0 else None, "signal": None}
        if code is not None and code < 0:
            end["signal"] = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        memory = "Out of memory: the kernel killed a process of the run. " if oom else ""
        if code is None:
            end.update(outcome="crashed", reason="The process could not be killed")
        elif self.cause:
            end.update(outcome=self.cause[0], reason=self.cause[1])
        elif not self.output.end and (code < 0 or (oom and code)):
            how = f"The process was ended by {end['signal']}" if code < 0 else f"exit code {code}"
            end.update(outcome="crashed", reason=memory + how + self.output.last_lines())
        else:
            end.update(kind.ended(code, self.output))
            if oom and end.get("reason"):
                end["reason"] = memory + end["reason"]
        return end

    def finish(self, end: dict[str, Any]) -> int:
        """Last logs, then the report, patiently. 0: the API knows how the run ended, or does not want to."""
        if self.given_up:
            say("the attempt was given up: everything was killed, nothing is reported")
            return 0
        if not end and self.halted:
            end = {"outcome": self.halted[0], "reason": self.halted[1]}
        if self.kind and not self.kind.close(2 if self.hurry else EVENTS_PATIENCE):
            say("the last events were lost: the API did not take them in time")
        if end.get("reason") and not self.halted and end["outcome"] != "exited":
            self.note(ERROR, end.get("traceback") or end["reason"].partition(LAST_LINES)[0])
        self.logs.flush(2 if self.hurry else 30)
        self.over.set()
        body = {
            "instance": self.instance,
            "exit_code": None,
            "signal": None,
            "reason": None,
            "traceback": None,
            **end,
        }
        body.update(reason=shorten(body["reason"], 4000), traceback=shorten(body["traceback"], 50_000))
        try:
            status, answer = self.api.post(f"{self.path}/end", body, END_PATIENCE)
        except ConnectionError as error:
            say(f"the end ({end['outcome']}) could not be reported: {error}")
            return 1
        say(f"{end['outcome']}: the API answered {status} {json.dumps(answer)[:200]}")
        if not self.logs.flush(30):
            say("the last log lines were lost: the API did not take them in time")
        return 0 if status < 300 or status in (409, 410) else 1


def main() -> int:
    missing = [name for name in ("SKYLIFT_API_URL", "SKYLIFT_ATTEMPT") if not os.environ.get(name)]
    if missing:
        say(f"{' and '.join(missing)} must be set")
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):  # as PID 1 we would ignore them
        signal.signal(number, lambda number, _: sys.exit(1))
    api, nonce = Api(os.environ["SKYLIFT_API_URL"]), os.environ.get("SKYLIFT_NONCE")
    path = f"/attempts/{urllib.parse.quote(os.environ['SKYLIFT_ATTEMPT'], safe='')}"
    # The random part: a container that the platform restarts in place is another instance, not a repeat.
    instance = f"{os.environ.get('SKYLIFT_INSTANCE') or os.uname().nodename}/{uuid.uuid4().hex}"
    first_word = {"instance": instance, "nonce": nonce, "pool_secret": os.environ.get("SKYLIFT_POOL_SECRET")}
    SECRETS.extend(filter(None, (nonce, first_word["pool_secret"])))
    try:
        status, terms = api.post(f"{path}/admit", first_word, ADMIT_PATIENCE)
    except ConnectionError as error:
        say(f"not admitted: {error}")
        return 1
    if status in (409, 410):  # 0, or the platform would start the container again
        why = "another instance runs this attempt" if status == 409 else "the attempt was given up"
        say(f"not admitted ({status}): {why}")
        return 0
    if status != 200:
        say(f"admission was refused ({status}): {json.dumps(terms)[:300]}")
        return 1
    SECRETS.append(terms["token"])
    api.headers["Authorization"] = f"Bearer {terms['token']}"
    return Runner(api, path, instance, terms).run()


if __name__ == "__main__":
    sys.exit(child_main(int(sys.argv[2])) if len(sys.argv) == 3 else main())
