"""A local Modal: the official SDK speaks to it over gRPC on loopback, and its sandboxes are local processes.

python -m tests.clouds.modal_cloud        serves until it is interrupted, and says how to reach it
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Self

from google.protobuf.json_format import MessageToDict
from grpclib import GRPCError, Status
from modal_proto import api_pb2

from skylift_modal.request import ATTEMPT
from tests.clouds.audit import AUDIT
from tests.clouds.containers import Containers
from tests.clouds.journal import Call, Journal
from tests.clouds.mischief import AnswerLost, Kind, Mischief, Refused
from tests.clouds.modal_sandboxes import Sandboxes
from tests.clouds.modal_service import Service
from tests.clouds.modal_wire import Wire

TOKEN_ID, TOKEN_SECRET = "ak-localtoken", "as-localsecret"
RATE_WORDS = "Sandbox creation rate limit ({rate:g}/s) exceeded"
CREATES = ("SandboxCreate", "SandboxCreateV2")
WORDS: dict[Kind, tuple[Status, str]] = {
    "throttle": (Status.RESOURCE_EXHAUSTED, RATE_WORDS.format(rate=5)),
    "no_room": (Status.RESOURCE_EXHAUSTED, "Insufficient capacity to create sandbox."),
    "deny": (Status.PERMISSION_DENIED, "Token does not have permission to perform this operation"),
    "break": (Status.INTERNAL, "Internal server error"),
}


class LocalModal:
    """One workspace with one token."""

    def __init__(self) -> None:
        self.containers, self.journal, self.mischief = Containers(), Journal(), Mischief()
        self.sandboxes = Sandboxes(self.containers)
        self.service = Service(self.sandboxes)
        self.tokens = {TOKEN_ID: TOKEN_SECRET}
        self.allowed: frozenset[str] | None = None
        """The only RPCs that this token may call; None: all."""
        self.too_old = False
        """Whether the SDK's version is one that Modal no longer serves."""
        self.creates_per_second: float | None = None
        self.creates: list[tuple[str, Any]] = []
        """Requests for sandboxes that were granted, for tests that send them once more."""
        self._spent: list[float] = []
        self._lock = threading.Lock()
        self._wire = Wire(self._reply)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._wire.port}"

    @property
    def environment(self) -> dict[str, str]:
        """For a process that is to use this workspace."""
        return {"MODAL_SERVER_URL": self.url, "MODAL_TOKEN_ID": TOKEN_ID, "MODAL_TOKEN_SECRET": TOKEN_SECRET}

    def __enter__(self) -> Self:
        self._wire.__enter__()
        return self

    def left(self) -> list[str]:
        """Sandboxes that run, and records of those that ended and were not looked at to the end; they go with their
        App."""
        apps = {*self.service.apps.values()}
        kept = [each for each in self.sandboxes.all.values() if ATTEMPT in each.tags and each.app_id in apps]
        return [each.id for each in self.sandboxes.all.values() if not each.result or each in kept]

    def __exit__(self, *_: object) -> None:
        self.mischief.behave()
        AUDIT.know(TOKEN_SECRET)
        AUDIT.closes("Modal", self.left())
        self.sandboxes.close()
        self.containers.close()
        self._wire.__exit__()

    def arrive_again(self, which: int = -1) -> str:
        """A request for a sandbox that was granted before comes in once more, late; the id of what it makes."""
        name, request = self.creates[which]
        method = self.service.method(name)
        assert method
        return str(method(request).sandbox_id)

    def _reply(self, name: str, request: Any, metadata: Mapping[str, str]) -> Sequence[Any]:
        self.journal.note(_call(name, request))
        try:
            self._admit(name, metadata)
            self.mischief.before(name)
            if name in CREATES:
                self._count_create()
            method = self.service.method(name)
            if not method:
                raise GRPCError(Status.UNIMPLEMENTED, f"{name} is not part of the local Modal")
            answer = method(request)
            if name in CREATES:
                self.creates.append((name, request))
            self.mischief.after(name)
        except Refused as error:
            status, words = WORDS[error.kind]
            self.journal.answered(name, status.name)
            details = [api_pb2.RPCRetryPolicy(retry_after_secs=7)] if error.kind == "throttle" else None
            raise GRPCError(status, words, details) from None
        except AnswerLost:
            self.journal.answered(name, "lost")
            raise
        except GRPCError as error:
            self.journal.answered(name, error.status.name)
            raise
        self.journal.answered(name, "ok")
        return answer if isinstance(answer, list) else [answer]

    def _admit(self, name: str, metadata: Mapping[str, str]) -> None:
        secret = self.tokens.get(metadata.get("x-modal-token-id", ""))
        if not secret or metadata.get("x-modal-token-secret") != secret:
            raise GRPCError(Status.UNAUTHENTICATED, "Token ID is malformed or invalid")
        if name.startswith("Sandbox") and name.endswith("V2") and "x-modal-auth-token" not in metadata:
            raise GRPCError(Status.UNAUTHENTICATED, "Missing auth token")
        if self.too_old:
            raise GRPCError(
                Status.INVALID_ARGUMENT,
                f"Modal client version {metadata.get('x-modal-client-version')} is too old. Please upgrade it",
            )
        if self.allowed is not None and name not in self.allowed:
            raise GRPCError(Status.PERMISSION_DENIED, f"Token does not have permission for {name}")

    def _count_create(self) -> None:
        if not self.creates_per_second:
            return
        with self._lock:
            now = time.monotonic()
            self._spent = [at for at in self._spent if at > now - 1]
            if len(self._spent) >= self.creates_per_second:
                raise GRPCError(Status.RESOURCE_EXHAUSTED, RATE_WORDS.format(rate=self.creates_per_second))
            self._spent.append(now)


def _call(name: str, request: Any) -> Call:
    """The request as it came, with the fields that are made for secrets taken out."""
    shown = type(request)()
    shown.CopyFrom(request)
    secrets: list[Any] = []
    if name == "SandboxCreateV2":
        for source in shown.secret_sources:
            if source.HasField("env"):
                secrets.append(dict(source.env.contents))
                source.ClearField("env")
    elif name == "SecretGetOrCreate":
        secrets.append(dict(shown.env_dict))
        shown.ClearField("env_dict")
    return Call(name, MessageToDict(shown, preserving_proto_field_name=True), secrets or None)


def main() -> None:
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    signal.signal(signal.SIGINT, lambda *_: over.set())
    with LocalModal() as cloud:
        for name, value in cloud.environment.items():
            print(f"export {name}={value}", flush=True)
        over.wait()


if __name__ == "__main__":
    main()
