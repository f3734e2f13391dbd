"""A worker process of the local Azure Functions: loads the function app as the real worker does, says which functions
it has, and calls them with what `azure.functions`' own converters make of the host's data.

`python -m tests.clouds.azure_functions_worker FD FOLDER`: the host is at the other end of the socket FD.
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import logging
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import azure.functions as func
from azure.functions.meta import Datum, get_binding_registry

REGISTRY: Any = get_binding_registry()  # type: ignore[no-untyped-call]
THREADS = 8
"""In which functions that are not async run."""


class Context:
    """Of one invocation."""

    def __init__(self, invocation_id: str, name: str, folder: str) -> None:
        self.invocation_id, self.function_name, self.function_directory = invocation_id, name, folder
        self.thread_local_storage = threading.local()
        self.trace_context = self.retry_context = None


def main() -> None:
    connection, folder = Connection(int(sys.argv[1])), Path(sys.argv[2])
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("azure").setLevel(logging.WARNING)
    try:
        functions = load(folder)
    except Exception:
        connection.send({"kind": "failed", "error": traceback.format_exc()})
        raise
    connection.send({"kind": "functions", "functions": [bindings_of(each) for each in functions.values()]})
    asyncio.run(serve(connection, functions, str(folder)))


def load(folder: Path) -> dict[str, func.Function]:
    spec = importlib.util.spec_from_file_location("function_app", folder / "function_app.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (app,) = (each for each in vars(module).values() if isinstance(each, func.FunctionApp))
    return {str(each.get_function_name()): each for each in app.get_functions()}


def bindings_of(function: func.Function) -> dict[str, Any]:
    """What the host indexes."""
    return {"name": function.get_function_name(), **function.get_bindings_dict()}


async def serve(connection: Connection, functions: dict[str, func.Function], folder: str) -> None:
    """Until the host hangs up. Invocations run side by side."""
    loop, lock = asyncio.get_running_loop(), threading.Lock()
    executor, tasks = ThreadPoolExecutor(THREADS), set()
    while True:
        try:
            wanted = await loop.run_in_executor(None, connection.recv)
        except EOFError:
            return

        async def answer(wanted: dict[str, Any] = wanted) -> None:
            told = await invoke(functions[wanted["function"]], wanted, folder, executor)
            with lock:
                connection.send({"kind": "done", "id": wanted["id"], **told})

        task = asyncio.create_task(answer())
        tasks.add(task)
        task.add_done_callback(tasks.discard)


async def invoke(function: func.Function, wanted: dict[str, Any], folder: str, executor: Any) -> dict[str, Any]:
    trigger = function.get_trigger()
    assert trigger
    call = function.get_user_function()
    arguments = {trigger.name: decode(str(trigger.type), wanted)}
    if "context" in inspect.signature(call).parameters:
        arguments["context"] = Context(wanted["id"], wanted["function"], folder)
    try:
        if inspect.iscoroutinefunction(call):
            answer = await call(**arguments)
        else:
            answer = await asyncio.get_running_loop().run_in_executor(executor, partial(call, **arguments))
    except Exception as error:
        # What the real worker tells its host, which logs it.
        logging.getLogger("worker").error("Exception: %s: %s", type(error).__name__, error)
        return {"error": traceback.format_exc()}
    return {"answer": encode(answer) if trigger.type == "httpTrigger" else None}


def decode(kind: str, wanted: dict[str, Any]) -> Any:
    converter = REGISTRY.get(kind)
    metadata = {
        name: Datum(value, "int" if isinstance(value, int) else "string") for name, value in wanted["metadata"].items()
    }
    value = wanted["value"]
    if kind == "httpTrigger":
        parts = {part: {name: Datum(text, "string") for name, text in value[part].items()} for part in PARTS}
        texts = {part: Datum(value[part], "string") for part in ("method", "url")}
        return converter.decode(
            Datum(parts | texts | {"body": Datum(value["body"], "bytes")}, "http"), trigger_metadata={}
        )
    return converter.decode(Datum(value, "string" if kind == "queueTrigger" else "json"), trigger_metadata=metadata)


PARTS = ("headers", "query", "params")


def encode(answer: Any) -> dict[str, Any]:
    told = REGISTRY.get("http").encode(answer, expected_type=None).value
    return {
        "status": int(told["status_code"].value),
        "headers": {name: each.value for name, each in told["headers"].items()},
        "body": told["body"].value,
    }


if __name__ == "__main__":
    main()
