"""A script for Prefect's own interpreter: it imports `prefect` once, and runs each command in a fork of itself.

Orders are lines of JSON on stdin: `args` of the `prefect` command, or `code` to run with `prefect` imported, and `cwd`.
Answers are lines of JSON on stdout: `code`, `out` (both streams together).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from importlib import import_module
from typing import Any

# Before the first fork, so that no command has to import them once more.
for name in ("block", "deployment", "flow", "flow_run", "variable", "work_pool", "work_queue"):
    import_module(f"prefect.cli.{name}")
app = import_module("prefect.cli").app


def run(order: dict[str, Any]) -> None:
    """Never returns: leaves with the command's exit code."""
    if order.get("cwd"):
        os.chdir(order["cwd"])
    if "code" in order:
        exec(compile(order["code"], "<order>", "exec"), {"__name__": "__main__"})
        sys.exit(0)
    sys.argv = ["prefect", *order["args"]]
    sys.exit(app())


def answer(order: dict[str, Any]) -> dict[str, Any]:
    """What the command printed, and how it ended."""
    with tempfile.TemporaryFile() as out:
        pid = os.fork()
        if not pid:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
            code: Any = 1
            try:
                run(order)
            except SystemExit as end:
                code = end.code
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code if isinstance(code, int) else int(code is not None))
        status = os.waitpid(pid, 0)[1]
        out.seek(0)
        return {"code": os.waitstatus_to_exitcode(status), "out": out.read().decode()}


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
