"""`skylift deploy`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from skylift.cli.base import Command
from skylift.cli.options import JSON, connect, on_terminal, output_option

if TYPE_CHECKING:
    from skylift.cli.client import Api
    from skylift.cli.deploy_file import Planned, Problems


@click.command(
    cls=Command,
    examples=[
        "skylift deploy",
        "skylift deploy examples/skylift.yaml --all",
        "skylift deploy --name by-hand --name nightly",
    ],
)
@click.argument("file", default="skylift.yaml")
@click.option("--name", "-n", "names", multiple=True, metavar="NAME", help="Deploy this one: NAME or FLOW/NAME.")
@click.option("--all", "every", is_flag=True, help="Deploy all that the file has.")
@output_option
def deploy(file: str, names: tuple[str, ...], every: bool, output: str) -> None:
    """Create or update deployments from a YAML file, skylift.yaml if none is named.

    Everything is checked before anything is written. Deploying the same file again changes nothing.
    """
    from skylift.cli.deploy_file import read, select
    from skylift.cli.output import print_json

    problems, planned = read(file)
    problems.stop()
    wanted = select(planned, names, every, lambda question: on_terminal() and click.confirm(question, err=True))
    with connect() as api:
        _check_pools(api, problems, wanted)
        problems.stop()
        done: list[dict[str, Any]] = []
        try:
            for each in wanted:
                done.append(_write(api, each))  # noqa: PERF401 - what was written is told also when one fails
        finally:
            if output == JSON:
                print_json(done)
            elif done:
                _tell(done, api.embedded)


def _check_pools(api: Api, problems: Problems, wanted: list[Planned]) -> None:
    """The pools must be there, and their templates must take the job variables."""
    from skylift import templates
    from skylift.cli.profile import default_pool

    pools = {pool["name"]: pool for pool in api.every("/work_pools/filter")}
    for each in wanted:
        here = (*each.where, "work_pool")
        name = each.body["work_pool_name"] = each.body["work_pool_name"] or default_pool()
        if not name:
            known = ", ".join(sorted(pools)) or "none yet: make one with `skylift work-pool create NAME`"
            problems.add(here, f"names no pool, and there is no default; there are: {known}")
        elif name not in pools:
            problems.add((*here, "name"), f"there is no work pool {name!r}: `skylift work-pool create {name}`")
        else:
            layers = [templates.Layer(f"deployment {each.body['name']!r}", each.body["job_variables"])]
            try:
                templates.check_job_variables(pools[name]["base_job_template"], layers, complete=False)
            except templates.TemplateError as error:
                problems.add((*here, "job_variables"), str(error))


def _write(api: Api, planned: Planned) -> dict[str, Any]:
    from skylift.cli.client import ApiError

    flow = api.post("/flows/", {"name": planned.flow})
    try:
        made = api.post("/deployments/", planned.body | {"flow_id": flow["id"]})
    except ApiError as error:
        raise ApiError(f"{planned.name}: {error.message}", error.status) from error
    status = "created" if made["created"] == made["updated"] else "updated"
    return {"name": planned.name, "status": status, "deployment": made}


def _tell(done: list[dict[str, Any]], embedded: bool) -> None:
    from skylift.cli.output import clean, print_table

    rows = []
    for each in done:
        made = each["deployment"]
        schedules = len(made["schedules"])
        where = f"{made['work_pool_name']}, queue {made['work_queue_name']}"
        rows.append([each["name"], each["status"], where, schedules, made["id"]])
    print_table(["Name", "Status", "Work Pool", "Schedules", "ID"], rows, title="Deployments")
    click.echo(f"\nTo run one now:\n\n    $ skylift deployment run {clean(_quoted(done[0]['name']))}")
    if embedded:
        click.echo("\nRuns start while `skylift serve` works on this database", err=True)


def _quoted(name: str) -> str:
    import shlex

    return shlex.quote(name)
