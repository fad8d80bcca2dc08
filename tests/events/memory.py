"""An outbox in memory, and a publisher that runs within a block: what the publisher's tests are made of."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tosser.events.event import Node
from tosser.events.publisher import Publisher
from tosser.events.settings import MqttSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Sequence

NODE = Node("ftn/mybbs", "ftn://tqwnet/1337:1/200")
STARTED = 1_794_571_200.0
SECONDS = 30.0
"""No wait of these tests may take longer."""


@dataclass(frozen=True, slots=True)
class Row:
    """One event."""

    seq: int
    topic: str
    payload: bytes
    retain: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """How something stands."""

    topic: str
    payload: bytes
    version: int


class MemoryOutbox:
    """As the real one, and it remembers what was asked of it.

    Args:
        most: rows given at a time at most, as an implementation does that bounds memory.
    """

    def __init__(self, most: int = 1_000_000) -> None:
        self.rows: dict[int, Row] = {}
        self.states: dict[str, State] = {}
        self.published: dict[str, int] = {}
        self.delivered_seqs: list[int] = []
        self.refusals: list[tuple[int, int, str]] = []
        self._most = most
        self._seqs = itertools.count(1)

    def add(self, topic: str, payload: bytes) -> int:
        """Put an event in; returns its seq."""
        seq = next(self._seqs)
        self.rows[seq] = Row(seq, topic, payload)
        return seq

    def add_numbered(self, topics: Sequence[str], count: int, size: int = 0) -> None:
        """Put events in turn into topics; each payload is its number, padded with dots."""
        for number in range(count):
            self.add(topics[number % len(topics)], str(number).encode().ljust(size, b"."))

    def set_state(self, topic: str, payload: bytes) -> None:
        """Change how something stands."""
        former = self.states.get(topic)
        self.states[topic] = State(topic, payload, former.version + 1 if former else 1)

    async def next_events(self, after: int, limit: int, skip_topics: Collection[str]) -> Sequence[Row]:
        """Give events in order."""
        found = (row for seq, row in self.rows.items() if seq > after and row.topic not in skip_topics)
        return list(itertools.islice(found, min(limit, self._most)))

    async def delivered(self, seqs: Sequence[int]) -> None:
        """Forget events."""
        self.delivered_seqs += seqs
        for seq in seqs:
            self.rows.pop(seq, None)

    async def refused(self, seq: int, code: int, name: str) -> None:
        """Note a refusal."""
        self.refusals.append((seq, code, name))

    async def next_states(self, limit: int, skip_topics: Collection[str]) -> Sequence[State]:
        """Give states the broker does not have."""
        found = (
            state
            for topic, state in self.states.items()
            if state.version > self.published.get(topic, 0) and topic not in skip_topics
        )
        return list(itertools.islice(found, limit))

    async def states_published(self, versions: Sequence[tuple[str, int]]) -> None:
        """Note what the broker has."""
        self.published.update(versions)

    async def forget_published(self) -> None:
        """Forget it."""
        self.published.clear()


def settings_for(port: int, **changes: object) -> MqttSettings:
    """Settings for a broker of the loopback interface that give up soon."""
    plain: dict[str, object] = {"host": "127.0.0.1", "port": port, "client_id": "tosser-mybbs", "timeout": 10.0}
    return MqttSettings(**(plain | changes))  # type: ignore[arg-type]  # the caller names real fields


def publisher_for(settings: MqttSettings, outbox: MemoryOutbox) -> Publisher:
    """Make the publisher of the node of these tests."""
    return Publisher(settings, outbox, NODE, version="0.1.0", started=STARTED)


@contextlib.asynccontextmanager
async def publishing(settings: MqttSettings, outbox: MemoryOutbox) -> AsyncIterator[Publisher]:
    """Run a publisher within the block, and end it as the daemon does."""
    publisher = publisher_for(settings, outbox)
    task = asyncio.create_task(publisher.run())
    try:
        yield publisher
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def drained(publisher: Publisher) -> None:
    """Wait until the broker has all it takes."""
    async with asyncio.timeout(SECONDS):
        await publisher.drained()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so.

    Raises:
        AssertionError: it did not become so.
    """
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        await asyncio.sleep(0.005)
