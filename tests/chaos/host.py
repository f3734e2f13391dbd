"""A script that forks: each child is a process of its own, without the second that importing takes.

Its arguments are modules to import once, for all of them. Orders come as lines of JSON on stdin: `call` is a
`module:function`, `kwargs` what it is given. Answers are lines on stdout: `started PID`, and `ended PID CODE` (a
negative code is a signal). When stdin is closed, every child is ended; orphans of those that were killed are collected
here. See forks.py for the other side.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import select
import signal
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

PR_SET_CHILD_SUBREAPER = 36


def child(order: dict[str, Any]) -> NoReturn:
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(process)d %(message)s")
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        module, _, function = order["call"].partition(":")
        getattr(import_module(module), function)(**order["kwargs"])
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


def reap(children: set[int]) -> None:
    """Children that ended, and whatever they left to this process."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        if pid in children:
            children.discard(pid)
            say(f"ended {pid} {os.waitstatus_to_exitcode(status)}")


def main(modules: list[str]) -> None:
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for each in modules:
        import_module(each)
    ended, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(ended, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    children: set[int] = set()
    pending = b""
    while True:
        ready = select.select([0, ended], [], [])[0]
        if ended in ready:
            os.read(ended, 1 << 16)
        if 0 in ready:
            data = os.read(0, 1 << 16)
            if not data:
                break
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                pid = os.fork()
                if not pid:
                    child(json.loads(line))
                children.add(pid)
                say(f"started {pid}")
        reap(children)
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    os._exit(0)  # what was imported needs no farewell, which would take its time


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    main(sys.argv[1:])
