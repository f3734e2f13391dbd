"""How quickly things start: `skylift --help` against `python -c pass`, and what importing each verb costs.

A function starts cold with the import of its verb. Ratios come from one run, turn by turn; times are of this machine.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from benchmarks.table import print_machine, print_table

TURNS = 15
IMPORT_TURNS = 3
BAR = 10.0
MODULES = (
    "skylift.schedule",
    "skylift.claim",
    "skylift.dispatch",
    "skylift.observe",
    "skylift.admission",
    "skylift.api.app",
    "skylift_functions.local",
)
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "skylift --version": [str(Path(sys.executable).parent / "skylift"), "--version"],
    "skylift --help": [str(Path(sys.executable).parent / "skylift"), "--help"],
    "skylift flow-run --help": [str(Path(sys.executable).parent / "skylift"), "flow-run", "--help"],
}
WORST = 5


def main() -> None:
    """Print the tables."""
    print_machine()
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(TURNS):  # turn by turn, so that a busy moment meets all of them
        for name, command in COMMANDS.items():
            taken[name].append(_seconds(command))
    least = median(taken["python -c pass"])
    rows = [(name, median(times) * 1000, median(times) / least) for name, times in taken.items()]
    print_table(f"Start to end (bar for --help: {BAR:g} times)", ("Command", "ms", "times python -c pass"), rows)
    print_table(
        "Imports, beyond Python's own start",
        ("Module", "ms", "modules", "slowest packages (ms of their own)"),
        [_imports(module, least) for module in MODULES],
    )


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def _imports(module: str, least: float) -> tuple[object, ...]:
    command = [sys.executable, "-c", f"import {module}"]
    seconds = median(_seconds(command) for _ in range(IMPORT_TURNS)) - least
    report = subprocess.run(
        [sys.executable, "-X", "importtime", *command[1:]], check=True, capture_output=True, text=True
    ).stderr
    own: dict[str, float] = {}
    lines = [line.split("|") for line in report.splitlines() if line.startswith("import time:") and "[us]" not in line]
    for self_time, _, name in lines:
        package = name.strip().partition(".")[0]
        own[package] = own.get(package, 0) + int(self_time.rpartition(":")[2]) / 1000
    worst = sorted(own.items(), key=lambda item: -item[1])[:WORST]
    return module, seconds * 1000, len(lines), ", ".join(f"{name} {spent:.0f}" for name, spent in worst)


if __name__ == "__main__":
    main()
