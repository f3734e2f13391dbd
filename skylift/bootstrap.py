"""How the runner comes into a container: a short command fetches it by its content hash, checks and runs it."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

# Isolated (-I), so that no module of the image's working directory shadows the standard library. The runner finds
# its own text in `source`, to start its child with.
_SCRIPT = """\
import hashlib,time,urllib.request as u
h={sha256!r}
for i in {pauses}:
 time.sleep(i)
 try:source=u.urlopen({base!r}+h+'.py',timeout=20).read();break
 except Exception as e:print('skylift |',e)
else:exit(1)
if hashlib.sha256(source).hexdigest()!=h:exit('skylift | the runner does not match its hash')
exec(source)"""


_FUTURE = "from __future__ import annotations\n"


@cache
def runner_source() -> bytes:
    """The runner's text, as `GET /skylift/runner/{sha256}.py` serves it: its parts in one file."""
    lines = [_FUTURE]
    for part in ("relay.py", "packages.py", "runner.py"):
        text = Path(__file__).with_name(part).read_text("utf-8")
        lines += [each for each in text.splitlines(True) if each != _FUTURE and not each.startswith("from skylift.")]
    return "".join(lines).encode()


@cache
def runner_sha256() -> str:
    """The content hash of `runner_source`, in hexadecimal."""
    return hashlib.sha256(runner_source()).hexdigest()


def bootstrap_command(
    api_url: str,
    sha256: str | None = None,
    *,
    python: str = "python3",
    pauses: tuple[float, ...] = (0, 1, 4, 9),
) -> list[str]:
    """The argv that runs the runner. `api_url` ends in /api; `pauses` are the seconds before each try."""
    script = _SCRIPT.format(
        sha256=sha256 or runner_sha256(),
        base=api_url.rstrip("/") + "/skylift/runner/",
        pauses=",".join(map(str, pauses)) + ",",
    )
    return [python, "-I", "-c", script]
