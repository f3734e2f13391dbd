"""Commands typed at a real terminal, for what asks there."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Mapping, Sequence


def typed(
    command: Sequence[str], env: Mapping[str, str], answers: Mapping[str, str], patience: float = 100.0
) -> tuple[int, str]:
    """Run it with all three streams at a terminal, giving each answer once its question is seen; exit code and all
    that was shown."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        list(command), env={**env, "TERM": "xterm"}, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    shown, left, until = b"", dict(answers), time.monotonic() + patience
    try:
        while time.monotonic() < until:
            if select.select([ours], [], [], 0.2)[0]:
                try:
                    shown += os.read(ours, 65536)
                except OSError:  # the other side is closed
                    break
            for question in [each for each in left if each.encode() in shown]:
                os.write(ours, f"{left.pop(question)}\n".encode())
        code = process.wait(10)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return code, shown.decode(errors="replace").replace("\r\n", "\n")
