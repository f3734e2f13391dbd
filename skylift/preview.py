"""What a base job template would render for some job variables, before anything is saved or run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from skylift import rendering, templates
from skylift.errors import InvalidError, SkyliftError
from skylift.models.base import JsonObject
from skylift.models.console.pools import DraftPreviewRequest, PreviewError, PreviewRequest, TemplatePreview
from skylift.parts import Parts
from skylift.store import Tx


def of_pool(
    parts: Parts, tx: Tx, pool: Row[Any], deployment: Row[Any] | None, wanted: PreviewRequest
) -> TemplatePreview:
    """The pool's template, or the draft of it, under the deployment's job variables and those that are given."""
    template = pool.base_job_template if wanted.base_job_template is None else wanted.base_job_template
    return _rendered(parts, tx, template, rendering.layers_of(deployment, "preview", wanted.job_variables), pool.name)


def of_draft(parts: Parts, tx: Tx, wanted: DraftPreviewRequest) -> TemplatePreview:
    """The template of a pool that is not there yet."""
    layers = rendering.layers_of(None, "preview", wanted.job_variables)
    return _rendered(parts, tx, wanted.base_job_template, layers, "")


def _rendered(
    parts: Parts, tx: Tx, template: JsonObject, layers: list[templates.Layer], work_pool: str
) -> TemplatePreview:
    try:
        wrong: Sequence[SkyliftError] = templates.every_problem(template, layers)
        if not wrong:
            rendered = rendering.render(parts, tx, template, layers, rendering.nobody(work_pool))
            return TemplatePreview(configuration=rendered.masked(), errors=[])
    except SkyliftError as error:
        wrong = [error]
    return TemplatePreview(configuration=None, errors=[_told(each) for each in wrong])


def _told(error: SkyliftError) -> PreviewError:
    path = error.field if isinstance(error, InvalidError) and error.field else ""
    return PreviewError(path=path, message=str(error))
