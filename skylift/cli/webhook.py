"""`skylift webhook`."""

from __future__ import annotations

from typing import Any

import click

from skylift.cli.base import Group
from skylift.cli.options import JSON, confirm, connect, output_option, tell, yes_option
from skylift.cli.webhook_input import (
    address,
    deployment_names,
    given_secret,
    json_value,
    read_template,
    state,
    tell_secret,
    whole_seconds,
)

WHERE = "/skylift/webhooks/"

secret_option = click.option(
    "--secret-file", help="A file with the secret that the sender has made; - is standard input. Default: one is made."
)
template_option = click.option("--template", help="What becomes of a delivery: JSON, or a file with JSON or YAML.")
deployment_option_help = "The deployment that is run: FLOW/NAME, or its id."


@click.group(cls=Group, examples=["skylift webhook create orders --deployment settle-invoices/by-hand"])
def webhook() -> None:
    """Webhooks: addresses that others post to, each of which makes runs of a deployment."""


@webhook.command(
    examples=[
        "skylift webhook create orders --deployment settle-invoices/by-hand",
        "skylift webhook create pushes --deployment settle-invoices/by-hand --secret-kind github",
    ]
)
@click.argument("name")
@click.option("--deployment", "-d", required=True, help=deployment_option_help)
@template_option
@click.option(
    "--secret-kind",
    type=click.Choice(["hmac", "github", "stripe", "bearer"]),
    default="hmac",
    show_default=True,
    help="How senders show that they know the secret.",
)
@secret_option
@click.option("--replay-window", help="How far off a signed time may be, such as 5m, the default.")
@output_option
def create(
    name: str,
    deployment: str,
    template: str | None,
    secret_kind: str,
    secret_file: str | None,
    replay_window: str | None,
    output: str,
) -> None:
    """Make a webhook. Its secret is shown once: it goes to the sender."""
    from skylift.cli import lookup

    body: dict[str, Any] = {"name": name, "kind": secret_kind, **given_secret(secret_file)}
    if template is not None:
        body["template"] = read_template(template)
    if replay_window is not None:
        body["replay_window"] = whole_seconds(replay_window, "--replay-window")
    with connect() as api:
        body["deployment_id"] = lookup.deployment(api, deployment)["id"]
        made = api.post(WHERE, body)
        tell_secret(api, made, output, f"Created webhook '{name}' ({secret_kind}):", shown=secret_file is None)


@webhook.command(examples=["skylift webhook ls"])
@output_option
def ls(output: str) -> None:
    """List webhooks."""
    from skylift.cli.output import print_json, print_table

    with connect() as api:
        found = api.get(WHERE)
        if output == JSON:
            print_json(found)
            return
        names = deployment_names(api, found)
        print_table(
            ["Name", "Deployment", "Signed", "Address", "State"],
            [
                [
                    each["name"],
                    names.get(each["deployment_id"], "gone"),
                    each["kind"],
                    address(api, each),
                    state(each),
                ]
                for each in found
            ],
            title="Webhooks",
            empty="There are no webhooks.",
        )


@webhook.command(examples=["skylift webhook inspect orders", "skylift webhook inspect orders -o json"])
@click.argument("name")
@output_option
def inspect(name: str, output: str) -> None:
    """Show a webhook; never its secret."""
    from skylift.cli.client import path
    from skylift.cli.output import print_json, print_object, when

    with connect() as api:
        found = api.get(path("skylift", "webhooks", name))
        if output == JSON:
            print_json(found)
            return
        names = deployment_names(api, [found])
        print_object(
            {
                "name": found["name"],
                "address": address(api, found),
                "deployment": names.get(found["deployment_id"], "gone: `skylift webhook update` gives it another"),
                "signed": found["kind"],
                "state": state(found),
                "replay window (s)": found["replay_window"],
                "old secret valid until (UTC)": when(found["previous_until"]),
                "created (UTC)": when(found["created"]),
                "template": found["template"] or "none: fields of the delivery are parameters",
            },
            title="Webhook",
        )


