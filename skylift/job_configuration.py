"""What is left of a base job template once it is rendered, as a provider's own model of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from skylift.provider import Rejected

M = TypeVar("M", bound=BaseModel)


def parsed(model: type[M], values: Mapping[str, Any], pools: str) -> M:
    """Read it; what is null counts as not there. `pools` is what pools of this type are called, such as "an ECS pool".
    Raises `Rejected`, naming fields and never values."""
    try:
        return model.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    raise wrong(field, first["msg"].removeprefix("Value error, "), pools)


def wrong(field: str, problem: str, pools: str) -> Rejected:
    """The error for a field (empty: for the whole) that cannot be used."""
    where = f"{field}: " if field else ""
    what = repr(field) if field else "it"
    return Rejected(
        f"The job configuration of {pools} cannot be used: {where}{problem}",
        remedy=f"Correct {what} in the pool's base job template or the job variables",
    )
