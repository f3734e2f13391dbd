"""The time that a Lambda function has left."""

from __future__ import annotations

from typing import Protocol

from skylift_functions import deadline


class Context(Protocol):
    """What is wanted of Lambda's context."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int: ...


class Deadline(deadline.Deadline):
    """As Lambda tells it."""

    def __init__(self, context: Context) -> None:
        super().__init__(context.get_remaining_time_in_millis() / 1000)
