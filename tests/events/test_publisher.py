from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from tests.events.memory import NODE, MemoryOutbox, drained, publisher_for, publishing, settings_for, until
from tests.peers.mosquitto import Mosquitto
from tests.peers.ports import free_port
from tests.peers.subscriber import Subscriber
from tosser.events import publisher as publisher_module
from tosser.events import reconnect, window
from tosser.events.event import CONTENT_TYPE
from tosser.events.settings import MqttVersion
from tosser.events.window import UNSPECIFIED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tests.peers.subscriber import Received

NOT_AUTHORIZED = 0x87
LOSSES = {
    MqttVersion.V5: (0x95, "the broker ended the connection: Packet too large"),
    MqttVersion.V311: (UNSPECIFIED, "the connection to the broker is lost"),
}
TOPICS = [f"ftn/mybbs/tqwnet/area/AREA{number}/message" for number in range(7)]
DENIED, ALLOWED = TOPICS[:2]
ACL = f"topic readwrite ftn/mybbs/status\ntopic readwrite {ALLOWED}\ntopic read #\n"
STATUS = "ftn/mybbs/status"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A mosquitto that allows everything."""
    with Mosquitto(tmp_path / "broker") as running:
        yield running


def events_of(received: Iterable[Received]) -> list[Received]:
    """Leave out the status."""
    return [message for message in received if message.topic != STATUS]


def numbers_by_topic(received: Iterable[Received]) -> dict[str, list[int]]:
    """The numbers that came on each topic, in order, repetitions left out."""
    found: dict[str, dict[int, None]] = {}
    for message in events_of(received):
        found.setdefault(message.topic, {})[int(message.payload.strip(b"."))] = None
    return {topic: list(numbers) for topic, numbers in found.items()}


def test_everything_arrives_in_order(broker: Mosquitto) -> None:
    """Each event arrives once, in order for its topic, labelled as CloudEvents; then the outbox is empty."""
    outbox = MemoryOutbox()
    outbox.add_numbered(TOPICS, 2000, size=600)

    async def main() -> None:
        async with publishing(settings_for(broker.port), outbox) as publisher:
            await drained(publisher)
            statistics = publisher.statistics()
            assert (statistics.connected, statistics.protocol) == (True, MqttVersion.V5)
            assert (statistics.delivered, statistics.reconnects, statistics.last_error) == (2000, 0, "")

    with Subscriber(broker.port) as subscriber:
        asyncio.run(main())
        received = events_of(subscriber.wait_for(2002))

    assert len(received) == 2000
    assert numbers_by_topic(received) == {topic: list(range(i, 2000, 7)) for i, topic in enumerate(TOPICS)}
    assert {(message.content_type, message.retain) for message in received} == {(CONTENT_TYPE, False)}
    assert outbox.rows == {}
    assert sorted(outbox.delivered_seqs) == list(range(1, 2001))


def test_an_outbox_that_gives_little_at_a_time_is_emptied(broker: Mosquitto) -> None:
    """An implementation may give fewer rows than asked for."""
    outbox = MemoryOutbox(most=3)
    outbox.add_numbered(TOPICS, 100)

    async def main() -> None:
        async with publishing(settings_for(broker.port), outbox) as publisher:
            await drained(publisher)

    with Subscriber(broker.port) as subscriber:
        asyncio.run(main())
        received = subscriber.wait_for(102)

    assert numbers_by_topic(received) == {topic: list(range(i, 100, 7)) for i, topic in enumerate(TOPICS)}


def test_wakes_without_polling(broker: Mosquitto) -> None:
    """What comes into the outbox later is published on a wake."""
    outbox = MemoryOutbox()

    async def main() -> None:
        async with publishing(settings_for(broker.port), outbox) as publisher:
            await drained(publisher)
            outbox.add(ALLOWED, b"1")
            publisher.wake()
            await drained(publisher)
            assert outbox.rows == {}

    with Subscriber(broker.port, "ftn/mybbs/tqwnet/#") as subscriber:
        asyncio.run(main())
        assert [message.payload for message in subscriber.wait_for(1)] == [b"1"]


def test_waking_before_the_start_is_no_mistake(broker: Mosquitto) -> None:
    """The publisher looks into the outbox by itself when it starts."""
    outbox = MemoryOutbox()
    outbox.add(ALLOWED, b"1")

    async def main() -> None:
        publisher = publisher_for(settings_for(broker.port), outbox)
        publisher.wake()
        task = asyncio.create_task(publisher.run())
        await drained(publisher)
        task.cancel()
        await asyncio.wait({task})

    asyncio.run(main())
    assert outbox.rows == {}


def test_killed_broker_loses_nothing(broker: Mosquitto) -> None:
    """What a broker killed in mid-stream had not acknowledged is published again, in order for each topic."""
    outbox = MemoryOutbox()
    outbox.add_numbered(TOPICS, 3000, size=600)

    async def main() -> set[int]:
        async with publishing(settings_for(broker.port), outbox) as publisher:
            await until(lambda: publisher.statistics().delivered > 500)
            broker.kill()
            await until(lambda: not publisher.statistics().connected)
            waiting = {int(row.payload.strip(b".")) for row in outbox.rows.values()}
            broker.start()
            subscriber.wait_subscribed(2)
            await drained(publisher)
            assert publisher.statistics().reconnects == 1
            return waiting

    with Subscriber(broker.port) as subscriber:
        broker.save()
        waiting = asyncio.run(main())
        subscriber.wait_until(lambda received: waiting <= set().union(*numbers_by_topic(received).values()))
        received = numbers_by_topic(subscriber.received)

    assert 0 < len(waiting) < 3000
    assert all(numbers == sorted(numbers) for numbers in received.values())
    assert outbox.rows == {}


def test_broker_that_comes_later_gets_everything(tmp_path: Path) -> None:
    """Events wait while there is no broker, and the log says so once."""
    broker = Mosquitto(tmp_path / "broker", port=free_port())
    outbox = MemoryOutbox()
    outbox.add_numbered(TOPICS, 50)

    async def main() -> None:
        async with publishing(settings_for(broker.port), outbox) as publisher:
            await until(lambda: "nothing listens" in publisher.statistics().last_error)
            await asyncio.to_thread(broker.start)
            await drained(publisher)

    with capture_logs() as logs:
        asyncio.run(main())
    broker.stop()

    assert outbox.rows == {}
    down = [entry for entry in logs if entry["event"] == "broker down"]
    assert [(entry["log_level"], entry["attempts"]) for entry in down] == [("warning", 1)]
    assert down[0]["advice"] == "start the broker, or check mqtt.url"
    assert [entry["protocol"] for entry in logs if entry["event"] == "broker connected"] == ["5"]


def test_hanging_broker_is_left(tmp_path: Path) -> None:
    """A broker that keeps the connection but acknowledges nothing is noticed, and tried again."""
    outbox = MemoryOutbox()

    async def main(broker: Mosquitto) -> None:
        async with publishing(settings_for(broker.port, timeout=0.5), outbox) as publisher:
            await drained(publisher)
            broker.pause()
            outbox.add_numbered(TOPICS, 5)
            publisher.wake()
            await until(lambda: "acknowledges nothing" in publisher.statistics().last_error)
            broker.resume()
            await drained(publisher)

    with Mosquitto(tmp_path / "broker") as broker:
        asyncio.run(main(broker))
    assert outbox.rows == {}


@pytest.mark.parametrize("change", ["reload", "restart"])
def test_refused_topic_waits_and_the_others_flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    """A topic the broker's ACL denies is reported and kept; it is delivered in order when the ACL allows it."""
    if change == "reload":
        monkeypatch.setattr(window, "_FIRST_WAIT", 0.2)
    outbox = MemoryOutbox()
    outbox.add_numbered([DENIED, ALLOWED], 100)

    async def main(broker: Mosquitto) -> None:
        async with publishing(settings_for(broker.port), outbox) as publisher:
            await until(lambda: len(outbox.rows) == 50 and bool(outbox.refusals))
            assert {row.topic for row in outbox.rows.values()} == {DENIED}
            assert outbox.refusals[0] == (1, NOT_AUTHORIZED, "Not authorized")
            refused = publisher.statistics().refused
            assert [(topic, refusal.code) for topic, refusal in refused.items()] == [(DENIED, NOT_AUTHORIZED)]
            # What a broker has taken and not yet passed on is gone when it is killed.
            await asyncio.to_thread(
                subscriber.wait_until, lambda received: len(numbers_by_topic(received).get(ALLOWED, ())) == 50
            )
            broker.acl += f"topic readwrite {DENIED}\n"
            if change == "reload":
                broker.reload()
            else:
                broker.kill()
                broker.start()
                subscriber.wait_subscribed(2)
            await until(lambda: outbox.rows == {})
            assert publisher.statistics().refused == {}

    with Mosquitto(tmp_path / "broker", acl=ACL) as broker, Subscriber(broker.port) as subscriber:
        broker.save()
        with capture_logs() as logs:
            asyncio.run(main(broker))
        received = numbers_by_topic(
            subscriber.wait_until(lambda received: len(numbers_by_topic(received).get(DENIED, ())) == 50)
        )

    assert received == {DENIED: list(range(0, 100, 2)), ALLOWED: list(range(1, 100, 2))}
    told = [(entry["topic"], entry["code"]) for entry in logs if entry["event"] == "publish refused"]
    assert set(told) == {(DENIED, NOT_AUTHORIZED)}


