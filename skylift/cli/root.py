"""The root of the command line: what there is, and where it is."""

from __future__ import annotations

import click

from skylift import __version__
from skylift.cli.base import LazyGroup

COMMANDS = {
    "serve": ("skylift.cli.service:serve", "Run the whole control plane in one process."),
    "demo": ("skylift.cli.service:demo", "Watch a few flows run, from nothing to a summary."),
    "work-pool": ("skylift.cli.work_pool:work_pool", "Work pools: where runs are pushed to."),
    "work-queue": ("skylift.cli.work_queue:work_queue", "Work queues: priorities and limits within a pool."),
    "deploy": ("skylift.cli.deploy:deploy", "Create or update deployments from a YAML file."),
    "deployment": ("skylift.cli.deployment:deployment", "Deployments: run, pause, schedule."),
    "flow-run": ("skylift.cli.flow_run:flow_run", "Flow runs: list, logs, explain, cancel, retry."),
    "flow": ("skylift.cli.flow:flow", "Flows."),
    "variable": ("skylift.cli.variable:variable", "Variables: small shared values."),
    "block": ("skylift.cli.block:block", "Blocks: typed values, their secrets kept sealed."),
    "webhook": ("skylift.cli.webhook:webhook", "Webhooks: what others post becomes flow runs."),
    "ui": ("skylift.cli.ui:ui", "Web pages as files, for a bucket or a CDN."),
    "api-key": ("skylift.cli.api_key:api_key", "API keys: who may reach the API."),
    "secrets": ("skylift.cli.upkeep:secrets", "The keys that secrets are sealed with."),
    "retention": ("skylift.cli.upkeep:retention", "Delete what is older than the settings keep it."),
    "database": ("skylift.cli.database:database", "Copies of the database, and what becomes of them."),
    "dispatch": ("skylift.cli.service:dispatch", "Start what is due, once, without a server."),
    "version": ("skylift.cli.service:version", "Versions, and what the commands talk to."),
    "completion": ("skylift.cli.completion:completion", "Shell completion."),
}


@click.command(
    cls=LazyGroup,
    table=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    examples=[
        "skylift serve",
        "skylift work-pool create local --type process:push",
        "skylift deploy skylift.yaml --all",
        "skylift deployment run greet/by-hand --param name=Ada --watch",
        "skylift flow-run explain ID",
    ],
)
@click.version_option(__version__, prog_name="skylift")
def cli() -> None:
    """Skylift: a control plane for flow runs that owns no running process.

    Commands talk to the API at SKYLIFT_API_URL (or PREFECT_API_URL). Without one they work on the embedded database.
    """
