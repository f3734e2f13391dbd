"""Help: complete, with examples that parse, and quick."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from skylift.cli.base import Command, Group
from skylift.cli.root import cli
from tests.cli.commands import every_command, parse

HEAVY = {"httpx", "rich", "pydantic", "sqlalchemy", "fastapi", "yaml", "jsonschema", "asyncio"}
COMMANDS = list(every_command())


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=[" ".join(path) or "skylift" for path, _ in COMMANDS])
def test_help_shows_examples_that_parse(path: tuple[str, ...], command: click.Command) -> None:
    result = CliRunner().invoke(cli, [*path, "--help"], prog_name="skylift")
    assert result.exit_code == 0
    assert isinstance(command, Command | Group)
    assert command.examples
    for example in command.examples:
        assert f"$ {example}\n" in result.stdout
        if example.startswith("skylift") and ">" not in example:
            parse(example)


def test_the_short_helps_of_the_root_are_those_of_the_commands() -> None:
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command
        assert command.help


def test_help_imports_only_click() -> None:
    script = (
        "import sys\n"
        "from skylift.cli import main\n"
        "sys.argv = ['skylift', '--help']\n"
        "try:\n main()\n"
        "except SystemExit as end:\n assert end.code == 0\n"
        f"heavy = {HEAVY} & {{*sys.modules}}\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL)


def test_help_takes_less_than_ten_times_a_bare_python() -> None:
    def best(*args: str) -> float:
        times = []
        for _ in range(3):
            start = time.perf_counter()
            subprocess.run([sys.executable, *args], check=True, stdout=subprocess.DEVNULL)
            times.append(time.perf_counter() - start)
        return min(times)

    assert best("-m", "skylift", "--help") < 10 * best("-c", "pass")


def test_it_works_beside_a_package_named_like_one_of_our_folders(tmp_path: Path) -> None:
    for name in ("infra", "functions", "providers"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('the wrong package')\n")
    for args in (["--help"], ["work-pool", "get-default-base-job-template", "--type", "process:push"]):
        done = subprocess.run(
            [sys.executable, "-m", "skylift", *args],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "SKYLIFT_HOME": str(tmp_path / "home")},
            capture_output=True,
            text=True,
            check=True,
        )
        assert "process:push" in done.stdout or "job_configuration" in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_the_program(shell: str) -> None:
    result = CliRunner().invoke(cli, ["completion", shell], prog_name="skylift")
    assert result.exit_code == 0
    assert "_SKYLIFT_COMPLETE" in result.stdout


def test_completion_knows_commands_and_options() -> None:
    def complete(line: str) -> str:
        result = CliRunner().invoke(
            cli,
            [],
            prog_name="skylift",
            complete_var="_SKYLIFT_COMPLETE",
            env={"_SKYLIFT_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))},
        )
        return result.stdout

    assert "work-pool" in complete("skylift work-")
    assert "--base-job-template" in complete("skylift work-pool create --base")
