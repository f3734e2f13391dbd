"""The way of `--provision-infra`: plan, show, ask, make, tell the pool, and see that a run really runs."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from skylift.cli.client import ApiError, path
from skylift.cli.options import JSON, confirm, on_terminal
from skylift.cli.output import say
from skylift.provisioner import Handover, Infrastructure, Plan, PoolIdentity, Provisioner, ProvisionError, Step

if TYPE_CHECKING:
    from skylift.cli.client import Api

DONE = {
    "update": "Mending",
    "adopt": "Using",
    "nothing": "Keeping",
    "delete": "Removing",
    "keep": "Leaving",
}
PLANNED = {"update": "Mend", "adopt": "Use, as it is,", "delete": "Remove", "keep": "Leave"}


def provisioner_of(type_: str) -> Provisioner:
    """Raises `ClickException` with what to do instead."""
    from skylift import registry

    found = registry.provisioner(type_)
    if found:
        return found
    if type_ in ("process:push", "prefect:managed", "docker:push"):
        raise click.ClickException(f"Work pools of type {type_!r} need no infrastructure: leave --provision-infra out")
    known = ", ".join(registry.provisioners())
    raise click.ClickException(f"No infrastructure can be made for work pools of type {type_!r}; only for: {known}")


def open_infrastructure(api: Api, provisioner: Provisioner, name: str, answers: Mapping[str, Any]) -> Infrastructure:
    """Check credentials and answers. Raises `ClickException`."""
    here = api.get("/skylift/installation")
    block = find_block(api, provisioner.block_type, block_name(name, provisioner))
    held, made = block["data"] if block else {}, find_record(api, name).get("resources", {})
    pool = PoolIdentity(name, provisioner.type, UUID(here["id"]), here["api_url"], held, made)
    with in_words():
        return provisioner.open(pool, answers)


def find_record(api: Api, name: str) -> dict[str, Any]:
    """What is on record of the pool's infrastructure; empty where nothing is."""
    try:
        found: dict[str, Any] = api.get(path("work_pools", name, "infrastructure"))
    except ApiError as error:
        if error.status != 404:
            raise
        return {}
    return found


def block_name(pool: str, provisioner: Provisioner) -> str:
    return f"{pool}-{provisioner.block_type}"


def find_block(api: Api, block_type: str, name: str) -> dict[str, Any] | None:
    """The block document, its secrets masked; None where there is none."""
    try:
        found: dict[str, Any] = api.get(path("block_types", "slug", block_type, "block_documents", "name", name))
    except ApiError as error:
        if error.status != 404:
            raise
        return None
    return found


@contextmanager
def in_words() -> Iterator[None]:
    """Turns what a provisioner says into the command's own error."""
    try:
        yield
    except ProvisionError as error:
        raise click.ClickException(f"{error}. {error.remedy}" if error.remedy else str(error)) from error


# -- what would be done -----------------------------------------------------------------------------------------------


def planned(infrastructure: Infrastructure) -> Plan:
    with in_words():
        return infrastructure.plan()


def report(api: Api, name: str, plan: Plan) -> None:
    """Tell the service what was seen, for its console. A key that may only read cannot, which changes nothing here."""
    try:
        api.call("PUT", path("skylift", "work_pools", name, "infrastructure", "seen"), plan.as_json())
    except ApiError as error:
        if error.status != 403:
            raise


def show_plan(name: str, plan: Plan, pool_changes: Sequence[str], output: str) -> None:
    """As a panel for people, as JSON for programs."""
    if output == JSON:
        click.echo(json.dumps({"work_pool": name, **plan.as_json(), "pool_changes": list(pool_changes)}, indent=2))
        return
    from rich.console import Console
    from rich.panel import Panel
    from rich.text import Text

    lines = [f"Provisioning infrastructure for your work pool {name} will require:", "", f"    Updates in {plan.place}"]
    steps = [_line(step) for step in plan.steps if step.action != "nothing"]
    lines += ["", *(steps or ["        - None: everything is there"])]
    lines += ["", "    Updates in Skylift", "", *(f"        - {each}" for each in pool_changes)]
    Console().print(Panel(Text("\n".join(lines)), expand=False))


def _line(step: Step) -> str:
    why = f" ({'; '.join(step.why)})" if step.why else ""
    cost = f", which costs {step.idle_cost} while idle" if step.idle_cost and step.action == "create" else ""
    verb = step.verbs[0] if step.action == "create" else PLANNED[step.action]
    return f"        - {verb} {step.shown}{why}{cost}"


def show_removal(name: str, plan: Plan, output: str) -> None:
    """What `destroy-infra` would do."""
    if output == JSON:
        click.echo(json.dumps({"work_pool": name, **plan.as_json()}, indent=2))
        return
    say(f"In {plan.place}, for work pool {name}:\n")
    say("\n".join([_line(step) for step in plan.steps] or ["        - Nothing is there any more"]))


# -- doing it ---------------------------------------------------------------------------------------------------------


