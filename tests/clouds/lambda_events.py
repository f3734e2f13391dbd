"""What calls the local Lambda's functions: queues, EventBridge's deliveries, and the front that turns HTTP into events.
Each behaves as AWS says it does: messages that failed come again, events are tried three times."""

from __future__ import annotations

import base64
import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from tests.clouds.aws_backends import REGION
from tests.clouds.http_cloud import Answer, HttpCloud, Request
from tests.clouds.lambda_runtime import Function, Outcome

Event = dict[str, Any]


class QueueSource:
    """Lambda's poller of one SQS queue: deletes what the function did not call failed."""

    def __init__(self, sqs: Any, url: str, function: Function, *, most: int = 1) -> None:
        self.sqs, self.url, self.function = sqs, url, function
        self.deliver: Callable[[list[Event]], list[Event]] = lambda records: records
        """What becomes of a batch on its way: for tests that lose or repeat messages."""
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._poll, daemon=True) for _ in range(most)]
        for each in self._threads:
            each.start()

    def close(self) -> None:
        self._stopping.set()
        for each in self._threads:
            each.join(60)

    def _poll(self) -> None:
        while not self._stopping.is_set():
            found = self.sqs.receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=1, AttributeNames=["All"]
            ).get("Messages", [])
            if found:
                self._invoke([record(each) for each in found])

    def _invoke(self, records: list[Event]) -> None:
        wanted = self.deliver(records)
        outcome = self.function.invoke({"Records": wanted}) if wanted else Outcome("ok", {})
        handles = {each["messageId"]: each["receiptHandle"] for each in records}
        failed = set(handles)
        if outcome.kind == "ok":
            failed = {each["itemIdentifier"] for each in outcome.body.get("batchItemFailures", [])}
        for key in failed & set(handles):  # not when the visibility timeout is over: tests have less time than AWS
            self.sqs.change_message_visibility(QueueUrl=self.url, ReceiptHandle=handles[key], VisibilityTimeout=1)
        done = {key: handle for key, handle in handles.items() if key not in failed}
        if done:
            self.sqs.delete_message_batch(
                QueueUrl=self.url, Entries=[{"Id": key, "ReceiptHandle": handle} for key, handle in done.items()]
            )


def record(message: Mapping[str, Any]) -> Event:
    """A message as Lambda hands it over."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {},
        "md5OfBody": message.get("MD5OfBody", ""),
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:000000000000:queue",
        "awsRegion": REGION,
    }


class EventSource:
    """EventBridge's deliveries to one function: asynchronous, each tried three times."""

    def __init__(self, function: Function, *, most: int = 1) -> None:
        self.function = function
        self._events: queue.Queue[Event | None] = queue.Queue()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(most)]
        for each in self._threads:
            each.start()

    def put(self, event: Event) -> None:
        self._events.put(event)

    def close(self) -> None:
        for _ in self._threads:
            self._events.put(None)
        for each in self._threads:
            each.join(60)

    def _work(self) -> None:
        while event := self._events.get():
            for pause in (0.2, 0.5, 0):
                if self.function.invoke(event).kind == "ok":
                    break
                time.sleep(pause)


class HttpFront(HttpCloud):
    """An HTTP API of API Gateway (payload format 2.0): what no route begins like goes to `function`."""

    def __init__(self, function: Function, routes: Mapping[str, Function] | None = None) -> None:
        super().__init__()
        self.function, self.routes = function, routes or {}

    def answer(self, request: Request) -> Answer:
        wanted = (each for prefix, each in self.routes.items() if request.path.startswith(prefix))
        outcome = next(wanted, self.function).invoke(http_event(request))
        if outcome.kind != "ok":
            return Answer(502, {"message": "Internal Server Error"})
        told = outcome.body
        text: str = told.get("body") or ""
        body = base64.b64decode(text) if told.get("isBase64Encoded") else text.encode()
        drop = ("content-length", "transfer-encoding", "connection")
        headers = {name: value for name, value in told.get("headers", {}).items() if name.lower() not in drop}
        return Answer(told["statusCode"], body, headers)


def http_event(request: Request) -> Event:
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": request.path,
        "rawQueryString": urlencode(request.query),
        "headers": dict(request.headers),
        "requestContext": {
            "http": {
                "method": request.method,
                "path": request.path,
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": request.headers.get("user-agent", ""),
            },
            "domainName": "localhost",
            "requestId": "id-of-a-request",
            "stage": "$default",
        },
        "body": base64.b64encode(request.body).decode(),
        "isBase64Encoded": True,
    }
