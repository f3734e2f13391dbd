"""From a claimed run to what its provider gets: the work pool's template filled in, and the terms for the runner.

Two ways to run something. Under the runner the container starts with a short command that fetches it, and everything
else (command, parameters, environment, secrets) is handed out at admission. A bare command gets it all at launch.
"""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Table, select

from skylift import templates
from skylift.bootstrap import bootstrap_command
from skylift.errors import SkyliftError
from skylift.managed import MANAGED
from skylift.models.flows import Engine, Flow
from skylift.packages import PACKAGES_SECONDS
from skylift.parts import Parts
from skylift.provider import Rejected
from skylift.store import Tx, tables, variables
from skylift.store import block_documents as documents
from skylift.store.pools import settings_of

log = logging.getLogger(__name__)

PREFECT_COMMAND = ["prefect", "flow-run", "execute"]


@dataclass(frozen=True, slots=True)
class Frozen:
    """What is sealed on the attempt before the first call, so that a relaunch is the same to the byte."""

    configuration: dict[str, Any]
    terms: dict[str, Any] | None
    """For the runner at its admission; None for a bare command."""
    secrets: list[str]
    """Values that must not be shown, for redaction."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The rows that a launch is rendered from."""

    run: Row[Any]
    deployment: Row[Any] | None
    flow: Flow
    pool: Row[Any]


def read_origins(tx: Tx, run_ids: Iterable[UUID]) -> dict[UUID, Origin]:
    """Everything that these runs' launches depend on, by run. One that was deleted meanwhile, or whose pool was, is
    left out."""

    def rows(table: Table, ids: Iterable[UUID | None]) -> dict[UUID | None, Row[Any]]:
        wanted = {each for each in ids if each}
        return {row.id: row for row in tx.all(select(table).where(table.c.id.in_(wanted)))} if wanted else {}

    found = rows(tables.flow_runs, run_ids)
    runs = list(found.values())
    deployments = rows(tables.deployments, [run.deployment_id for run in runs])
    flows = rows(tables.flows, [run.flow_id for run in runs])
    pools = rows(tables.work_pools, [run.work_pool_id for run in runs])
    return {
        run.id: Origin(
            run=run,
            deployment=deployments.get(run.deployment_id),
            flow=Flow.model_validate(flows[run.flow_id]),
            pool=pools[run.work_pool_id],
        )
        for run in runs
        if run.flow_id in flows and run.work_pool_id in pools
    }


def layers_of(deployment: Row[Any] | None, run_name: str, run_variables: Mapping[str, Any]) -> list[templates.Layer]:
    """The job variables of a run, the weakest first."""
    layers = [templates.Layer(f"flow run {run_name!r}", run_variables)]
    if deployment:
        layers.insert(0, templates.Layer(f"deployment {deployment.name!r}", deployment.job_variables))
    return layers


def freeze(parts: Parts, tx: Tx, origin: Origin, attempt_id: UUID, nonce: str) -> Frozen:
    """Render a run's launch. Raises `Rejected` with what to change."""
    layers = layers_of(origin.deployment, origin.run.name, origin.run.job_variables)
    template = origin.pool.base_job_template
    try:
        layers += _fallback(template, layers, origin.run.launch_delays)
        rendered = render(parts, tx, template, layers, _context(origin))
    except SkyliftError as error:
        remedy = "Correct the job variables of the flow run, its deployment or its work pool"
        raise Rejected(str(error), remedy=remedy) from error
    return _compose(parts, origin, rendered, attempt_id, nonce)


FALLBACKS = "capacity_fallbacks"
"""The job variable with a list of sets of job variables, each another place for a run that found no room."""


def _fallback(template: Mapping[str, Any], layers: list[templates.Layer], refusals: int) -> list[templates.Layer]:
    """What changes for a run that the provider has refused so often: each time the next place, and round again."""
    places = refusals and templates.effective_variables(template, layers).get(FALLBACKS)
    if not isinstance(places, list) or not places:
        return []
    which = refusals % (len(places) + 1)
    return [templates.Layer(f"{FALLBACKS}[{which - 1}]", places[which - 1])] if which else []


def pool_configuration(parts: Parts, tx: Tx, pool: Row[Any]) -> dict[str, Any]:
    """The pool's job configuration with the defaults of its variables alone: what its provider needs to know of the
    place. Empty where that cannot be rendered."""
    template = pool.base_job_template
    try:
        return render(parts, tx, template, [], nobody(pool.name)).configuration
    except SkyliftError as error:
        log.warning("The defaults of work pool %r cannot be rendered: %s", pool.name, error)
        return {}


def nobody(work_pool: str) -> dict[str, Any]:
    """What `{{ ctx.… }}` sees where there is no run."""
    return {"flow": {"name": ""}, "flow_run": {"name": ""}, "deployment": {}, "work_pool": {"name": work_pool}}