def provision(
    api: Api, provisioner: Provisioner, pool: dict[str, Any], infrastructure: Infrastructure, plan: Plan, output: str
) -> Handover:
    """Make it and tell the pool. Raises `ClickException`; then what was made is on record."""
    name = pool["name"]

    def record(made: dict[str, Any]) -> None:
        api.call("PUT", path("work_pools", name, "infrastructure"), {"type": provisioner.type, **made})

    with in_words(), progress_of(len(plan.steps) + 1, output, "Provisioning Infrastructure") as tell:
        handover = infrastructure.apply(record, tell)
        block = block_name(name, provisioner)
        known = api.get(path("work_pools", name, "infrastructure"))
        left = {"block": [provisioner.block_type, block], "variables": _variables_of(handover)}
        record(known | left)  # before: should we die in between, destroy knows what to remove
        tell(Step("block", f"{provisioner.block_type} block", block, "create"))
        hand_over(api, name, handover, provisioner.block_type, block)
    return handover


@contextmanager
def progress_of(total: int, output: str, title: str) -> Iterator[Callable[[Step], None]]:
    """One line a step, and on a terminal a bar below them."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=output == JSON)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=total)

        def tell(step: Step) -> None:
            if step.action != "nothing":
                verb = step.verbs[1] if step.action == "create" else DONE[step.action]
                console.print(f"{verb} {step.shown}", markup=False, highlight=False)
            bar.advance(task)

        yield tell
        bar.update(task, completed=total)


def _variables_of(handover: Handover) -> list[str]:
    return [*handover.variables, handover.block_variable]


def hand_over(api: Api, name: str, handover: Handover, block_type: str, block_name: str) -> None:
    """The credentials block, and the defaults of the pool's template."""
    block = put_block(api, block_type, block_name, handover)
    pool = api.get(path("work_pools", name))
    template = copy.deepcopy(pool["base_job_template"])
    properties = template["variables"].setdefault("properties", {})
    defaults = {**handover.variables, handover.block_variable: {"$ref": {"block_document_id": block}}}
    for variable, value in defaults.items():
        properties.setdefault(variable, {"title": variable})["default"] = value
    changes: dict[str, Any] = {"base_job_template": template}
    if handover.admission_secret_hash:
        changes["settings"] = pool["settings"] | {"admission_secrets": [handover.admission_secret_hash]}
    api.patch(path("work_pools", name), changes)


def put_block(api: Api, block_type: str, name: str, handover: Handover) -> str:
    """Make the block or bring it up to date; its id."""
    data = dict(handover.block_data)
    known = find_block(api, block_type, name)
    if known:
        changes = {"data": data, "merge_existing_data": handover.block_keeps_secrets}
        api.patch(path("block_documents", known["id"]), changes)
        return str(known["id"])
    kind = api.get(path("block_types", "slug", block_type))
    schemas = api.post("/block_schemas/filter", {"block_schemas": {"block_type_id": {"any_": [kind["id"]]}}})
    body = {"name": name, "data": data, "block_schema_id": schemas[0]["id"], "block_type_id": kind["id"]}
    made: str = api.post("/block_documents/", body)["id"]
    return made


# -- undoing it -------------------------------------------------------------------------------------------------------


def recorded(api: Api, name: str) -> dict[str, Any]:
    """What was made for the pool. Raises `ClickException` where nothing is known of that."""
    record: dict[str, Any] = api.get(path("work_pools", name, "infrastructure"))
    return record


def destroy(
    api: Api, name: str, known: dict[str, Any], infrastructure: Infrastructure, plan: Plan, output: str
) -> None:
    """Remove it, and what of it the pool refers to; the pool is paused, because nothing can start there any more."""
    kept = {key: known[key] for key in ("type", "block", "variables") if key in known}

    def record(made: dict[str, Any]) -> None:
        if made["resources"]:
            api.call("PUT", path("work_pools", name, "infrastructure"), {**kept, **made})

    try:
        pool = api.get(path("work_pools", name))
    except ApiError:
        pool = None  # it was deleted before its infrastructure
    if pool:
        api.patch(path("work_pools", name), {"is_paused": True})
    with in_words(), progress_of(len(plan.changes), output, "Removing Infrastructure") as tell:
        infrastructure.destroy(record, tell)
    if pool:
        template = copy.deepcopy(pool["base_job_template"])
        for variable in known.get("variables", []):
            template["variables"]["properties"].get(variable, {}).pop("default", None)
        api.patch(path("work_pools", name), {"base_job_template": template})
    block = find_block(api, *known["block"]) if "block" in known else None
    if block:
        api.delete(path("block_documents", block["id"]))
    api.call("PUT", path("work_pools", name, "infrastructure"), {})


def ask_to_proceed(question: str, *, yes: bool) -> bool:
    """False where a person says no, which is no error: nothing was changed."""
    if yes or not on_terminal():
        confirm(question, yes=yes)
        return True
    return click.confirm(question, err=True)
