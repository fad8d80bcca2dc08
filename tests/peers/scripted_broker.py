"""A broker that does what a test says, in the event loop of the test: for what real brokers do rarely (MQTT 5 only)."""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.peers.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

CONNECT, PUBLISH, PUBACK, SUBSCRIBE = 1, 3, 4, 8
"""Packet types (MQTT 5, 2.1.2)."""


def publish(topic: str, payload: bytes, *, mid: int = 0, answers: str = "") -> bytes:
    """Write a PUBLISH, at QoS 1 where it has a packet identifier."""
    properties = b"\x08" + _text(answers) if answers else b""
    identifier = struct.pack(">H", mid) if mid else b""
    body = _text(topic) + identifier + _length(len(properties)) + properties + payload
    return bytes([0x32 if mid else 0x30]) + _length(len(body)) + body


def _text(text: str) -> bytes:
    raw = text.encode("utf-8")
    return struct.pack(">H", len(raw)) + raw


def _length(number: int) -> bytes:
    """Write a variable byte integer (1.5.5)."""
    written = b""
    while number >= 128:
        written += bytes([number % 128 | 128])
        number //= 128
    return written + bytes([number])


@dataclass(slots=True)
class ScriptedBroker:
    """What it answers, and what it has seen.

    Attributes:
        connack: reason code of its CONNACK.
        suback: reason code of its SUBACK.
        requests: packets it sends after that.
        hangs_up: types of packets at which it closes the connection.
        seen: how many packets of each type came.
        port: where it listens.
    """

    connack: int = 0
    suback: int = 1
    requests: Sequence[bytes] = ()
    hangs_up: Sequence[int] = ()
    seen: Counter[int] = field(default_factory=Counter)
    port: int = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve within the block."""
        server = await asyncio.start_server(self._serve, LOOPBACK, 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                kind, body = await _read(reader)
                self.seen[kind] += 1
                if kind in self.hangs_up:
                    return
                if kind == CONNECT:
                    writer.write(bytes([0x20, 3, 0, self.connack, 0]))
                elif kind == SUBSCRIBE:
                    writer.write(b"\x90\x04" + body[:2] + bytes([0, self.suback]))
                    writer.writelines(self.requests)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client is gone
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read one packet: its type, and what follows the length."""
    kind = (await reader.readexactly(1))[0] >> 4
    length, shift = 0, 0
    while True:
        (byte,) = await reader.readexactly(1)
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return kind, await reader.readexactly(length)
