"""How quickly things start: `skylift --help` against `python -c pass`, and what importing each verb costs.

A function starts cold with the import of its verb. Ratios come from one run, turn by turn, and are of CPU time, which
a busy machine changes less; the times are those of this machine.
"""

from __future__ import annotations

import resource
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
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for _ in range(TURNS):  # turn by turn, so that a busy moment meets all of them
        for name, command in COMMANDS.items():
            taken[name].append(_seconds(command))
    middle = {name: tuple(median(each) for each in zip(*times, strict=True)) for name, times in taken.items()}
    least = middle["python -c pass"][1]
    print_table(
        f"Start to end (bar for --help: {BAR:g} times)",
        ("Command", "ms", "CPU ms", "times python -c pass"),
        [(name, wall * 1000, cpu * 1000, cpu / least) for name, (wall, cpu) in middle.items()],
    )
    print_table(
        "Imports, beyond Python's own start",
        ("Module", "CPU ms", "modules", "slowest packages (ms of their own)"),
        [_imports(module, least) for module in MODULES],
    )


def _seconds(command: list[str]) -> tuple[float, float]:
    """From start to end, and of CPU."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _imports(module: str, least: float) -> tuple[object, ...]:
    command = [sys.executable, "-c", f"import {module}"]
    seconds = median(_seconds(command)[1] for _ in range(IMPORT_TURNS)) - least
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
