"""From a deploy file to the bodies that the API takes. Everything is checked here, before anything is written.

In stages: read (YAML with lines), shape (models), meaning (one deployment at a time: what starts it, where its code is,
its parameters and schedules). All that is wrong is told at once, each with its line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from uuid import UUID

import click
import jsonschema
from pydantic import ValidationError

from skylift.cli.deploy_models import MODELS, DeploymentSpec, FileSpec
from skylift.cli.options import read_text
from skylift.cli.signature import NoFunctionError, parameter_schema
from skylift.cli.yaml_lines import Document, YamlError, load
from skylift.errors import InvalidError
from skylift.models.flows import DeploymentCreate, Engine
from skylift.models.schedules import parse_schedule

Where = tuple[str | int, ...]
_NO_FLOW = UUID(int=0)


@dataclass(slots=True)
class Planned:
    """A deployment as it will be sent, but for the id of its flow."""

    flow: str
    body: dict[str, Any]
    where: Where

    @property
    def name(self) -> str:
        return f"{self.flow}/{self.body['name']}"


class Problems:
    """What is wrong with a file, in the order of its lines."""

    def __init__(self, file: str, document: Document) -> None:
        self.file = file
        self.document = document
        self.found: list[tuple[int, str]] = []

    def add(self, where: Where, message: str) -> None:
        path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in where).lstrip(".")
        line = self.document.line(where)
        self.found.append((line, f"{self.file}:{line}: {path}: {message}" if path else f"{self.file}: {message}"))

    def stop(self) -> None:
        """Raise what was found."""
        if self.found:
            raise click.ClickException("\n".join(message for _, message in sorted(set(self.found))))


def read(file: str) -> tuple[Problems, list[Planned]]:
    """The file's deployments. Raises `click.ClickException` naming each culprit with its line."""
    text = read_text(file)
    try:
        document = load(text)
    except YamlError as error:
        raise click.ClickException(f"{file}:{error.line}: {error}") from error
    problems = Problems(file, document)
    folder = Path(file).resolve().parent if file != "-" else Path.cwd()
    try:
        spec = FileSpec.model_validate(document.value)
    except ValidationError as error:
        for each in error.errors(include_url=False, include_input=False):
            problems.add(_where(each["loc"], document), _shape(each["loc"], each["type"], each["msg"]))
        problems.stop()
        raise AssertionError from error
    planned = [_Plan(each, number, spec, folder, problems).make() for number, each in enumerate(spec.deployments)]
    for number, one in enumerate(planned):
        if any(one.name == earlier.name for earlier in planned[:number]):
            problems.add((*one.where, "name"), f"there are two deployments {one.name!r}")
    return problems, planned


def _where(loc: Where, document: Document) -> Where:
    """A place in the file: step names may be written longer than the models know them."""
    where: Where = ()
    for step in loc:
        written = [path[-1] for path in document.lines if path[:-1] == where and len(path) == len(where) + 1]
        where += (next((w for w in written if w == step or str(w).endswith(f".{step}")), step),)
    return where


def _shape(loc: Where, kind: str, message: str) -> str:
    if kind == "missing":
        return "is missing"
    if loc[-1:] in (("build",), ("push",)):
        return "Skylift builds and pushes no images: do that before, and name the image in job_variables"
    if kind in ("model_type", "dict_type"):
        return "must be a mapping, of keys to values"
    if kind != "extra_forbidden":
        return message
    parents = [step for step in loc[:-1] if isinstance(step, str)]
    model = MODELS.get(parents[-1] if parents else "")
    known = sorted(field.alias or name for name, field in model.model_fields.items()) if model else []
    near = get_close_matches(str(loc[-1]), known, 1)
    return f"unknown key{f', did you mean {near[0]!r}?' if near else ''} (known here: {', '.join(known)})"


