"""A subscriber that only counts: cheap enough to keep up with a broker without taking the processor from the others.

It speaks as much MQTT 3.1.1 as that takes, over a plain socket: connect, subscribe at QoS 1, acknowledge, note when
each message was first told of.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from typing import TYPE_CHECKING

from tests.bench.measure import BenchError
from tests.peers.ports import LOOPBACK

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_CONNECT, _SUBSCRIBE = b"\x10", b"\x82"
_CONNACK, _PUBLISH, _SUBACK = 0x20, 0x30, 0x90
_PUBACK = b"\x40\x02"
_RECEIVE = 256 * 1024
_MSGID = re.compile(rb'"msgid": ?"([^"]+)"')


class Counter:
    """Counts the events below a topic filter; as a context manager it is subscribed within the block.

    Attributes:
        arrivals: for the MSGID of every message that was told of, when that was first, by `time.perf_counter`.
        repeats: how many of the events told of a message that had been told of before.
        online: set once a node has said that it is online.
    """

    def __init__(self, port: int, topic_filter: str = "ftn/#") -> None:
        self.arrivals: dict[bytes, float] = {}
        self.repeats = 0
        self.online = threading.Event()
        self._filter = topic_filter.encode("utf-8")
        self._port = port
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._listen, name="counter", daemon=True)

    def __enter__(self) -> Self:
        self._socket = socket.create_connection((LOOPBACK, self._port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(_packet(_CONNECT, b"\0\4MQTT\4\2\0\0" + _string(b"counter")))
        self._expect(_CONNACK, 4)
        self._socket.sendall(_packet(_SUBSCRIBE, b"\0\1" + _string(self._filter) + b"\1"))
        self._expect(_SUBACK, 5)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def wait(self, count: int, seconds: float = 300.0) -> float:
        """Wait until that many messages were told of, and say when the last of them was.

        Raises:
            BenchError: they were not, in that time.
        """
        with self._news:
            if not self._news.wait_for(lambda: len(self.arrivals) >= count, seconds):
                raise BenchError(f"{len(self.arrivals):,} of {count:,} messages were told of after {seconds:.0f} s")
            return max(self.arrivals.values())

    def _expect(self, kind: int, size: int) -> None:
        answer = self._socket.recv(size, socket.MSG_WAITALL)
        if len(answer) != size or answer[0] != kind or answer[-1] & 0x80:
            raise BenchError(f"the broker answered {answer.hex()}")

    def _listen(self) -> None:
        buffer = bytearray()
        while data := self._socket.recv(_RECEIVE):
            now = time.perf_counter()
            buffer += data
            used, answers = self._take(bytes(buffer), now)
            del buffer[:used]
            if answers:
                self._socket.sendall(answers)
            with self._news:
                self._news.notify_all()

    def _take(self, data: bytes, now: float) -> tuple[int, bytes]:
        """Take the whole packets at the start of what was received; give their length, and what to answer."""
        at, answers = 0, bytearray()
        while (bounds := _body(data, at)) is not None:
            start, end = bounds
            if data[at] & 0xF0 == _PUBLISH:
                topic_end = start + 2 + int.from_bytes(data[start : start + 2])
                if data[at] & 0x06:
                    answers += _PUBACK + data[topic_end : topic_end + 2]
                self._note(data[start + 2 : topic_end], data[topic_end:end], now)
            at = end
        return at, bytes(answers)

    def _note(self, topic: bytes, payload: bytes, now: float) -> None:
        if topic.endswith(b"/message"):
            found = _MSGID.search(payload)
            if found is None or found[1] in self.arrivals:
                self.repeats += 1
            else:
                self.arrivals[found[1]] = now
        elif topic.endswith(b"/status") and b'"online"' in payload:
            self.online.set()


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(2) + data


def _packet(kind: bytes, body: bytes) -> bytes:
    """Build a packet of fewer than 128 bytes."""
    return kind + bytes((len(body),)) + body


def _body(data: bytes, at: int) -> tuple[int, int] | None:
    """Find where the packet at ``at`` has its body; ``None`` while it has not come whole."""
    length, shift, start = 0, 0, at + 1
    while start < len(data):
        byte = data[start]
        length |= (byte & 0x7F) << shift
        shift, start = shift + 7, start + 1
        if byte < 0x80:
            return (start, start + length) if start + length <= len(data) else None
    return None
