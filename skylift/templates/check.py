"""Are these job variables what the template asks for?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

from jsonschema import ValidationError

from skylift.templates.compiled import TEMPLATE, Compiled, compiled
from skylift.templates.errors import Path, TemplateError, dotted, kind_of, looks_secret, shown
from skylift.templates.json_values import measure, plain_failure
from skylift.templates.layers import ENV, FIELD, POOL_DEFAULT, Layer, Merged, merge
from skylift.templates.placeholders import BlockDocument, PlaceholderError, Text, parse
from skylift.templates.validator import TooCostlyError, errors_of
from skylift.templates.wording import missing_key, narrowed, rule_of, unknown_keys

PER_VARIABLE = ("properties", "patternProperties", "additionalProperties", "propertyNames")
CONDITIONS = frozenset({"then", "else", "not"})
CERTAIN = ("type", "required", "additionalProperties", "dependentRequired")
"""Rules about a list or object that stay broken whatever the placeholders inside it turn out to be."""


def check_template(template: Mapping[str, Any]) -> None:
    """Check a base job template as it is written: `{}`, or `job_configuration` and `variables` that fit
    together, with defaults that keep the template's own rules. Raises TemplateError.

    Defaults with references are checked when they are rendered; `references(template, ())` says which they
    are.
    """
    measure(template, plain_failure(TEMPLATE))
    ready = compiled(template)
    check_values(ready, merge(ready.defaults, ()), complete=False)


def check_job_variables(template: Mapping[str, Any], layers: Sequence[Layer], *, complete: bool) -> None:
    """Check what is given over the template's defaults; with `complete`, also that nothing required is
    missing. Values with references in them are checked when they are rendered. Raises TemplateError."""
    ready = compiled(template)
    merged = merge(ready.defaults, layers)
    if not complete:
        given = merge({}, layers).values.keys()
        for name in merged.values.keys() - given:
            del merged.values[name]
    check_values(ready, merged, complete=complete)


def check_values(
    template: Compiled,
    merged: Merged,
    *,
    complete: bool,
    resolved: Set[str] = frozenset(),
    hidden: Set[Path] = frozenset(),
) -> None:
    """Raise TemplateError for the first rule that the values break. `resolved`: the variables whose
    references are resolved. `hidden`: the places whose values no message may show."""
    for error in _broken(template, merged, complete=complete, resolved=resolved, hidden=hidden):
        raise error


def every_problem(template: Mapping[str, Any], layers: Sequence[Layer]) -> list[TemplateError]:
    """What is wrong with these job variables over the template's defaults, one problem for each place; what
    only shows once references are resolved is left to `render`. Raises TemplateError for a template that is
    wrong in itself, and for what cannot be read at all."""
    ready = compiled(template)
    found: dict[str, TemplateError] = {}
    for error in _broken(ready, merge(ready.defaults, layers), complete=True):
        found.setdefault(error.field or "", error)
    return list(found.values())


def _broken(
    template: Compiled,
    merged: Merged,
    *,
    complete: bool,
    resolved: Set[str] = frozenset(),
    hidden: Set[Path] = frozenset(),
) -> Iterator[TemplateError]:
    """The rules that the values break, one after the other. Raises TemplateError where none can be checked."""
    deferred = deferred_places(merged, resolved)
    _check_env_names(merged)
    try:
        instance = {**merged.values, **_accepted_nulls(template, merged)}
        for error in errors_of(template.validator, instance):
            keyword = error.absolute_schema_path[0] if error.absolute_schema_path else None
            counts = complete or keyword in PER_VARIABLE
            if counts and _is_certain(error, deferred):
                yield _as_error(error, template, merged, hidden)
    except TooCostlyError:
        raise TemplateError(
            "The job variables are too large to be checked against the work pool's template.", field=FIELD
        ) from None


def deferred_places(merged: Merged, resolved: Set[str] = frozenset()) -> frozenset[Path]:
    """Where references stand. Raises TemplateError for one that is wrong in itself."""
    places: set[Path] = set()
    for name, value in merged.values.items():
        if name in resolved:
            continue
        todo: list[tuple[Any, Path]] = [(parsed_value(name, value, merged), (name,))]
        while todo:
            node, path = todo.pop()
            if isinstance(node, Text | BlockDocument):
                places.add(path)
            elif isinstance(node, dict):
                todo.extend((child, (*path, key)) for key, child in node.items())
            elif isinstance(node, list):
                todo.extend((child, (*path, at)) for at, child in enumerate(node))
    return frozenset(places)


def parsed_value(name: str, value: Any, merged: Merged) -> Any:
    """A job variable's value, its references parsed. Raises TemplateError."""
    try:
        return parse(value, template=False, path=(name,))
    except PlaceholderError as error:
        raise failure(merged, error.path, str(error)) from None


def failure(merged: Merged, path: Path, problem: str) -> TemplateError:
    """The error for the job variable at `path`; `problem` is the second half of the sentence."""
    origin = merged.origin(path)
    field = dotted((FIELD, *path))
    if origin == POOL_DEFAULT:
        field = dotted((TEMPLATE, "variables", "properties", path[0], "default", *path[1:]))
    source = f" (from {origin})" if origin else ""
    return TemplateError(f"Job variable '{dotted(path)}'{source} {problem}.", field=field)


def _check_env_names(merged: Merged) -> None:
    """Refuse names in `env` that could smuggle in another variable (`A=b`), or that no system takes."""
    env = merged.values.get(ENV)
    for name in env if isinstance(env, Mapping) else ():
        if not name or "=" in name or not name.isprintable() or name != name.strip():
            raise failure(merged, (ENV, name), "has a name that no environment variable can have")


def _accepted_nulls(template: Compiled, merged: Merged) -> dict[str, None]:
    """Names set to null on purpose, where their own schema says that null is a value."""
    nulls: dict[str, None] = {}
    for name in merged.taken_back:
        schema = template.properties.get(name)
        if schema is not None and not any(errors_of(template.validator.evolve(schema=schema), None)):
            nulls[name] = None
    return nulls


def _is_certain(error: ValidationError, deferred: Set[Path]) -> bool:
    """Whether the rule is broken whatever the references say."""
    if not deferred:
        return True
    path = tuple(error.absolute_path)
    if any(place == path[: len(place)] for place in deferred):
        return False
    if not CONDITIONS.isdisjoint(error.absolute_schema_path):
        return False
    inside = any(place[: len(path)] == path for place in deferred)
    return not inside or error.validator in CERTAIN


def _as_error(error: ValidationError, template: Compiled, merged: Merged, hidden: Set[Path]) -> TemplateError:
    error = narrowed(error)
    path: Path = tuple(error.absolute_path)
    missing = missing_key(error)
    if missing is not None and path:
        return failure(merged, (*path, missing), "is required, but missing")
    if missing is not None:
        return _required(missing, merged)
    unknown = unknown_keys(error)
    if unknown:
        path = (*path, unknown[0])
        return failure(merged, path, "is not declared by the work pool's template, which allows no other names")
    private = not path or _is_private(path, template, hidden)
    rule = rule_of(error, tell=not private)
    if "propertyNames" in error.absolute_schema_path and isinstance(error.instance, str):
        return failure(merged, (*path, error.instance), f"has a name that {rule}")
    if not path:
        return TemplateError(
            f"The job variables break a rule of the work pool's template: together, they {rule}.", field=FIELD
        )
    nested = isinstance(error.instance, str) and any(isinstance(step, str) for step in path[1:])
    value = kind_of(error.instance) if nested else shown(error.instance)
    return failure(merged, path, rule if private else f"{rule}, not {value}")


def _required(name: str, merged: Merged) -> TemplateError:
    origin = merged.taken_back.get(name)
    sets = f"{origin} sets it to null" if origin else "nothing sets it and it has no default"
    return TemplateError(
        f"Job variable '{dotted((name,))}' is required by the work pool's template, but {sets}.",
        field=dotted((FIELD, name)),
    )


def _is_private(path: Path, template: Compiled, hidden: Set[Path]) -> bool:
    return (
        path[0] == ENV
        or path[0] in template.secret
        or any(looks_secret(step) for step in path)
        or any(path[: len(place)] == place for place in hidden)
    )
