"""Modal tokens: the one of whoever types the command, the one that the pool gets, and what is asked with them."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from getpass import getpass
from typing import Any, TypeVar

from skylift.extras import sdk
from skylift.provider import BusyError, ProviderError, Rejected
from skylift.provisioner import ProvisionError
from skylift_infra.resources import NotYetError
from skylift_modal.client import Identity, Modal
from skylift_modal.connection import connection
from skylift_modal.errors import status_of
from skylift_modal.request import Credentials, Place

T = TypeVar("T")
EXTRA = "modal"
TIMEOUT = 30.0
SECRET = "MODAL_TOKEN_SECRET"  # noqa: S105 - a variable's name
TOKENS = "https://modal.com/settings/tokens"


@dataclass(frozen=True, slots=True)
class Token:
    """`secret` None: only the pool's block has it."""

    id: str
    secret: str | None = field(repr=False)

    @property
    def credentials(self) -> Credentials:
        """For the SDK. Raises `ProvisionError` where the secret is not known."""
        if not self.secret:
            raise ProvisionError(
                f"The secret of the token {self.id} is not known here",
                remedy=f"Set {SECRET} to it, or leave --token-id out to use your own profile's token",
            )
        return Credentials(token_id=self.id, token_secret=self.secret)


class Workspace:
    """What is asked for with one token."""

    def __init__(self, token: Token) -> None:
        self.token = token

    def ask(self, name: str, request: Any) -> Any:
        """One RPC by its name in Modal's protocol, which tells more than the SDK's own objects do. Use inside
        `telling`."""

        async def call(client: Any) -> Any:
            return await getattr(client._stub, name)(request)

        return self.run(call)

    def run(self, work: Callable[[Any], Awaitable[T]]) -> T:
        return connection(self.token.credentials).run(work, TIMEOUT)

    def identify(self) -> Identity:
        """Whose token it is. Raises `ProvisionError` where Modal does not take it."""
        with telling(f"find out whose token {self.token.id} is"):
            return Modal(Place(modal_credentials=self.token.credentials)).identify()


def messages() -> Any:
    return sdk("modal_proto.api_pb2", extra=EXTRA)


def own_token() -> Token | None:
    """Of the person: MODAL_TOKEN_ID and MODAL_TOKEN_SECRET, or the active profile of Modal's own file."""
    pair = [os.environ.get(name) for name in ("MODAL_TOKEN_ID", SECRET)]
    if not all(pair):
        config = sdk("modal.config", extra=EXTRA).config
        pair = [config.get(name, use_env=False) for name in ("token_id", "token_secret")]
    return Token(str(pair[0]), str(pair[1])) if all(pair) else None


def pool_token(own: Token | None, block: Mapping[str, Any], given: str) -> Token:
    """The one that the pool is to have: the one that is named, the one that it has, or the person's own. Raises
    `ProvisionError` where there is none."""
    wanted = str(given or block.get("token_id") or (own.id if own else ""))
    if not wanted:
        raise nobody()
    if own and own.id == wanted:
        return own
    # With MODAL_TOKEN_ID beside it, the secret in the environment is that token's.
    secret = os.environ.get(SECRET) if os.environ.get("MODAL_TOKEN_ID") in (None, "", wanted) else None
    return Token(wanted, secret or None)


def ask_secret(token: Token) -> Token:
    """Ask for it where somebody sits at a terminal. Raises `ProvisionError` where nobody does."""
    if not sys.stdin.isatty():
        _ = token.credentials  # says what to do
    return Token(token.id, getpass(f"Secret of the Modal token {token.id}: "))


def nobody() -> ProvisionError:
    return ProvisionError(
        "Nobody is signed in to Modal here",
        remedy=f"Run `modal token new`, or set MODAL_TOKEN_ID and {SECRET} to a token from {TOKENS}",
    )


@contextmanager
def telling(what: str, *fine: str) -> Iterator[None]:
    """Turns the provider's errors into ours; those with a gRPC status in `fine` are none."""
    try:
        yield
    except ProviderError as error:
        status = status_of(error.__cause__) if error.__cause__ else ""
        if status in fine:
            return
        said = str(error).removesuffix(".")
        if status == "PERMISSION_DENIED":
            raise ProvisionError(
                f"Your token may not {what}: {said}",
                remedy="Use the token of somebody who may, or name what is there already: --environment, --app",
            ) from error
        if status == "UNAUTHENTICATED" or (isinstance(error, Rejected) and not status):
            raise ProvisionError(f"Modal could not be asked to {what}: {said}", remedy=error.remedy) from error
        if isinstance(error, BusyError):
            raise NotYetError(f"Modal is not ready to {what}: {said}", remedy="Run the command again") from error
        raise ProvisionError(
            f"Modal could not {what}: {said}", remedy="Run the command again: it goes on from here"
        ) from error
