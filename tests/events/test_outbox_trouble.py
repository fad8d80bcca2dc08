"""An outbox that cannot be used for a while: the publisher waits for it, and brings all of it afterwards."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from tests.events.memory import MemoryOutbox, Row, drained, publishing, settings_for, until
from tests.peers.subscriber import Subscriber
from tosser.errors import StateError
from tosser.events import publisher as module

if TYPE_CHECKING:
    from tests.peers.mosquitto import Mosquitto

TOPIC = "ftn/mybbs/condition/toss"


class Ailing(MemoryOutbox):
    """Fails in each of its methods in turn, some times each.

    Args:
        times: how often.
    """

    def __init__(self, times: int) -> None:
        super().__init__()
        self._left = Counter(dict.fromkeys(("next_events", "delivered", "next_states", "forget_published"), times))

    def __getattribute__(self, name: str) -> object:
        """Give a method, or one that fails."""
        if not name.startswith("_") and name in (left := super().__getattribute__("_left")) and left[name]:
            left[name] -= 1
            return self._fail
        return super().__getattribute__(name)

    async def _fail(self, *_: object) -> None:
        raise StateError("tosser.db: database is locked")


def test_everything_is_brought_in_the_end(broker: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the outbox fails in, no event is lost, the program lives, and the log says so once."""
    monkeypatch.setattr(module, "_UNUSABLE_REST", 0.01)
    outbox = Ailing(times=3)
    outbox.add_numbered([TOPIC], 20)

    async def main() -> None:
        async with publishing(settings_for(broker.port), outbox) as publisher:
            await until(lambda: outbox.rows == {})
            await drained(publisher)

    with capture_logs() as logs, Subscriber(broker.port, TOPIC) as subscriber:
        asyncio.run(main())
        received = subscriber.wait_for(20)
    assert {int(event.payload) for event in received} == set(range(20))
    assert 0 < len([line for line in logs if line["event"] == "outbox_unusable"]) <= 12


@pytest.mark.parametrize("retain", [True, False])
def test_what_is_to_be_retained(broker: Mosquitto, *, retain: bool) -> None:
    """An event that the broker is to keep is given to who comes later, and no other."""
    outbox = MemoryOutbox()
    outbox.rows[1] = Row(1, TOPIC, b"first", retain=retain)

    async def main() -> None:
        async with publishing(settings_for(broker.port), outbox) as publisher:
            await drained(publisher)

    asyncio.run(main())
    with Subscriber(broker.port, "ftn/#", name="later") as later:
        received = later.wait_for(1 + retain)
    assert (TOPIC in {event.topic for event in received}) == retain