@dataclass(slots=True)
class _Plan:
    """Makes one deployment's body, and notes what is wrong with it."""

    spec: DeploymentSpec
    number: int
    file: FileSpec
    folder: Path
    problems: Problems

    @property
    def where(self) -> Where:
        return ("deployments", self.number)

    def wrong(self, message: str, *steps: str | int) -> None:
        self.problems.add((*self.where, *steps), message)

    def make(self) -> Planned:
        spec = self.spec
        pull = spec.pull if spec.pull is not None else self.file.pull
        schema = self._parameters(local=not pull)
        limit = spec.concurrency_limit
        body: dict[str, Any] = {
            "name": spec.name,
            "description": spec.description,
            "version": spec.version,
            "tags": spec.tags,
            "paused": spec.paused,
            "parameters": spec.parameters,
            "parameter_openapi_schema": schema,
            "enforce_parameter_schema": spec.enforce_parameter_schema,
            "job_variables": self._job_variables(),
            "work_pool_name": spec.work_pool.name,
            "work_queue_name": spec.work_pool.work_queue_name,
            "schedules": self._schedules(schema),
            "concurrency_limit": limit.limit if limit else None,
            "concurrency_options": (
                {"collision_strategy": str(limit.collision_strategy)} if limit and limit.collision_strategy else None
            ),
            "entrypoint": spec.entrypoint,
            "engine": self._engine(),
            "path": None if pull else str(self.folder),
            "pull_steps": [each.model_dump(exclude_none=True) for each in pull] if pull else None,
        }
        self._as_the_api_would(body)
        return Planned(self._flow(), body, self.where)

    def _flow(self) -> str:
        if self.spec.flow:
            return self.spec.flow
        if self.spec.entrypoint:
            return self.spec.entrypoint.rpartition(":")[2].rpartition(".")[2].replace("_", "-") or self.spec.name
        return self.spec.name

    def _engine(self) -> str:
        spec = self.spec
        bare = spec.work_pool.job_variables.get("command")
        if spec.entrypoint and spec.command:
            self.wrong("is either an entrypoint or a command, not both", "command")
        elif not (spec.entrypoint or spec.command or bare):
            self.wrong("needs an 'entrypoint' (path/to/file.py:function) or a 'command'")
        default = Engine.PYTHON if spec.entrypoint else Engine.COMMAND
        if spec.engine and (spec.engine is Engine.COMMAND) != (default is Engine.COMMAND):
            wanted = "a command" if spec.engine is Engine.COMMAND else "an entrypoint"
            self.wrong(f"{spec.engine} needs {wanted}", "engine")
        return str(spec.engine or default)

    def _job_variables(self) -> dict[str, Any]:
        given = self.spec.work_pool.job_variables
        if self.spec.command is None:
            return given
        if "command" in given:
            self.wrong("is given by 'command' already", "work_pool", "job_variables", "command")
        return given | {"command": self.spec.command}

    def _parameters(self, *, local: bool) -> dict[str, Any] | None:
        """The schema of the function's parameters, where its source is at hand; the deployment's are held to it."""
        entrypoint = self.spec.entrypoint
        if not entrypoint:
            return None
        where, _, function = entrypoint.rpartition(":")
        if not where or not function:
            self.wrong("must be like path/to/file.py:function or package.module:function", "entrypoint")
            return None
        file = self._source(where)
        if not file:
            if local:
                remedy = f"is not in {self.folder}; where the code is somewhere else, say so under 'pull'"
                self.wrong(f"{where!r} {remedy}", "entrypoint")
            return None
        try:
            schema = parameter_schema(file.read_text(encoding="utf-8"), function)
        except NoFunctionError:
            self.wrong(f"{where} has no function {function!r}", "entrypoint")
        except (SyntaxError, ValueError, OSError) as error:
            line = f" (line {error.lineno})" if isinstance(error, SyntaxError) else ""
            self.wrong(f"{where} cannot be read as Python{line}", "entrypoint")
        else:
            self._check(schema, self.spec.parameters, "parameters")
            return schema
        return None

    def _source(self, where: str) -> Path | None:
        if where.endswith(".py"):
            choices = [self.folder / where]
        else:
            base = self.folder.joinpath(*where.split("."))
            choices = [base.with_suffix(".py"), base / "__init__.py"]
        return next((each for each in choices if each.is_file()), None)

    def _check(self, schema: dict[str, Any] | None, parameters: dict[str, Any], *steps: str | int) -> None:
        """What is given must fit; what is missing may still come with a run."""
        if not schema or not self.spec.enforce_parameter_schema:
            return
        partial = {key: value for key, value in schema.items() if key != "required"}
        for error in jsonschema.Draft202012Validator(partial).iter_errors(parameters):
            self.wrong(error.message, *steps, *error.absolute_path)

    def _schedules(self, schema: dict[str, Any] | None) -> list[dict[str, Any]]:
        made = []
        for number, each in enumerate(self.spec.schedules):
            here = ("schedules", number)
            try:
                parse_schedule(each.schedule(), field="")
            except InvalidError as error:
                steps = [step for step in (error.field or "").split(".") if step]
                self.wrong(_after_field(str(error)), *here, *steps)
            self._check(schema, each.parameters, *here, "parameters")
            self._complete(schema, {*self.spec.parameters, *each.parameters}, here)
            catchup = self.spec.catchup_seconds if each.catchup_seconds is None else each.catchup_seconds
            made.append(
                {
                    "schedule": each.schedule(),
                    "active": each.active,
                    "parameters": each.parameters,
                    "slug": each.slug,
                    "max_scheduled_runs": each.max_scheduled_runs,
                    "catchup_seconds": catchup,
                }
            )
        return made

    def _complete(self, schema: dict[str, Any] | None, given: Iterable[str], here: Where) -> None:
        """Nobody is there to give a scheduled run what is missing."""
        missing = sorted(set((schema or {}).get("required", [])) - set(given))
        if missing and self.spec.enforce_parameter_schema:
            self.wrong(f"its runs would lack the parameter {', '.join(map(repr, missing))}", *here)

    def _as_the_api_would(self, body: dict[str, Any]) -> None:
        try:
            DeploymentCreate.model_validate(body | {"flow_id": _NO_FLOW})
        except ValidationError as error:
            for each in error.errors(include_url=False, include_input=False):
                if "schedule" not in each["loc"]:  # said already
                    self.wrong(each["msg"], *each["loc"])


def _after_field(message: str) -> str:
    """The sentence without the path that it begins with: the line and the path are told in another way."""
    field, colon, rest = message.partition(": ")
    return rest if colon and " " not in field else message


def select(planned: list[Planned], names: tuple[str, ...], every: bool, ask: Callable[[str], bool]) -> list[Planned]:
    """Those that are wanted, by `name` or `flow/name`. Raises `click.UsageError`."""
    if not names:
        if len(planned) == 1 or every:
            return planned
        listed = ", ".join(each.name for each in planned)
        if ask(f"Deploy all {len(planned)}: {listed}?"):
            return planned
        raise click.UsageError(f"Which? The file has {listed}: say --all, or --name for each")
    unknown = [name for name in names if not any(name in (each.name, each.body["name"]) for each in planned)]
    if unknown:
        listed = ", ".join(each.name for each in planned)
        raise click.UsageError(f"The file has no deployment {unknown[0]!r}; it has {listed}")
    return [each for each in planned if each.name in names or each.body["name"] in names]
