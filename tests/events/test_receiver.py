"""Receiving requests: what brokers do to those who listen, and what becomes of requests then."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from tests.events.memory import settings_for, until
from tests.peers.asker import Asker
from tests.peers.scripted_broker import PUBACK, PUBLISH, ScriptedBroker, publish
from tosser.errors import StateError
from tosser.events import receiver
from tosser.events.inlet import Inlet
from tosser.events.receiver import Receiver
from tosser.events.topics import may_answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.peers.mosquitto import Mosquitto

PREFIX = "ftn/mybbs"
TOPIC = "ftn/mybbs/cmd/post"
LARGEST = 100_000


class MemoryDesk:
    """Answers with what it was asked, and remembers that."""

    def __init__(self, failures: int = 0) -> None:
        self.asked: list[bytes] = []
        self.said: list[str] = []
        self._failures = failures

    async def answer(self, payload: bytes) -> bytes:
        """Answer, after it has failed so often."""
        self.asked.append(payload)
        if self._failures:
            self._failures -= 1
            raise StateError("the database is locked")
        return payload

    async def settle(self) -> None:
        """Have nothing to do, or fail."""
        if self._failures:
            raise StateError("the database is locked")

    async def say(self, trouble: str) -> None:
        """Remember it."""
        self.said.append(trouble)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again soon: how long it waits is not what these tests are about."""
    monkeypatch.setattr("tosser.events.receiver.random.uniform", lambda _low, _high: 0.01)
    monkeypatch.setattr(receiver, "_UNUSABLE_REST", 0.01)