@webhook.command(
    examples=["skylift webhook update orders --paused", "skylift webhook update orders --active --template hook.yaml"]
)
@click.argument("name")
@click.option("--deployment", "-d", help=deployment_option_help)
@template_option
@click.option("--no-template", is_flag=True, help="Go without a template.")
@click.option("--active/--paused", default=None, help="Whether it takes deliveries.")
@click.option("--replay-window", help="How far off a signed time may be, such as 5m.")
@output_option
def update(
    name: str,
    deployment: str | None,
    template: str | None,
    no_template: bool,
    active: bool | None,
    replay_window: str | None,
    output: str,
) -> None:
    """Change a webhook. Its address and its secret stay."""
    from skylift.cli import lookup
    from skylift.cli.client import path

    if template is not None and no_template:
        raise click.UsageError("Say --template or --no-template, not both")
    body: dict[str, Any] = {"template": None} if no_template else {}
    if template is not None:
        body["template"] = read_template(template)
    if active is not None:
        body["active"] = active
    if replay_window is not None:
        body["replay_window"] = whole_seconds(replay_window, "--replay-window")
    with connect() as api:
        if deployment:
            body["deployment_id"] = lookup.deployment(api, deployment)["id"]
        if not body:
            raise click.UsageError("Say what to change: --deployment, --template, --active, --paused, --replay-window")
        changed = api.call("PATCH", path("skylift", "webhooks", name), body)
    tell(output, changed, f"Updated webhook '{name}'")


@webhook.command(examples=["skylift webhook rotate orders", "skylift webhook rotate orders --overlap 1h"])
@click.argument("name")
@click.option("--overlap", default="24h", show_default=True, help="For how long the old secret is still valid.")
@secret_option
@output_option
def rotate(name: str, overlap: str, secret_file: str | None, output: str) -> None:
    """Give a webhook a new secret. It is shown once; the old one is valid for a while."""
    from skylift.cli.client import path

    body = {"overlap": whole_seconds(overlap, "--overlap"), **given_secret(secret_file)}
    with connect() as api:
        made = api.post(path("skylift", "webhooks", name, "rotate"), body)
        tell_secret(api, made, output, f"Webhook '{name}' has a new secret:", shown=secret_file is None)


@webhook.command(examples=["skylift webhook delete orders --yes"])
@click.argument("name")
@yes_option
@output_option
def delete(name: str, yes: bool, output: str) -> None:
    """Delete a webhook: nobody can make runs by it any more."""
    from skylift.cli.client import path

    confirm(f"Delete webhook '{name}'? Its senders will be refused", yes=yes)
    with connect() as api:
        api.delete(path("skylift", "webhooks", name))
    tell(output, {"deleted": name}, f"Deleted webhook '{name}'")


@webhook.command(
    examples=["skylift webhook test orders --body '{\"order\": 17}'", "skylift webhook test orders --dry-run"]
)
@click.argument("name")
@click.option("--body", default="{}", help="The delivery's JSON, or a file with it.")
@click.option("--header", "headers", multiple=True, help="A header of the delivery, as name=value.")
@click.option("--dry-run", is_flag=True, help="Make no run; say what it would be.")
@output_option
def test(name: str, body: str, headers: tuple[str, ...], dry_run: bool, output: str) -> None:
    """Send a webhook a delivery of yours, properly signed."""
    from skylift.cli.client import path
    from skylift.cli.options import pairs
    from skylift.cli.output import print_json

    given = {key: str(value) for key, value in pairs(headers, "--header").items()}
    wanted = {"body": json_value(body, "--body"), "headers": given, "dry_run": dry_run}
    with connect() as api:
        done = api.post(path("skylift", "webhooks", name, "test"), wanted)
    if output == JSON:
        print_json(done)
    elif dry_run:
        print_json(done["would_be"])
    elif done["receipt"]["flow_run_id"]:
        click.echo(f"Delivered: flow run {done['receipt']['flow_run_id']}")
    else:
        click.echo("Delivered; the template's `when` wants no run")


@webhook.command(examples=["skylift webhook deliveries orders", "skylift webhook deliveries orders --limit 5"])
@click.argument("name")
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True)
@output_option
def deliveries(name: str, limit: int, output: str) -> None:
    """List what came in and was properly signed, the newest first."""
    from skylift.cli.client import path
    from skylift.cli.output import print_json, print_table, when

    with connect() as api:
        found = api.get(path("skylift", "webhooks", name, "deliveries"), limit=limit)
    if output == JSON:
        print_json(found)
        return
    print_table(
        ["Received (UTC)", "Outcome", "Flow run ID", "Reason"],
        [[when(each["received"]), each["outcome"], each["flow_run_id"], each["reason"]] for each in found],
        title=f"Deliveries to '{name}'",
        empty="Nothing came in that was properly signed.",
    )
