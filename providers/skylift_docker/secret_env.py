"""Pure: secret variables of a bare command, kept out of the container's description.

An engine shows a container's environment to everybody who may describe it, and such descriptions end up in bug reports
and monitoring. It has no field for secrets. So these variables travel as a file into the container's own file system
before it starts; a shell reads it, empties it, and becomes the command. (Whoever may use the engine's socket is root on
its machine and can look into any process: against them nothing helps.)
"""

from __future__ import annotations

import io
import re
import shlex
import tarfile
from collections.abc import Iterable, Mapping

from skylift.provider import Rejected

FOLDER = ".skylift"
FILE = f"/{FOLDER}/env"
# Builtins only, but for rm: an image need not have more than a shell. Whoever the image runs as can empty the file.
SCRIPT = f'set -a; . {FILE} && {{ (: >{FILE}; rm -f {FILE}) 2>/dev/null; set +a; exec "$@"; }}'


def wrap(command: list[str]) -> list[str]:
    """The command behind the shell that reads the file."""
    return ["/bin/sh", "-c", SCRIPT, "sh", *command]


def check_names(names: Iterable[str]) -> None:
    """Raises `Rejected` for a name that a shell cannot set."""
    for name in names:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise Rejected(
                f"The variable {name!r} of 'env' holds a secret, and a shell cannot set a variable of that name",
                remedy="Give it a name of letters, digits and '_', or run the command under the runner",
            )


def archive(env: Mapping[str, str]) -> bytes:
    """For the root of the container's file system. Anybody in the container may read, empty and remove the file: it
    may run as any user."""
    text = "".join(f"{name}={shlex.quote(value)}\n" for name, value in sorted(env.items())).encode()
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        folder = tarfile.TarInfo(FOLDER)
        folder.type, folder.mode = tarfile.DIRTYPE, 0o777
        tar.addfile(folder)
        file = tarfile.TarInfo(FILE.lstrip("/"))
        file.mode, file.size = 0o666, len(text)
        tar.addfile(file, io.BytesIO(text))
    return made.getvalue()
