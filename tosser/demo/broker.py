"""An MQTT broker inside this process, on a free port of the loopback interface: amqtt, which speaks MQTT 3.1.1.

For the demo only: it forgets everything when it ends, and keeps nothing for subscribers who are away.
"""

from __future__ import annotations

import logging
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LOOPBACK = "127.0.0.1"


@asynccontextmanager
async def embedded_broker() -> AsyncIterator[int]:
    """Run a broker within the block; gives its port.

    Raises:
        ImportError: amqtt is not installed.
        OSError: there is no free port.
    """
    from amqtt.broker import Broker  # type: ignore[import-untyped]  # noqa: PLC0415 - only with the extra `demo`

    for name in ("amqtt", "transitions"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    port = _free_port()
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"{LOOPBACK}:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    try:
        yield port
    finally:
        await broker.shutdown()


def _free_port() -> int:
    """Find a port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