def render(
    parts: Parts,
    tx: Tx,
    template: Mapping[str, Any],
    layers: list[templates.Layer],
    context: Mapping[str, Any],
) -> templates.Rendered:
    """Fetch what template and job variables refer to, and fill in the template. Raises `TemplateError`, and what
    fetching raises."""
    lookup = _fetch(parts, tx, templates.references(template, layers))
    return templates.render(template, layers, context=context, lookup=lookup)


def _fetch(parts: Parts, tx: Tx, wanted: templates.References) -> templates.Fetched:
    return templates.Fetched(
        blocks={
            (slug, name): documents.by_name(tx, parts.sealer, slug, name, include_secrets=True).data
            for slug, name in wanted.blocks
        },
        documents={
            each: documents.by_id(tx, parts.sealer, each, include_secrets=True).data for each in wanted.documents
        },
        variables=variables.values(tx, wanted.variables),
        environment={name: os.environ[name] for name in wanted.environment if name in os.environ},
        allowed_environment=frozenset(parts.settings.template_env),
    )


def _context(origin: Origin) -> dict[str, Any]:
    run, flow, deployment = origin.run, origin.flow, origin.deployment
    return {
        "flow": {"id": str(flow.id), "name": flow.name},
        "flow_run": {
            "id": str(run.id),
            "name": run.name,
            "run_count": run.run_count,
            "parameters": run.parameters,
            "expected_start_time": run.expected_start_time.isoformat(),
        },
        "deployment": {"id": str(deployment.id), "name": deployment.name} if deployment else {},
        "work_pool": {"id": str(origin.pool.id), "name": origin.pool.name},
    }


def _compose(parts: Parts, origin: Origin, rendered: templates.Rendered, attempt_id: UUID, nonce: str) -> Frozen:
    configuration = dict(rendered.configuration)
    if "labels" in origin.pool.base_job_template["job_configuration"]:
        configuration["labels"] = _labels(origin) | (configuration.get("labels") or {})
    command = _argv(configuration.pop("command", None))
    engine = _engine(origin, command)
    env = {name: str(value) for name, value in (configuration.pop("env", None) or {}).items() if value is not None}
    under_runner = configuration.pop("runner", True)
    packages = _packages(origin, configuration.pop("pip_packages", None), engine, command)
    identity = {"SKYLIFT_ATTEMPT": str(attempt_id), "SKYLIFT_API_URL": parts.settings.api_url}
    run_env = env | {"PREFECT__FLOW_RUN_ID": str(origin.run.id), "SKYLIFT_FLOW_RUN_ID": str(origin.run.id)}
    if engine is Engine.COMMAND and not command:
        raise Rejected(
            "The run has neither a command nor an entrypoint",
            remedy="Set the job variable 'command', or give the deployment an entrypoint",
        )
    if engine is Engine.PREFECT:
        command, run_env = command or PREFECT_COMMAND, _prefect_env(parts, origin) | run_env
    if not under_runner:
        if packages:
            raise Rejected(
                "Only the runner installs packages, and this run's job variable 'runner' is off",
                remedy="Switch 'runner' on, or leave 'pip_packages' empty",
            )
        if engine is not Engine.COMMAND:
            raise Rejected(
                "An entrypoint needs the runner, and this run's job variable 'runner' is off",
                remedy="Switch 'runner' on, or set the job variable 'command'",
            )
        bare = configuration | {"command": command, "env": run_env | identity}
        return Frozen(bare, None, sorted(rendered.secrets))
    python = configuration.pop("python", None) or parts.providers.get(origin.pool.type).python
    fetch = bootstrap_command(parts.settings.api_url, python=python)
    launched = configuration | {"command": fetch, "env": identity | {"SKYLIFT_NONCE": nonce}}
    terms = _terms(origin, engine, command, run_env, configuration) | {"packages": packages}
    launched.pop("working_dir", None)
    limit = time_limit(terms)
    if limit:  # the runner keeps the time; the provider's clock is the backstop
        launched["timeout_seconds"] = limit
    return Frozen(launched, terms, sorted(rendered.secrets))


def _labels(origin: Origin) -> dict[str, str]:
    """What Prefect's own workers mark infrastructure with, for bills and searches."""
    run, deployment = origin.run, origin.deployment
    found = {"flow-run-id": run.id, "flow-run-name": run.name, "flow-name": origin.flow.name}
    found |= {"deployment-name": deployment.name} if deployment else {}
    return {f"prefect.io/{key}": str(value) for key, value in (found | {"work-pool-name": origin.pool.name}).items()}


def time_limit(terms: Mapping[str, Any]) -> float | None:
    """Seconds from the launch, or the admission, after which a run with a timeout must be over, however long it took to
    set it up; None without a timeout."""
    if not terms["timeout_seconds"]:
        return None
    setting_up = 60 + (PACKAGES_SECONDS if terms.get("packages") else 0)
    return float(terms["timeout_seconds"] + terms["grace_seconds"] + setting_up)


