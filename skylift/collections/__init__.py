"""The work pool types that there are, with the base job templates that new pools of them begin with.

The types that Skylift pushes to are the installed providers'. Those that workers pull from, and the managed one, are
described by a file here each: the workers are Prefect's own, and their variables are named as those workers read them.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from skylift.collections.logos import logo
from skylift.errors import MissingExtraError
from skylift.registry import Providers


def catalogue(providers: Providers) -> dict[str, dict[str, Any]]:
    """By type what clients show of it, and its default base job template."""
    found = {type_: _entry(type_, **about) for type_, about in described().items()}
    for type_ in providers.types:
        try:
            provider = providers.get(type_)
        except MissingExtraError:
            continue
        found[type_] = _entry(
            type_,
            display_name=provider.display_name,
            description=provider.description,
            template=provider.base_job_template(),
        )
    return dict(sorted(found.items()))


def base_job_template(providers: Providers, type_: str) -> dict[str, Any] | None:
    """What a new pool of this type begins with, where the type is known."""
    if type_ in providers:
        return providers.get(type_).base_job_template()
    about = described().get(type_)
    return json.loads(json.dumps(about["template"])) if about else None


@cache
def described() -> dict[str, dict[str, Any]]:
    """The types that no provider of ours stands for. Not to be changed by callers."""
    folder = files(__name__)
    found = [json.loads(file.read_text("utf-8")) for file in folder.iterdir() if file.name.endswith(".json")]
    return {each.pop("type"): each for each in found}


def _entry(
    type_: str, display_name: str, description: str, template: dict[str, Any], install_command: str = ""
) -> dict[str, Any]:
    return {
        "type": type_,
        "display_name": display_name,
        "description": description,
        "default_base_job_configuration": template,
        "documentation_url": "",
        "install_command": install_command,
        "is_beta": False,
        "logo_url": logo(type_, display_name),
    }
