"""docs/security.md: every row names tests, and these are there. And what no single test can show."""

from __future__ import annotations

import ast
import re

from tests.cli.conftest import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| threat |")]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
ROOMS = ("skylift", "providers", "infra", "functions")
RUNS = {"eval", "exec", "compile"}
READS_CODE = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle"}


def test_every_row_names_a_test() -> None:
    assert len(ROWS) > 35
    assert not [row for row in ROWS if not NAMED.search(row)]


def test_every_test_that_is_named_is_there() -> None:
    missing = []
    for file, name in NAMED.findall(PAGE):
        path = ROOT / file
        tree = ast.parse(path.read_text(encoding="utf-8")) if path.is_file() else ast.Module([], [])
        if name not in {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)}:
            missing.append(f"{file}::{name}")
    assert not missing


def test_nothing_that_is_read_can_run() -> None:
    found = set()
    for room in ROOMS:
        for file in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if what := _runs_data(node):
                    found.add((str(file.relative_to(ROOT)), what))
    assert not found


def _runs_data(node: ast.AST) -> str | None:
    """What of this would run, or make objects of, what it is given."""
    match node:
        case ast.Import(names=names) if READS_CODE & {each.name for each in names}:
            return "import"
        case ast.ImportFrom(module=str(module)) if module in READS_CODE:
            return "import"
        case ast.Call(func=ast.Name(id=name)) if name in RUNS:
            return name
        case ast.Call(func=ast.Attribute(attr="load" | "load_all", value=ast.Name(id="yaml"))):
            return "yaml"
    return None