def _packages(origin: Origin, asked: Any, engine: Engine, command: list[str]) -> dict[str, Any] | None:
    """For the runner: what pip is to install. A managed pool's own machine need not have Prefect."""
    if isinstance(asked, str):
        asked = asked.split()
    is_brought = origin.pool.type == MANAGED and engine is Engine.PREFECT and command in ([], PREFECT_COMMAND)
    return {"install": [str(each) for each in asked or []], "prefect": is_brought} if asked or is_brought else None


def _engine(origin: Origin, command: list[str]) -> Engine:
    engine = Engine(origin.deployment.engine) if origin.deployment else Engine.COMMAND
    if engine is Engine.COMMAND and origin.deployment and " ".join(PREFECT_COMMAND) in " ".join(command):
        return Engine.PREFECT  # wrapped in something of the user's, such as `uv run`
    if engine is Engine.PYTHON and not (origin.deployment and origin.deployment.entrypoint):
        raise Rejected("The deployment has no entrypoint", remedy="Give it one: path/to/file.py:function")
    return engine


def _prefect_env(parts: Parts, origin: Origin) -> dict[str, str]:
    """What Prefect's own workers tell a flow run, for the headers of its calls; and where its links lead."""
    named = {"FLOW": origin.flow, "DEPLOYMENT": origin.deployment}
    told = {
        f"PREFECT__{what}_{key.upper()}": str(getattr(row, key))
        for what, row in named.items()
        if row
        for key in ("id", "name")
    }
    return told | {"PREFECT_UI_URL": parts.settings.api_url.rstrip("/").removesuffix("/api")}


def _argv(command: Any) -> list[str]:
    """A command as a list. Text is split like a shell does, but no shell runs it."""
    if isinstance(command, list):
        return [str(part) for part in command]
    try:
        return shlex.split(command or "")
    except ValueError as error:
        raise Rejected(f"The command cannot be split into words: {error}", remedy="Mind its quotes") from error


def _terms(
    origin: Origin, engine: Engine, command: list[str], env: dict[str, str], configuration: dict[str, Any]
) -> dict[str, Any]:
    run, deployment, settings = origin.run, origin.deployment, settings_of(origin.pool)
    return {
        "flow_run": {
            "id": str(run.id),
            "name": run.name,
            "deployment_id": str(run.deployment_id) if run.deployment_id else None,
            "flow_name": origin.flow.name,
            "run_count": run.run_count,
        },
        "kind": str(engine),
        "entrypoint": deployment.entrypoint if deployment and engine is Engine.PYTHON else None,
        "command": command if engine is not Engine.PYTHON else None,
        "parameters": run.parameters,
        # Prefect's engine fetches the code itself: it knows steps of the user's own, too.
        "code": code_steps(deployment) if deployment and engine is not Engine.PREFECT else [],
        "env": env,
        "working_dir": configuration.get("working_dir"),
        "timeout_seconds": configuration.get("timeout_seconds"),
        "grace_seconds": min(settings.cancel_grace, 30.0),
        "heartbeat_seconds": settings.heartbeat,
    }


def code_steps(deployment: Row[Any]) -> list[dict[str, Any]]:
    """The deployment's pull steps as the runner knows them. Raises `Rejected` for a step that it does not know."""
    steps: list[dict[str, Any]] = [{"path": deployment.path}] if deployment.path and not deployment.pull_steps else []
    for step in deployment.pull_steps or []:
        for name, options in step.items():
            steps.append(_code_step(name.rpartition(".")[2], options or {}))
    return steps


def _code_step(name: str, options: dict[str, Any]) -> dict[str, Any]:
    match name:
        case "git_clone":
            ref = options.get("branch") or options.get("commit_sha") or options.get("ref")
            return {"git": options.get("repository"), "ref": ref, "subdirectory": options.get("subdirectory")}
        case "archive":
            kept = ("subdirectory", "sha256")
            return {"archive": options.get("url")} | {key: options[key] for key in kept if options.get(key)}
        case "set_working_directory":
            return {"path": options.get("directory")}
    raise Rejected(
        f"The runner knows no pull step named {name!r}", remedy="Use git_clone, archive or set_working_directory"
    )


def check_run(
    template: Mapping[str, Any], deployment: Row[Any] | None, name: str, run_variables: Mapping[str, Any]
) -> None:
    """Refuse a run whose job variables cannot be rendered, when it is made and not when it is too late."""
    layers = layers_of(deployment, name, run_variables)
    templates.check_job_variables(template, layers, complete=True)


def as_json(frozen: Frozen) -> dict[str, Any]:
    """For sealing."""
    return asdict(frozen)


def from_json(value: dict[str, Any]) -> Frozen:
    """What was sealed."""
    return Frozen(**value)
