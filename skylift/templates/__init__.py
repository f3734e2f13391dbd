"""Base job templates: what a platform team fixes, what others may set, and the launch request that comes of
both.

A template has `variables` (a JSON Schema of what may be set) and `job_configuration` (what a provider gets,
with placeholders). In stages, each a module of pure functions: `placeholders` splits strings, `compiled`
checks a template's form and keeps it ready, `layers` merges job variables, `check` holds them to the schema,
`lookup` says what has to be fetched, `fill` and `render` make the configuration.
"""

from skylift.templates.check import check_job_variables, check_template, every_problem
from skylift.templates.errors import TemplateError, looks_secret
from skylift.templates.layers import Layer
from skylift.templates.lookup import Fetched, Lookup, References, references
from skylift.templates.render import Rendered, effective_variables, redact, render

__all__ = [
    "Fetched",
    "Layer",
    "Lookup",
    "References",
    "Rendered",
    "TemplateError",
    "check_job_variables",
    "check_template",
    "effective_variables",
    "every_problem",
    "looks_secret",
    "redact",
    "references",
    "render",
]
