"""Addresses that only a machine itself may ask: they hand out its identity to whoever does."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

NAMES = frozenset({"metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal"})
OTHERS = frozenset(map(ip_address, ("fd00:ec2::254", "168.63.129.16", "100.100.100.200")))
"""Of Amazon over IPv6, Azure's host agent, and Alibaba; all others are link-local."""


def is_metadata(url: str) -> bool:
    """Whether a URL leads to a cloud's metadata service by its address or usual name, however that is written."""
    try:
        name = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return False
    address = _address(name)
    return name in NAMES or (address is not None and (address.is_link_local or address in OTHERS))


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(name)
        return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(name))  # 2852039166, 0xa9fea9fe: what resolvers take as well
    except (OSError, ValueError):
        return None
