"""Pages of other sites, where nobody needs a key: a browser would do for them whatever they ask.

Any page that is open in a browser of this machine can send requests to it. With a key, or a session's cookie and its
header, it cannot say who it is; without any key there is only this to tell it by.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from skylift.errors import ForbiddenError
from skylift.hosts import is_address, is_loopback

REMEDY = "Where this is meant, make an API key (skylift api-key create) and send it"


def refuse(headers: Mapping[str, str], api_url: str) -> None:
    """Raises `ForbiddenError` for a request that a page of another site has sent, by what browsers say of it: where the
    page is from (`Origin`), and by which name it has found us (`Host`: a site's own name can be made to lead here)."""
    host = headers.get("host", "")
    if not _is_ours(host, api_url):
        raise ForbiddenError(f"Without an API key this is not served as {host!r}. {REMEDY}")
    origin = headers.get("origin")
    if origin is not None and origin.partition("//")[2] != host and not _is_here(_name(origin)):
        raise ForbiddenError(f"Without an API key this is not served to pages of {origin!r}. {REMEDY}")


def _is_ours(host: str, api_url: str) -> bool:
    """Whether nobody else can make this name lead to us: one without a dot is in no public DNS."""
    name = _name(f"//{host}")
    return "." not in name or is_address(name) or _is_here(name) or name == _name(api_url)


def _is_here(name: str) -> bool:
    """Whether it is this machine: who serves pages on it can call us in other ways, too."""
    return is_loopback(name) or name.endswith(".localhost")


def _name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
