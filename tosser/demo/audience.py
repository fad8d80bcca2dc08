"""The audience of the demo: a subscriber with an MQTT connection of its own, which sees only what the broker sends."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiomqtt
from msgspec import Struct

from tosser.demo.broker import LOOPBACK
from tosser.events.topics import Topic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class Heard(Struct, frozen=True):
    """One event.

    Attributes:
        topic: taken apart.
        text: the full topic.
        event: the CloudEvents document.
    """

    topic: Topic
    text: str
    event: dict[str, Any]

    @property
    def data(self) -> dict[str, Any]:
        """What happened."""
        data: dict[str, Any] = self.event["data"]
        return data


class Audience:
    """Remembers what it heard.

    Args:
        prefix: first levels of the topics.
        tell: called with each event as it comes.

    Attributes:
        heard: all events so far, in order.
    """

    def __init__(self, prefix: str, tell: Callable[[Heard], None]) -> None:
        self.heard: list[Heard] = []
        self._prefix = prefix
        self._tell = tell
        self._news = asyncio.Condition()

    @asynccontextmanager
    async def listening(self, port: int) -> AsyncIterator[None]:
        """Listen to the broker at a port within the block."""
        protocol = aiomqtt.ProtocolVersion.V311
        async with aiomqtt.Client(LOOPBACK, port, identifier="tosser-demo", protocol=protocol) as client:
            await client.subscribe(f"{self._prefix}/#", qos=1)
            async with asyncio.TaskGroup() as group:
                listener = group.create_task(self._listen(client), name="audience")
                try:
                    yield
                finally:
                    listener.cancel()

    async def until(self, condition: Callable[[list[Heard]], object], seconds: float) -> bool:
        """Wait until what was heard meets a condition; tells whether it did, in that time."""
        try:
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(lambda: bool(condition(self.heard)))
        except TimeoutError:
            return False
        return True

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            text = message.topic.value
            heard = Heard(Topic.parse(text, self._prefix), text, json.loads(message.payload))
            async with self._news:
                self.heard.append(heard)
                self._tell(heard)
                self._news.notify_all()
