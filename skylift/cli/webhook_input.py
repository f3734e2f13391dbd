"""What the commands of `skylift webhook` read, and how they show an address and a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from skylift.cli.options import JSON, json_object, read_text, seconds, tell

if TYPE_CHECKING:
    from skylift.cli.client import Api


def read_template(text: str) -> dict[str, Any]:
    """A template from the command line: a JSON object, or the name of a file with JSON or YAML."""
    if text.lstrip().startswith("{"):
        return json_object(text, "--template")
    import yaml

    try:
        found = yaml.safe_load(read_text(text))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise click.UsageError(f"{text} is neither JSON nor YAML{where}") from None
    if not isinstance(found, dict):
        raise click.UsageError(f"{text} must hold an object with fields such as parameters")
    return found


def json_value(text: str, what: str) -> Any:
    """JSON from the command line, or from the file of this name."""
    import json

    content = text if text.lstrip()[:1] in ("{", "[", '"') else read_text(text)
    try:
        return json.loads(content)
    except ValueError:
        raise click.UsageError(f"{what} is not valid JSON") from None


def given_secret(file: str | None) -> dict[str, str]:
    """Not on the command line, where every user of the machine can read it."""
    return {"secret": read_text(file).strip()} if file else {}


def whole_seconds(text: str, flag: str) -> int:
    """A length of time. Raises `click.BadParameter`."""
    try:
        return int(seconds(text))
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(str(error), param_hint=flag) from error


def tell_secret(api: Api, made: dict[str, Any], output: str, sentence: str, *, shown: bool) -> None:
    """A webhook that has just got a secret; `shown`: one that was made here, and is not known to anybody yet."""
    if output == JSON:
        tell(output, made, "")
        return
    click.echo(sentence)
    click.echo(f"  address  {address(api, made)}")
    if shown:
        click.echo(f"  secret   {made['secret']}")
        click.echo("The secret is not shown again: give it to the sender now.", err=True)


def address(api: Api, hook: dict[str, Any]) -> str:
    """Where deliveries are posted to; of an embedded database only the path on its server, whose name is not known."""
    return str(hook["path"] if api.embedded else api.url.removesuffix("/api") + hook["path"])


def state(hook: dict[str, Any]) -> str:
    """In a word."""
    return "active" if hook["active"] else "paused"


def deployment_names(api: Api, hooks: list[dict[str, Any]]) -> dict[str, str]:
    """`FLOW/NAME` of their deployments, by id."""
    from skylift.cli import lookup

    return lookup.deployment_names(api, hooks)
