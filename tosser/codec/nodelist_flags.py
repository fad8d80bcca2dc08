"""Where a system answers over the Internet, from the flags of its nodelist entry (FTS-5001).

``IBN:host:port`` and the like; a host that several services share is given by ``INA``, else it may stand in the name of
the system, or in the phone number as ``000-a-b-c-d``. Refused: nothing; a port or a host that is none is passed over.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tosser.codec.nodelist import NodeEntry

_PORTS = {"IBN": ("binkp", 24554), "IFC": ("ifcico", 60179), "ITN": ("telnet", 23), "IVM": ("vmodem", 3141),
          "IFT": ("ftp", 21)}  # fmt: skip
_HOST = re.compile(
    r"(?=.*[a-z])(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9-]{2,63}", re.ASCII | re.IGNORECASE
)
_IPV4 = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}", re.ASCII)
_IPV6 = re.compile(r"\[[0-9a-f:.]{2,45}\]", re.ASCII | re.IGNORECASE)
_PHONE = re.compile(r"000-(\d{1,3})-(\d{1,3})-(\d{1,3})-(\d{1,3})", re.ASCII)
_HIGHEST_PORT = 65535
_USER = "U"


class Service(Struct, frozen=True):
    """One way to reach a system.

    Attributes:
        protocol: ``binkp``, ``ifcico``, ``telnet``, ``vmodem`` or ``ftp``.
        host: name or number; an IPv6 one in brackets. Empty where the entry has none.
        port: TCP port.
    """

    protocol: str
    host: str
    port: int

    def __str__(self) -> str:
        """Write as ``protocol host:port``."""
        return f"{self.protocol} {self.host or '?'}:{self.port}"


def services_of(entry: NodeEntry) -> list[Service]:
    """List how a system is reached, in the order of its flags; a shared host for each that has none of its own."""
    flags = [flag.partition(":") for flag in _standard_flags(entry)]
    shared = [host for flag, _, host in flags if flag.upper() == "INA" and _is_host(host)]
    shared = shared or _hosts_elsewhere(entry) or [""]
    found: list[Service] = []
    for flag, _, value in flags:
        if flag.upper() in _PORTS:
            protocol, usual = _PORTS[flag.upper()]
            host, port = _host_and_port(value)
            found += [Service(protocol, each, port or usual) for each in ([host] if host else shared)]
    return list(dict.fromkeys(found))


def _standard_flags(entry: NodeEntry) -> Iterator[str]:
    for flag in entry.flags:
        if flag == _USER:
            return
        yield flag


def _hosts_elsewhere(entry: NodeEntry) -> list[str]:
    """Find a host in the name of the system, or in its phone number."""
    name = entry.name
    if _is_host(name):
        return [name]
    phone = _PHONE.fullmatch(entry.phone)
    return [".".join(phone.groups())] if phone else []


def _host_and_port(value: str) -> tuple[str, int]:
    """Split what stands behind a flag: nothing, a port, a host, or both."""
    if value.isascii() and value.isdigit():
        return "", _port(value)
    host, colon, port = value.rpartition(":")
    if colon and not value.endswith("]"):
        return (host if _is_host(host) else ""), _port(port)
    return (value if _is_host(value) else ""), 0


def _port(text: str) -> int:
    """Read a port; 0 for what is none."""
    valid = text.isascii() and text.isdigit() and len(text) <= len(str(_HIGHEST_PORT))
    return int(text) if valid and int(text) <= _HIGHEST_PORT else 0


def _is_host(text: str) -> bool:
    return any(pattern.fullmatch(text) for pattern in (_HOST, _IPV4, _IPV6))