@contextlib.asynccontextmanager
async def receiving(port: int, desk: MemoryDesk, prefix: str = PREFIX) -> AsyncIterator[None]:
    """Listen within the block."""
    task = asyncio.create_task(Receiver(settings_for(port), prefix, desk, largest=LARGEST).run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def trouble_with(broker: ScriptedBroker) -> str:
    """Listen at a broker until something is said, and give that."""
    desk = MemoryDesk()

    async def main() -> None:
        async with broker.running(), receiving(broker.port, desk):
            await until(lambda: bool(desk.said))

    asyncio.run(main())
    return desk.said[0]


@pytest.mark.parametrize(
    ("broker", "told"),
    [
        (
            ScriptedBroker(suback=0x87),
            (
                "the broker refuses our subscription of ftn/mybbs/cmd/post: Not authorized "
                "(let the user of mqtt.username read ftn/mybbs/cmd/post)"
            ),
        ),
        (
            ScriptedBroker(connack=0x84),
            (
                "the broker refuses the connection: Unsupported protocol version "
                "(commands need a broker that speaks MQTT 5)"
            ),
        ),
        (
            ScriptedBroker(hangs_up=[1]),
            "it hangs up instead of answering (commands need a broker that speaks MQTT 5)",
        ),
    ],
)
def test_a_broker_that_does_not_let_us_listen(broker: ScriptedBroker, told: str) -> None:
    """It is said why, and what to do about it."""
    with capture_logs() as log:
        assert trouble_with(broker) == told

    assert next(line["event"] for line in log) == "commands_unavailable"


def test_a_request_is_acknowledged_when_it_is_answered(broker: Mosquitto) -> None:
    """While it cannot be recorded it is tried again, and the log hears of it once; then it is answered once."""
    desk = MemoryDesk(failures=3)

    async def main() -> None:
        async with receiving(broker.port, desk):
            await until(lambda: desk.said == [""])
            with Asker(broker.port, TOPIC, "answers/bot") as bot:
                assert await asyncio.to_thread(bot.post, id="one") == {"id": "one"}
                assert await asyncio.to_thread(bot.post, id="two") == {"id": "two"}

    with capture_logs() as log:
        asyncio.run(main())
    assert desk.asked == [b'{"id": "one"}'] * 4 + [b'{"id": "two"}']
    assert [line["event"] for line in log] == ["commands_open", "commands_stuck"]


def test_an_answer_that_breaks_the_connection_is_given_up() -> None:
    """A broker that hangs up at an answer, instead of refusing it, does so twice; then the request is acknowledged."""
    desk = MemoryDesk()
    scripted = ScriptedBroker(
        requests=[publish(TOPIC, b"{}", mid=1, answers="denied/topic")], hangs_up=[PUBLISH, PUBACK]
    )

    async def main() -> None:
        async with scripted.running(), receiving(scripted.port, desk):
            await until(lambda: scripted.seen[PUBACK] == 2)

    with capture_logs() as log:
        asyncio.run(main())
    assert scripted.seen[PUBLISH] == 2
    assert {line["topic"] for line in log if line["event"] == "command_not_answered"} == {"denied/topic"}


def test_requests_of_an_earlier_configuration_are_left_alone(broker: Mosquitto) -> None:
    """What the session still brings from another topic is acknowledged, and not carried out."""
    desk = MemoryDesk()

    async def main() -> None:
        async with receiving(broker.port, MemoryDesk(), "ftn/old"):
            await until(lambda: broker.log.count("-commands 1 ftn/old/cmd/post") == 1)
        with Asker(broker.port, "ftn/old/cmd/post") as bot:
            await asyncio.to_thread(bot.send, b'"old"')
        async with receiving(broker.port, desk):
            await until(lambda: desk.said == [""])
            with Asker(broker.port, TOPIC, "answers/bot") as bot:
                await asyncio.to_thread(bot.post, id="new")

    asyncio.run(main())
    assert desk.asked == [b'{"id": "new"}']


def test_the_answer_to_a_subscription_does_not_hide_that_it_is_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is cancelled at the moment the broker answers stops all the same; or the daemon would never end."""

    async def main() -> None:
        inlet = Inlet(settings_for(1883), context=None, signal=asyncio.Event(), largest=LARGEST)
        answer: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        monkeypatch.setattr(inlet, "subscribe", lambda *_, **__: asyncio.wait_for(answer, 60))
        task = asyncio.create_task(inlet.listen(TOPIC))
        await asyncio.sleep(0)
        answer.set_result([0])
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()

    asyncio.run(main())


def test_what_promises_nothing_is_dropped_when_too_much_waits() -> None:
    """Forty requests at QoS 0 wait at most; one at QoS 1 is never dropped: the broker bounds those."""
    careless = [publish(TOPIC, b"%d" % number) for number in range(61)]
    scripted = ScriptedBroker(requests=[*careless, publish(TOPIC, b"careful", mid=1)])

    async def main() -> list[bytes]:
        async with scripted.running():
            signal = asyncio.Event()
            inlet = Inlet(settings_for(scripted.port), context=None, signal=signal, largest=LARGEST)
            await inlet.open()
            await inlet.listen(TOPIC)
            await until(lambda: inlet.dropped == 21)
            taken: list[bytes] = []
            while b"careful" not in taken:
                request = inlet.take()
                if request is not None:
                    taken.append(request.payload)
                await asyncio.sleep(0)
            inlet.drop()
            return taken

    assert asyncio.run(main()) == [b"%d" % number for number in range(40)] + [b"careful"]


@pytest.mark.parametrize(
    ("topic", "allowed"),
    [
        ("answers/bot", True),
        ("ftn/mybbs/cmd/answer/bot", True),
        ("ftn/other/status", True),
        ("ftn/mybbs2", True),
        ("", False),
        ("$SYS/broker", False),
        ("answers/+", False),
        ("answers/#", False),
        ("answers/\x07", False),
        ("ftn/mybbs", False),
        ("ftn/mybbs/status", False),
        ("ftn/mybbs/cmd/post", False),
        ("ftn/mybbs/cmd/answer", False),
    ],
)
def test_answers_go_nowhere_near_events(topic: str, allowed: bool) -> None:  # noqa: FBT001 - a column of the table
    """Who asks chooses where the answer goes: not to topics of ours, except those that are for answers."""
    assert may_answer(topic, PREFIX) is allowed
