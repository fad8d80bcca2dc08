"""Telling the service manager how we are: the datagram protocol of ``sd_notify(3)``.

State goes as ``KEY=value`` lines to the socket named by ``NOTIFY_SOCKET``, a path or an abstract name that begins with
``@``. Without that variable (a terminal, a container, a test) everything here does nothing. Nothing here raises: mail
must go on when the service manager does not listen, so a failure to send is only logged.
"""

from __future__ import annotations

import os
import re
import socket
import time
from typing import TYPE_CHECKING, Self

import structlog

if TYPE_CHECKING:
    from collections.abc import Mapping

_SEND_SECONDS = 1.0
"""How long a full socket may hold us up before the state is dropped; it is sent from the event loop."""
_MICROSECONDS = re.compile(r"[1-9][0-9]{0,17}")

log = structlog.get_logger(__name__)


class Notifier:
    """Sends our state to the service manager, if there is one."""

    def __init__(self, address: str | None = None, watchdog_interval: float | None = None) -> None:
        """Take the socket's address (``None``: send nothing) and the watchdog interval."""
        self._address = address
        self._watchdog_interval = watchdog_interval

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Read ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID``, as set by the service manager."""
        return cls(environ.get("NOTIFY_SOCKET") or None, _watchdog_interval(environ))

    @property
    def watchdog_interval(self) -> float | None:
        """Seconds from one call of `watchdog` to the next, half of what is allowed; ``None`` when nobody watches."""
        return self._watchdog_interval

    def ready(self) -> None:
        """Say that start-up, or a reload, is complete."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """Say in one line what we are doing; shown by ``systemctl status``."""
        self._send(f"STATUS={' '.join(text.split())}")

    def reloading(self) -> None:
        """Say that a reload begins; `ready` ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that we are shutting down."""
        self._send("STOPPING=1")

    def watchdog(self) -> None:
        """Say that work makes progress."""
        self._send("WATCHDOG=1")

    def _send(self, state: str) -> None:
        if self._address is None:
            return
        name = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
                manager.settimeout(_SEND_SECONDS)
                manager.sendto(state.encode("utf-8", "replace"), name)
        except OSError as error:
            log.warning("service manager not reached", state=state, error=str(error))


def _watchdog_interval(environ: Mapping[str, str]) -> float | None:
    """Work out the interval; variables meant for another process, or without a number, mean no watchdog."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    allowed = _MICROSECONDS.fullmatch(environ.get("WATCHDOG_USEC", ""))
    return None if allowed is None else int(allowed[0]) / 2 / 1_000_000
