"""What the name or the address of a host tells."""

from __future__ import annotations

from ipaddress import ip_address


def is_address(host: str) -> bool:
    """Whether it is an IP address, of either version."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether it is this machine by a name or address that no other machine can be reached by."""
    return host == "localhost" or (is_address(host) and ip_address(host).is_loopback)
