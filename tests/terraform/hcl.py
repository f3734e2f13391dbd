"""As much of HCL as is needed to look at the blocks of a module without terraform: `terraform fmt` has laid it out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(r'^(\w+)((?: "[^"]+")*) \{\n(.*?)^\}$', re.M | re.S)
ONE_LINE = re.compile(r'^(\w+)((?: "[^"]+")*) \{(.*)\}$', re.M)


@dataclass(frozen=True, slots=True)
class Block:
    """One block at the top: `labels` are what stands in quotes after its kind."""

    kind: str
    labels: tuple[str, ...]
    body: str

    @property
    def name(self) -> str:
        return self.labels[-1]

    def value(self, argument: str) -> str | None:
        """What an argument of the block itself is set to, as it is written; None where it is not set."""
        found = re.search(rf"^  {argument}\s+= (.*)$", self.body, re.M)
        return found[1] if found else None


def blocks(folder: Path, kind: str) -> list[Block]:
    """All of this kind in a module."""
    found = []
    for file in sorted(folder.glob("*.tf")):
        text = file.read_text()
        for pattern in (BLOCK, ONE_LINE):
            found += [
                Block(name, tuple(re.findall(r'"([^"]+)"', labels)), body)
                for name, labels, body in pattern.findall(text)
            ]
    return [each for each in found if each.kind == kind]
