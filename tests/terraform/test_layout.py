"""What can be said of the modules without terraform: they are complete, documented, and written from the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import terraform_data
from tests.cli.commands import parse
from tests.terraform.hcl import Block, blocks
from tests.terraform.modules import modules, name_of
from tests.terraform.workspace import ROOT, MissingError, binary

each_module = pytest.mark.parametrize("module", modules(), ids=name_of)


@pytest.mark.parametrize(
    "path", terraform_data.files(), ids=lambda path: path.relative_to(terraform_data.TERRAFORM).as_posix()
)
def test_what_is_written_from_the_code_is_up_to_date(path: Path) -> None:
    assert path.exists(), "write it: python functions/terraform_data.py"
    assert path.read_text() == terraform_data.files()[path], "write it anew: python functions/terraform_data.py"


def test_without_terraform_nothing_passes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingError, match="no `terraform` on the PATH"):
        binary()


def test_there_are_modules() -> None:
    assert {"aws", "pools/ecs"} <= {name_of(each) for each in modules()}


@each_module
def test_a_module_has_all_that_belongs_to_it(module: Path) -> None:
    assert list(module.glob("examples/*/*.tf")), "an example"
    assert list(module.glob("tests/*.tftest.hcl")), "tests"
    assert (module / "tests" / "values.tfvars").exists(), "values to plan with"
    assert blocks(module, "output"), "outputs"
    (settings,) = blocks(module, "terraform")
    assert settings.value("required_version")
    for source, version in re.findall(r'source\s+= "(.+)"\s+version\s+= "(.+)"', settings.body):
        assert source.startswith("hashicorp/")
        assert re.search(r"\d", version)


@each_module
def test_variables_are_typed_described_and_validated(module: Path) -> None:
    for variable in blocks(module, "variable"):
        assert variable.value("type"), variable.name
        assert len(variable.value("description") or "") > 10, variable.name
        assert variable.value("type") == "bool" or is_validated(variable), variable.name


def is_validated(variable: Block) -> bool:
    return "  validation {\n" in variable.body


@each_module
def test_outputs_are_described(module: Path) -> None:
    for output in blocks(module, "output"):
        assert len(output.value("description") or "") > 10, output.name


@each_module
def test_the_readme_names_every_variable_and_output(module: Path) -> None:
    page = (module / "README.md").read_text()
    for each in (*blocks(module, "variable"), *blocks(module, "output")):
        assert f"| `{each.name}` |" in page, each.name
    named = set(re.findall(r"^\| `(\w+)` \|", page, re.M))
    assert named == {each.name for each in (*blocks(module, "variable"), *blocks(module, "output"))}


PAGES = [*(ROOT / "docs" / "deploy").glob("*.md"), *(each / "README.md" for each in modules())]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_on_pages_about_deploying_parse(page: Path) -> None:
    for line in re.findall(r"^\$ (?:.* \| )?(skylift .*)$", page.read_text(), re.M):
        parse(line)


@each_module
def test_a_module_s_page_names_outputs_that_it_has(module: Path) -> None:
    outputs = {each.name for each in blocks(module, "output")}
    assert set(re.findall(r"terraform output -\w+ (\w+)", (module / "README.md").read_text())) <= outputs
