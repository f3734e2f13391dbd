"""`skylift api-key`, and that `serve` is not open to others without a key."""

from __future__ import annotations

import re

import pytest

from tests.cli.commands import words
from tests.cli.conftest import ROOT, Skylift

PAGE = (ROOT / "docs" / "api-keys.md").read_text(encoding="utf-8")
LINES = [line.removeprefix("$ ") for line in PAGE.splitlines() if line.startswith("$ ")]


def test_the_page_as_written(skylift: Skylift) -> None:
    assert len(LINES) == 4
    for line in LINES:
        skylift(*words(line))
    assert [each["name"] for each in skylift.json("api-key", "ls")] == ["laptop"]


def test_a_key_is_shown_when_it_is_made_and_never_again(skylift: Skylift) -> None:
    key = re.search(r"slkey_\S+", skylift("api-key", "create", "ci", "--role", "deployer").stdout)
    assert key
    listed = skylift("api-key", "ls").stdout
    assert "deployer" in listed
    assert key[0] not in listed


def test_what_is_wrong_is_named(skylift: Skylift) -> None:
    assert "--expires-in" in skylift.error("api-key", "create", "x", "--role", "viewer", "--expires-in", "soon", code=2)
    skylift("api-key", "create", "x", "--role", "viewer")
    assert "already exists" in skylift.error("api-key", "create", "x", "--role", "viewer")
    assert "'none'" in skylift.error("api-key", "revoke", "none", "--yes")


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_nobody_serves_to_others_without_a_key(skylift: Skylift, host: str) -> None:
    said = skylift.error("serve", "--host", host, "--port", "0")
    assert "skylift api-key create" in said
