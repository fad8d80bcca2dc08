"""The main job with real parts: packets in an inbound become messages in bases and events on a mosquitto."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.corpus import make_packets
from tests.daemon.test_bases_in_trouble import locked
from tests.mail import HUB, US, authored, echo_text, message, packed, packet
from tests.observe import Heard, assert_all_stored_once, nothing_waits
from tests.peers.daemon import DONE, node
from tests.peers.faulty import QUICK, Control
from tests.peers.subscriber import Subscriber
from tosser.stores.jam_reader import JamReader

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.mosquitto import Mosquitto

MESSAGES, PACKETS, AREAS = 10_000, 20, 50


def test_volume(tmp_path: Path, broker: Mosquitto) -> None:
    """10,000 messages are each in their base once and on the broker once; the same again are all duplicates."""
    system = node(tmp_path / "node", areas=AREAS, mqtt_url=broker.url)
    with Subscriber(broker.port, "ftn/#") as subscriber, system.start() as daemon:
        manifest = make_packets(system.secure, messages=MESSAGES, packets=PACKETS, areas=AREAS)
        heard = Heard(subscriber)
        heard.wait(MESSAGES)
        daemon.wait_for(lambda: len(subscriber.on("ftn/inbound/tossed")) == PACKETS)
        assert_all_stored_once(system, manifest.letters)
        assert {len(ids) for ids in heard.ids.values()} == {1}
        assert heard.events == MESSAGES

        make_packets(system.secure, messages=MESSAGES, packets=PACKETS, areas=AREAS)
        daemon.wait_for(lambda: len(subscriber.on("ftn/inbound/duplicate")) == PACKETS, 90)
        assert set(heard.ids) == manifest.msgids
        assert heard.events == MESSAGES
        assert daemon.stop() == DONE
    assert_all_stored_once(system, manifest.letters)
    assert nothing_waits(system)
    counters = system.status()["counters"]
    assert counters["file.tossed"] == counters["file.duplicate"] == PACKETS
    assert counters["message.accepted"] == counters["message.duplicate"] == MESSAGES


def test_a_long_pass(tmp_path: Path, broker: Mosquitto) -> None:
    """The events of batches that are done are published while the same pass is still at work on others."""
    control = Control(tmp_path / "control", {**QUICK, "tosser.daemon.service.HAND_ON_SECONDS": 0.1})
    toss = {"batch_messages": 1, "lock_wait": "60s"}
    system = node(tmp_path / "node", areas=["TQW_GEN", "TQW_TECH"], mqtt_url=broker.url, toss=toss)
    system.deliver(packet([message("TQW_TECH", number=1)]))
    assert system.toss().code == DONE
    system = replace(system, program=control.launcher)
    with Subscriber(broker.port, "ftn/#") as subscriber, system.start() as daemon:
        with locked(system.bases / "tqw_tech"):
            system.deliver(packet([message("TQW_GEN", number=2), message("TQW_TECH", number=3)]), "00000002.pkt")
            subscriber.wait_until(lambda _: bool(subscriber.on("ftn/tqwnet/area/TQW_GEN/message")))
            assert not subscriber.on("ftn/tqwnet/area/TQW_TECH/message")
        subscriber.wait_until(lambda _: bool(subscriber.on("ftn/tqwnet/area/TQW_TECH/message")))
        assert daemon.stop() == DONE


def test_mystic_mail(tmp_path: Path, broker: Mosquitto) -> None:
    """Mail shaped as Mystic writes it, subject cut at 71 bytes, arrives in its area and as one event of its author."""
    system = node(tmp_path / "node", areas=["TQW_GEN"], mqtt_url=broker.url)
    subject = "A subject that goes on and on until the seventy-first byte, and here it e"[:71]
    tearline, origin = "--- Mystic BBS v1.12 A47 (Linux/64)", "Somewhere in the hills (1337:1/100)"
    words = b"Hello all,\r\rjust a line.\r"
    text = echo_text("TQW_GEN", msgid="1337:1/100 1a2b3c4d", body=words, tearline=tearline, origin=origin)
    data = packet([packed(text, subject=subject.encode(), from_name=b"Ann Operator", to_name=b"All")])
    with Subscriber(broker.port, "ftn/#") as subscriber, system.start():
        system.deliver(data, "0a1b2c3d.pkt")
        received = subscriber.wait_until(lambda all_: any(r.topic.startswith("ftn/inbound/") for r in all_))
    events = [event for event in received if event.topic == "ftn/tqwnet/area/TQW_GEN/message"]
    assert len(events) == 1
    document = events[0].json
    assert document["source"] == "ftn://tqwnet/1337:1/200"
    assert document["data"]["origin"] == HUB
    assert document["data"]["link"] == HUB
    assert document["data"]["subject"] == subject
    assert document["data"]["number"] == 1
    assert (
        "--- Mystic BBS v1.12 A47 (Linux/64)\n * Origin: Somewhere in the hills (1337:1/100)"
        in document["data"]["text"]
    )
    message = next(JamReader(system.bases / "tqw_gen").messages())
    assert message.text == authored(words, tearline=tearline, origin=origin)
    assert Counter(r.topic for r in received)["ftn/inbound/tossed"] == 1
    assert US == "1337:1/200"
