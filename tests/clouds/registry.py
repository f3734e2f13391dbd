"""A small registry of container images: one image, under names that say how the registry behaves.

open/…: given to everybody. private/…: to whoever signs in. busy/…: nobody just now. slow/…: given, some seconds later.
Only the tag `1` is there.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import time
from collections.abc import Mapping
from typing import Any

from tests.clouds.http_cloud import Answer, HttpCloud, Request
from tests.clouds.podman_image import write_image

USER, PASSWORD = "puller", "hunter2-registry"
TAG = "1"
SLOWNESS = 6.0
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class Registry(HttpCloud):
    """The distribution API, as far as a pull uses it."""

    def __init__(self) -> None:
        super().__init__()
        made = io.BytesIO()
        write_image(made, python=False)
        layer = made.getvalue()
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {"Env": ["PATH=/usr/bin:/bin"]},
                "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
            }
        ).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _descriptor(config, "application/vnd.oci.image.config.v1+json"),
            "layers": [_descriptor(layer, "application/vnd.oci.image.layer.v1.tar")],
        }
        self.manifest = json.dumps(manifest).encode()
        self.blobs = {_digest(blob): blob for blob in (layer, config)}

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    def answer(self, request: Request) -> Answer:
        if request.path == "/v2/":  # asks who it is, or else nobody would ever sign in
            return _refused(401, "UNAUTHORIZED", "authentication required")
        match = re.fullmatch(r"/v2/(open|private|busy|slow)/[^/]+/(manifests|blobs)/(.+)", request.path)
        if not match:
            return _refused(404, "NAME_UNKNOWN", "repository name not known to registry")
        manner, kind, what = match.groups()
        if manner == "busy":
            return _refused(429, "TOOMANYREQUESTS", "You have reached your pull rate limit", {"Retry-After": "1"})
        if manner == "private" and not _signed_in(request):
            return _refused(401, "UNAUTHORIZED", "authentication required")
        if kind == "blobs":
            if manner == "slow":
                time.sleep(SLOWNESS / 2)
            blob = self.blobs.get(what)
            return Answer(200, blob, {"Content-Type": "application/octet-stream"}) if blob else _unknown(what)
        if what not in (TAG, _digest(self.manifest)):
            return _unknown(what)
        return Answer(200, self.manifest, {"Content-Type": MANIFEST, "Docker-Content-Digest": _digest(self.manifest)})


def _signed_in(request: Request) -> bool:
    given = request.headers.get("authorization", "").removeprefix("Basic ")
    return given == base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


def _refused(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    challenge = {"WWW-Authenticate": 'Basic realm="tests"'} if status == 401 else {}
    return Answer(status, {"errors": [{"code": code, "message": message}]}, challenge | dict(headers or {}))


def _unknown(what: str) -> Answer:
    return _refused(404, "MANIFEST_UNKNOWN", f"manifest unknown: {what}")


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _descriptor(blob: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _digest(blob), "size": len(blob)}
