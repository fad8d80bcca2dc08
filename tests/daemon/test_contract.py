"""What is really published, held against the documents that integrators build on: AsyncAPI and JSON Schemas."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.bad_mail import damaged, refused
from tests.inbound.bundles import zip_of
from tests.mail import HUB, echo_text, message, netmail, packed, packet
from tests.peers.daemon import DONE, node
from tests.peers.mosquitto import Mosquitto
from tests.peers.subscriber import Subscriber
from tosser.reason import FileState, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.peers.daemon import Node
    from tests.peers.subscriber import Received

DOCS = Path(__file__).parents[2] / "docs"
CONTRACT = yaml.safe_load((DOCS / "asyncapi.yaml").read_text("utf-8"))
PREFIX = "ftn/example"
PASSWORD = b"GEHEIM42"
AREAS = ["TQW_GEN", "C++", "A/B", "100%", "PASSED_ON"]
POINT = "1337:1/201.5"


def resolve(reference: str) -> Any:  # noqa: ANN401 - any node of the document
    """Find what a reference within the document points to."""
    found = CONTRACT
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of the AsyncAPI document.

    Attributes:
        name: its key.
        pattern: what its topics look like.
        schema: of its payloads.
        retained: whether the broker keeps the last one.
    """

    name: str
    pattern: re.Pattern[str]
    schema: dict[str, Any]
    retained: bool


def read_channel(name: str) -> Channel:
    """Read one channel with its parameters, its message and its operation."""
    described = CONTRACT["channels"][name]
    pattern = re.escape(described["address"]).replace(r"\{", "{").replace(r"\}", "}")
    for parameter, reference in described["parameters"].items():
        values = resolve(reference["$ref"]).get("enum")
        wanted = "|".join(values) if values else "[^/+#]+"
        pattern = pattern.replace(f"{{{parameter}}}", re.escape(PREFIX) if parameter == "prefix" else f"(?:{wanted})")
    (reference,) = described["messages"].values()
    schema = json.loads((DOCS / resolve(reference["$ref"])["payload"]["$ref"]).read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    (operation,) = [o for o in CONTRACT["operations"].values() if o["channel"]["$ref"] == f"#/channels/{name}"]
    retained = resolve(operation["bindings"]["$ref"])["mqtt"]["retain"]
    return Channel(name, re.compile(pattern), schema, retained)


CHANNELS = [
    read_channel(operation["channel"]["$ref"].removeprefix("#/channels/"))
    for operation in CONTRACT["operations"].values()
    if operation["action"] == "send"
]
"""Those that events are published on; others are for requests."""


def channel_of(topic: str) -> Channel:
    """Find the one channel a topic belongs to."""
    (channel,) = [channel for channel in CHANNELS if channel.pattern.fullmatch(topic)]
    return channel


def mail() -> Iterator[tuple[str, bytes]]:
    """Make files of every outcome: good and bad packets and bundles, odd texts, netmail, odd areas."""
    for index, case in enumerate((*damaged(password=PASSWORD), *refused(password=PASSWORD))):
        yield f"{index:08x}.pkt", case.data
    plain = [message(area, number=number) for number, area in enumerate(AREAS, 1000)]
    yield "10000001.pkt", packet(plain, password=PASSWORD)
    yield "10000002.pkt", packet(plain, password=PASSWORD)
    letters = [netmail(number=1), netmail(number=2, addressee="1337:1/300.4"), netmail(number=3, author="1337:9/9")]
    yield "10000003.pkt", packet(letters, password=PASSWORD)
    odd = [
        packed(echo_text("TQW_GEN", msgid=msgid, body=body, origin=origin, path=(), tzutc=zone), subject=subject)
        for msgid, body, origin, zone, subject in (
            ("no address at all", b"\xff\xfe\x00"[:2], "no address", "+9959", b"\xff" * 71),
            ("1337:1/300@tqwnet 1", b"\x1b[2J\x07", "x (99999:1/1)", "-1234567", b"\x01\x02\x7f"),
            (None, b"", None, "", b""),
        )
    ]
    yield "10000004.pkt", packet(odd, password=PASSWORD)
    yield "10000005.pkt", packet([message("TQW_GEN", number=7, sender=POINT)], sender=POINT)
    good = packet([message("TQW_GEN", number=2000)], password=PASSWORD)
    yield "0000ffff.mo0", zip_of(("1.pkt", good), ("2.pkt", good[:-9]), ("read me.txt", b"Hello"), ("x.mo1", zip_of()))
    yield "0000fffe.mo0", zip_of(("1.pkt", good))[:-9]
    yield "0000fffd.mo0", zip_of()


def run_the_node(system: Node, broker: Mosquitto, subscriber: Subscriber) -> None:
    """Go through a life: events that must be dropped, all kinds of mail, reloads accepted and refused, and an end."""
    broker.stop()
    with system.start() as daemon:
        system.deliver(packet([message("TQW_GEN", number=number) for number in range(5000, 5300)], password=PASSWORD))
        daemon.wait_for(lambda: system.status()["counters"].get("file.tossed") == 1, what="the toss")
        assert daemon.stop() == DONE
    with system.start() as daemon:
        daemon.wait_for(lambda: "events_dropped" in daemon.log, what="the drop")
        with daemon.frozen():  # whoever subscribes after it has published hears nothing
            broker.start()
            subscriber.wait_subscribed(2)
        files = dict(mail())
        for name, data in files.items():
            system.deliver(data, name)
        daemon.wait_for(lambda: system.status()["inbound"]["oldest_waiting"] is None, 60, "the toss of all")
        daemon.reload()
        good = system.config.read_text("utf-8")
        system.config.write_text(good + "nonsense: 1\n", "utf-8")
        daemon.reload()
        system.config.write_text(good, "utf-8")
        daemon.reload()
        daemon.wait_for(lambda: system.status()["outbox"]["events"] == 0, 60, "an empty outbox")
        assert daemon.stop() == DONE


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sequence[Received], Sequence[Received]]]:
    """All events of that life as they came, and those that the broker still has afterwards."""
    root = tmp_path_factory.mktemp("contract")
    with Mosquitto(root / "broker") as broker:
        system = node(
            root / "node",
            areas=AREAS,
            links={HUB: PASSWORD.decode(), POINT: ""},
            mqtt_url=broker.url,
            mqtt={"prefix": PREFIX, "outbox": {"max_events": 200}},
            toss={"settle": "100ms", "poll": "200ms"},
        )
        with Subscriber(broker.port, "#") as subscriber:
            run_the_node(system, broker, subscriber)
            subscriber.wait_until(
                lambda all_: (
                    bool(all_)
                    and all_[-1].topic == f"{PREFIX}/status"
                    and all_[-1].json["data"]["state"] == "offline"
                    and sum(event.topic == f"{PREFIX}/config" for event in all_) == 3
                )
            )
            received = subscriber.received
        with Subscriber(broker.port, "#", name="later") as later:
            wanted = {event.topic for event in received if channel_of(event.topic).retained}
            yield received, later.wait_for(len(wanted))


