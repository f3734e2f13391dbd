"""The benchmarks, one after the other, and their tables in the docs: `python -m benchmarks [part …]`.

Each part is a module that can be run alone. Exits with 1 where one of them missed a bar.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.table import machine

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {"simulation": DOCS / "scale.md"}
"""Where it is not the page about benchmarks."""
PARTS: dict[str, list[str]] = {
    "startup": ["benchmarks.startup"],
    "push": ["benchmarks.push"],
    "scheduling": ["benchmarks.scheduling"],
    "growth": ["benchmarks.growth", "--quick"],
    "api": ["benchmarks.api", "--turns", "8"],
    "peers": ["benchmarks.peers"],
}
"""By name, which is also that of the part of its page: what is run."""
OTHERS = {"simulation": ["benchmarks.simulation"]}
"""Only where they are asked for."""


def main() -> int:
    """Run the parts and write what they print; 1 where one of them missed a bar."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure, print, and write it down.")
    parser.add_argument("parts", nargs="*", metavar="|".join([*PARTS, *OTHERS]))
    asked = parser.parse_args().parts or list(PARTS)
    known = PARTS | OTHERS
    unknown = sorted(set(asked) - set(known))
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}")
    codes = {}
    for name in asked:
        began = time.monotonic()
        codes[name], text = _run(known[name])
        print(f"\n[{name}: {time.monotonic() - began:.0f} s]\n", flush=True)
        page = PAGES.get(name, DOCS / "benchmarks.md")
        page.write_text(replaced(page.read_text(), name, _dated(text)))
    missed = [name for name, code in codes.items() if code]
    if missed:
        print(f"Bars were missed in: {', '.join(missed)}")
    return int(bool(missed))


def _run(part: list[str]) -> tuple[int, str]:
    """What it prints is shown as it comes."""
    lines = []
    with subprocess.Popen([sys.executable, "-m", *part], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    return process.returncode, "".join(lines)


def _dated(text: str) -> str:
    """With the day in front; the machine is named in any case, and only there."""
    shown = [line for line in text.splitlines() if line not in machine()]
    return "\n".join([f"Measured on {datetime.now(UTC):%Y-%m-%d}: {'; '.join(machine())}", *shown]).strip()


def replaced(page: str, name: str, text: str) -> str:
    """The page with this text as what was generated for the part. Raises `SystemExit` where it has no place for it."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    made, count = re.subn(rf"{begin}.*?{end}", lambda _: f"{begin}\n{text}\n{end}", page, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"The page must have one place between {begin} and {end}")
    return made


if __name__ == "__main__":
    sys.exit(main())
