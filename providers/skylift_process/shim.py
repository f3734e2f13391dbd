"""The shim: one small process beside each attempt. Standard library only; `launcher.py` starts it.

Stages: read the request from the socket on fd 0; take the folder's lock; fork the child behind a closed gate;
write `started`; look for `stop` once more; open the gate; answer the launcher; pump output, pass on signals,
watch the clock; when the child has ended, end what it left running; write `exit`; end, which frees the lock.

Whoever starts an attempt holds the lock and has seen no `started`, so of one attempt there is never a second
child. Who stops writes `stop` before reading `started`; the shim writes `started` before it looks for `stop`:
one of them sees the other.
"""

from __future__ import annotations

# What `signal` and `ctypes` are made of, without enum and re: that saves a third of the start.
import _signal  # type: ignore[import-not-found]
import fcntl
import os
import select
import time

REQUEST_MARK = "skylift-process-1"
END_MARK = "end"
SEGMENT = 1 << 20
SEGMENTS_KEPT = 7
"""Of the output, the first segment and this many of the last stay on disk."""
TIME_STEP = 50_000_000
"""Nanoseconds between two marks of when output was seen."""
LEFTOVER_GRACE = 2.0
MARK_POLL = 5.0
"""Seconds between two looks for a `stop` mark whose signal could not be sent (another pid namespace, say)."""
NAP = 5
"""Milliseconds that output is gathered before it is looked at again."""
EXIT_SIZE = 512
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


class Request:
    """What to run: NUL-separated fields, closed by an end mark so that half a request is never run."""

    def __init__(self, raw: bytes) -> None:
        fields = os.fsdecode(raw).split("\0")
        if len(fields) < 7 or fields[0] != REQUEST_MARK or fields[-1] != END_MARK:
            raise ValueError("incomplete request")
        self.deadline = int(fields[1])
        self.grace = float(fields[2])
        self.timeout = float(fields[3]) if fields[3] else None
        self.working_dir = fields[4]
        count = 6 + int(fields[5])
        self.command = fields[6:count]
        self.env = dict(entry.split("=", 1) for entry in fields[count:-1])


class Output:
    """The child's output in numbered segments; `times.N` beside `output.N` says what was seen when."""

    def __init__(self, folder: str) -> None:
        self.folder, self.offset, self.number, self.marked = folder, 0, -1, 0
        self.data = self.times = -1

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                self.turn()
                self.mark()
                written = os.write(self.data, view[: SEGMENT - self.offset % SEGMENT])
            except OSError:
                return  # a full disk costs output, never the run
            self.offset += written
            view = view[written:]

    def turn(self) -> None:
        number = self.offset // SEGMENT
        if number == self.number:
            return
        if self.number >= 0:
            os.close(self.data)
            os.close(self.times)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self.number = -1
        self.data = os.open(f"{self.folder}/output.{number}", flags, 0o600)
        self.times = os.open(f"{self.folder}/times.{number}", flags, 0o600)
        self.number, self.marked = number, 0
        old = number - SEGMENTS_KEPT
        if old > 0:
            os.unlink(f"{self.folder}/output.{old}")
            os.unlink(f"{self.folder}/times.{old}")

    def mark(self) -> None:
        now = time.time_ns()
        if now - self.marked >= TIME_STEP:
            os.write(self.times, self.offset.to_bytes(8, "big") + now.to_bytes(8, "big"))
            self.marked = now


class Shim:
    """Everything about the one child."""

    def __init__(self, folder: str, request: Request) -> None:
        self.folder, self.request = folder, request
        self.output = Output(folder)
        self.child = 0
        self.began: int | None = None
        self.ended: int | None = None
        self.status: int | None = None
        self.why = ""
        self.asked = self.killed = self.ending = False
        self.kill_at = self.timeout_at = float("inf")
        self.gathering = False
        self.wake, wake_write = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(wake_write, False)
        _signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        _signal.signal(_signal.SIGCHLD, lambda *_: None)
        for number in (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP):
            _signal.signal(number, self.on_term)

    def on_term(self, *_: object) -> None:
        self.asked = True

    def run(self) -> None:
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        exit_file = os.open(f"{self.folder}/exit.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(exit_file, b"\n" * EXIT_SIZE)  # room for the last word, should the disk be full by then
        out, out_write = os.pipe()
        gate, gate_write = os.pipe()
        failure, failure_write = os.pipe()
        shim = os.getpid()
        try:
            self.child = os.fork()
        except OSError as error:
            answer(f"failed fork {error.errno}")
            return
        if not self.child:
            os.close(gate_write)
            become(self.request, gate, out_write, failure_write, shim)
        for fd in (gate, out_write, failure_write):
            os.close(fd)
        self.write_started()
        if self.asked or self.stop_grace() is not None:
            self.why = "stop"
            os.close(gate_write)
            os.waitpid(self.child, 0)
            self.write_exit(exit_file)
            answer("stopped")
            return
        self.began = time.time_ns()
        os.write(gate_write, b"g")
        os.close(gate_write)
        failed = os.read(failure, 64).decode()
        if failed:
            os.waitpid(self.child, 0)
            self.began, self.why = None, failed
            self.write_exit(exit_file)
            answer(f"failed {failed}")
            return
        os.close(failure)
        answer("started")
        self.request.env.clear()
        if self.request.timeout is not None:
            self.timeout_at = time.monotonic() + self.request.timeout
        self.watch(out)
        self.write_exit(exit_file)

    def write_started(self) -> None:
        me, child = os.getpid(), self.child
        text = (
            f"shim {me} {start_ticks(me)}\nchild {child} {start_ticks(child)}\nboot {boot_id()}\nat {time.time_ns()}\n"
        )
        fd = os.open(f"{self.folder}/started.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(fd, text.encode())
        os.fsync(fd)
        os.close(fd)
        os.rename(f"{self.folder}/started.new", f"{self.folder}/started")
        fd = os.open(self.folder, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)

    def write_exit(self, fd: int) -> None:
        lines = [f"ended {self.ended or time.time_ns()}"]
        if self.began:
            lines.append(f"began {self.began}")
        if self.status is not None:
            code = os.waitstatus_to_exitcode(self.status)
            lines.append(f"code {code}" if code >= 0 else f"signal {-code}")
        if self.why:
            lines.append(f"why {self.why}")
        if self.killed:
            lines.append("killed 1")
        os.ftruncate(fd, os.pwrite(fd, "\n".join(lines).encode(), 0))
        os.fsync(fd)
        os.rename(f"{self.folder}/exit.new", f"{self.folder}/exit")

    def stop_grace(self) -> float | None:
        """Seconds that the `stop` mark allows, None where there is none."""
        try:
            with open(f"{self.folder}/stop") as mark:
                return float(mark.readline().split()[1])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, IndexError):
            return self.request.grace

    def watch(self, out: int) -> None:
        """Until nothing of the child is left."""
        os.set_blocking(out, False)
        poll = select.poll()
        poll.register(self.wake, select.POLLIN)
        poll.register(out, select.POLLIN)
        gather = select.poll()
        gather.register(self.wake, select.POLLIN)
        mark_at = time.monotonic() + MARK_POLL
        while self.reap():
            now = time.monotonic()
            if now >= mark_at:
                mark_at = now + MARK_POLL
                self.asked = self.asked or (self.why != "stop" and self.stop_grace() is not None)
            self.decide(now)
            if self.gathering:
                gather.poll(NAP)
                self.gathering = False
            else:
                until = min(mark_at, self.kill_at, self.timeout_at) - time.monotonic()
                for fd, _ in poll.poll(max(0, int(until * 1000) + 1)):
                    if fd == out and not self.pump(out):
                        poll.unregister(out)
            drain(self.wake)
        while self.pump(out):
            pass

    def pump(self, out: int) -> bool:
        """Move what is there; False where there is nothing more to come, or nothing just now."""
        try:
            data = os.read(out, 1 << 16)
        except BlockingIOError:
            return False
        self.output.write(data)
        self.gathering = 0 < len(data) < 1 << 15
        return bool(data)

    def reap(self) -> bool:
        """Collect every child that has ended; False when none is left."""
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return True
                if pid == self.child:
                    self.status, self.ended = status, time.time_ns()
        except ChildProcessError:
            return False

    def decide(self, now: float) -> None:
        if self.asked:
            self.asked = False
            grace = self.stop_grace()
            self.soften("term" if grace is None else "stop", now + (self.request.grace if grace is None else grace))
        if now >= self.timeout_at:
            self.timeout_at = float("inf")
            self.soften("timeout", now + self.request.grace)
        if self.ended and not self.ending:
            self.ending = True
            for pid in descendants():
                send(pid, _signal.SIGTERM)
            self.kill_at = min(self.kill_at, now + LEFTOVER_GRACE)
        if now >= self.kill_at:
            self.killed = self.killed or self.status is None
            for pid in descendants() or [-self.child]:
                send(pid, _signal.SIGKILL)
            self.kill_at = now + 0.05

    def soften(self, why: str, kill_at: float) -> None:
        """Ask the child's group to end, once; a later and shorter grace counts, a longer one does not."""
        self.kill_at = min(self.kill_at, kill_at)
        if not self.why and not self.ended:
            self.why = why
            send(-self.child, _signal.SIGTERM)
            send(-self.child, _signal.SIGCONT)


def become(request: Request, gate: int, out: int, failure: int, shim: int) -> None:
    """In the child: wait at the gate, then turn into the command. Never returns."""
    step = "setup"
    try:
        os.setsid()
        prctl(PR_SET_PDEATHSIG, _signal.SIGKILL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        if os.getppid() != shim or os.read(gate, 1) != b"g":
            os._exit(127)
        for number in (_signal.SIGPIPE, _signal.SIGXFSZ, _signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP):
            _signal.signal(number, _signal.SIG_DFL)
        _signal.set_wakeup_fd(-1)
        step = "chdir"
        os.chdir(request.working_dir)
        step = "exec"
        execute(request.command, request.env)
    except OSError as error:
        os.write(failure, f"{step} {error.errno}".encode())
    finally:
        os._exit(127)


def execute(command: list[str], env: dict[str, str]) -> None:
    """Like `os.execvpe`, whose search of the path imports more. Raises the OSError that tells most."""
    name = command[0]
    if "/" in name:
        os.execve(name, command, env)  # noqa: S606
    told: OSError = FileNotFoundError(2, "not found")
    for folder in env.get("PATH", os.defpath).split(":"):
        try:
            os.execve(f"{folder or '.'}/{name}", command, env)  # noqa: S606
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            told = error
    raise told


def prctl(option: int, value: int) -> None:
    """Linux only, and only where Python was built with ctypes; the rest of the shim does without."""
    try:
        import _ctypes

        function = _ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl")  # type: ignore[arg-type]
        _ctypes.call_function(function, (option, value, 0, 0, 0))
    except (ImportError, OSError, AttributeError):
        pass


def descendants() -> list[int]:
    """Every process below this one, from /proc; empty where there is none."""
    children: dict[int, list[int]] = {}
    try:
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []
    for pid in pids:
        fields = stat_fields(pid)
        if fields:
            children.setdefault(int(fields[1]), []).append(pid)
    found: list[int] = []
    below = children.get(os.getpid(), [])
    while below:
        found += below
        below = [child for pid in below for child in children.get(pid, [])]
    return found


def stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name: state, parent, … (proc(5)); empty where it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].decode().split()
    except OSError:
        return []


def start_ticks(pid: int) -> str:
    """When a process started, in clock ticks since the boot: with its pid, its identity."""
    fields = stat_fields(pid)
    return fields[19] if fields else "0"


def boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return "unknown"


def boot_time() -> int:
    """Nanoseconds on a clock that every process of this machine shares and that nobody sets."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def send(pid: int, number: int) -> None:
    if pid not in (0, -1, 1):
        try:
            os.kill(pid, number)
        except OSError:
            pass


def drain(fd: int) -> None:
    try:
        while os.read(fd, 512):
            pass
    except BlockingIOError:
        pass


def answer(word: str) -> None:
    """One word to the launcher, who may be dead by now."""
    try:
        os.write(0, word.encode())
    except OSError:
        pass
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)


def read_all(fd: int) -> bytes:
    parts = []
    while part := os.read(fd, 1 << 16):
        parts.append(part)
    return b"".join(parts)


def take_lock(folder: str, deadline: int) -> str:
    """Empty when the lock is ours and the attempt is still to be started, or the word that says why not."""
    lock = os.open(f"{folder}/lock", os.O_RDWR | os.O_CREAT, 0o600)
    while True:
        if os.path.exists(f"{folder}/started"):
            return "started"
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            time.sleep(0.005)
        if boot_time() > deadline:
            return "busy"
    if os.path.exists(f"{folder}/started"):
        return "started"
    if os.path.exists(f"{folder}/stop"):
        return "stopped"
    return "late" if boot_time() > deadline else ""


def main(folder: str) -> None:
    os.closerange(3, 1 << 20)
    os.chdir("/")
    try:
        request = Request(read_all(0))
        word = take_lock(folder, request.deadline)
        if word:
            answer(word)
        else:
            Shim(folder, request).run()
    except OSError as error:
        answer(f"failed state {error.errno}")
    except ValueError:
        answer("failed request 0")