def test_every_event_follows_its_schema(published: tuple[Sequence[Received], Sequence[Received]]) -> None:
    """Each event is on a topic of exactly one channel, and is what the schema of that channel says."""
    for event in published[0]:
        schema = channel_of(event.topic).schema
        validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
        assert [f"{event.topic}: {error.message}" for error in validator.iter_errors(event.json)] == []
        assert event.json["dataschema"] == schema["$id"]
        assert event.content_type == f"{CONTRACT['defaultContentType']}; charset=utf-8"


def test_every_channel_is_used(published: tuple[Sequence[Received], Sequence[Received]]) -> None:
    """No channel is described that nothing is published on; all states of files are among the events."""
    events = published[0]
    assert {channel_of(event.topic).name for event in events} == {channel.name for channel in CHANNELS}
    files = [event.json["data"] for event in events if channel_of(event.topic).name == "inbound"]
    assert {each["state"] for each in files} == set(FileState)
    assert {Reason.TRUNCATED, Reason.ARCHIVE_NESTED, Reason.NOT_A_PACKET, None} <= {each["reason"] for each in files}
    assert [e.json["data"]["accepted"] for e in events if channel_of(e.topic).name == "config"] == [True, False, True]


def test_what_is_retained(published: tuple[Sequence[Received], Sequence[Received]]) -> None:
    """The broker keeps the last event of each topic of a retained channel, and of no other."""
    received, kept = published
    last = {event.topic: event.payload for event in received if channel_of(event.topic).retained}
    assert {event.topic: event.payload for event in kept} == last


def test_ids_are_unique(published: tuple[Sequence[Received], Sequence[Received]]) -> None:
    """Two events of one source never have the same id, unless they are the same event."""
    by_id: dict[tuple[str, str], set[bytes]] = {}
    for event in published[0]:
        by_id.setdefault((event.json["source"], event.json["id"]), set()).add(event.payload)
    assert [key for key, payloads in by_id.items() if len(payloads) > 1] == []
