"""What processes use: CPU and memory of trees of them, as /proc tells."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Use:
    """Of some processes and all that they started."""

    cpu: float
    """Seconds; of those that have ended, as far as somebody has waited for them."""
    peak: float
    """MB: the sum of what each used at its most."""

    def since(self, earlier: Use) -> float:
        """CPU seconds."""
        return self.cpu - earlier.cpu


def use_of(pids: Iterable[int]) -> Use:
    """Now."""
    cpu, peak = 0.0, 0.0
    for pid in _trees(set(pids)):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        cpu += sum(int(each) for each in fields[11:15]) / TICKS
        line = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "VmHWM: 0 kB")
        peak += int(line.split()[1]) / 1024
    return Use(cpu, peak)


def _trees(roots: set[int]) -> set[int]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                parent = int(Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(name))
    found, fresh = set(roots), list(roots)
    while fresh:
        fresh = [child for each in fresh for child in children.get(each, []) if child not in found]
        found |= set(fresh)
    return found


def children() -> set[int]:
    """Of this process, the direct ones."""
    me = os.getpid()
    return {int(each) for thread in Path(f"/proc/{me}/task").iterdir() for each in _words(thread / "children")}


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []
