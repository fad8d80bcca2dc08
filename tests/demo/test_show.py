from __future__ import annotations

import json

import pytest

from tests.events.examples import EXAMPLES, NODE
from tosser.demo.show import line
from tosser.events.topics import Kind

STORIES = {
    Kind.STATUS: "online, version 0.1.0",
    Kind.CONFIG: "a configuration was refused",
    Kind.CONDITION: "space: /var/lib/tosser: less than 64 MiB are free on its file system",
    Kind.DROPPED: "1305 events were dropped",
    Kind.INBOUND: "0000fff4.fr0: truncated at offset 48211: the text of message 18 has no end",
    Kind.MESSAGE: '#4711 Anna Example -> All: "New modem" (CP437)',
    Kind.AREA_STATE: "so far 4711 stored, 12 duplicate",
    Kind.LINK_STATE: "so far 97 packets, 4723 messages",
    Kind.NETMAIL: "#12 Anna Example -> Jane Sysop (subject and text stay private)",
}


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_of_event_has_a_line(kind: Kind) -> None:
    """Each event the daemon can publish is told in one line that begins with its topic."""
    event = EXAMPLES[kind]

    told = line(event.topic, NODE.prefix, json.loads(event.payload)["data"])

    assert told.startswith(event.topic + " ")
    assert STORIES[kind] in told
    assert "\n" not in told
