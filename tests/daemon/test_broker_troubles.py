"""The broker is away, or says no: mail goes on, no event is lost, and what is refused is reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.corpus import make_packets
from tests.observe import Heard, assert_all_stored_once
from tests.peers.daemon import DONE, node
from tests.peers.mosquitto import Mosquitto
from tests.peers.subscriber import Subscriber

if TYPE_CHECKING:
    from pathlib import Path

MESSAGES = 2_000
NOT_AUTHORIZED = 0x87


def test_broker_away_for_the_whole_toss(tmp_path: Path) -> None:
    """With the broker down everything is tossed, and every event comes once it is up."""
    broker = Mosquitto(tmp_path / "broker")
    with broker:
        system = node(tmp_path / "node", areas=10, mqtt_url=broker.url)
        broker.stop()
        with system.start() as daemon:
            manifest = make_packets(system.secure, messages=MESSAGES, packets=8, areas=10)
            daemon.wait_for(lambda: system.status()["counters"].get("file.tossed") == 8, what="the toss")
            assert_all_stored_once(system, manifest.letters)
            assert system.status()["outbox"]["events"] == MESSAGES + 8
            broker.start()
            with Subscriber(broker.port, "ftn/#", name="late") as subscriber:
                daemon.wait_for(lambda: system.status()["outbox"]["events"] == 0, 90, "an empty outbox")
                assert subscriber.received
            assert daemon.stop() == DONE


def test_outbox_outlives_the_process(tmp_path: Path) -> None:
    """Events that waited for the broker when the process was killed are published by the next one."""
    broker = Mosquitto(tmp_path / "broker")
    with broker:
        system = node(tmp_path / "node", areas=10, mqtt_url=broker.url)
        broker.stop()
        with system.start() as daemon:
            manifest = make_packets(system.secure, messages=MESSAGES, packets=8, areas=10)
            daemon.wait_for(lambda: system.status()["counters"].get("file.tossed") == 8, what="the toss")
            daemon.kill()
        broker.start()
        with Subscriber(broker.port, "ftn/#") as subscriber, system.start():
            assert set(Heard(subscriber).wait(MESSAGES)) == manifest.msgids


def test_one_topic_denied(tmp_path: Path) -> None:
    """A topic that the ACL denies holds back its own events only; status names it, and they come when it is allowed."""
    areas = ["TQW_GEN", "TQW_TECH"]
    denied = "ftn/tqwnet/area/TQW_GEN/message"
    allowed = [
        "ftn/tqwnet/area/TQW_TECH/message",
        "ftn/+/area/+/state",
        "ftn/+/link/+/state",
        "ftn/inbound/#",
        "ftn/status",
    ]
    acl = "topic read #\n" + "".join(f"topic write {topic}\n" for topic in allowed)
    with Mosquitto(tmp_path / "broker", acl=acl) as broker:
        system = node(tmp_path / "node", areas=areas, mqtt_url=broker.url)
        with Subscriber(broker.port, "ftn/#") as subscriber, system.start() as daemon:
            manifest = make_packets(system.secure, messages=400, packets=4, areas=2)
            by_area = {tag: len(letters) for tag, letters in manifest.by_area().items()}
            other = next(tag for tag in by_area if f"/{tag}/" not in denied)
            mine = next(tag for tag in by_area if f"/{tag}/" in denied)
            heard = Heard(subscriber)
            heard.wait(by_area[other])
            daemon.wait_for(lambda: bool(system.status()["outbox"]["refused"]), what="the refusal in status")
            refused = system.status()["outbox"]["refused"]
            assert [(entry["topic"], entry["code"], entry["events"]) for entry in refused] == [
                (denied, NOT_AUTHORIZED, by_area[mine])
            ]
            assert_all_stored_once(system, manifest.letters)
            assert denied in daemon.log
            broker.acl = "topic readwrite #\n"
            broker.kill()
            daemon.wait_for(lambda: "broker down" in daemon.log, what="a vain attempt to connect")
            with daemon.frozen():  # whoever subscribes after it has published hears nothing
                broker.start()
                subscriber.wait_subscribed(2)
            assert all(len(ids) == 1 for ids in heard.wait(len(manifest.letters)).values())
            assert daemon.stop() == DONE