def test_broker_that_refuses_everything_does_not_flood_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many refused topics the log hears of twenty, though each costs the connection: mosquitto hangs up."""
    monkeypatch.setattr(reconnect, "_SHORT_PAUSE", 0.01)
    outbox = MemoryOutbox()
    outbox.add_numbered([f"ftn/mybbs/n/area/{number}/message" for number in range(40)], 80)

    async def main(broker: Mosquitto) -> None:
        # With one message on its way no answer is lost in the hang-up, so what the log hears is always the same.
        async with publishing(settings_for(broker.port, window=1), outbox) as publisher:
            await drained(publisher)
            assert len(publisher.statistics().refused) == 41

    with Mosquitto(tmp_path / "broker", acl="topic read #\n") as broker, capture_logs() as logs:
        asyncio.run(main(broker))

    assert len(outbox.rows) == 80
    told = [entry["topic"] for entry in logs if entry["event"] == "publish refused"]
    assert len(told) == len(set(told)) == 20
    assert [entry["event"] for entry in logs].count("broker connected") == 1
    assert [entry["event"] for entry in logs].count("broker down") == 0


@pytest.mark.parametrize("version", MqttVersion)
def test_event_that_breaks_the_connection_does_not_stop_the_others(tmp_path: Path, version: MqttVersion) -> None:
    """The broker hangs up on an event larger than it takes: the event waits, the other topics flow."""
    outbox = MemoryOutbox()
    outbox.add(DENIED, b"x" * 5000)
    outbox.add_numbered([DENIED, ALLOWED], 20)

    async def main(broker: Mosquitto) -> None:
        async with publishing(settings_for(broker.port, version=version), outbox) as publisher:
            await until(lambda: len(outbox.rows) == 11)
            (refusal,) = publisher.statistics().refused.values()
            assert (refusal.topic, refusal.seq) == (DENIED, 1)
            assert (refusal.code, refusal.name) == LOSSES[version]
            await drained(publisher)

    with Mosquitto(tmp_path / "broker", options="max_packet_size 2000") as broker:
        asyncio.run(main(broker))

    assert {row.topic for row in outbox.rows.values()} == {DENIED}
    assert next(iter(outbox.rows)) == 1


def test_brokers_receive_maximum_is_kept(tmp_path: Path) -> None:
    """A broker that takes fewer messages at a time than our window gets no more, and does not throw us out."""
    outbox = MemoryOutbox()
    outbox.add_numbered(TOPICS, 500)

    async def main(broker: Mosquitto) -> None:
        async with publishing(settings_for(broker.port, window=100), outbox) as publisher:
            await drained(publisher)
            assert publisher.statistics().reconnects == 0

    with Mosquitto(tmp_path / "broker", options="max_inflight_messages 3") as broker:
        asyncio.run(main(broker))
    assert outbox.rows == {}


def test_clients_of_one_name_throw_each_other_out_and_are_told_so(broker: Mosquitto) -> None:
    """Two nodes with one name cannot both stay; the error says where to look."""

    async def main() -> str:
        async with (
            publishing(settings_for(broker.port), MemoryOutbox()) as first,
            publishing(settings_for(broker.port), MemoryOutbox()),
        ):
            await until(lambda: first.statistics().last_error != "")
            return first.statistics().last_error

    assert asyncio.run(main()) == (
        "the connection to the broker is lost (if that goes on, see whether another client is named tosser-mybbs)"
    )


def test_states_are_retained_and_come_again_to_a_new_broker(tmp_path: Path) -> None:
    """The broker keeps the newest version of each state; a broker that lost them gets them again."""
    outbox = MemoryOutbox()
    topics = [f"ftn/mybbs/n/area/{number}/state" for number in range(300)]
    for topic in topics:
        outbox.set_state(topic, b"1")

    async def main(broker: Mosquitto) -> None:
        async with publishing(settings_for(broker.port), outbox) as publisher:
            await drained(publisher)
            outbox.set_state(topics[0], b"2")
            publisher.wake()
            await drained(publisher)
            assert outbox.published == {topic: 2 if topic == topics[0] else 1 for topic in topics}
            broker.kill()
            (broker.directory / "mosquitto.db").unlink(missing_ok=True)
            await until(lambda: not publisher.statistics().connected)
            broker.start()
            await until(lambda: publisher.statistics().connected)
            await drained(publisher)

    with Mosquitto(tmp_path / "broker") as broker:
        asyncio.run(main(broker))
        with Subscriber(broker.port, "ftn/mybbs/n/#") as late:
            received = late.wait_for(300)

    assert {message.topic: message.payload for message in received} == {
        topic: b"2" if topic == topics[0] else b"1" for topic in topics
    }
    assert all(message.retain for message in received)


def test_status_is_online_while_it_runs_and_offline_after(broker: Mosquitto) -> None:
    """The retained status tells how the publisher stands, also those who come later."""

    def status() -> Received:
        with Subscriber(broker.port, STATUS, name="late") as late:
            return late.wait_for(1)[0]

    async def main() -> Received:
        async with publishing(settings_for(broker.port), MemoryOutbox()) as publisher:
            await drained(publisher)
            return await asyncio.to_thread(status)

    while_running, after = asyncio.run(main()), status()

    assert while_running.retain
    assert while_running.json["data"]["state"] == "online"
    assert while_running.json["data"]["version"] == "0.1.0"
    assert after.json["data"] == while_running.json["data"] | {"state": "offline"}
    assert after.json["source"] == NODE.source
    assert after.json["id"] != while_running.json["id"]


def test_end_waits_for_what_is_on_its_way(broker: Mosquitto) -> None:
    """Cancelled in mid-stream, the publisher records every acknowledgement: nothing comes twice at the next start."""
    outbox = MemoryOutbox()
    outbox.add_numbered(TOPICS, 3000, size=600)

    async def run_a_while() -> None:
        async with publishing(settings_for(broker.port), outbox) as publisher:
            await until(lambda: publisher.statistics().delivered > 500)

    async def run_to_the_end() -> None:
        async with publishing(settings_for(broker.port), outbox) as publisher:
            await drained(publisher)

    with Subscriber(broker.port, "ftn/mybbs/tqwnet/#") as subscriber:
        asyncio.run(run_a_while())
        assert 0 < len(outbox.rows) < 3000
        asyncio.run(run_to_the_end())
        subscriber.wait_for(3000)
        assert len({message.payload for message in subscriber.received}) == len(subscriber.received) == 3000


@pytest.mark.parametrize("trouble", ["hangs", "refuses"])
def test_end_does_not_wait_for_a_broker_in_trouble(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """A broker that hangs, or refuses the last status, gets no goodbye; the last will speaks, the outbox keeps."""
    monkeypatch.setattr(publisher_module, "_GOODBYE", 0.5)
    outbox = MemoryOutbox()
    broker.stop()
    broker.acl = "topic readwrite #\n"
    broker.start()

    async def main() -> None:
        async with publishing(settings_for(broker.port), outbox) as publisher:
            await drained(publisher)
            if trouble == "hangs":
                broker.pause()
                outbox.add(ALLOWED, b"1")
                publisher.wake()
                await asyncio.sleep(0.1)
            else:
                broker.acl = "topic read #\n"
                broker.reload()
                await until(lambda: "Reloading config" in broker.log)

    with capture_logs() as logs:
        asyncio.run(main())
    broker.resume()

    assert [entry["event"] for entry in logs] == ["broker connected", "broker left without goodbye"]
    assert len(outbox.rows) == (trouble == "hangs")


def test_no_thread_or_socket_is_left_behind(broker: Mosquitto) -> None:
    """A publisher that was cancelled leaves no task; unclosed sockets would warn, and warnings are errors."""

    async def main() -> None:
        async with publishing(settings_for(broker.port), MemoryOutbox()) as publisher:
            await drained(publisher)
        await asyncio.sleep(0)
        assert {task.get_name() for task in asyncio.all_tasks()} == {asyncio.current_task().get_name()}  # type: ignore[union-attr]  # in a task

    threads = threading.active_count()
    asyncio.run(main())
    assert threading.active_count() == threads
