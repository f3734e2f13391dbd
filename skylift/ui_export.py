"""Web pages as folders of files, for a bucket or a CDN: with the API's address in them, and a policy that names it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

from skylift.api import prefect_ui, sites
from skylift.api.static_files import INDEX
from skylift.errors import ConflictError, NotFoundError
from skylift.settings import Settings

API_TAG = '<meta name="skylift-api" content="{}" />'
HEAD = "<head>"


def export_console(target: Path, api_url: str) -> int:
    """Write the console there; how many files. Its addresses are relative: any path will do.

    Raises `NotFoundError` where it is not built, `ConflictError` where something is there already.
    """
    source = sites.console_folder()
    if not (source / INDEX).is_file():
        raise NotFoundError("The console is not built in this copy of the source: run `make console` first")

    def index(text: str) -> str:
        told, was = API_TAG.format(escape(api_url, quote=True)), API_TAG.format("/api")
        if was not in text:
            raise NotFoundError(f"The index of the console in {source} does not name the API: build it anew")
        return _with_policy(text.replace(was, told), sites.CONSOLE_POLICY, api_url)

    return _write(source, target, index, bytes)


def export_prefect(target: Path, api_url: str, path: str, settings: Settings) -> int:
    """Write Prefect's page there, as it will be served under this path of its host; how many files.

    Raises `MissingExtraError` where it is not installed, `ConflictError` where something is there already.
    """
    source = sites.prefect_folder(settings)
    policy = prefect_ui.POLICY.format(origins="'self'")
    below = target / path.strip("/")
    count = _write(source, below, lambda text: _with_policy(text, policy, api_url), prefect_ui.served_under(path))
    told = prefect_ui.settings(path, api_url, needs_key=True)
    (target / prefect_ui.settings_path(path).strip("/")).write_text(json.dumps(told), encoding="utf-8")
    return count + 1


def _write(source: Path, target: Path, index: Callable[[str], str], rewritten: Callable[[bytes], bytes]) -> int:
    if target.exists() and any(target.iterdir()):
        raise ConflictError(f"{target} is not empty: name a new folder")
    files = [each for each in sorted(source.rglob("*")) if each.is_file()]
    for each in files:
        copy = target / each.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(rewritten(each.read_bytes()))
        shutil.copymode(each, copy)
    page = target / INDEX
    page.write_text(index(page.read_text(encoding="utf-8")), encoding="utf-8")
    return len(files)


def _with_policy(text: str, policy: str, api_url: str) -> str:
    """A bucket sends no header for it, so the policy is in the page. What only headers can say is left out."""
    parts = urlsplit(api_url)
    origin = f" {parts.scheme}://{parts.netloc}" if parts.netloc else ""
    said = [each.strip() for each in policy.split(";") if not each.strip().startswith("frame-ancestors")]
    said = [each + origin if each.startswith("connect-src") else each for each in said]
    tag = f'<meta http-equiv="Content-Security-Policy" content="{escape("; ".join(said), quote=True)}" />'
    return text.replace(HEAD, HEAD + tag, 1)
