"""From a template and job variables to the configuration that a provider gets.

First the job variables: each reference in their values is resolved, once. Then the values are checked against
the template's schema. Then the job configuration is filled in, once. What comes out of a lookup or a job
variable is data: it is never looked at for placeholders again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from skylift.templates.check import check_values, failure, parsed_value
from skylift.templates.compiled import TEMPLATE, Compiled, compiled
from skylift.templates.errors import Path, TemplateError, looks_secret
from skylift.templates.fill import UNSET, Filler
from skylift.templates.json_values import plain_failure
from skylift.templates.layers import ENV, Layer, Merged, merge
from skylift.templates.lookup import Lookup

MASK = "********"
LONG_ENOUGH = 4
"""A secret of fewer characters is only masked where it is the whole string, or half of every text would be
masked."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A job configuration, ready for the provider."""

    configuration: dict[str, Any]
    secrets: frozenset[str]
    """Strings that came from blocks, from the service's environment, or from variables that hold secrets."""

    def masked(self) -> dict[str, Any]:
        """The configuration for people: each string that has a secret in it is replaced."""
        inside = [secret for secret in self.secrets if len(secret) >= LONG_ENOUGH]

        def mask(value: Any) -> Any:
            if isinstance(value, dict):
                return {key: mask(child) for key, child in value.items()}
            if isinstance(value, list):
                return [mask(child) for child in value]
            if value is None or isinstance(value, bool):
                return value
            text = str(value)
            return MASK if text in self.secrets or any(secret in text for secret in inside) else value

        return {key: mask(value) for key, value in self.configuration.items()}


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text for people: each secret in it is replaced."""
    found = set(secrets)
    if text in found:
        return MASK
    for secret in sorted((each for each in found if len(each) >= LONG_ENOUGH), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def effective_variables(template: Mapping[str, Any], layers: Sequence[Layer]) -> dict[str, Any]:
    """The declared variables that have a value, unresolved: the template's defaults under the layers, in
    order. Raises TemplateError."""
    ready = compiled(template)
    values = merge(ready.defaults, layers).values
    return {name: values[name] for name in ready.properties if name in values}


def render(
    template: Mapping[str, Any], layers: Sequence[Layer], *, context: Mapping[str, Any], lookup: Lookup
) -> Rendered:
    """Fill in the template's `job_configuration`. A placeholder without a value takes its key or list item
    with it.

    `context` is what `{{ ctx.… }}` sees: plain mappings, no secrets. Raises TemplateError, and what `lookup`
    raises other than NotFoundError and ForbiddenError.
    """
    ready = compiled(template)
    merged = merge(ready.defaults, layers)
    filler = Filler(lookup, context, {})
    values = _resolved(ready, merged, filler)
    resolved = replace(merged, values={**merged.values, **values})
    for name in merged.values.keys() - values.keys():
        if name in ready.properties:
            del resolved.values[name]
    check_values(ready, resolved, complete=True, resolved=frozenset(values), hidden=filler.hidden)
    _keep_secrets(ready, values, filler)
    filler.variables = values
    fail = plain_failure(TEMPLATE)
    start: Path = ("job_configuration",)
    configuration = filler.fill(ready.configuration, start, fail)
    if isinstance(ready.configuration.get(ENV), dict):
        given = _given_env(values, resolved)
        fixed = ready.configuration[ENV]
        filler.charge(given, fail)
        configuration[ENV] = {name: given[name] for name in given if name not in fixed} | configuration[ENV]
    return Rendered(configuration, frozenset(filler.secrets))


def _resolved(ready: Compiled, merged: Merged, filler: Filler) -> dict[str, Any]:
    """The declared variables, their references resolved."""

    def fail(path: Path, problem: str) -> TemplateError:
        return failure(merged, path, problem)

    values: dict[str, Any] = {}
    for name in ready.properties:
        if name in merged.values:
            value = filler.fill(parsed_value(name, merged.values[name], merged), (name,), fail)
            if value is not UNSET:
                values[name] = value
    return values


def _keep_secrets(ready: Compiled, values: Mapping[str, Any], filler: Filler) -> None:
    for name in ready.secret & values.keys():
        filler.keep_secret(values[name])
    env = values.get(ENV)
    for name, value in env.items() if isinstance(env, dict) else ():
        if looks_secret(name):
            filler.keep_secret(value)


def _given_env(values: Mapping[str, Any], merged: Merged) -> dict[str, Any]:
    """The `env` of the job variables, to go under the one that the template has fixed."""
    env = values.get(ENV)
    if env is not None and not isinstance(env, dict):
        raise failure(merged, (ENV,), "must be an object: it is combined with the template's own 'env'")
    return env or {}
