"""What whoever made a pool's infrastructure tells Skylift of it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from skylift.provisioner import Handover

Text = Annotated[str, StringConstraints(min_length=1)]


class Credentials(BaseModel):
    """The pool's credentials block: its type's slug, what it holds, and the variable of the template that refers to
    it."""

    model_config = ConfigDict(extra="forbid")

    block_type: Text
    variable: Text
    data: dict[str, Any]


class Registration(BaseModel):
    """A pool, and where its runs go."""

    model_config = ConfigDict(extra="forbid")

    name: Text
    type: Text
    variables: dict[str, Any] = Field(description="Defaults for variables of the base job template; null: none")
    credentials: Credentials
    admission_secret_sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")] | None = None
    description: str | None = None
    concurrency_limit: Annotated[int, Field(ge=0)] | None = None

    @property
    def changes(self) -> dict[str, Any]:
        """What is said of the pool itself; what is not said stays."""
        given = {"description": self.description, "concurrency_limit": self.concurrency_limit}
        return {key: value for key, value in given.items() if value is not None}

    @property
    def handover(self) -> Handover:
        return Handover(
            variables={key: value for key, value in self.variables.items() if value is not None},
            block_data=self.credentials.data,
            block_variable=self.credentials.variable,
            admission_secret_hash=self.admission_secret_sha256,
        )
