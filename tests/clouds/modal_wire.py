"""The local Modal's wire: every RPC of Modal's own protocol over gRPC, handed to one plain function.

RPCs that nobody wrote answer UNIMPLEMENTED. Messages are what `modal_proto`, which comes with the SDK, defines.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

from grpclib.const import Handler
from grpclib.server import Server
from modal._utils.grpc_utils import custom_detail_codec
from modal_proto import api_grpc

from tests.clouds.mischief import AnswerLost

Reply = Callable[[str, Any, Mapping[str, str]], Sequence[Any]]
"""The RPC's name, its request and its metadata in; the messages to answer with out. Raises `grpclib.GRPCError`."""


class Wire:
    """A server on loopback in a thread of its own. Requests are answered in threads, so that one may be held."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.port = 0
        self._threads = ThreadPoolExecutor(64, "local-modal")
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = Server([_Servable(self._answer)], status_details_codec=custom_detail_codec)
        await server.start("127.0.0.1", 0)
        self.port = server._server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()
        await server.wait_closed()

    async def _answer(self, name: str, stream: Any) -> None:
        request = await stream.recv_message()
        try:
            messages = await self._loop.run_in_executor(
                self._threads, self.reply, name, request, dict(stream.metadata or {})
            )
        except AnswerLost:
            stream._stream._transport.abort()  # not just this call: everything on this connection
            return
        for message in messages:
            await stream.send_message(message)


class _Servable:
    def __init__(self, answer: Callable[[str, Any], Any]) -> None:
        self.answer = answer

    def __mapping__(self) -> dict[str, Handler]:
        base = api_grpc.ModalClientBase
        every = type("Every", (base,), dict.fromkeys(base.__abstractmethods__))()
        return {path: self._handler(path, each) for path, each in every.__mapping__().items()}

    def _handler(self, path: str, each: Handler) -> Handler:
        async def handle(stream: Any) -> None:
            await self.answer(path.rpartition("/")[2], stream)

        return Handler(handle, each.cardinality, each.request_type, each.reply_type)
